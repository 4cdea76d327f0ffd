//! The line for one frame, and the rule that the frame breaks.
use websocket_proto::ProtocolError;
use websocket_proto::frame::{CloseCode, InvalidCloseCode, LengthForm, Opcode, RawHeader};

/// Bytes of payload in a line. A Close frame is shown whole.
const SHOWN: usize = 32;

/// `first` is the first frame of the message, which tells its type.
pub fn line(header: &RawHeader, payload: &[u8], first: &RawHeader) -> String {
    let kind = match header.opcode {
        0 => "continuation".into(),
        1 => "text".into(),
        2 => "binary".into(),
        8 => "close".into(),
        9 => "ping".into(),
        10 => "pong".into(),
        other => format!("opcode {other:#x}"),
    };
    let flag = |set, sign| if set { sign } else { '-' };
    let flags: String = [
        flag(header.fin, 'F'),
        flag(header.rsv1, '1'),
        flag(header.rsv2, '2'),
        flag(header.rsv3, '3'),
    ]
    .iter()
    .collect();
    let mask = match header.mask {
        Some(key) => format!("{:08x}", u32::from_be_bytes(key)),
        None => "no mask ".into(),
    };
    let form = match header.form {
        LengthForm::Bits7 => 7,
        LengthForm::Bits16 => 16,
        LengthForm::Bits64 => 64,
    };
    let len = header.len;
    let content = content(header, payload, first);
    let text = format!("{flags} {kind:<12} {mask} {len:>8} ({form:>2} bits)  {content}");
    text.trim_end().into()
}

fn content(header: &RawHeader, payload: &[u8], first: &RawHeader) -> String {
    let shown = &payload[..payload.len().min(SHOWN)];
    let more = if header.len > shown.len() as u64 {
        "…"
    } else {
        ""
    };
    match (header.opcode, payload) {
        (8, [high, low, reason @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            format!("{code} {}", reason.escape_ascii())
        }
        (8.., _) => format!("{}{more}", shown.escape_ascii()),
        _ if first.opcode == 1 && !first.rsv1 => {
            // The payload shown can begin and end inside a character.
            let text = String::from_utf8_lossy(shown);
            format!("{}{more}", text.escape_debug())
        }
        _ => {
            let hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            let compressed = if first.rsv1 { "compressed " } else { "" };
            format!("{compressed}{hex}{more}")
        }
    }
}

/// Returns the rule that the frame breaks. Not checked are the text of messages and, because the
/// other direction negotiates it, whether messages may be compressed.
pub fn check(
    header: &RawHeader,
    payload: &[u8],
    in_message: bool,
    is_client: Option<bool>,
) -> Result<(), ProtocolError> {
    let frame = header.check()?;
    let is_data = matches!(frame.opcode, Opcode::Text | Opcode::Binary);
    match is_client {
        Some(true) if frame.mask.is_none() => return Err(ProtocolError::UnmaskedFrame),
        Some(false) if frame.mask.is_some() => return Err(ProtocolError::MaskedFrame),
        _ => {}
    }
    if frame.rsv2 || frame.rsv3 || frame.rsv1 && !is_data {
        return Err(ProtocolError::ReservedBit);
    }
    match (frame.opcode, payload) {
        (Opcode::Continuation, _) if !in_message => Err(ProtocolError::UnexpectedContinuation),
        (Opcode::Text | Opcode::Binary, _) if in_message => Err(ProtocolError::InterleavedMessage),
        (Opcode::Close, [_]) => Err(ProtocolError::TruncatedCloseCode),
        (Opcode::Close, [high, low, reason @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            CloseCode::try_from(code)
                .map_err(|InvalidCloseCode(code)| ProtocolError::InvalidCloseCode(code))?;
            match str::from_utf8(reason) {
                Ok(_) => Ok(()),
                Err(_) => Err(ProtocolError::InvalidUtf8),
            }
        }
        _ => Ok(()),
    }
}
