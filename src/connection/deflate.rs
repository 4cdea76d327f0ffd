//! The codecs of a connection, as a pool sees them.

use super::Connection;
use crate::deflate::{Deflater, Inflater, Pooled, sealed};

impl Pooled for Connection {}

impl sealed::Codecs for Connection {
    fn codecs(&mut self) -> (Option<&mut Inflater>, Option<&mut Deflater>) {
        let inflater = self.recv.receiver.inflater.as_deref_mut();
        (inflater, self.send.sender.deflater.as_deref_mut())
    }

    fn is_over(&self) -> bool {
        self.is_done()
    }
}
