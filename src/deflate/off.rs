//! Replacements for the codecs in a build without the feature `deflate`.
//!
//! `Inflater` and `Deflater` have no values, so the code that uses them can never run.

use bytes::BytesMut;

use super::Agreed;
use crate::{
    error::ProtocolError,
    message::{MessageKind, Piece},
    utf8::InvalidUtf8,
};

#[derive(Debug)]
pub(crate) enum Inflater {}

/// The same fields as in the inflater with the feature.
pub(crate) struct Step {
    pub(crate) consumed: usize,
    pub(crate) produced: usize,
    pub(crate) work: usize,
    pub(crate) more: bool,
    pub(crate) error: Option<ProtocolError>,
}

pub(crate) const END: [u8; 0] = [];

/// The same values as in the inflater with the feature.
pub(crate) enum Whole {
    Complete(usize),
    Begun(usize, usize),
    NotBegun,
}

impl Inflater {
    pub(crate) fn whole(&mut self, _: &[u8], _: &mut [u8]) -> Whole {
        match *self {}
    }

    pub(crate) fn step<'a>(
        &mut self,
        _: &[u8],
        _: &mut [u8],
        _: impl Iterator<Item = &'a [u8]>,
    ) -> Step {
        match *self {}
    }

    pub(crate) fn finish(&mut self) -> Result<(), ProtocolError> {
        match *self {}
    }

    pub(crate) fn remember(&mut self, _: &[u8], _: Piece) {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) enum Deflater {}

impl Deflater {
    pub(crate) fn longest_plain(&self) -> u32 {
        match *self {}
    }

    pub(crate) fn wants(&self, _: Option<usize>) -> bool {
        match *self {}
    }

    pub(crate) fn deflate(&mut self, _: &[u8], _: bool, _: &mut BytesMut) {
        match *self {}
    }

    pub(crate) fn window_bits(&self) -> u8 {
        match *self {}
    }

    pub(crate) fn bypass(&mut self, _: &[u8], _: usize) {
        match *self {}
    }
}

#[derive(Debug, Default)]
pub(crate) struct Inflated;

impl Inflated {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn begin(&mut self, _: MessageKind) {}

    pub(crate) fn capacity(&self) -> usize {
        0
    }

    pub(crate) fn len(&self) -> usize {
        0
    }

    pub(crate) fn first_room(&mut self, _: usize, _: usize) -> &mut [u8] {
        &mut []
    }

    pub(crate) fn left(&self) -> usize {
        0
    }

    pub(crate) fn shrink(&mut self) {}

    pub(crate) fn is_full(&self) -> bool {
        false
    }

    pub(crate) fn has_chunks(&self) -> bool {
        false
    }

    pub(crate) fn complete(&self) -> Result<usize, InvalidUtf8> {
        Ok(0)
    }

    pub(crate) fn take_part(&mut self, _: usize) {}

    pub(crate) fn drop_part(&mut self) {}

    pub(crate) fn lend(
        &mut self,
        _: usize,
        _: usize,
    ) -> Result<(impl Iterator<Item = &[u8]>, &mut [u8]), InvalidUtf8> {
        Ok((core::iter::empty(), &mut [][..]))
    }

    pub(crate) fn written(&mut self, _: usize) {}

    pub(crate) fn store(&mut self, _: usize) -> Result<(), InvalidUtf8> {
        Ok(())
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidUtf8> {
        Ok(())
    }

    pub(crate) fn join(&mut self, _: usize) -> Result<bool, InvalidUtf8> {
        Ok(true)
    }

    pub(crate) fn bytes(&self, _: Piece) -> &[u8] {
        &[]
    }

    pub(crate) fn text(&self, _: Piece) -> Result<&str, InvalidUtf8> {
        Ok("")
    }
}

impl Agreed {
    pub(crate) fn codecs(&self, _: bool) -> (Option<Inflater>, Option<Deflater>) {
        (None, None)
    }
}
