//! The handshakes of both roles.
use std::future::poll_fn;

use bytes::BytesMut;
use websocket_proto::handshake::client::{self, Outcome};
use websocket_proto::handshake::server::{self, Accept, Reject};
use websocket_proto::{Config, Error, RecvBuf, Seed};

use super::{
    Socket, Stream,
    transport::{Transport, Wake},
};

impl<S: Stream> Socket<S> {
    /// Does the handshake of a server. `decide` looks at the request. It can wait, for example for a
    /// database, and limits that time itself. `None`: the request was rejected, or the stream ended
    /// before its first byte, as with health checks.
    ///
    /// The future is a box: in a task, the room for a handshake would stay until the connection ends.
    pub fn accept(
        stream: S,
        mut handshake: server::Handshake,
        decide: impl for<'r> AsyncFnOnce(&server::Request<'r>) -> Result<Accept<'r>, Reject<'r>>,
    ) -> impl Future<Output = Result<Option<Self>, Error>> {
        Box::pin(async move {
            let mut transport = Transport::new(stream);
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            let opened = loop {
                match handshake.next(&mut input, &mut out) {
                    Ok(None) => {}
                    Ok(Some((request, pending))) => {
                        break match decide(&request).await {
                            Ok(accept) => pending.accept(accept, &mut out).map(Some),
                            Err(reject) => pending.reject(reject, &mut out).map(|()| None),
                        }
                        .map_err(Error::from);
                    }
                    Err(error) => break Err(error.into()),
                }
                let deadline = handshake.deadline(transport.now());
                match poll_fn(|cx| transport.poll(cx, Some(&mut input), &mut out, deadline)).await {
                    Wake::End if input.unread().is_empty() => return Ok(None),
                    Wake::End => handshake.end_of_stream(),
                    // If it fails, `next` returns the error.
                    _ => drop(handshake.handle_timeout(transport.now(), &mut out)),
                }
            };
            if let Ok(Some(ws)) = opened {
                return Ok(Some(Self {
                    ws,
                    input,
                    out,
                    transport,
                }));
            }
            poll_fn(|cx| transport.poll_finish(cx, &mut out)).await; // the response leaves
            opened.map(|_| None).map_err(|error| transport.cause(error))
        })
    }

    /// Does the handshake of a client. `look` sees the response. If the server refuses, the error is
    /// [`Error::Refused`].
    pub async fn connect(
        stream: S,
        request: &client::Request<'_>,
        config: Config,
        look: impl FnOnce(&client::Response<'_>),
    ) -> Result<Self, Error> {
        let mut transport = Transport::new(stream);
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut handshake = client::Handshake::start(request, Seed::from_os()?, config, &mut out)?;
        let ws = loop {
            match handshake
                .next(&mut input)
                .map_err(|error| transport.cause(error))?
            {
                Some(Outcome::Accepted(ws, response)) => {
                    look(&response);
                    break ws;
                }
                Some(Outcome::Refused(response)) => {
                    look(&response);
                    return Err(Error::Refused(response.status()));
                }
                None => {}
            }
            let deadline = handshake.deadline(transport.now());
            match poll_fn(|cx| transport.poll(cx, Some(&mut input), &mut out, deadline)).await {
                Wake::End => handshake.end_of_stream(),
                _ => handshake.handle_timeout(transport.now())?,
            }
        };
        Ok(Self {
            ws,
            input,
            out,
            transport,
        })
    }
}
