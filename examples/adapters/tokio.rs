//! A WebSocket over any stream of tokio: TCP, TLS, a pipe. One task owns it and both directions, so
//! no lock is needed and no waker gets lost.
use std::{error::Error, fmt};

use bytes::BytesMut;
use websocket_proto::handshake::{client, server};
use websocket_proto::{CloseCode, Config, Connection, RecvBuf, Seed, SendError};

use super::transport::{Stream, Transport, Wake};

pub type Failure = Box<dyn Error + Send + Sync>;

/// Bytes of unsent output above which a program takes no more events or sends no more of its own.
pub const HIGH_WATER: usize = 1 << 20;

/// Take all events from `ws`, with `input` and `out`. Then call [`wait`](Self::wait), and repeat.
/// When `ws` is done, and after every error, call [`finish`](Self::finish).
pub struct Socket<S> {
    pub ws: Connection,
    pub input: RecvBuf,
    pub out: BytesMut,
    transport: Transport<S>,
}

impl<S: Stream> Socket<S> {
    /// Opens a connection as a client. `look` sees the response of the server.
    pub async fn connect(
        stream: S,
        request: &client::Request<'_>,
        config: Config,
        look: impl FnOnce(&client::Response<'_>),
    ) -> Result<Self, Failure> {
        let mut transport = Transport::new(stream);
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut handshake = client::Handshake::start(request, Seed::from_os()?, config, &mut out)?;
        let ws = loop {
            match handshake.next(&mut input)? {
                Some(client::Outcome::Accepted(ws, response)) => {
                    look(&response);
                    break ws;
                }
                Some(client::Outcome::Refused(response)) => {
                    look(&response);
                    return Err(Refused::new(&response).into());
                }
                None => {}
            }
            let deadline = handshake.deadline(transport.now());
            match transport.wait(&mut input, &mut out, true, deadline).await? {
                Wake::Progress => {}
                Wake::End => handshake.end_of_stream(),
                Wake::Deadline => handshake.handle_timeout(transport.now())?,
            }
        };
        Ok(Self {
            ws,
            input,
            out,
            transport,
        })
    }

    /// Opens a connection as a server. `None`: the stream ended before its first byte, as with the
    /// health checks of load balancers.
    pub async fn accept(
        stream: S,
        config: Config,
        origins: server::Origins,
    ) -> Result<Option<Self>, Failure> {
        let mut transport = Transport::new(stream);
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut handshake = server::Handshake::new(config, origins);
        let result = loop {
            match handshake.next(&mut input, &mut out) {
                Ok(Some((_request, pending))) => {
                    break pending
                        .accept(server::Accept::new(), &mut out)
                        .map_err(Failure::from);
                }
                Ok(None) => {}
                Err(error) => break Err(error.into()),
            }
            let deadline = handshake.deadline(transport.now());
            match transport.wait(&mut input, &mut out, true, deadline).await? {
                Wake::Progress => {}
                Wake::End if input.unread().is_empty() => return Ok(None),
                Wake::End => handshake.end_of_stream(),
                Wake::Deadline => {
                    if let Err(error) = handshake.handle_timeout(transport.now(), &mut out) {
                        break Err(error.into());
                    }
                }
            }
        };
        match result {
            Ok(ws) => Ok(Some(Self {
                ws,
                input,
                out,
                transport,
            })),
            Err(error) => {
                transport.finish(&mut out).await; // the response that refuses
                Err(error)
            }
        }
    }

    /// Sends, receives, or does what is due, and returns when something happened. It can be
    /// dropped before that, so it can be a branch of `select!`.
    ///
    /// Pass `receive: false` if events were left in `input` because `out` is above [`HIGH_WATER`].
    pub async fn wait(&mut self, receive: bool) -> Result<(), Failure> {
        let (transport, input, out) = (&mut self.transport, &mut self.input, &mut self.out);
        let deadline = self.ws.deadline(transport.now());
        match transport.wait(input, out, receive, deadline).await? {
            Wake::Progress => {}
            Wake::End => self.ws.end_of_stream(),
            Wake::Deadline => self.ws.handle_timeout(transport.now(), out)?,
        }
        Ok(())
    }

    /// Starts the closing handshake. Go on until `ws` is done. Does nothing if it was started before.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.ws.close(code, reason, &mut self.out)
    }

    /// Sends the rest of `out`, which holds the Close frame also after an error, and ends the stream.
    pub async fn finish(&mut self) {
        self.transport.finish(&mut self.out).await;
    }
}

/// The server answered the handshake with another status than 101.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    text: String,
}

impl Refused {
    fn new(response: &client::Response<'_>) -> Self {
        let status = response.status();
        let mut text = format!("the server refused: {status} {}", response.reason());
        if let Some(location) = response.header("Location") {
            text += &format!("; it points to {}", location.escape_ascii());
        }
        Self { status, text }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Refused {}
