//! An interactive client: sends the lines of standard input as messages, and prints what arrives.
use std::io::{self, IsTerminal, Write};
use std::{env, pin::pin, process::ExitCode};

use examples::adapters::tokio::{HIGH_WATER, Socket, Stream};
use examples::adapters::{dial::HELP as TRUST, dial::dial};
use examples::{Failure, echo::echo, options::HELP as OPTIONS, stdin::Lines};
use tokio::time::{Instant, sleep_until};
use tokio::{select, signal};
use websocket_proto::{CloseCode, Event, ReadyState, handshake::client::Response};

mod args;
mod input;
mod print;
use {args::Options, input::Command};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match args::parse(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{}\n\n{TRUST}\n\n{OPTIONS}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("client: {error}\nTry --help.");
            return ExitCode::from(2);
        }
    };
    run(&options).await.unwrap_or_else(|error| {
        eprintln!("client: {}", print::harmless(&error.to_string()));
        ExitCode::FAILURE
    })
}

async fn run(options: &Options) -> Result<ExitCode, Failure> {
    let (request, config) = (options.request()?, options.config);
    let stream = dial(&request, &options.trust, config.handshake_timeout).await?;
    let look = |response: &Response<'_>| print::response(response, options.verbose);
    let mut socket = Socket::connect(stream, &request, config, look).await?;
    if io::stdin().is_terminal() && !options.echo {
        eprintln!("connected: each line is a message, Ctrl-D ends the input; see also --help");
    }
    let result = match options.echo {
        true => echo_all(&mut socket).await.map(|()| false),
        false => converse(&mut socket, options).await,
    };
    if result.is_err() {
        // Tells the server also about errors of this end. Does nothing if a Close frame was sent.
        (socket.ws).close(CloseCode::GOING_AWAY, "", &mut socket.out)?;
    }
    socket.finish().await;
    if options.verbose {
        print::compression(&socket.ws);
    }
    let by_hand = result?;
    Ok(print::end(socket.ws.close_received(), by_hand))
}

/// Runs the open connection until it is done. Returns whether /close has ended it.
async fn converse(socket: &mut Socket<impl Stream>, options: &Options) -> Result<bool, Failure> {
    let (mut interrupt, mut interrupted, mut by_hand) = (pin!(signal::ctrl_c()), false, false);
    let (mut lines, mut silent_at, mut pong_wanted) = (Lines::read(), None, false);
    loop {
        let Socket { ws, input, out, .. } = &mut *socket;
        let mut stdout = io::stdout().lock();
        while let Some(event) = ws.next_event(input, out)? {
            // Any pong counts: a server may answer only the latest of several pings.
            if silent_at.is_some() && matches!(event, Event::Text(_) | Event::Binary(_))
                || lines.ended() && matches!(event, Event::Pong(_))
            {
                silent_at = Some(Instant::now() + options.wait);
            }
            let wanted = options.verbose || pong_wanted;
            pong_wanted &= !matches!(event, Event::Pong(_));
            print::event(event, options.verbose, wanted, &mut stdout)?;
        }
        stdout.flush()?;
        drop(stdout);
        if ws.is_done() {
            return Ok(by_hand);
        }
        // Above the limit it still reads: if both ends stop reading, they deadlock.
        let may_send = out.len() < HIGH_WATER && ws.state() == ReadyState::Open;
        select! {
            () = socket.wait() => {}
            line = lines.next(), if may_send => match line? {
                Some(line) => {
                    let command = input::command(line, options.raw);
                    by_hand |= matches!(command, Ok(Command::Close(..)));
                    pong_wanted |= matches!(command, Ok(Command::Ping(_)));
                    match command.and_then(|command| command.send(socket)) {
                        Err(error) if io::stdin().is_terminal() => eprintln!("client: {error}"),
                        result => result?,
                    }
                }
                // Its pong shows that the server has read all lines.
                None => socket.ws.send_ping(b"", &mut socket.out)?,
            },
            () = sleep_until(silent_at.unwrap_or_else(Instant::now)), if silent_at.is_some() => {
                silent_at = None;
                (socket.ws).close(CloseCode::NORMAL, "", &mut socket.out)?;
            }
            _ = &mut interrupt, if !interrupted => {
                interrupted = true;
                (socket.ws).close(CloseCode::GOING_AWAY, "interrupted", &mut socket.out)?;
            }
        }
    }
}

/// Sends every message back until the connection is done.
async fn echo_all(socket: &mut Socket<impl Stream>) -> Result<(), Failure> {
    select! {
        result = echo(socket) => return Ok(result?),
        _ = signal::ctrl_c() => {}
    }
    (socket.ws).close(CloseCode::GOING_AWAY, "interrupted", &mut socket.out)?;
    Ok(echo(socket).await?)
}
