//! What the peer does, as a connection of this crate understands it.
use bytes::BytesMut;
use websocket_proto::deflate::{DeflateConfig, Params};
use websocket_proto::{Config, Connection, Event, RecvBuf, Role};

use super::exchange::End;

/// Messages of which the text is kept.
const KEPT: usize = 64;

/// What was seen of the peer.
#[derive(Debug, Default)]
pub struct Seen {
    /// The status of the handshake. `None`: there was no response.
    pub status: Option<u16>,
    /// The extension that was accepted.
    pub extensions: Option<String>,
    /// Compression was wanted, but not agreed on.
    pub not_agreed: bool,
    /// Bytes behind the head of a response that is not 101.
    pub body: usize,
    /// The last text messages.
    pub messages: Vec<String>,
    pub count: usize,
    pub pongs: usize,
    /// The code of the Close frame, 1005 if it had none.
    pub close: Option<u16>,
    /// What the peer itself did wrong.
    pub illegal: Option<String>,
    pub end: Option<End>,
    /// Bytes that the peer took, and that came from it.
    pub sent: u64,
    pub received: u64,
}

/// A connection that listens. It answers nothing by itself.
pub struct Ear {
    ws: Connection,
    input: RecvBuf,
    out: BytesMut,
    pub seen: Seen,
}

impl Ear {
    pub fn new(role: Role, params: Option<Params>) -> Self {
        let mut config = Config::new();
        config.max_message_size = 1 << 30;
        config.max_fragments = u32::MAX;
        let mut deflate = DeflateConfig::new();
        deflate.max_final_blocks = u32::MAX;
        let mut ws = Connection::assume_opened(role, config);
        if let Some(params) = params {
            ws = ws.with_deflate(params, deflate);
        }
        Self {
            ws,
            input: RecvBuf::new(),
            out: BytesMut::new(),
            seen: Seen::default(),
        }
    }

    /// Takes what was read. Returns whether the connection is over.
    pub fn hear(&mut self, bytes: &[u8]) -> bool {
        let Self {
            ws,
            input,
            out,
            seen,
        } = self;
        seen.received += bytes.len() as u64;
        if seen.close.is_some() && !bytes.is_empty() {
            seen.illegal = Some("bytes behind its Close frame".into());
            return true;
        }
        input.spare(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        input.filled(bytes.len());
        loop {
            out.clear();
            match ws.next_event(input, out) {
                Ok(Some(Event::Text(text))) => {
                    seen.count += 1;
                    if seen.messages.len() == KEPT {
                        seen.messages.remove(0);
                    }
                    seen.messages.push(text.into());
                }
                Ok(Some(Event::Binary(_))) => seen.count += 1,
                Ok(Some(Event::Pong(_))) => seen.pongs += 1,
                Ok(Some(Event::Close(close))) => {
                    seen.close = Some(close.code.map_or(1005, u16::from));
                    if !input.unread().is_empty() {
                        seen.illegal = Some("bytes behind its Close frame".into());
                    }
                    return true;
                }
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(error) => {
                    seen.illegal = Some(error.to_string());
                    return true;
                }
            }
        }
    }
}
