//! Runs all cases of an Autobahn fuzzing server: asks for their number, echoes in each of them, and
//! lets the server write its report.
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};
use std::{env, error::Error, process::ExitCode};

use bytes::BytesMut;
use examples::options;
use websocket_proto::handshake::client::{Handshake, Outcome, Request};
use websocket_proto::{Config, Connection, Event, ReadyState, RecvBuf, Seed};

const USAGE: &str = "usage: autobahn_client [OPTIONS] URL [AGENT]

Runs every case of the Autobahn fuzzing server at URL, such as ws://127.0.0.1:9001.
AGENT names this client in the report; default: websocket-proto.
Group 9 has messages of 16 MiB: it needs --max-message-size 16M.";

fn main() -> ExitCode {
    let (config, args) = match options::parse(env::args().skip(1)) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("autobahn_client: {error}");
            return ExitCode::from(2);
        }
    };
    let (url, agent) = match &args[..] {
        [url, rest @ ..] if !url.starts_with('-') && rest.len() < 2 => (
            url.trim_end_matches('/'),
            rest.first().map_or("websocket-proto", |agent| agent),
        ),
        [flag] if flag == "--help" || flag == "-h" => {
            println!("{USAGE}\n\n{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}\n\n{}", options::HELP);
            return ExitCode::from(2);
        }
    };
    match run_all(url, agent, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("autobahn_client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_all(url: &str, agent: &str, config: Config) -> Result<(), Box<dyn Error>> {
    let mut count = String::new();
    converse(&format!("{url}/getCaseCount"), config, |_, event, _| {
        if let Event::Text(text) = event {
            count = text.into();
        }
    })?;
    let count: u32 = count
        .parse()
        .map_err(|_| format!("the server sent {count:?} instead of the number of cases"))?;
    for case in 1..=count {
        let outcome = converse(
            &format!("{url}/runCase?case={case}&agent={agent}"),
            config,
            echo,
        );
        // Many cases break a rule on purpose. The report says whether the error is right.
        match outcome {
            Ok(()) => println!("case {case} of {count}"),
            Err(error) => println!("case {case} of {count}: {error}"),
        }
    }
    converse(
        &format!("{url}/updateReports?agent={agent}"),
        config,
        |_, _, _| {},
    )
}

fn echo(ws: &mut Connection, event: Event<'_>, out: &mut BytesMut) {
    if ws.state() == ReadyState::Open {
        let sent = match event {
            Event::Text(text) => ws.send_text(text, out),
            Event::Binary(bytes) => ws.send_binary(bytes, out),
            _ => Ok(()),
        };
        sent.expect("the connection is open");
    }
}

/// Opens a connection, gives its events to `on_event`, and ends it.
fn converse(
    url: &str,
    config: Config,
    on_event: impl FnMut(&mut Connection, Event<'_>, &mut BytesMut),
) -> Result<(), Box<dyn Error>> {
    let (start, mut input, mut out) = (Instant::now(), RecvBuf::new(), BytesMut::new());

    let request = options::offer(Request::new(url)?, config.deflate);
    let mut handshake = Handshake::start(&request, Seed::from_os()?, config, &mut out)?;
    let mut socket = TcpStream::connect((request.host(), request.port()))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?; // to check the deadlines

    let mut ws = loop {
        match handshake.next(&mut input)? {
            Some(Outcome::Accepted(ws, _response)) => break ws,
            Some(Outcome::Refused(response)) => {
                return Err(format!("the server refused: {}", response.status()).into());
            }
            None => {}
        }
        handshake.handle_timeout(start.elapsed())?;
        if !wait(&mut socket, &mut input, &mut out)? {
            handshake.end_of_stream();
        }
    };
    let result = take_events(&mut ws, &mut socket, &mut input, &mut out, on_event);
    // Flush `out` also after an error: the Close frame is in it. Then read until the server ends
    // the stream: closing a socket with unread input resets it, and may destroy the Close frame.
    if socket.write_all(&out).is_ok() && socket.shutdown(Shutdown::Write).is_ok() {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end && socket.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
    }
    result
}

fn take_events(
    ws: &mut Connection,
    socket: &mut TcpStream,
    input: &mut RecvBuf,
    out: &mut BytesMut,
    mut on_event: impl FnMut(&mut Connection, Event<'_>, &mut BytesMut),
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    while !ws.is_done() {
        match ws.next_event(input, out)? {
            Some(event) => on_event(ws, event, out),
            None => {
                ws.handle_timeout(start.elapsed(), out)?;
                if !wait(socket, input, out)? {
                    ws.end_of_stream();
                }
            }
        }
    }
    Ok(())
}

/// Flushes, then reads for at most a second. Returns `false` at the end of the stream.
fn wait(socket: &mut TcpStream, input: &mut RecvBuf, out: &mut BytesMut) -> io::Result<bool> {
    socket.write_all(&out.split())?;
    match socket.read(input.spare(input.read_size())) {
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(true),
            // The connection knows whether the closing handshake was complete.
            ErrorKind::ConnectionReset => Ok(false),
            _ => Err(error),
        },
        Ok(n) => {
            input.filled(n);
            Ok(n > 0)
        }
    }
}
