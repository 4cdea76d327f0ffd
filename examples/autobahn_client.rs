//! Runs all cases of an Autobahn fuzzing server: asks how many there are, echoes through each, and
//! has the report written.
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};
use std::{env, error::Error, process::ExitCode};

use bytes::BytesMut;
use websocket_proto::handshake::client::{Handshake, Outcome, Request};
use websocket_proto::{
    Config, Connection, Event, ReadyState, RecvBuf, Seed, deflate::DeflateConfig,
};

mod options;

const USAGE: &str = "usage: autobahn_client [OPTIONS] URL [AGENT]

Runs every case of the Autobahn fuzzing server at URL, such as ws://127.0.0.1:9001.
AGENT names this client in the report; default: websocket-proto.";

fn main() -> ExitCode {
    let mut config = Config::new();
    config.max_message_size = 64 << 20;
    config.deflate = Some(DeflateConfig::new());
    let args = options::parse(env::args().skip(1), &mut config.deflate);
    let (url, agent) = match args.as_deref() {
        Ok([url, rest @ ..]) if !url.starts_with('-') && rest.len() < 2 => (
            url.trim_end_matches('/'),
            rest.first().map_or("websocket-proto", |agent| agent),
        ),
        Ok([flag]) if flag == "--help" || flag == "-h" => {
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
        .map_err(|_| format!("no count of cases, but {count:?}"))?;
    for case in 1..=count {
        let outcome = converse(
            &format!("{url}/runCase?case={case}&agent={agent}"),
            config,
            echo,
        );
        // Most cases break a rule on purpose: what the connection made of it is the report's matter.
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

/// One connection from its opening to its end.
fn converse(
    url: &str,
    config: Config,
    mut on_event: impl FnMut(&mut Connection, Event<'_>, &mut BytesMut),
) -> Result<(), Box<dyn Error>> {
    let (start, mut input, mut out) = (Instant::now(), RecvBuf::new(), BytesMut::new());

    let request = options::offer(Request::new(url)?, config.deflate);
    let mut opening = Handshake::start(&request, Seed::from_os()?, config, &mut out)?;
    let mut socket = TcpStream::connect((request.host(), request.port()))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?; // to look at the deadlines

    let mut ws = loop {
        match opening.next(&mut input)? {
            Some(Outcome::Accepted(ws, _response)) => break ws,
            Some(Outcome::Refused(response)) => {
                return Err(format!("the server refused: {}", response.status()).into());
            }
            None => {}
        }
        opening.handle_timeout(start.elapsed())?;
        if !wait(&mut socket, &mut input, &mut out)? {
            opening.end_of_stream();
        }
    };
    let result = loop {
        match ws.next_event(&mut input, &mut out) {
            Ok(Some(event)) => on_event(&mut ws, event, &mut out),
            Err(error) => break Err(error),
            Ok(None) if ws.is_done() => break Ok(()),
            Ok(None) => {
                ws.handle_timeout(start.elapsed(), &mut out)?;
                if !wait(&mut socket, &mut input, &mut out)? {
                    ws.end_of_stream();
                }
            }
        }
    };
    // After an error the Close frame is still in `out`; it arrives if what the peer has sent is
    // read before the socket is closed.
    if socket.write_all(&out).is_ok() && socket.shutdown(Shutdown::Write).is_ok() {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end && socket.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
    }
    Ok(result?)
}

/// Flushes, then reads what comes within a second. Returns whether the stream goes on.
fn wait(socket: &mut TcpStream, input: &mut RecvBuf, out: &mut BytesMut) -> io::Result<bool> {
    socket.write_all(&out.split())?;
    match socket.read(input.spare(16 << 10)) {
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(true),
            // An end as well: a clean one, if the closing handshake is complete.
            ErrorKind::ConnectionReset => Ok(false),
            _ => Err(error),
        },
        Ok(n) => {
            input.filled(n);
            Ok(n > 0)
        }
    }
}
