//! What stands in for the codecs in a build without them: types that have no values.

use bytes::BytesMut;

use super::Agreed;
use crate::{error::ProtocolError, utf8::Utf8};

#[derive(Debug)]
pub(crate) enum Inflater {}

impl Inflater {
    pub(crate) fn inflate(
        &mut self,
        _: &[u8],
        _: usize,
        _: &mut Inflated,
        _: Option<&mut Utf8>,
    ) -> Result<(), ProtocolError> {
        match *self {}
    }

    pub(crate) fn finish(&mut self, _: &mut Inflated) -> Result<(), ProtocolError> {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) enum Deflater {}

impl Deflater {
    pub(crate) fn wants(&self, _: Option<usize>) -> bool {
        match *self {}
    }

    pub(crate) fn deflate(&mut self, _: &[u8], _: bool, _: &mut BytesMut) {
        match *self {}
    }
}

#[derive(Debug, Default)]
pub(crate) struct Inflated;

impl Inflated {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn clear(&mut self) {}

    pub(crate) fn capacity(&self) -> usize {
        0
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &[]
    }
}

impl Agreed {
    pub(crate) fn codecs(&self, _: bool) -> (Option<Inflater>, Option<Deflater>) {
        (None, None)
    }
}
