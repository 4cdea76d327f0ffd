//! Makes frames of messages and appends them to the output buffer: compression, fragments, masks.

use alloc::boxed::Box;
use core::num::NonZeroU8;

use bytes::BytesMut;

use super::CloseFrame;
#[cfg(feature = "deflate")]
use crate::deflate::Compression;
use crate::{
    config::Config,
    deflate::Deflater,
    error::SendError,
    frame::{
        FIN, FrameHeader, MAX_CONTROL_PAYLOAD, Opcode, RSV1, append_frame, append_masked_frame,
        apply_mask,
    },
    message::MessageKind,
    meter,
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
    deflater: Option<Deflater>,
    /// From 1 to `u32::MAX - 1`. As `usize` the two numbers would make the connection larger.
    fragment_size: u32,
    /// A whole message of fewer bytes is sent in one frame and not compressed. 0 while a message is
    /// in progress. So one comparison finds all messages that need no further checks.
    plain_below: u32,
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
        let mut sender = Self {
            mask_keys,
            deflater,
            fragment_size: u32::try_from(config.fragment_size)
                .unwrap_or(u32::MAX)
                .clamp(1, u32::MAX - 1),
            plain_below: 0,
            message: None,
            pong_backlog: u32::try_from(config.pong_backlog).unwrap_or(u32::MAX),
            since_ping: 0,
            last_pong: None,
        };
        sender.set_plain_below();
        sender
    }

    /// Computes `plain_below`. Call it after each change of what it depends on.
    fn set_plain_below(&mut self) {
        self.plain_below = if self.message.is_some() {
            0
        } else {
            let plain = (self.deflater.as_ref()).map_or(u32::MAX, |it| it.longest_plain());
            plain.min(self.fragment_size) + 1
        };
    }

    /// Whether a whole message of this length is sent in one frame and not compressed.
    #[inline(always)]
    fn is_plain(&self, len: usize) -> bool {
        len < self.plain_below as usize
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn set_deflater(&mut self, deflater: Option<Deflater>) {
        self.deflater = deflater;
        self.set_plain_below();
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn deflater(&self) -> Option<&Deflater> {
        self.deflater.as_ref()
    }

    /// For a pool. Call [`set_compression`](Self::set_compression) to change what is compressed.
    #[cfg(feature = "deflate")]
    pub(crate) fn deflater_mut(&mut self) -> Option<&mut Deflater> {
        self.deflater.as_mut()
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn set_compression(&mut self, compression: Compression) {
        if let Some(deflater) = &mut self.deflater {
            deflater.set_compression(compression);
        }
        self.set_plain_below();
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
    #[inline(always)]
    pub(crate) fn message(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        if self.is_plain(payload.len()) {
            self.append(FIN | opcode as u8, payload, out);
            return Ok(());
        }
        self.any_message(opcode, payload, out)
    }

    /// Sends a whole message that may have to be compressed, split into fragments, or refused.
    #[cold]
    #[inline(never)]
    fn any_message(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        if self.message.is_some() {
            return Err(SendError::MessageInProgress);
        }
        let compressed = self.compresses(Some(payload.len()));
        self.piece(opcode, compressed, payload, true, out);
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
        self.set_plain_below();
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
            self.set_plain_below();
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
        self.frame(FIN | opcode as u8, payload, out);
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
        self.frame(FIN | Opcode::Close as u8, &payload, out.tail());
    }

    /// Sends a keepalive ping. [`ahead_of_ping`](Self::ahead_of_ping) then refers to this ping.
    pub(crate) fn keepalive(&mut self, payload: [u8; 4], out: &mut dyn Output) {
        self.since_ping = 0;
        self.frame(FIN | Opcode::Ping as u8, &payload, out.tail());
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
        self.frame(FIN | Opcode::Pong as u8, payload, out);
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
        if len > self.fragment_size as usize {
            meter::bytes(len);
            let whole = out[payload..].to_vec();
            out.truncate(start);
            return self.fragments(opcode, rsv1, &whole, fin, out);
        }
        let header = FrameHeader {
            fin,
            rsv1,
            mask: self.mask_keys.as_mut().map(|keys| keys.next_key()),
            ..FrameHeader::new(opcode, len as u64)
        };
        let encoded = header.encode_unchecked();
        let encoded = encoded.as_bytes();
        meter::bytes(len);
        out.copy_within(payload.., start + encoded.len());
        out.truncate(start + encoded.len() + len);
        out[start..][..encoded.len()].copy_from_slice(encoded);
        if let Some(key) = header.mask {
            apply_mask(&mut out[start + encoded.len()..], key, 0);
        }
        self.count(out.len() - start);
    }

    /// Appends a message, or a piece of one, in frames of at most `fragment_size` bytes (§5.4).
    fn fragments(
        &mut self,
        opcode: Opcode,
        rsv1: bool,
        mut payload: &[u8],
        fin: bool,
        out: &mut BytesMut,
    ) {
        let mut first = opcode as u8 | if rsv1 { RSV1 } else { 0 };
        let size = self.fragment_size as usize;
        while payload.len() > size {
            let (fragment, rest) = payload.split_at(size);
            self.frame(first, fragment, out);
            first = Opcode::Continuation as u8;
            payload = rest;
        }
        self.frame(first | if fin { FIN } else { 0 }, payload, out);
    }

    /// Appends a frame with this first byte.
    #[inline(never)]
    fn frame(&mut self, first: u8, payload: &[u8], out: &mut BytesMut) {
        self.append(first, payload, out);
    }

    /// The same. Only the part for a server is inlined into the caller: it gains most.
    #[inline(always)]
    fn append(&mut self, first: u8, payload: &[u8], out: &mut BytesMut) {
        if self.mask_keys.is_some() {
            return self.append_masked(first, payload, out);
        }
        let before = out.len();
        append_frame(first, payload, out);
        self.count(out.len() - before);
    }

    #[inline(never)]
    fn append_masked(&mut self, first: u8, payload: &[u8], out: &mut BytesMut) {
        if let Some(keys) = &mut self.mask_keys {
            let before = out.len();
            append_masked_frame(first, keys.next_key(), payload, out);
            self.count(out.len() - before);
        }
    }

    /// Counts the bytes of a frame that was appended.
    #[inline]
    fn count(&mut self, len: usize) {
        meter::step();
        self.since_ping = self
            .since_ping
            .saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        self.last_pong = None;
    }
}
