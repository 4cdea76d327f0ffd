//! Every text of up to three bytes, and every start of a character of four (RFC 6455 §8.1, RFC 3629),
//! with reads and fragments that end at every byte, in both roles. The judge is `core::str::from_utf8`:
//! a text is refused with its first wrong byte, and not before.

use bytes::BytesMut;
use websocket_proto::{Config, Connection, Event, ProtocolError, RecvBuf};

mod support;

use support::{SIDES, Side};

const KEY: [u8; 4] = [0x35, 0x9C, 0xA3, 0x5A];

/// The first and the last byte of each row of the syntax of RFC 3629 §4.
const BORDERS: [u8; 28] = [
    0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED,
    0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFC, 0xFE, 0xFF,
];

/// What separates two bytes of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Nothing,
    Read,
    /// The end of a fragment, and of a read.
    Fragment,
}

/// All ways to cut a text of N + 1 bytes.
fn cuts<const N: usize>() -> Vec<[Cut; N]> {
    let ways = 3_usize.pow(N as u32);
    let cut = |way: usize, at: usize| match way / 3_usize.pow(at as u32) % 3 {
        0 => Cut::Nothing,
        1 => Cut::Read,
        _ => Cut::Fragment,
    };
    (0..ways)
        .map(|way| core::array::from_fn(|at| cut(way, at)))
        .collect()
}

/// Whether no text begins with these bytes.
fn is_impossible(start: &[u8]) -> bool {
    matches!(core::str::from_utf8(start), Err(error) if error.error_len().is_some())
}

/// A connection that receives one text after the other, until one is refused.
struct Peer {
    side: Side,
    ws: Connection,
    input: RecvBuf,
    out: BytesMut,
    /// What the next read brings.
    read: Vec<u8>,
    cases: usize,
}

impl Peer {
    fn new(side: Side) -> Self {
        Self {
            side,
            ws: Connection::assume_opened(side.role(), Config::new()),
            input: RecvBuf::new(),
            out: BytesMut::new(),
            read: Vec::new(),
            cases: 0,
        }
    }

    /// Receives the text, and expects the verdict of `from_utf8` after each read.
    ///
    /// A text that is impossible before its last read is left out: it is the case of a shorter text.
    fn check(&mut self, text: &[u8], cuts: &[Cut]) {
        let reads = cuts.iter().rposition(|cut| *cut != Cut::Nothing);
        if reads.is_some_and(|last| is_impossible(&text[..=last])) {
            return;
        }
        self.cases += 1;
        let mut frame_start = 0;
        for (at, byte) in text.iter().enumerate() {
            if at == 0 || cuts[at - 1] == Cut::Fragment {
                let fragment = cuts[at..].iter().position(|cut| *cut == Cut::Fragment);
                let end = fragment.map_or(text.len(), |more| at + more + 1);
                self.start_frame(at == 0, end == text.len(), end - at);
                frame_start = at;
            }
            let byte = match self.side {
                Side::Server => byte ^ KEY[(at - frame_start) % 4],
                Side::Client => *byte,
            };
            self.read.push(byte);
            let is_last = at + 1 == text.len();
            if is_last || cuts[at] != Cut::Nothing {
                self.verdict(text, &text[..=at], is_last, cuts);
            }
        }
    }

    fn start_frame(&mut self, first: bool, last: bool, len: usize) {
        let head = [u8::from(last) << 7 | u8::from(first), len as u8];
        match self.side {
            Side::Server => {
                self.read.extend_from_slice(&[head[0], 0x80 | head[1]]);
                self.read.extend_from_slice(&KEY);
            }
            Side::Client => self.read.extend_from_slice(&head),
        }
    }

    fn verdict(&mut self, text: &[u8], so_far: &[u8], is_last: bool, cuts: &[Cut]) {
        self.input.extend_from_slice(&self.read);
        self.read.clear();
        let event = self.ws.next_event(&mut self.input, &mut self.out);
        let whole = core::str::from_utf8(so_far);
        let wrong = is_impossible(so_far) || is_last && whole.is_err();
        let is_right = match event {
            Ok(None) => !is_last && !wrong,
            Ok(Some(Event::Text(event))) => is_last && Ok(event) == whole,
            Err(ProtocolError::InvalidUtf8) => wrong,
            _ => false,
        };
        assert!(
            is_right,
            "{:?} {text:02x?} {cuts:?} after {so_far:02x?}: {event:?}",
            self.side
        );
        if wrong {
            let code_at = if self.side == Side::Server { 2 } else { 6 };
            let key = [self.out[2], self.out[3]];
            let code = [self.out[code_at], self.out[code_at + 1]];
            let code = match self.side {
                Side::Server => code,
                Side::Client => [code[0] ^ key[0], code[1] ^ key[1]],
            };
            assert_eq!(u16::from_be_bytes(code), 1007);
            self.ws = Connection::assume_opened(self.side.role(), Config::new());
            self.input.clear();
            self.out.clear();
        }
    }
}

#[test]
fn every_text_of_up_to_two_bytes_at_every_cut() {
    let cuts = cuts::<1>();
    for side in SIDES {
        let mut peer = Peer::new(side);
        for first in 0..=255 {
            peer.check(&[first], &[]);
            for second in 0..=255 {
                for cuts in &cuts {
                    peer.check(&[first, second], cuts);
                }
            }
        }
        // 128 first bytes are characters, and 30, 16 and 5 begin one of 2, 3 and 4 bytes.
        assert_eq!(peer.cases, 256 + 256 * 256 + 2 * (128 + 30 + 16 + 5) * 256);
    }
}

/// In one read and one frame. If the first two bytes are already wrong, the third one is at a border.
/// If the first one is ASCII, it is one of two. The test below knows no such exceptions.
#[test]
fn every_text_of_three_bytes() {
    let mut peer = Peer::new(Side::Server);
    for first in [0, 0x7F].into_iter().chain(0x80..=255) {
        for second in 0..=255 {
            if is_impossible(&[first, second]) {
                for third in BORDERS {
                    peer.check(&[first, second, third], &[Cut::Nothing; 2]);
                }
            } else {
                for third in 0..=255 {
                    peer.check(&[first, second, third], &[Cut::Nothing; 2]);
                }
            }
        }
    }
    // After ASCII 179 bytes are possible. 30 first bytes have 64 second bytes; 14 of the 16 that begin
    // three bytes have 64, the other two 32; and 3 of the 5 that begin four have 64, the others 48
    // and 16.
    let possible = 2 * 179 + 30 * 64 + 14 * 64 + 2 * 32 + 3 * 64 + 48 + 16;
    assert_eq!(
        peer.cases,
        possible * 256 + (130 * 256 - possible) * BORDERS.len()
    );
}

/// All of them take minutes: `EVERY_TEXT=1 cargo test --release --all-features --test exhaustive_text`.
/// Otherwise one of 499 is checked.
#[test]
fn every_text_of_three_bytes_at_every_cut() {
    let step = if std::env::var_os("EVERY_TEXT").is_some() {
        1
    } else {
        499
    };
    let cuts = cuts::<2>();
    for side in SIDES {
        let mut peer = Peer::new(side);
        for text in (0..1_u32 << 24).step_by(step) {
            let [_, text @ ..] = text.to_be_bytes();
            for cuts in &cuts {
                peer.check(&text, cuts);
            }
        }
        println!("{side:?}: {} cases", peer.cases);
        assert!(peer.cases > (1 << 24) / step);
    }
}

#[test]
fn every_text_of_three_borders_at_every_cut() {
    let cuts = cuts::<2>();
    for side in SIDES {
        let mut peer = Peer::new(side);
        for text in 0..BORDERS.len().pow(3) {
            let text = [text / 28 / 28, text / 28 % 28, text % 28].map(|at| BORDERS[at]);
            for cuts in &cuts {
                peer.check(&text, cuts);
            }
        }
        assert!(peer.cases > BORDERS.len().pow(3), "{}", peer.cases);
    }
}

/// Each first byte that is not ASCII, then the borders of RFC 3629 §4 for the second byte and those
/// for the last two. They are cut nowhere, once, or everywhere.
#[test]
fn every_start_of_four_bytes() {
    const SECOND: [u8; 8] = [0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0];
    const TAIL: [u8; 4] = [0x7F, 0x80, 0xBF, 0xC0];
    let mut cuts = cuts::<3>();
    cuts.retain(|cuts| {
        let some = cuts.iter().filter(|cut| **cut != Cut::Nothing).count();
        some < 2 || cuts.iter().all(|cut| *cut == cuts[0])
    });
    assert_eq!(cuts.len(), 1 + 3 * 2 + 2);
    for side in SIDES {
        let mut peer = Peer::new(side);
        for (first, second) in (0x80..=255).flat_map(|it| SECOND.map(|second| (it, second))) {
            for tail in 0..16 {
                let text = [first, second, TAIL[tail / 4], TAIL[tail % 4]];
                for cuts in &cuts {
                    peer.check(&text, cuts);
                }
            }
        }
        assert!(peer.cases > 128 * 8 * 16, "{}", peer.cases);
    }
}
