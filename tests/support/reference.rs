//! A slow and simple decoder that tells the expected result of the receiving half. It reads RFC 6455
//! one byte at a time and RFC 7692 one frame at a time. It shares only the error types with the
//! crate.

use websocket_proto::{Config, ProtocolError, frame::FrameError};

use super::{
    Frame, OwnedEvent, Side,
    deflate::miniz_inflated,
    frame,
    inflate::{End, inflate},
    wire,
};

/// The longest distance that a compressor may refer to, in bytes (RFC 1951 §2).
const WINDOW: usize = 32 << 10;

pub struct Reference {
    side: Side,
    config: Config,
    header: Vec<u8>,
    /// The frame whose header is complete, with the payload so far.
    frame: Option<Frame>,
    /// The fragmented message under way.
    message: Option<Message>,
    deflate: Option<Deflate>,
    /// Whether the side under test has sent a Close frame already.
    pub close_sent: bool,
    close_received: bool,
    pub events: Vec<OwnedEvent>,
    pub error: Option<ProtocolError>,
    /// The expected replies, if nothing was flushed.
    pub replies: Vec<Frame>,
}

struct Message {
    is_text: bool,
    /// The payload as sent on the wire, but not masked.
    payload: Vec<u8>,
    compressed: bool,
    fragments: u32,
}

/// The receiving half of permessage-deflate.
#[derive(Debug)]
pub struct Deflate {
    pub window_bits: u8,
    pub takeover: bool,
    /// Whether a reference beyond the negotiated window is an error.
    pub strict: bool,
    /// Whether the inflater hibernates after each message.
    pub hibernates: bool,
    /// The bytes that a message may refer to: all that were inflated since the last reset.
    before: Vec<u8>,
}

impl Deflate {
    pub fn new(window_bits: u8, takeover: bool) -> Self {
        Self {
            window_bits,
            takeover,
            strict: false,
            hibernates: false,
            before: Vec::new(),
        }
    }

    /// The inflater hibernates. Only the window is kept.
    pub fn hibernate(&mut self) {
        let beyond = self.before.len().saturating_sub(1 << self.window_bits);
        self.before.drain(..beyond);
    }
}

impl Reference {
    pub fn new(side: Side, config: Config) -> Self {
        Self {
            side,
            config,
            header: Vec::new(),
            frame: None,
            message: None,
            deflate: None,
            close_sent: false,
            close_received: false,
            events: Vec::new(),
            error: None,
            replies: Vec::new(),
        }
    }

    /// The same with compression.
    pub fn with_deflate(self, deflate: Deflate) -> Self {
        Self {
            deflate: Some(deflate),
            ..self
        }
    }

    /// The inflater hibernates between two messages.
    pub fn hibernate(&mut self) {
        if let Some(deflate) = &mut self.deflate {
            deflate.hibernate();
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.error.is_some() || self.close_received {
                return;
            }
            if let Err(error) = self.byte(*byte) {
                self.fail(error);
            }
        }
    }

    pub fn end(&mut self) {
        // A compressed frame is inflated only when it is complete. An error in an incomplete frame
        // is found here.
        if self.error.is_none()
            && !self.close_received
            && let Err(error) = self.inflated(false)
        {
            self.fail(error);
        }
        if self.error.is_none() && !(self.close_received && self.close_sent) {
            self.error = Some(ProtocolError::EndOfStream);
        }
    }

    fn byte(&mut self, byte: u8) -> Result<(), ProtocolError> {
        if let Some(frame) = &mut self.frame {
            let key = frame.key.map_or(0, |key| key[frame.payload.len() % 4]);
            frame.payload.push(byte ^ key);
            if !is_control(frame.opcode) {
                self.data_byte(byte ^ key)?;
            }
        } else {
            self.header.push(byte);
            let Some(frame) = self.parse_header()? else {
                return Ok(());
            };
            self.header.clear();
            self.begin(&frame)?;
            self.frame = Some(frame);
        }
        let complete = |frame: &Frame| frame.claimed == Some(frame.payload.len() as u64);
        match self.frame.take_if(|frame| complete(frame)) {
            Some(frame) => self.finish(frame),
            None => Ok(()),
        }
    }

    /// Parses a header (§5.2) in the order of its bytes.
    fn parse_header(&self) -> Result<Option<Frame>, ProtocolError> {
        let header = &self.header;
        if header.len() < 2 {
            return Ok(None);
        }
        let (fin, rsv, opcode) = (header[0] & 0x80 != 0, header[0] >> 4 & 7, header[0] & 0xF);
        let (masked, short) = (header[1] & 0x80 != 0, header[1] & 0x7F);
        if matches!(opcode, 3..=7 | 0xB..=0xF) {
            return Err(FrameError::ReservedOpcode(opcode).into());
        }
        if is_control(opcode) && !fin {
            return Err(FrameError::FragmentedControl.into());
        }
        if is_control(opcode) && short > 125 {
            return Err(FrameError::ControlTooLong.into());
        }
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        // The least and the largest length that the received bytes allow.
        let given = |missing: u8| match extended {
            0 => u64::from(short),
            _ => (2..2 + extended)
                .map(|at| header.get(at).copied().unwrap_or(missing))
                .fold(0, |len, byte| len * 256 + u64::from(byte)),
        };
        let (len, most) = (given(0), given(0xFF));
        if (short == 126 && most < 126) || (short == 127 && most < 65_536) {
            return Err(FrameError::NonMinimalLength.into());
        }
        if len >= 1 << 63 {
            return Err(FrameError::LengthTopBit.into());
        }
        if header.len() < 2 + extended {
            return Ok(None);
        }
        let mut key = None;
        if masked {
            let Some(bytes) = header.get(2 + extended..6 + extended) else {
                return Ok(None);
            };
            key = Some([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        Ok(Some(Frame {
            key,
            ..frame(fin, opcode, []).rsv(rsv).claiming(len)
        }))
    }

    /// Checks a header against the state and the limits.
    fn begin(&mut self, frame: &Frame) -> Result<(), ProtocolError> {
        let may_be_compressed =
            self.deflate.is_some() && matches!(frame.opcode, wire::TEXT | wire::BINARY);
        if frame.rsv != 0 && !(frame.rsv == 4 && may_be_compressed) {
            return Err(ProtocolError::ReservedBit);
        }
        if self.side == Side::Server && frame.key.is_none() {
            return Err(ProtocolError::UnmaskedFrame);
        }
        if self.side == Side::Client && frame.key.is_some() {
            return Err(ProtocolError::MaskedFrame);
        }
        if is_control(frame.opcode) {
            return Ok(());
        }
        let mut message = match (frame.opcode, self.message.take()) {
            (wire::CONTINUATION, None) => return Err(ProtocolError::UnexpectedContinuation),
            (wire::CONTINUATION, Some(message)) => message,
            (_, Some(_)) => return Err(ProtocolError::InterleavedMessage),
            (opcode, None) => Message {
                is_text: opcode == wire::TEXT,
                payload: Vec::new(),
                compressed: frame.rsv != 0,
                fragments: 0,
            },
        };
        message.fragments += 1;
        if message.fragments > self.config.max_fragments {
            return Err(ProtocolError::TooManyFragments);
        }
        let len = frame.claimed.map_or(0, u128::from);
        let mut most = self.config.max_message_size as u128;
        if message.compressed {
            most += most / 4 + 64 * u128::from(message.fragments);
        }
        if message.payload.len() as u128 + len > most {
            return Err(ProtocolError::MessageTooBig);
        }
        if len > self.config.max_frame_size as u128 {
            return Err(ProtocolError::FrameTooBig);
        }
        self.message = Some(message);
        Ok(())
    }

    fn data_byte(&mut self, byte: u8) -> Result<(), ProtocolError> {
        let message = self.message.as_mut().expect("a message is under way");
        message.payload.push(byte);
        if message.is_text && !message.compressed {
            // Only the last character can be incomplete.
            let tail = message.payload.len().saturating_sub(8);
            let tail = (tail..message.payload.len())
                .find(|at| message.payload[*at] & 0xC0 != 0x80)
                .unwrap_or(tail);
            if let Err(error) = core::str::from_utf8(&message.payload[tail..])
                && error.error_len().is_some()
            {
                return Err(ProtocolError::InvalidUtf8);
            }
        }
        Ok(())
    }

    fn finish(&mut self, frame: Frame) -> Result<(), ProtocolError> {
        let payload = frame.payload;
        match frame.opcode {
            wire::PING => {
                if !self.close_sent {
                    self.pong(&payload);
                }
                self.events.push(OwnedEvent::Ping(payload));
            }
            wire::PONG => self.events.push(OwnedEvent::Pong(payload)),
            wire::CLOSE => return self.close(&payload),
            _ => {
                let inflated = self.inflated(frame.fin)?;
                if frame.fin {
                    let message = self.message.take().expect("a message is under way");
                    let payload = inflated.unwrap_or(message.payload);
                    self.events.push(if message.is_text {
                        let text = String::from_utf8(payload);
                        OwnedEvent::Text(text.map_err(|_| ProtocolError::InvalidUtf8)?)
                    } else {
                        OwnedEvent::Binary(payload)
                    });
                }
            }
        }
        Ok(())
    }

    /// Inflates the compressed message under way. If it is complete, its tail is appended (RFC 7692
    /// §7.2.2). The first error in the order of the inflated bytes counts.
    fn inflated(&mut self, fin: bool) -> Result<Option<Vec<u8>>, ProtocolError> {
        let (Some(deflate), Some(message)) = (&mut self.deflate, &self.message) else {
            return Ok(None);
        };
        if !message.compressed {
            return Ok(None);
        }
        let limit = self.config.max_message_size;
        let kept = 1 << deflate.window_bits;
        let run = |data: &[u8]| inflate(&deflate.before, kept, data, limit);
        let mut inflation = run(&message.payload);
        if message.is_text
            && let Err(error) = core::str::from_utf8(&inflation.output)
            && error.error_len().is_some()
        {
            return Err(ProtocolError::InvalidUtf8);
        }
        match inflation.end {
            End::Full => return Err(ProtocolError::MessageTooBig),
            End::Wrong => return Err(ProtocolError::InvalidDeflate),
            _ if deflate.strict && inflation.farthest > kept => {
                return Err(ProtocolError::InvalidDeflate);
            }
            _ => {}
        }
        if !fin {
            return Ok(None);
        }
        if message.payload.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut payload = message.payload.clone();
        if inflation.end != End::Final {
            // The tail must complete an empty block and add nothing else.
            let plain = inflation.output.len();
            payload.extend([0x00, 0x00, 0xff, 0xff]);
            inflation = run(&payload);
            if inflation.output.len() != plain {
                return Err(ProtocolError::InvalidDeflate);
            }
        }
        let is_final = match inflation.end {
            End::Final => true,
            End::Between(0) => false,
            _ => return Err(ProtocolError::InvalidDeflate),
        };
        let output = inflation.output;
        let second = miniz_inflated(&deflate.before, &payload, output.len());
        assert_eq!(second.as_ref(), Some(&output), "miniz_oxide disagrees");
        if !deflate.takeover {
            return Ok(Some(output));
        }
        if inflation.restarted {
            deflate.hibernate();
        }
        deflate.before.extend(&output);
        let beyond = deflate.before.len().saturating_sub(WINDOW);
        deflate.before.drain(..beyond);
        if is_final || deflate.hibernates {
            deflate.hibernate();
        }
        Ok(Some(output))
    }

    fn close(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        let mut code = None;
        let mut reason = String::new();
        if payload.len() == 1 {
            return Err(ProtocolError::TruncatedCloseCode);
        }
        if payload.len() >= 2 {
            let number = u16::from(payload[0]) * 256 + u16::from(payload[1]);
            match number {
                1000..=1003 | 1007..=1014 | 3000..=4999 => code = Some(number),
                _ => return Err(ProtocolError::InvalidCloseCode(number)),
            }
            reason =
                String::from_utf8(payload[2..].to_vec()).map_err(|_| ProtocolError::InvalidUtf8)?;
        }
        if !self.close_sent {
            let echo = if code.is_some() { &payload[..2] } else { &[] };
            self.reply(frame(true, wire::CLOSE, echo));
        }
        self.close_sent = true;
        self.close_received = true;
        self.events.push(OwnedEvent::Close(code, reason));
        Ok(())
    }

    fn fail(&mut self, error: ProtocolError) {
        self.error = Some(error);
        let code = error
            .close_code()
            .expect("errors of the receive half have a code");
        if !self.close_sent {
            self.reply(wire::close(code.into(), error.to_string()));
        }
        self.close_sent = true;
    }

    /// Answers a ping. Above the backlog, only the most recent ping is answered (§5.5.3).
    fn pong(&mut self, payload: &[u8]) {
        let queued: usize = self.replies.iter().map(|reply| reply.bytes().len()).sum();
        if queued > self.config.pong_backlog
            && self
                .replies
                .last()
                .is_some_and(|reply| reply.opcode == wire::PONG)
        {
            self.replies.pop();
        }
        self.reply(wire::pong(payload));
    }

    fn reply(&mut self, frame: Frame) {
        let masked = (self.side == Side::Client).then_some([0; 4]);
        self.replies.push(Frame {
            key: masked,
            ..frame
        });
    }
}

fn is_control(opcode: u8) -> bool {
    opcode >= 8
}
