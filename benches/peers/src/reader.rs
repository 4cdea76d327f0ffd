//! A plain reader of frames, written for this package from RFC 6455 alone. It checks what the
//! contestants send.

use std::collections::HashSet;

/// One message, whose fragments are joined.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub is_text: bool,
    /// The bit RSV1: the payload is compressed (RFC 7692 §6).
    pub is_compressed: bool,
    pub payload: Vec<u8>,
}

/// Reads all messages of `wire`, which must end with the last of them. Frames must be masked if
/// they come from a client, and no two with the same key. Control frames are checked and dropped.
pub fn messages(mut wire: &[u8], from_client: bool) -> Result<Vec<Message>, String> {
    let mut messages = Vec::new();
    let mut open: Option<Message> = None;
    let mut keys = HashSet::new();
    while !wire.is_empty() {
        let (frame, rest) = Frame::read(wire)?;
        wire = rest;
        if frame.key.is_some() != from_client {
            return Err("a frame is masked that must not be, or not masked (§5.1)".into());
        }
        if frame.key.is_some_and(|key| !keys.insert(key)) {
            return Err("the same key twice: keys must be fresh for each frame (§5.3)".into());
        }
        match (frame.opcode, &mut open) {
            (8..=10, _) if frame.fin && frame.payload.len() <= 125 && !frame.rsv1 => continue,
            (1 | 2, None) => {
                open = Some(Message {
                    is_text: frame.opcode == 1,
                    is_compressed: frame.rsv1,
                    payload: frame.payload,
                });
            }
            (0, Some(message)) if !frame.rsv1 => message.payload.extend(frame.payload),
            (opcode, _) => return Err(format!("a frame with opcode {opcode} must not be here")),
        }
        if frame.fin {
            messages.extend(open.take());
        }
    }
    match open {
        Some(_) => Err("the last message is not complete".into()),
        None => Ok(messages),
    }
}

struct Frame {
    fin: bool,
    rsv1: bool,
    opcode: u8,
    key: Option<[u8; 4]>,
    payload: Vec<u8>,
}

impl Frame {
    /// Reads one frame byte by byte (§5.2). Returns what follows.
    fn read(wire: &[u8]) -> Result<(Self, &[u8]), String> {
        let cut = || "the output ends inside of a frame".to_owned();
        let (&[first, second], mut wire) = wire.split_first_chunk().ok_or_else(cut)?;
        if first & 0x30 != 0 {
            return Err("RSV2 or RSV3 is set".into());
        }
        let bytes = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut len = u64::from(second & 0x7F);
        if bytes > 0 {
            let (length, rest) = wire.split_at_checked(bytes).ok_or_else(cut)?;
            len = length
                .iter()
                .fold(0, |len, &byte| len << 8 | u64::from(byte));
            wire = rest;
            if len < if bytes == 2 { 126 } else { 65_536 } {
                return Err(format!("the length {len} takes more bytes than it needs"));
            }
        }
        let mut key = None;
        if second & 0x80 != 0 {
            let (bytes, rest) = wire.split_first_chunk::<4>().ok_or_else(cut)?;
            (key, wire) = (Some(*bytes), rest);
        }
        let len = usize::try_from(len).map_err(|_| cut())?;
        let (payload, rest) = wire.split_at_checked(len).ok_or_else(cut)?;
        let mut payload = payload.to_vec();
        for (at, byte) in payload.iter_mut().enumerate() {
            *byte ^= key.map_or(0, |key| key[at % 4]);
        }
        let frame = Self {
            fin: first & 0x80 != 0,
            rsv1: first & 0x40 != 0,
            opcode: first & 0x0F,
            key,
            payload,
        };
        Ok((frame, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 6455 §5.7.
    #[test]
    fn examples_of_the_rfc() {
        let hello = |is_text| Message {
            is_text,
            is_compressed: false,
            payload: b"Hello".to_vec(),
        };
        let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        assert_eq!(messages(masked, true), Ok(vec![hello(true)]));
        let fragments = b"\x01\x03Hel\x89\x05Hello\x80\x02lo";
        assert_eq!(messages(fragments, false), Ok(vec![hello(true)]));
        let mut long = vec![0x82, 0x7E, 0x01, 0x00];
        long.extend([7; 256]);
        assert_eq!(messages(&long, false).unwrap()[0].payload, [7; 256]);
    }

    #[test]
    fn what_must_not_be_sent() {
        let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        let cases: [(&[u8], bool); 9] = [
            (masked, false),
            (b"\x81\x05Hello", true),
            (&[*masked, *masked].concat(), true),
            (b"\x81\x05Hell", false),
            (b"\x01\x05Hello", false),
            (b"\x80\x05Hello", false),
            (b"\x81\x7E\x00\x05Hello", false),
            (b"\x91\x05Hello", false),
            (b"\x09\x00", false),
        ];
        for (wire, from_client) in cases {
            assert!(messages(wire, from_client).is_err(), "{wire:?}");
        }
    }
}
