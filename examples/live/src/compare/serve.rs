//! The four transports at the server: all of them send from the ring of the session's feed.
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, FromRequestParts, Query, Request, State};
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode, request::Parts};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, RequestPartsExt, Router};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use tokio::{select, time::sleep};
use websocket_proto::{CloseCode, Error, ReadyState};

use super::Transport;
use super::answers::{Opened, Stats};
use super::feed::{Feed, Rate, now};
use super::session::{Place, Session, Sessions};
use crate::server::App;
use crate::server::meter::Wire;
use crate::server::upgrade::{WebSocket, upgrade};

/// Maximum time until a long poll is answered. Proxies commonly give up after 30 s or 60 s.
const LONG_POLL: Duration = Duration::from_secs(25);
/// A comment goes to a silent event stream after this time, so that proxies keep it. The same as the
/// pings of a WebSocket.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// After how long a browser connects again if its event stream has ended.
const RETRY: Duration = Duration::from_secs(1);
/// Unsent bytes above which a WebSocket gets nothing more for now.
const HIGH_WATER: usize = 16 << 10;

/// The paths below `/compare/`.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/compare/session", post(open))
        .route("/compare/stats", get(stats))
        .route("/compare/poll", get(poll))
        .route("/compare/long", get(long))
        .route("/compare/events", get(events))
        .route("/compare/ws", get(ws))
        .layer(Extension(Arc::new(Sessions::default())))
}

/// Why a request is not answered.
enum Refused {
    BadRate,
    /// `after` is a number that no notification has yet.
    BadPosition,
    UnknownSession,
    Busy,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, reason) = match self {
            Self::BadRate => (
                StatusCode::BAD_REQUEST,
                "rate: 0, or 0.1 to 100 notifications a second\n",
            ),
            Self::BadPosition => (StatusCode::BAD_REQUEST, "after: not a position\n"),
            Self::UnknownSession => (
                StatusCode::NOT_FOUND,
                "unknown session, or it has ended: open one by POST /compare/session?rate=1\n",
            ),
            // Not 503: a proxy would ask the other node, and a session is in one node.
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, "too many viewers or rates\n"),
        };
        let mut response = (status, reason).into_response();
        if let Self::Busy = self {
            let seconds = HeaderValue::from_static("10");
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

#[derive(Deserialize)]
struct Open {
    rate: f64,
}

async fn open(
    Extension(sessions): Extension<Arc<Sessions>>,
    Query(open): Query<Open>,
) -> Result<impl IntoResponse, Refused> {
    let rate = Rate::new(open.rate).ok_or(Refused::BadRate)?;
    let (id, session) = sessions.open(rate).ok_or(Refused::Busy)?;
    let opened = Opened {
        session: id,
        seq: session.feed.last(),
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(opened)))
}

async fn stats(reader: Reader) -> impl IntoResponse {
    let counts = |transport| reader.session.traffic(transport).as_ref().into();
    let stats = Stats {
        now: now(),
        seq: reader.feed().last(),
        poll: counts(Transport::Poll),
        long: counts(Transport::Long),
        events: counts(Transport::Events),
        ws: counts(Transport::WebSocket),
    };
    ([(CACHE_CONTROL, "no-store")], Json(stats))
}

/// A request of a session: who asks, and from where on.
struct Reader {
    session: Arc<Session>,
    after: u64,
    wire: Option<Wire>,
}

#[derive(Deserialize)]
struct Position {
    session: String,
    /// The last sequence number that the client has. Default: only what is new.
    after: Option<u64>,
}

impl FromRequestParts<App> for Reader {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Response> {
        let query: Query<Position> = parts.extract().await.map_err(IntoResponse::into_response)?;
        let sessions = parts.extensions.get::<Arc<Sessions>>();
        let session = sessions.and_then(|sessions| sessions.get(&query.session));
        let session = session.ok_or_else(|| Refused::UnknownSession.into_response())?;
        let last = session.feed.last();
        // A browser that connects again to an event stream repeats the old URL.
        let after = last_event_id(&parts.headers)
            .or(query.after)
            .unwrap_or(last);
        if after > last {
            return Err(Refused::BadPosition.into_response());
        }
        Ok(Self {
            session,
            after,
            wire: parts.extensions.get().cloned(),
        })
    }
}

fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

impl Reader {
    fn feed(&self) -> &Feed {
        &self.session.feed
    }

    /// The bytes of this request and its response are those of `transport`.
    fn count_for(&self, transport: Transport) {
        if let Some(wire) = &self.wire {
            wire.label(self.session.traffic(transport));
        }
    }

    /// What is new, as a JSON array.
    fn answer(&self) -> impl IntoResponse + use<> {
        let new = self.feed().after(self.after);
        let items: Vec<&str> = new.iter().map(|new| new.json.as_str()).collect();
        let headers = [
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
        ];
        (headers, format!("[{}]", items.join(",")))
    }
}

async fn poll(reader: Reader) -> impl IntoResponse {
    reader.count_for(Transport::Poll);
    reader.answer()
}

async fn long(State(app): State<App>, reader: Reader) -> impl IntoResponse {
    reader.count_for(Transport::Long);
    let mut place = reader.session.place(Transport::Long);
    select! {
        () = reader.feed().wait(reader.after) => {}
        () = sleep(LONG_POLL) => {}
        () = over(&app, &mut place) => {}
    }
    reader.answer()
}

async fn events(State(app): State<App>, reader: Reader) -> impl IntoResponse {
    reader.count_for(Transport::Events);
    let mut place = reader.session.place(Transport::Events);
    let first = stream::iter([Ok(Event::default().retry(RETRY))]);
    let batches = stream::unfold(reader, async |mut reader| {
        reader.feed().wait(reader.after).await;
        let new = reader.feed().after(reader.after);
        reader.after = new.last().map_or(reader.after, |new| new.seq);
        Some((stream::iter(new), reader))
    });
    let events = batches.flatten().map(|new| {
        let event = Event::default().id(new.seq.to_string()).data(&new.json);
        Ok::<_, Infallible>(event)
    });
    let all = first
        .chain(events)
        .take_until(async move { over(&app, &mut place).await });
    // nginx would collect the events in a buffer.
    let headers = [("x-accel-buffering", "no")];
    (
        headers,
        Sse::new(all).keep_alive(KeepAlive::new().interval(HEARTBEAT)),
    )
}

async fn ws(State(app): State<App>, reader: Reader, request: Request) -> Response {
    reader.count_for(Transport::WebSocket);
    let wire = reader.wire.clone();
    let mut config = app.config;
    config.max_message_size = 1024; // clients have nothing to say
    config.deflate = None; // the other transports do not compress either
    let shared = app.clone();
    let response = upgrade(request, &app.origins, config, async move |mut socket| {
        let mut place = reader.session.place(Transport::WebSocket);
        if let Err(error) = talk(&mut socket, reader, over(&shared, &mut place)).await {
            tracing::debug!(%error, "comparison");
        }
        socket.finish().await; // also after an error: the Close frame is in `out`
    });
    if let Some(wire) = wire
        && response.status() == StatusCode::SWITCHING_PROTOCOLS
    {
        wire.keep();
    }
    response
}

async fn talk(
    socket: &mut WebSocket,
    mut reader: Reader,
    over: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mut over = pin!(over);
    loop {
        let WebSocket { ws, input, out, .. } = &mut *socket;
        while ws.next_event(input, out)?.is_some() {} // pings and the Close frame are answered already
        if let Some(error) = ws.error() {
            return Err(error.into());
        }
        if ws.is_done() {
            return Ok(());
        }
        let may_send = out.len() <= HIGH_WATER && ws.state() == ReadyState::Open;
        select! {
            () = socket.wait() => {}
            () = reader.feed().wait(reader.after), if may_send => {
                for new in reader.session.feed.after(reader.after) {
                    if socket.out.len() > HIGH_WATER {
                        break; // the ring keeps the rest
                    }
                    socket.ws.send_prepared(&new.frame, &mut socket.out)?;
                    reader.after = new.seq;
                }
            }
            () = &mut over => {
                return socket.close(CloseCode::GOING_AWAY, "").await;
            }
        }
    }
}

/// Waits until the server stops, or the client asks anew.
async fn over(app: &App, place: &mut Place) {
    select! {
        () = app.stopped() => {}
        () = place.lost() => {}
    }
}
