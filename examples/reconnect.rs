//! A client that connects again when a connection is lost, and sends again what was not answered.
use std::{collections::VecDeque, env, process::ExitCode};

use examples::adapters::dial::{self, Trust, dial};
use examples::adapters::tokio::{Socket, Stream};
use examples::{Failure, backoff::Backoff, options, stdin::Lines};
use tokio::time::{Instant, sleep};
use websocket_proto::handshake::client::Request;
use websocket_proto::{CloseCode, Config, Error, Event, ReadyState};

const USAGE: &str = "usage: reconnect [OPTIONS] URL

Sends each line of standard input to the echo server at URL, and prints the echoes. If the
connection is lost, connects again and sends the lines without an echo again.";

/// Lines that may wait for their echo. Above it no more are read.
const UNANSWERED: usize = 1000;

/// What outlives a connection.
struct Session {
    lines: Lines,
    unanswered: VecDeque<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Err(error) = run().await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("reconnect: {error}");
    ExitCode::FAILURE
}

async fn run() -> Result<(), Failure> {
    let (config, mut args) = options::parse(env::args().skip(1))?;
    let trust = Trust::parse(&mut args)?;
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}\n\n{}\n\n{}", dial::HELP, options::HELP);
        return Ok(());
    }
    let [url] = &args[..] else {
        return Err("one URL is needed; try --help".into());
    };
    let request = Request::new(url).map_err(|error| format!("{url}: {error}"))?;
    let request = options::offer(request, config.deflate);

    let (lines, unanswered) = (Lines::read(), VecDeque::new());
    let (mut session, mut backoff) = (Session { lines, unanswered }, Backoff::default());
    loop {
        let mut opened = None;
        let error = match attempt(&request, &trust, config, &mut session, &mut opened).await {
            Ok(()) => return Ok(()),
            Err(error) if !error.can_retry() => return Err(error.into()),
            Err(error) => error,
        };
        let pause = backoff.pause(opened.map(|at: Instant| at.elapsed()), getrandom::u64()?);
        eprintln!("reconnect: {error}; next try in {pause:.1?}");
        sleep(pause).await;
    }
}

/// One connection: `Ok` if the input has ended and all of it was answered.
async fn attempt(
    request: &Request<'_>,
    trust: &Trust,
    config: Config,
    session: &mut Session,
    opened: &mut Option<Instant>,
) -> Result<(), Error> {
    let stream = dial(request, trust, config.handshake_timeout).await?;
    let mut socket = Socket::connect(stream, request, config, |_| {}).await?;
    *opened = Some(Instant::now());
    let again = session.unanswered.len();
    eprintln!("reconnect: connected; {again} lines to send again");
    for text in &session.unanswered {
        socket.ws.send_text(text, &mut socket.out)?;
    }
    let result = converse(&mut socket, session).await;
    (socket.ws).close(CloseCode::GOING_AWAY, "", &mut socket.out)?; // if this end gave up
    socket.finish().await;
    match session.lines.ended() && session.unanswered.is_empty() {
        true => Ok(()),
        false => result,
    }
}

async fn converse(socket: &mut Socket<impl Stream>, session: &mut Session) -> Result<(), Error> {
    let Session { lines, unanswered } = session;
    loop {
        let Socket { ws, input, out, .. } = &mut *socket;
        while let Some(event) = ws.next_event(input, out)? {
            // TCP does not tell which messages have arrived: only an answer does. What was answered
            // just before the connection broke is sent twice, so give real messages a number.
            if let Event::Text(text) = event
                && unanswered.pop_front_if(|first| first == text).is_some()
            {
                println!("{text}");
            }
        }
        let answered = lines.ended() && unanswered.is_empty();
        if ws.is_done() {
            return match ws.close_received() {
                Some(close) if !answered => Err(Error::Closed(close.code)),
                _ => Ok(()),
            };
        }
        if answered {
            ws.close(CloseCode::NORMAL, "", out)?;
        }
        let may_send = ws.state() == ReadyState::Open && unanswered.len() < UNANSWERED;
        tokio::select! {
            () = socket.wait() => {}
            line = lines.next(), if may_send => if let Some(line) = line? {
                socket.ws.send_text(&line, &mut socket.out)?;
                unanswered.push_back(line);
            },
        }
    }
}
