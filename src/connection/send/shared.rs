//! Sends payloads that need not be copied: shared, prepared and lent ones.

use bytes::{Bytes, BytesMut};

use super::{
    super::prepared::{Delivery, Prepared},
    Sender,
};
use crate::{
    error::SendError,
    frame::{FIN, Opcode, append_header, append_masked_header, apply_mask},
    message::MessageKind,
    output::Output,
    utf8,
};

impl Sender {
    /// Sends a whole message whose payload `out` may keep without copying it.
    pub(crate) fn bytes(
        &mut self,
        kind: MessageKind,
        payload: &Bytes,
        out: &mut dyn Output,
    ) -> Result<(), SendError> {
        if kind == MessageKind::Text && utf8::text(payload).is_err() {
            return Err(SendError::InvalidUtf8);
        }
        if self.is_client() || !self.is_plain(payload.len()) {
            return self.any_message(kind.opcode(), payload, out.tail());
        }
        self.begin_frame(FIN | kind.opcode() as u8, payload.len(), out.tail());
        out.share(payload);
        Ok(())
    }

    /// Sends a prepared message.
    #[inline(always)]
    pub(crate) fn prepared(
        &mut self,
        message: &Prepared,
        out: &mut dyn Output,
    ) -> Result<(), SendError> {
        if let Some(frame) = self.frame_of(message, out.tail())? {
            out.share(frame);
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
    #[inline(always)]
    fn frame_of<'a>(
        &mut self,
        message: &'a Prepared,
        out: &mut BytesMut,
    ) -> Result<Option<&'a Bytes>, SendError> {
        let plain = message.as_plain();
        if !self.is_client() && self.is_plain(plain.payload_len()) {
            return Ok(Some(plain.frame()));
        }
        self.chosen_frame(message, out)
    }

    /// The same for a message that may have to be compressed, split or refused.
    #[inline(never)]
    fn chosen_frame<'a>(
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
        if self.is_client() || form.payload().len() > self.fragment_size as usize {
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
        if self.is_client() || !self.is_plain(payload.len()) {
            self.any_message(opcode, payload, out)?;
            return Ok(&[]);
        }
        self.begin_frame(FIN | opcode as u8, payload.len(), out);
        Ok(payload)
    }

    /// The same. A client masks the payload where it is.
    pub(crate) fn lend_mut<'a>(
        &mut self,
        opcode: Opcode,
        payload: &'a mut [u8],
        out: &mut BytesMut,
    ) -> Result<&'a [u8], SendError> {
        if !self.is_plain(payload.len()) {
            self.any_message(opcode, payload, out)?;
            return Ok(&[]);
        }
        if let Some(key) = self.begin_frame(FIN | opcode as u8, payload.len(), out) {
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
        if self.is_client() || compressed || piece.len() > self.fragment_size as usize {
            self.piece(opcode, compressed, piece, fin, out);
            return Ok(&[]);
        }
        let fin = if fin { FIN } else { 0 };
        self.begin_frame(fin | opcode as u8, piece.len(), out);
        Ok(piece)
    }

    /// Appends the header of a frame whose payload follows elsewhere. Returns the mask for it.
    #[inline]
    fn begin_frame(&mut self, first: u8, len: usize, out: &mut BytesMut) -> Option<[u8; 4]> {
        let before = out.len();
        let key = self.mask_keys.as_mut().map(|keys| keys.next_key());
        match key {
            None => append_header(first, len, out),
            Some(key) => append_masked_header(first, len, key, out),
        }
        self.count(out.len() - before + len);
        key
    }
}
