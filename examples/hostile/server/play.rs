//! Plays one attack on a server.
use std::io;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use websocket_proto::deflate::Params;

use super::Server;
use crate::attack::{Attack, Head, Part, Want};
use crate::exchange::{End, Plan, Times, exchange};
use crate::frames::Side;
use crate::hear::{Ear, Seen};
use crate::http::{self, Lines};
use crate::talk::talk;

const CONNECT: Duration = Duration::from_secs(2);

/// Plays the attack on all its connections. What the first one sees counts.
pub fn play(server: &Server, attack: &Attack, times: Times) -> io::Result<Seen> {
    thread::scope(|scope| {
        let one = || scope.spawn(|| play_one(server, attack, times));
        let others: Vec<_> = (1..attack.connections).map(|_| one()).collect();
        let mut seen = play_one(server, attack, times)?;
        for other in others {
            let other = other.join().expect("it does not panic")?;
            seen.sent += other.sent;
        }
        Ok(seen)
    })
}

fn play_one(server: &Server, attack: &Attack, times: Times) -> io::Result<Seen> {
    let patience = times.patience.filter(|_| attack.is_slow());
    let plan = Plan {
        wait: times.wait,
        patience,
        ..Plan::default()
    };
    let stream = connect(server)?;
    let opened = match &attack.head {
        Head::Plain => shake(&stream, &request(server, None), None, false, &plan),
        Head::Deflate(offer) => shake(
            &stream,
            &request(server, Some(*offer)),
            Some(*offer),
            false,
            &plan,
        ),
        Head::Raw(parts) => {
            // The end of the stream shows where the body ends.
            let whole = matches!(attack.want, Want::RefusedWithoutBody(_) | Want::Ended);
            shake(&stream, parts, None, whole, &plan)
        }
    };
    let (mut ear, end) = opened;
    let is_open = ear.seen.status == Some(101) && attack.want != Want::Declined;
    if is_open && ear.seen.illegal.is_none() && !ear.seen.not_agreed {
        talk(Side::Client, &stream, attack, &mut ear, &plan);
    } else {
        ear.seen.end = Some(end);
    }
    let _ = stream.shutdown(Shutdown::Both);
    Ok(ear.seen)
}

/// Opens a connection for frames. If there is an offer of compression, the server must agree.
pub fn open(server: &Server, offer: Option<Params>) -> Result<TcpStream, String> {
    let stream = connect(server).map_err(|error| error.to_string())?;
    let plan = Plan {
        wait: CONNECT,
        ..Plan::default()
    };
    let (ear, _) = shake(&stream, &request(server, offer), offer, false, &plan);
    let _ = stream.set_write_timeout(None);
    match ear.seen.status {
        Some(101) if ear.seen.not_agreed => Err("no compression".into()),
        Some(101) => Ok(stream),
        Some(status) => Err(format!("refused with {status}")),
        None => Err("no response".into()),
    }
}

pub fn connect(server: &Server) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server.addr, CONNECT)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn request(server: &Server, offer: Option<Params>) -> Vec<Part> {
    let mut request = Lines::request(&server.host, &server.path);
    if let Some(offer) = offer {
        request = request.with(format!("Sec-WebSocket-Extensions: {offer}"));
    }
    vec![Part::Bytes(request.into())]
}

/// Sends a request, and reads the head of the response. `whole`: if it refuses, also its body.
fn shake(
    stream: &TcpStream,
    head: &[Part],
    offer: Option<Params>,
    whole: bool,
    plan: &Plan<'_>,
) -> (Ear, End) {
    let (mut received, mut response) = (Vec::new(), None);
    let plan = Plan {
        parts: head,
        ..*plan
    };
    let (sent, end) = exchange(stream, &plan, &mut |bytes| {
        received.extend_from_slice(bytes);
        response = http::answer(&received);
        response
            .as_ref()
            .is_some_and(|it| it.status == 101 || !whole)
    });
    let Some(response) = response else {
        let mut ear = Ear::client(None);
        ear.seen.sent = sent;
        return (ear, end);
    };
    // A raw head can have an offer as well.
    let any = Params {
        server_max_window_bits: Some(15),
        client_max_window_bits: Some(15),
        ..Params::default()
    };
    let agreed = response.agreed(offer.unwrap_or(any));
    let mut ear = Ear::client(agreed);
    ear.seen.sent = sent;
    ear.seen.status = Some(response.status);
    ear.seen.not_agreed = offer.is_some() && agreed.is_none() && response.status == 101;
    if response.is_wrong {
        ear.seen.illegal = Some("a 101 without the right Sec-WebSocket-Accept".into());
    }
    let rest = &received[response.len..];
    match response.status {
        101 => _ = ear.hear(rest),
        _ => ear.seen.body = rest.len(),
    }
    ear.seen.extensions = response.extensions;
    (ear, end)
}
