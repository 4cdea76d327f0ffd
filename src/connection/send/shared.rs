//! Sends payloads that need not be copied: shared, prepared and lent ones.

use bytes::{Bytes, BytesMut};

use super::{
    super::prepared::{Delivery, Prepared},
    Sender,
};
use crate::{
    error::SendError,
    frame::{Opcode, apply_mask},
    message::MessageKind,
    output::Output,
};

impl Sender {
    /// Sends a whole message whose payload `out` may keep without copying it.
    pub(crate) fn bytes(
        &mut self,
        kind: MessageKind,
        payload: &Bytes,
        out: &mut dyn Output,
    ) -> Result<(), SendError> {
        if kind == MessageKind::Text && simdutf8::basic::from_utf8(payload).is_err() {
            return Err(SendError::InvalidUtf8);
        }
        if self.is_client() || self.must_copy(payload.len()) {
            return self.message(kind.opcode(), payload, out.tail());
        }
        let header = self.header(true, kind.opcode(), false, payload.len());
        let header = header.encode_unchecked();
        let header = header.as_bytes();
        out.share(header, payload);
        self.count(header.len() + payload.len());
        Ok(())
    }

    /// Sends a prepared message.
    #[inline]
    pub(crate) fn prepared(
        &mut self,
        message: &Prepared,
        out: &mut dyn Output,
    ) -> Result<(), SendError> {
        if let Some(frame) = self.frame_of(message, out.tail())? {
            out.share(&[], frame);
            self.count(frame.len());
        }
        Ok(())
    }

    /// Sends a prepared message, unless more than `limit` bytes are unsent.
    pub(crate) fn prepared_within(
        &mut self,
        message: &Prepared,
        limit: usize,
        out: &mut dyn Output,
    ) -> Result<Delivery, SendError> {
        if self.message.is_some() {
            return Err(SendError::MessageInProgress);
        }
        let delivery = Delivery::behind(out.unsent(), limit);
        if delivery != Delivery::Dropped {
            self.prepared(message, out)?;
        }
        Ok(delivery)
    }

    /// Returns the frame of a prepared message that is to be sent as it is. `None`: the message had
    /// to be framed or compressed anew, and is in `out`.
    #[inline]
    fn frame_of<'a>(
        &mut self,
        message: &'a Prepared,
        out: &mut BytesMut,
    ) -> Result<Option<&'a Bytes>, SendError> {
        if self.message.is_some() {
            return Err(SendError::MessageInProgress);
        }
        let (opcode, plain) = (message.kind().opcode(), message.as_plain());
        let mut form = plain;
        if let Some(deflater) = &mut self.deflater
            && deflater.wants(Some(plain.payload().len()))
        {
            match message.as_compressed(deflater.window_bits()) {
                Some(compressed) => form = compressed,
                None => {
                    self.compressed(opcode, plain.payload(), true, out);
                    return Ok(None);
                }
            }
            if form.is_compressed() {
                deflater.bypass(plain.payload(), form.payload().len());
            }
        }
        if self.is_client() || form.payload().len() > self.fragment_size {
            self.fragments(opcode, form.is_compressed(), form.payload(), true, out);
            return Ok(None);
        }
        Ok(Some(form.frame()))
    }

    /// Begins a whole message whose payload is written from where it is. Returns the payload that
    /// belongs behind `out`. It is empty if the message had to be copied to `out`.
    #[inline]
    pub(crate) fn lend<'a>(
        &mut self,
        opcode: Opcode,
        payload: &'a [u8],
        out: &mut BytesMut,
    ) -> Result<&'a [u8], SendError> {
        if self.is_client() || self.must_copy(payload.len()) {
            self.message(opcode, payload, out)?;
            return Ok(&[]);
        }
        self.begin_frame(true, opcode, payload.len(), out);
        Ok(payload)
    }

    /// The same. A client masks the payload where it is.
    pub(crate) fn lend_mut<'a>(
        &mut self,
        opcode: Opcode,
        payload: &'a mut [u8],
        out: &mut BytesMut,
    ) -> Result<&'a [u8], SendError> {
        if self.must_copy(payload.len()) {
            self.message(opcode, payload, out)?;
            return Ok(&[]);
        }
        if let Some(key) = self.begin_frame(true, opcode, payload.len(), out) {
            apply_mask(payload, key, 0);
        }
        Ok(payload)
    }

    /// The same for a prepared message.
    #[inline]
    pub(crate) fn lend_prepared<'a>(
        &mut self,
        message: &'a Prepared,
        out: &mut BytesMut,
    ) -> Result<&'a [u8], SendError> {
        let frame = self.frame_of(message, out)?.map_or(&[][..], |it| &it[..]);
        self.count(frame.len());
        Ok(frame)
    }

    /// The same for a piece of the started message.
    pub(crate) fn lend_piece<'a>(
        &mut self,
        piece: &'a [u8],
        fin: bool,
        out: &mut BytesMut,
    ) -> Result<&'a [u8], SendError> {
        let Some((opcode, compressed)) = self.next_piece(piece, fin)? else {
            return Ok(&[]);
        };
        if self.is_client() || compressed || piece.len() > self.fragment_size {
            self.piece(opcode, compressed, piece, fin, out);
            return Ok(&[]);
        }
        self.begin_frame(fin, opcode, piece.len(), out);
        Ok(piece)
    }

    /// Whether [`message`](Self::message) must handle a message of this length: it is refused,
    /// compressed, or split into fragments.
    #[inline]
    fn must_copy(&self, len: usize) -> bool {
        self.message.is_some() || len > self.fragment_size || self.compresses(Some(len))
    }

    /// Appends the header of a frame whose payload follows elsewhere. Returns the mask for it.
    #[inline]
    fn begin_frame(
        &mut self,
        fin: bool,
        opcode: Opcode,
        len: usize,
        out: &mut BytesMut,
    ) -> Option<[u8; 4]> {
        let header = self.header(fin, opcode, false, len);
        let encoded = header.encode_unchecked();
        let encoded = encoded.as_bytes();
        out.extend_from_slice(encoded);
        self.count(encoded.len() + len);
        header.mask
    }
}
