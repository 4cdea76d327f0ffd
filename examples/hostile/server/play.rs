//! Plays one attack on a server.
use std::io;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use websocket_proto::deflate::Params;
use websocket_proto::{Role, Seed};

use super::Server;
use crate::attack::{Attack, Head, Part, Want};
use crate::exchange::{End, Plan, exchange};
use crate::frames::{CLOSE, TEXT, close, masked};
use crate::hear::{Ear, Seen};
use crate::http::{self, Request};
use crate::verdict::PROBE;

const CONNECT: Duration = Duration::from_secs(2);

/// Times that the user can set.
#[derive(Clone, Copy)]
pub struct Times {
    /// A peer that is silent for so long hangs.
    pub wait: Duration,
    /// For the attacks that are slow themselves.
    pub patience: Option<Duration>,
}

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
        Head::Plain => shake(&stream, &request(server, None), None, &plan),
        Head::Deflate(offer) => shake(&stream, &request(server, Some(*offer)), Some(*offer), &plan),
        Head::Raw(parts) => shake(&stream, parts, None, &plan),
    };
    let (mut ear, end) = opened;
    let is_open = ear.seen.status == Some(101) && end == End::Heard;
    if is_open && ear.seen.illegal.is_none() && !ear.seen.not_agreed {
        let sent = ear.seen.sent;
        talk(&stream, attack, &mut ear, &plan);
        ear.seen.sent += sent;
    } else {
        ear.seen.end = Some(end);
    }
    let _ = stream.shutdown(Shutdown::Both);
    Ok(ear.seen)
}

/// Opens a connection, with compression if the server agrees to it.
pub fn open(server: &Server, offer: Option<Params>, times: Times) -> io::Result<(TcpStream, Seen)> {
    let stream = connect(server)?;
    let plan = Plan {
        wait: times.wait,
        ..Plan::default()
    };
    let (ear, _) = shake(&stream, &request(server, offer), offer, &plan);
    Ok((stream, ear.seen))
}

pub fn connect(server: &Server) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server.addr, CONNECT)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn request(server: &Server, offer: Option<Params>) -> Vec<Part> {
    let mut request = Request::new(&server.host, &server.path);
    if let Some(offer) = offer {
        request = request.with(format!("Sec-WebSocket-Extensions: {offer}"));
    }
    vec![Part::Bytes(request.into())]
}

/// Sends a request, and reads until the end of the head of the response.
fn shake(stream: &TcpStream, head: &[Part], offer: Option<Params>, plan: &Plan<'_>) -> (Ear, End) {
    let (mut received, mut response) = (Vec::new(), None);
    let plan = Plan {
        parts: head,
        ..*plan
    };
    let (sent, end) = exchange(stream, &plan, &mut |bytes| {
        // An interim response could come first; nobody sends one.
        received.extend_from_slice(bytes);
        response = http::response(&received);
        // A refusal has a body, and then the end.
        response.as_ref().is_some_and(|it| it.status == 101)
    });
    let Some(response) = response else {
        let mut ear = Ear::new(client(), None);
        ear.seen.sent = sent;
        return (ear, end);
    };
    let agreed = offer.and_then(|offer| response.agreed(offer));
    let mut ear = Ear::new(client(), agreed);
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

/// It only listens: the keys are not used.
fn client() -> Role {
    Role::Client(Seed::from([0; 32]))
}

fn talk(stream: &TcpStream, attack: &Attack, ear: &mut Ear, plan: &Plan<'_>) {
    let probe = [masked(TEXT, PROBE), masked(CLOSE, close(1000, ""))];
    let probe: Vec<u8> = probe.iter().flat_map(|frame| frame.bytes()).collect();
    let mut parts = attack.parts.clone();
    let mut plan = Plan {
        deaf: attack.deaf,
        ..*plan
    };
    // Right answers come to everything that was sent: there is no need for a pause before the probe.
    match attack.want {
        _ if attack.incomplete || attack.is_slow() => {}
        Want::Failed(_) => plan.probe = &probe,
        _ => parts.push(Part::Bytes(probe.clone())),
    }
    plan.parts = &parts;
    let until_end = attack.is_slow();
    let is_late = attack.want == Want::Silent;
    let (sent, end) = exchange(stream, &plan, &mut |bytes| {
        let is_over = ear.hear(bytes);
        is_over && !until_end && (!is_late || ear.seen.illegal.is_some())
    });
    ear.seen.sent = sent;
    ear.seen.end = Some(end);
}
