//! What the peer does, as a connection of this crate understands it.
use bytes::BytesMut;
use websocket_proto::deflate::{DeflateConfig, Params};
use websocket_proto::{Config, Connection, Event, RecvBuf, Role, Seed};

use super::exchange::End;
use super::keys::Keys;
use super::verdict::PROBE;

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
    /// The probe came back: the peer goes on after the attack.
    pub answered: bool,
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
    /// Of a client.
    keys: Option<Keys>,
    pub seen: Seen,
}

/// Limits that nothing of what is heard exceeds.
pub fn config() -> Config {
    let mut config = Config::new();
    config.max_message_size = 1 << 30;
    config.max_fragments = u32::MAX;
    config
}

pub fn deflate_config() -> DeflateConfig {
    let mut config = DeflateConfig::new();
    config.max_final_blocks = u32::MAX;
    config
}

impl Ear {
    fn new(ws: Connection, keys: Option<Keys>) -> Self {
        Self {
            keys,
            ws,
            input: RecvBuf::new(),
            out: BytesMut::new(),
            seen: Seen::default(),
        }
    }

    /// Hears a client, on a connection that comes out of its handshake.
    pub fn server(ws: Connection) -> Self {
        Self::new(ws, Some(Keys::default()))
    }

    /// Hears a server, with compression if it was agreed on. It only listens, so the keys are not used.
    pub fn client(params: Option<Params>) -> Self {
        let ws = Connection::assume_opened(Role::Client(Seed::from([0; 32])), config());
        let ws = match params {
            Some(params) => ws.with_deflate(params, deflate_config()),
            None => ws,
        };
        Self::new(ws, None)
    }

    /// Takes what was read. Returns whether the connection is over.
    pub fn hear(&mut self, bytes: &[u8]) -> bool {
        let Self {
            ws,
            input,
            out,
            keys,
            seen,
        } = self;
        seen.received += bytes.len() as u64;
        if seen.close.is_some() && !bytes.is_empty() {
            seen.illegal = Some("bytes behind its Close frame".into());
            return true;
        }
        if let Some(keys) = keys {
            keys.push(bytes);
            if keys.repeat() {
                seen.illegal = Some("masking keys that repeat".into());
                return true;
            }
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
                    seen.answered |= text.ends_with(PROBE);
                    seen.messages.push(text.into());
                }
                Ok(Some(Event::Binary(_))) => seen.count += 1,
                Ok(Some(Event::Pong(payload))) => {
                    seen.answered |= payload == PROBE.as_bytes();
                    seen.pongs += 1;
                }
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
