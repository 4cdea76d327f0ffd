//! The codecs of a connection, as a pool sees them.

use super::{Connection, RecvHalf, SendHalf};
use crate::deflate::{Deflater, Inflater, Pooled, sealed};

impl Pooled for Connection {}
impl Pooled for RecvHalf {}
impl Pooled for SendHalf {}

impl sealed::Codecs for Connection {
    fn codecs(&mut self) -> (Option<&mut Inflater>, Option<&mut Deflater>) {
        (self.recv.inflater(), self.send.deflater())
    }

    fn is_over(&self) -> bool {
        self.is_done()
    }
}

impl sealed::Codecs for RecvHalf {
    fn codecs(&mut self) -> (Option<&mut Inflater>, Option<&mut Deflater>) {
        (self.receiving.inflater(), None)
    }

    fn is_over(&self) -> bool {
        self.is_over()
    }
}

impl sealed::Codecs for SendHalf {
    fn codecs(&mut self) -> (Option<&mut Inflater>, Option<&mut Deflater>) {
        (None, self.sending.deflater())
    }

    fn is_over(&self) -> bool {
        self.is_done()
    }
}
