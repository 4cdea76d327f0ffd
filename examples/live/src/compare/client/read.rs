//! The four transports at the client. Each goes on until it has all notifications, also over a
//! connection that broke.
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use examples::Failure;
use examples::adapters::tokio::Socket;
use http_body_util::BodyExt;
use hyper::Method;
use tokio::select;
use tokio::time::{MissedTickBehavior, interval, sleep};
use websocket_proto::handshake::client::Request;
use websocket_proto::{CloseCode, Config, Event, deflate::DeflateConfig};

use super::View;
use super::http::{ENCODINGS, Http, LANGUAGES, USER_AGENT};
use super::sse::Parser;
use crate::compare::Transport;
use crate::compare::answers::Notification;

/// The first pause before a new connection, and the longest: each one is twice as long as the last.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Connections in a row without a notification after which a transport gives up.
const ATTEMPTS: u32 = 20;

/// Reads until all notifications are here.
pub async fn read(transport: Transport, view: &View) -> Result<(), Failure> {
    let (mut pause, mut attempts) = (PAUSE, 0);
    loop {
        let before = view.position();
        let result = match transport {
            Transport::Poll => poll(view).await,
            Transport::Long => long(view).await,
            Transport::Events => events(view).await,
            Transport::WebSocket => websocket(view).await,
        };
        let Err(error) = result else { return Ok(()) };
        if view.position() > before {
            (pause, attempts) = (PAUSE, 0);
        }
        attempts += 1;
        if attempts == ATTEMPTS {
            return Err(format!("{}: {error}", transport.path()).into());
        }
        tracing::debug!(transport = transport.path(), %error, "connecting again");
        select! {
            () = sleep(pause) => pause = LONGEST_PAUSE.min(2 * pause),
            () = view.complete() => return Ok(()),
        }
    }
}

async fn connect(view: &View) -> Result<Http, Failure> {
    Http::connect(&view.session.address, view.dial().await?).await
}

async fn poll(view: &View) -> Result<(), Failure> {
    let mut http = connect(view).await?;
    let mut turns = interval(view.interval);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        select! {
            _ = turns.tick() => {}
            () = view.complete() => break,
        }
        if http.is_closed() {
            http = connect(view).await?;
        }
        ask(view, &mut http, Transport::Poll).await?;
    }
    view.finish().await;
    Ok(())
}

async fn long(view: &View) -> Result<(), Failure> {
    let mut http = connect(view).await?;
    loop {
        let mut asked = pin!(ask(view, &mut http, Transport::Long));
        select! {
            asked = &mut asked => asked?,
            () = view.complete() => {
                view.finish().await; // while the connection is open, which waits for an answer
                return Ok(());
            }
        }
    }
}

/// One poll, short or long.
async fn ask(view: &View, http: &mut Http, transport: Transport) -> Result<(), Failure> {
    view.tally().requests += 1;
    let path = view.session.path(transport, view.position());
    let body = http.fetch(Method::GET, &path).await?;
    let new: Vec<Notification> = serde_json::from_slice(&body)?;
    new.iter().for_each(|new| view.take(new));
    Ok(())
}

async fn events(view: &View) -> Result<(), Failure> {
    let mut http = connect(view).await?;
    let last = view.position().to_string();
    let mut fields = vec![
        ("accept", "text/event-stream"),
        ("pragma", "no-cache"),
        ("cache-control", "no-cache"),
    ];
    if view.tally().requests > 0 {
        fields.push(("last-event-id", &last)); // a browser repeats the URL, with this field
    }
    view.tally().requests += 1;
    let path = view.session.path(Transport::Events, view.session.start);
    let mut response = http.send(Method::GET, &path, &fields).await?;
    let mut parser = Parser::default();
    loop {
        let frame = select! {
            frame = response.frame() => frame.ok_or("the stream has ended")??,
            () = view.complete() => break,
        };
        let bytes: Bytes = frame.into_data().unwrap_or_default();
        let mut events = Vec::new();
        parser.push(&bytes, |event| events.push(event))?;
        for event in events {
            view.take(&serde_json::from_str(&event.data)?);
        }
    }
    view.finish().await;
    Ok(())
}

async fn websocket(view: &View) -> Result<(), Failure> {
    let stream = view.dial().await?;
    view.tally().requests += 1;
    let path = view.session.path(Transport::WebSocket, view.position());
    let url = format!("ws://{}{path}", view.session.address);
    let origin = format!("http://{}", view.session.address);
    let request = Request::new(&url)?
        .origin(&origin)
        .header("Pragma", "no-cache")
        .header("Cache-Control", "no-cache")
        .header("User-Agent", USER_AGENT)
        .header("Accept-Encoding", ENCODINGS)
        .header("Accept-Language", LANGUAGES);
    let mut config = Config::new();
    config.deflate = Some(DeflateConfig::new()); // browsers offer it
    config.ping_interval = None; // browsers send no pings
    let mut socket = Socket::connect(stream, &request, config, |_| ()).await?;
    loop {
        select! {
            event = socket.recv() => match event? {
                Some(Event::Text(text)) => view.take(&serde_json::from_str(text)?),
                Some(_) => {}
                None => return Err("the server has closed the connection".into()),
            },
            () = view.complete() => {
                view.finish().await;
                return Ok(socket.close(CloseCode::NORMAL, "").await?);
            }
        }
    }
}
