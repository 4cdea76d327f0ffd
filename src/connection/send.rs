//! Makes frames of messages and appends them to the output buffer: compression, fragments, masks.

use alloc::boxed::Box;
use core::num::NonZeroU8;

use bytes::BytesMut;

use super::CloseFrame;
use crate::{
    config::Config,
    deflate::Deflater,
    error::SendError,
    frame::{FrameHeader, MAX_CONTROL_PAYLOAD, Opcode, apply_mask},
    message::MessageKind,
    output::Output,
    seed::MaskKeys,
    utf8::Utf8,
};

mod shared;

#[derive(Debug)]
pub(crate) struct Sender {
    /// The mask keys of a client. `None` for a server, which does not mask (RFC 6455 §5.1).
    mask_keys: Option<Box<MaskKeys>>,
    /// `None` if compression was not negotiated, or the negotiated window is too small for zlib.
    pub(super) deflater: Option<Deflater>,
    fragment_size: usize,
    message: Option<Outgoing>,
    pong_backlog: u32,
    /// Bytes appended since the last keepalive ping, the ping included.
    since_ping: u32,
    last_pong: Option<LastPong>,
}

/// A message that the application sends in pieces.
#[derive(Debug)]
struct Outgoing {
    kind: MessageKind,
    next: Opcode,
    compressed: bool,
    utf8: Utf8,
}

/// A pong that was the last frame in `out`. A later pong may replace it.
#[derive(Debug, Clone, Copy)]
struct LastPong {
    out_len: u32,
    /// Not 0, which makes the connection smaller.
    frame_len: NonZeroU8,
}

impl Sender {
    pub(crate) fn new(
        mask_keys: Option<Box<MaskKeys>>,
        deflater: Option<Deflater>,
        config: &Config,
    ) -> Self {
        Self {
            mask_keys,
            deflater,
            fragment_size: config.fragment_size.max(1),
            message: None,
            pong_backlog: u32::try_from(config.pong_backlog).unwrap_or(u32::MAX),
            since_ping: 0,
            last_pong: None,
        }
    }

    #[inline]
    pub(crate) fn is_client(&self) -> bool {
        self.mask_keys.is_some()
    }

    /// Whether a frame was sent or a message was started.
    #[cfg(feature = "deflate")]
    pub(crate) fn used(&self) -> bool {
        self.since_ping > 0 || self.message.is_some()
    }

    /// Sends a whole message.
    #[inline]
    pub(crate) fn message(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        if self.message.is_some() {
            return Err(SendError::MessageInProgress);
        }
        if self.compresses(Some(payload.len())) {
            self.compressed(opcode, payload, true, out);
        } else {
            self.fragments(opcode, false, payload, true, out);
        }
        Ok(())
    }

    /// Whether to compress a message of this length. `None` means that the length is not known.
    ///
    /// It is decided before the message is compressed. A message that was compressed and then sent
    /// uncompressed would be in the window of the compressor, but not in that of the peer.
    #[inline]
    fn compresses(&self, len: Option<usize>) -> bool {
        (self.deflater.as_ref()).is_some_and(|deflater| deflater.wants(len))
    }

    pub(crate) fn start_message(&mut self, kind: MessageKind) -> Result<(), SendError> {
        if self.message.is_some() {
            return Err(SendError::MessageInProgress);
        }
        self.message = Some(Outgoing {
            kind,
            next: kind.opcode(),
            compressed: self.compresses(None),
            utf8: Utf8::default(),
        });
        Ok(())
    }

    /// Sends a piece of the started message. With `fin` it is the last piece.
    pub(crate) fn continue_message(
        &mut self,
        piece: &[u8],
        fin: bool,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        if let Some((opcode, compressed)) = self.next_piece(piece, fin)? {
            self.piece(opcode, compressed, piece, fin, out);
        }
        Ok(())
    }

    /// Checks the next piece of the started message. Returns its opcode and whether it is
    /// compressed, or `None` if nothing is to be written.
    fn next_piece(&mut self, piece: &[u8], fin: bool) -> Result<Option<(Opcode, bool)>, SendError> {
        let message = self.message.as_mut().ok_or(SendError::NoMessage)?;
        if piece.is_empty() && !fin {
            return Ok(None);
        }
        if message.kind == MessageKind::Text {
            let mut utf8 = message.utf8;
            utf8.push(piece).map_err(|_| SendError::InvalidUtf8)?;
            if fin && !utf8.is_complete() {
                return Err(SendError::InvalidUtf8);
            }
            message.utf8 = utf8;
        }
        let opcode = core::mem::replace(&mut message.next, Opcode::Continuation);
        let compressed = message.compressed;
        if fin {
            self.message = None;
        }
        Ok(Some((opcode, compressed)))
    }

    fn piece(
        &mut self,
        opcode: Opcode,
        compressed: bool,
        piece: &[u8],
        fin: bool,
        out: &mut BytesMut,
    ) {
        if compressed {
            self.compressed(opcode, piece, fin, out);
        } else {
            self.fragments(opcode, false, piece, fin, out);
        }
    }

    pub(crate) fn control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlTooLong);
        }
        self.frame(true, opcode, false, payload, out);
        Ok(())
    }

    /// Sends a Close frame. The caller has checked the length of the reason.
    pub(crate) fn close(
        &mut self,
        CloseFrame { code, reason }: CloseFrame<'_>,
        out: &mut dyn Output,
    ) {
        let code = code.map(|code| u16::from(code).to_be_bytes());
        let payload = [code.as_slice().as_flattened(), reason.as_bytes()].concat();
        debug_assert!(payload.len() <= MAX_CONTROL_PAYLOAD);
        self.frame(true, Opcode::Close, false, &payload, out.tail());
    }

    /// Sends a keepalive ping. [`ahead_of_ping`](Self::ahead_of_ping) then refers to this ping.
    pub(crate) fn keepalive(&mut self, payload: [u8; 4], out: &mut dyn Output) {
        self.since_ping = 0;
        self.frame(true, Opcode::Ping, false, &payload, out.tail());
    }

    /// The number of unsent bytes in front of the last keepalive ping.
    pub(crate) fn ahead_of_ping(&self, unsent: usize) -> usize {
        unsent.saturating_sub(self.since_ping as usize)
    }

    /// Answers a ping. If `out` has more than `pong_backlog` bytes and ends with a pong, the new
    /// pong replaces it: "the endpoint MAY elect to send a Pong frame for only the most recently
    /// processed Ping frame" (RFC 6455 §5.5.3).
    pub(crate) fn pong(&mut self, payload: &[u8], out: &mut dyn Output) {
        let (unsent, out) = (out.unsent(), out.tail());
        if let Some(last) = self.last_pong
            && unsent > self.pong_backlog as usize
            // The caller removes bytes from the front only, and each appended frame resets
            // `last_pong`. So `out` ends with the whole pong if it is at least as long.
            && (usize::from(last.frame_len.get())..=last.out_len as usize).contains(&out.len())
        {
            out.truncate(out.len() - usize::from(last.frame_len.get()));
        }
        let before = out.len();
        self.frame(true, Opcode::Pong, false, payload, out);
        let out_len = u32::try_from(out.len()).ok();
        let frame_len = NonZeroU8::new((out.len() - before) as u8);
        self.last_pong = out_len
            .zip(frame_len)
            .map(|(out_len, frame_len)| LastPong { out_len, frame_len });
    }

    /// Compresses a message, or a piece of one, into `out`. The header is written afterwards,
    /// because the length is known only then.
    fn compressed(&mut self, opcode: Opcode, piece: &[u8], fin: bool, out: &mut BytesMut) {
        let Some(deflater) = &mut self.deflater else {
            return;
        };
        // "An endpoint MUST set the "Per-Message Compressed" bit of the first frame" (RFC 7692 §6.1)
        let rsv1 = opcode != Opcode::Continuation;
        let start = out.len();
        let payload = start + FrameHeader::MAX_LEN;
        out.resize(payload, 0);
        deflater.deflate(piece, fin, out);
        let len = out.len() - payload;
        if len > self.fragment_size {
            let whole = out[payload..].to_vec();
            out.truncate(start);
            return self.fragments(opcode, rsv1, &whole, fin, out);
        }
        let header = self.header(fin, opcode, rsv1, len);
        let encoded = header.encode_unchecked();
        let encoded = encoded.as_bytes();
        out.copy_within(payload.., start + encoded.len());
        out.truncate(start + encoded.len() + len);
        out[start..][..encoded.len()].copy_from_slice(encoded);
        self.appended(header.mask, start + encoded.len(), start, out);
    }

    /// Appends a message, or a piece of one, in frames of at most `fragment_size` bytes (§5.4).
    #[inline]
    fn fragments(
        &mut self,
        mut opcode: Opcode,
        mut rsv1: bool,
        mut payload: &[u8],
        fin: bool,
        out: &mut BytesMut,
    ) {
        while payload.len() > self.fragment_size {
            let (fragment, rest) = payload.split_at(self.fragment_size);
            self.frame(false, opcode, rsv1, fragment, out);
            (opcode, rsv1) = (Opcode::Continuation, false);
            payload = rest;
        }
        self.frame(fin, opcode, rsv1, payload, out);
    }

    /// Appends a frame.
    #[inline]
    fn frame(&mut self, fin: bool, opcode: Opcode, rsv1: bool, payload: &[u8], out: &mut BytesMut) {
        let header = self.header(fin, opcode, rsv1, payload.len());
        let encoded = header.encode_unchecked();
        let encoded = encoded.as_bytes();
        let start = out.len();
        out.reserve(encoded.len() + payload.len());
        out.extend_from_slice(encoded);
        out.extend_from_slice(payload);
        self.appended(header.mask, start + encoded.len(), start, out);
    }

    #[inline]
    fn header(&mut self, fin: bool, opcode: Opcode, rsv1: bool, len: usize) -> FrameHeader {
        FrameHeader {
            fin,
            rsv1,
            mask: self.mask_keys.as_mut().map(|keys| keys.next_key()),
            ..FrameHeader::new(opcode, len as u64)
        }
    }

    /// Masks the payload of the last frame in `out` and counts the bytes of the frame.
    #[inline]
    fn appended(
        &mut self,
        mask: Option<[u8; 4]>,
        payload: usize,
        start: usize,
        out: &mut BytesMut,
    ) {
        if let Some(key) = mask {
            apply_mask(&mut out[payload..], key, 0);
        }
        self.count(out.len() - start);
    }

    /// Counts the bytes of a frame that was appended.
    #[inline]
    fn count(&mut self, len: usize) {
        self.since_ping = self
            .since_ping
            .saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        self.last_pong = None;
    }
}
