//! Describes the frames of one direction of a byte stream, legal or not, and the HTTP heads before
//! them. It does no I/O, and keeps at most one read, one head and one control frame.
use bytes::{Buf, BytesMut};
use websocket_proto::frame::{RawHeader, apply_mask};

use super::line::{check, line};

/// Bytes of payload to look at: a whole control frame.
const LOOK: u64 = 125;
const MAX_HEAD: usize = 16 << 10;

/// Give it the bytes with [`push`](Self::push). It is an iterator of lines, each with the position of
/// its first byte in the stream.
#[derive(Default)]
pub struct Frames {
    /// The sender is a client. `None`: it is not known.
    pub is_client: Option<bool>,
    pending: BytesMut,
    position: u64,
    /// Payload bytes of the last frame that are still to come.
    skip: u64,
    /// The first frame of the message under way.
    message: Option<RawHeader>,
    /// A response other than 101 was seen: text follows.
    body: bool,
}

impl Iterator for Frames {
    type Item = (u64, String);

    /// `None`: more bytes are needed.
    fn next(&mut self) -> Option<Self::Item> {
        let skipped = self.skip.min(self.pending.len() as u64);
        self.skip -= skipped;
        self.consume(skipped as usize);
        if self.pending.is_empty() {
            return None;
        }
        for start in [&b"GET "[..], b"HTTP/"] {
            if self.pending.starts_with(start) {
                return self.head();
            }
            if start.starts_with(&self.pending) {
                return None; // it can be the start of a head
            }
        }
        if self.body {
            let text = self.pending.escape_ascii().to_string();
            return Some((self.consume(self.pending.len()), format!("body: {text}")));
        }
        let (header, len) = RawHeader::decode(&self.pending)?;
        let look = header.len.min(LOOK) as usize;
        let payload = self.pending.get_mut(len..len + look)?;
        apply_mask(payload, header.mask.unwrap_or_default(), 0);
        let payload = payload.to_vec();
        let line = self.describe(&header, &payload);
        self.skip = header.len - look as u64;
        Some((self.consume(len + look), line))
    }
}

impl Frames {
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The line for the end of the stream. It says what is missing.
    pub fn end(&self) -> (u64, String) {
        let text = match (self.skip, &self.pending[..]) {
            (0, b"") => "end of the stream".into(),
            (0, left) => format!("end of the stream inside of: {}", left.escape_ascii()),
            (missing, _) => format!("end of the stream; {missing} bytes are missing"),
        };
        (self.position, text)
    }

    /// Removes bytes, and returns the position of the first one.
    fn consume(&mut self, count: usize) -> u64 {
        self.pending.advance(count);
        self.position += count as u64;
        self.position - count as u64
    }

    fn head(&mut self) -> Option<(u64, String)> {
        let end = self.pending.windows(4).position(|it| it == b"\r\n\r\n");
        let end = end.map(|at| at + 4);
        let len = end.or_else(|| (self.pending.len() > MAX_HEAD).then_some(self.pending.len()))?;
        let head = &self.pending[..len];
        let is_response = head.starts_with(b"HTTP/");
        self.is_client = Some(!is_response);
        self.body = is_response && !head.get(8..).is_some_and(|rest| rest.starts_with(b" 1"));
        let lines = head.trim_ascii_end().split(|&byte| byte == b'\n');
        let lines = lines.map(|line| format!("\n    {}", line.trim_ascii_end().escape_ascii()));
        let text = format!("HTTP{}", lines.collect::<String>());
        Some((self.consume(len), text))
    }

    fn describe(&mut self, header: &RawHeader, payload: &[u8]) -> String {
        let verdict = check(header, payload, self.message.is_some(), self.is_client);
        let first = match header.opcode {
            0 => self.message.unwrap_or(*header),
            _ => *header,
        };
        match header.opcode {
            0 if header.fin => self.message = None,
            1 | 2 if !header.fin => _ = self.message.get_or_insert(*header),
            _ => {}
        }
        match verdict {
            Ok(()) => line(header, payload, &first),
            Err(error) => format!("{}\n    ILLEGAL: {error}", line(header, payload, &first)),
        }
    }
}
