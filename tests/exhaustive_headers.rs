//! Judges every pair of bytes that can begin a frame, with every length at a border, in both roles,
//! between two messages and inside one, with and without compression (RFC 6455 §5.2, §5.4, §5.5, RFC
//! 7692 §6.1): which rule is broken, at which byte this is known, and the close code. The expected
//! results are computed here from the sentences of the RFCs.

use bytes::BytesMut;
use websocket_proto::{
    Config, Connection, Event, ProtocolError, ReadyState, RecvBuf,
    frame::{FrameError, FrameHeader, LengthForm, RawHeader},
};

mod support;

use support::{
    Side,
    wire::{BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT},
};

const P31: u64 = 1 << 31;
const P63: u64 = 1 << 63;

/// The 16-bit lengths: not the shortest form, and the first and the last that are.
const LENGTHS_16: [u64; 4] = [0, 125, 126, 65_535];
/// The 64-bit lengths: not the shortest form, the first that is, those that do not fit into 31 bits,
/// the last legal one and those with the top bit.
const LENGTHS_64: [u64; 12] = [
    0,
    125,
    126,
    65_535,
    65_536,
    P31 - 1,
    P31,
    P31 + 1,
    P63 - 1,
    P63,
    P63 + 1,
    u64::MAX,
];

/// The bytes of a header, and what they say.
#[derive(Debug)]
struct Header {
    first: u8,
    second: u8,
    len: u64,
    wire: Vec<u8>,
}

/// Every first two bytes, each with all of its lengths.
fn headers() -> Vec<Header> {
    let starts = (0..=u16::MAX).map(u16::to_be_bytes);
    let headers = starts.flat_map(|[first, second]| {
        let short = [u64::from(second & 0x7F)];
        let lengths = match second & 0x7F {
            126 => LENGTHS_16.to_vec(),
            127 => LENGTHS_64.to_vec(),
            _ => short.to_vec(),
        };
        lengths.into_iter().map(move |len| {
            let mut wire = vec![first, second];
            match second & 0x7F {
                126 => wire.extend((len as u16).to_be_bytes()),
                127 => wire.extend(len.to_be_bytes()),
                _ => {}
            }
            if second & 0x80 != 0 {
                wire.extend(KEY);
            }
            Header {
                first,
                second,
                len,
                wire,
            }
        })
    });
    headers.collect()
}

const HEADERS: usize = 256 * 2 * (126 + LENGTHS_16.len() + LENGTHS_64.len());

impl Header {
    fn opcode(&self) -> u8 {
        self.first & 0x0F
    }

    fn is_control(&self) -> bool {
        self.opcode() >= 8
    }

    /// The rule of the wire format that the header breaks, and how many bytes show it.
    fn malformed(&self) -> Option<(FrameError, usize)> {
        let form = self.second & 0x7F;
        if matches!(self.opcode(), 3..=7 | 11..=15) {
            return Some((FrameError::ReservedOpcode(self.opcode()), 2));
        }
        // §5.5: "MUST have a payload length of 125 bytes or less and MUST NOT be fragmented"
        if self.is_control() && self.first & 0x80 == 0 {
            return Some((FrameError::FragmentedControl, 2));
        }
        if self.is_control() && form > 125 {
            return Some((FrameError::ControlTooLong, 2));
        }
        // §5.2: "the minimal number of bytes MUST be used to encode the length"
        if form == 126 && self.len < 126 {
            // The upper byte can be 0, as in 126. The lower one shows it.
            return Some((FrameError::NonMinimalLength, 4));
        }
        if form == 127 && self.len < 65_536 {
            // The first six bytes are 0.
            return Some((FrameError::NonMinimalLength, 8));
        }
        // §5.2: "the most significant bit MUST be 0"
        (form == 127 && self.len >= P63).then_some((FrameError::LengthTopBit, 3))
    }

    /// The first rule that the frame breaks, and how many bytes show it.
    fn broken(
        &self,
        side: Side,
        in_message: bool,
        compression: bool,
    ) -> Option<(ProtocolError, usize)> {
        if let Some((error, shown)) = self.malformed() {
            return Some((error.into(), shown));
        }
        let begins = matches!(self.opcode(), TEXT | BINARY);
        let continues = self.opcode() == CONTINUATION;
        // RFC 6455 §5.2: "MUST be 0 unless an extension is negotiated". RFC 7692 §6.1: only the first
        // frame of a message has the bit.
        let rsv1_is_legal = compression && begins;
        let error = if self.first & 0x30 != 0 || self.first & 0x40 != 0 && !rsv1_is_legal {
            ProtocolError::ReservedBit
        } else if side == Side::Server && self.second & 0x80 == 0 {
            ProtocolError::UnmaskedFrame
        } else if side == Side::Client && self.second & 0x80 != 0 {
            ProtocolError::MaskedFrame
        } else if continues && !in_message {
            ProtocolError::UnexpectedContinuation
        } else if begins && in_message {
            ProtocolError::InterleavedMessage
        } else if self.len > 2 << 20 {
            // Far above `Config::max_message_size`, which is 1 MiB.
            ProtocolError::MessageTooBig
        } else {
            return None;
        };
        // These rules are about the whole header.
        Some((error, self.wire.len()))
    }
}

#[test]
fn every_header_is_decoded_or_refused_at_its_first_wrong_byte() {
    let mut cases = 0;
    for header in headers() {
        let wire = &header.wire[..];
        let malformed = header.malformed();
        for cut in 0..=wire.len() {
            let raw = RawHeader::decode(&wire[..cut]);
            let result = FrameHeader::decode(&wire[..cut]);
            cases += 1;
            assert_eq!(raw.is_some(), cut == wire.len(), "{header:x?} {cut}");
            match malformed {
                Some((error, shown)) if cut >= shown => {
                    assert_eq!(result, Err(error), "{header:x?} {cut}");
                }
                _ if cut < wire.len() => assert_eq!(result, Ok(None), "{header:x?} {cut}"),
                _ => {}
            }
        }
        let (raw, size) = RawHeader::decode(wire).expect("complete");
        let bit = |bit: u8| header.first & bit != 0;
        let expected = RawHeader {
            fin: bit(0x80),
            rsv1: bit(0x40),
            rsv2: bit(0x20),
            rsv3: bit(0x10),
            opcode: header.opcode(),
            mask: (header.second & 0x80 != 0).then_some(KEY),
            len: header.len,
            form: match header.second & 0x7F {
                126 => LengthForm::Bits16,
                127 => LengthForm::Bits64,
                _ => LengthForm::Bits7,
            },
        };
        assert_eq!((raw, size), (expected, wire.len()));
        assert_eq!(raw.encode().as_bytes(), wire);
        let checked = raw.check();
        assert_eq!(checked.err(), malformed.map(|(error, _)| error));
        if let Ok(legal) = checked {
            assert_eq!(RawHeader::from(legal), raw);
            assert_eq!(legal.encode().map(|it| it.as_bytes() == wire), Ok(true));
            assert_eq!(FrameHeader::decode(wire), Ok(Some((legal, wire.len()))));
        }
    }
    // Each header at each cut: 3 cuts, 2 more for a 16-bit length, 8 more for a 64-bit length, 4 more
    // for a key.
    let cuts =
        |key: usize| 126 * (3 + key) + LENGTHS_16.len() * (5 + key) + LENGTHS_64.len() * (11 + key);
    assert_eq!(cases, 256 * (cuts(0) + cuts(4)));
}

/// A connection that is used again as long as it does not fail.
struct Endpoint {
    side: Side,
    in_message: bool,
    compression: bool,
    ws: Connection,
    input: RecvBuf,
    out: BytesMut,
}

impl Endpoint {
    fn new(side: Side, in_message: bool, compression: bool) -> Self {
        let mut new = Self {
            side,
            in_message,
            compression,
            ws: Connection::assume_opened(side.role(), Config::new()),
            input: RecvBuf::new(),
            out: BytesMut::new(),
        };
        new.restart();
        new
    }

    /// Goes back to the same place with a new connection.
    fn restart(&mut self) {
        let mut config = Config::new();
        // So that the count of fragments does not end a connection that is used again.
        config.max_fragments = u32::MAX;
        let ws = Connection::assume_opened(self.side.role(), config);
        self.ws = with_compression(ws, self.compression);
        self.input.clear();
        self.out.clear();
        if self.in_message {
            let start: &[u8] = match self.side {
                Side::Server => &[0x02, 0x80, 1, 2, 3, 4],
                Side::Client => &[0x02, 0x00],
            };
            assert_eq!(self.feed(start), Ok(None));
        }
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<Option<Event<'_>>, ProtocolError> {
        self.input.extend_from_slice(bytes);
        self.ws.next_event(&mut self.input, &mut self.out)
    }
}

#[cfg(feature = "deflate")]
fn with_compression(ws: Connection, compression: bool) -> Connection {
    use websocket_proto::deflate::{DeflateConfig, Params};
    match compression {
        true => ws.with_deflate(Params::default(), DeflateConfig::new()),
        false => ws,
    }
}

#[cfg(not(feature = "deflate"))]
fn with_compression(ws: Connection, compression: bool) -> Connection {
    assert!(!compression);
    ws
}

#[test]
fn a_server_accepts_or_refuses_every_header_in_every_place() {
    accepts_or_refuses_every_header(Side::Server);
}

#[test]
fn a_client_accepts_or_refuses_every_header_in_every_place() {
    accepts_or_refuses_every_header(Side::Client);
}

/// Feeds the bytes before the one that shows the fault, then that byte.
fn accepts_or_refuses_every_header(side: Side) {
    let (mut cases, mut refused) = (0, 0);
    let headers = headers();
    let settings: &[bool] = match cfg!(feature = "deflate") {
        true => &[false, true],
        false => &[false],
    };
    let places = settings.iter().flat_map(|it| [(*it, false), (*it, true)]);
    for (compression, in_message) in places {
        let mut peer = Endpoint::new(side, in_message, compression);
        for header in &headers {
            cases += 1;
            let what = || format!("{side:?} {in_message} {compression} {header:x?}");
            let Some((error, shown)) = header.broken(side, in_message, compression) else {
                accepts(&mut peer, header, what);
                let is_open = peer.ws.state() == ReadyState::Open;
                let is_in_message = !header.is_control() && header.first & 0x80 == 0;
                let same_place = header.is_control() || is_in_message == in_message;
                let whole = header.len <= 125 && header.first & 0x40 == 0;
                if !(is_open && same_place && whole) {
                    peer.restart();
                }
                continue;
            };
            refused += 1;
            let (before, last) = header.wire[..shown].split_at(shown - 1);
            assert_eq!(peer.feed(before), Ok(None), "{}", what());
            assert!(peer.out.is_empty(), "{}", what());
            assert_eq!(peer.feed(last), Err(error), "{}", what());
            assert_eq!(peer.ws.state(), ReadyState::Closed, "{}", what());
            let code: u16 = match error {
                ProtocolError::MessageTooBig => 1009,
                _ => 1002,
            };
            assert_eq!(close_code(side, &peer.out), code, "{}", what());
            peer.restart();
        }
    }
    assert_eq!(cases, 2 * settings.len() * HEADERS);
    // Legal are 3 control frames of 126 lengths; between two messages the 2 types of message, with FIN
    // and without, of 129 lengths, and if compressed again; inside a message the continuation.
    let (control, lengths) = (3 * 126, 126 + 2 + 1);
    let legal = |compression: &bool| {
        let first = 2 * 2 * lengths * (1 + usize::from(*compression));
        (first + control) + (2 * lengths + control)
    };
    assert_eq!(cases - refused, settings.iter().map(legal).sum::<usize>());
}

/// Feeds a legal frame with a payload of zeros, if it is short.
fn accepts(peer: &mut Endpoint, header: &Header, what: impl Fn() -> String) {
    let is_empty = header.len == 0;
    let payload = vec![0; header.len.min(125) as usize];
    let event = peer.feed(&header.wire);
    if !is_empty {
        assert_eq!(event, Ok(None), "{}", what());
    }
    // Longer frames, and compressed ones, are accepted at the header.
    if header.len > 125 || header.first & 0x40 != 0 {
        return;
    }
    let event = match is_empty {
        true => event,
        false => {
            let mut masked = payload.clone();
            if peer.side == Side::Server {
                masked = KEY.into_iter().cycle().take(masked.len()).collect();
            }
            peer.feed(&masked)
        }
    };
    let is_last = header.first & 0x80 != 0;
    match header.opcode() {
        TEXT if is_last => {
            let text = std::str::from_utf8(&payload).unwrap();
            assert_eq!(event, Ok(Some(Event::Text(text))), "{}", what());
        }
        BINARY if is_last => assert_eq!(event, Ok(Some(Event::Binary(&payload))), "{}", what()),
        CONTINUATION if is_last => {
            assert!(matches!(event, Ok(Some(Event::Binary(_)))), "{}", what());
        }
        PING => assert_eq!(event, Ok(Some(Event::Ping(&payload))), "{}", what()),
        PONG => assert_eq!(event, Ok(Some(Event::Pong(&payload))), "{}", what()),
        // The close code is 0, or there is half of it, or none.
        CLOSE => match header.len {
            0 => assert!(matches!(event, Ok(Some(Event::Close(_)))), "{}", what()),
            1 => assert_eq!(event, Err(ProtocolError::TruncatedCloseCode), "{}", what()),
            _ => assert_eq!(event, Err(ProtocolError::InvalidCloseCode(0)), "{}", what()),
        },
        _ => assert_eq!(event, Ok(None), "{}", what()),
    }
    peer.out.clear();
}

/// The code of the only frame in `out`, a Close frame.
fn close_code(side: Side, out: &[u8]) -> u16 {
    assert_eq!(out[0], 0x88);
    let code = match side {
        Side::Server => [out[2], out[3]],
        Side::Client => [out[6] ^ out[2], out[7] ^ out[3]],
    };
    let header = if side == Side::Server { 2 } else { 6 };
    assert_eq!(out.len(), header + usize::from(out[1] & 0x7F));
    u16::from_be_bytes(code)
}
