//! Handshakes.

use bytes::BytesMut;
use fastrand::Rng;
use websocket_proto::{
    Config, RecvBuf, Seed,
    handshake::{
        client::{self, Outcome, Request},
        server::{self, Origins},
    },
};

use crate::{
    tasks::{
        Accept, Connect, Job,
        opening::{Mock, URL},
        receive::BUFFER,
    },
    wire::Transport,
};

/// The buffers are kept for the next connection, or new for each.
pub fn accept(task: &Accept) -> Vec<Job> {
    vec![
        task.job(|transport| accepting(transport, true))
            .variant("buffers kept"),
        task.job(|transport| accepting(transport, false))
            .variant("new buffers"),
    ]
}

fn accepting(transport: Transport, keep: bool) -> impl FnMut() {
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    move || {
        if !keep {
            (input, out) = (RecvBuf::new(), BytesMut::new());
        }
        let mut handshake = server::Handshake::new(Config::new(), Origins::SameOrigin);
        let n = transport.wire.read(input.spare(BUFFER));
        input.filled(n);
        let next = handshake.next(&mut input, &mut out).expect("valid");
        let (request, pending) = next.expect("complete");
        std::hint::black_box(request.path());
        let ws = pending.accept(server::Accept::new(), &mut out);
        std::hint::black_box(ws.expect("a plain 101"));
        transport.drain.write(&out);
        out.clear();
    }
}

/// The URL is parsed once, as for many connections to one server, and the seed comes from a
/// generator of the application.
pub fn connect(task: &Connect) -> Vec<Job> {
    let make = || {
        let request = Request::new(URL).expect("a URL");
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut rng = Rng::new();
        move |mock: &mut Mock| {
            let mut seed = [0; 32];
            rng.fill(&mut seed);
            connecting(&request, seed.into(), &mut input, &mut out, mock)
        }
    };
    vec![task.job(make)]
}

/// The URL is parsed each time, and the seed comes from the operating system.
pub fn connect_from_url(task: &Connect) -> Vec<Job> {
    let make = || {
        |mock: &mut Mock| {
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            let request = Request::new(URL).expect("a URL");
            let seed = Seed::from_os().expect("entropy");
            connecting(&request, seed, &mut input, &mut out, mock)
        }
    };
    vec![task.job(make)]
}

fn connecting(
    request: &Request<'_>,
    seed: Seed,
    input: &mut RecvBuf,
    out: &mut BytesMut,
    mock: &mut Mock,
) -> Result<(), String> {
    let handshake = client::Handshake::start(request, seed, Config::new(), out);
    let mut handshake = handshake.map_err(|it| it.to_string())?;
    mock.write_request(out);
    out.clear();
    let n = std::io::Read::read(mock, input.spare(BUFFER)).expect("no error");
    input.filled(n);
    match handshake.next(input).map_err(|it| it.to_string())? {
        Some(Outcome::Accepted(ws, _)) => {
            std::hint::black_box(ws);
            Ok(())
        }
        _ => Err("not accepted".into()),
    }
}
