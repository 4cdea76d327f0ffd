//! An interactive client: sends the lines of standard input as messages, and prints what arrives.
use std::io::{self, BufRead, ErrorKind, IsTerminal, Write};
use std::{env, error::Error, future, pin::pin, process::ExitCode, thread, time::Duration};

use bytes::{Buf, BytesMut};
use examples::options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio::{select, signal, sync::mpsc, task::coop};
use websocket_proto::deflate::ByteCount;
use websocket_proto::handshake::client::{Handshake, Outcome, Request, Response};
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Event, ReadyState, RecvBuf, Seed,
};

const USAGE: &str = "usage: client [OPTIONS] URL

Connects to a WebSocket server, sends each line of standard input as a text message, and prints the
messages that arrive. At the end of the input, waits for the answers and closes the connection.

  URL                      ws://HOST[:PORT][/PATH][?QUERY]
  --header 'NAME: VALUE'   adds a header to the request; may be repeated
  --subprotocol NAME       offers a subprotocol; may be repeated, in order of preference
  --origin ORIGIN          adds an Origin header, as a browser does
  --ping SECONDS           interval of pings; default: 20; 0 sends none
  --echo                   sends every message back until the server closes; does not read standard
                           input, and does not print messages
  --wait SECONDS           after the end of the input, closes when the server has been silent for
                           this long; default: 0.5
  --verbose                prints the response, control frames, the close code and the effect of
                           compression to standard error
  --help                   prints this help

Exit status: 0 if the server closed with 1000, 1001 or no code; 1 otherwise; 2 for wrong usage.";

/// Bytes of unsent output above which no more lines are sent. The socket is still read: if both
/// ends stop reading, they deadlock. Only --echo stops reading too, as its input becomes output.
const HIGH_WATER: usize = 1 << 20;
const READ: usize = 16 << 10;

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Default)]
struct Options {
    url: String,
    headers: Vec<(String, String)>,
    subprotocols: Vec<String>,
    origin: Option<String>,
    config: Config,
    echo: bool,
    wait: Duration,
    verbose: bool,
}

fn main() -> ExitCode {
    let options = match parse(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}\n\n{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("client: {error}\nTry --help.");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(run(options)))
    {
        Ok(code) => code,
        Err(error) => {
            eprintln!("client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: impl Iterator<Item = String>) -> Result<Option<Options>, Failure> {
    let (config, args) = options::parse(args)?;
    let mut options = Options {
        config,
        wait: Duration::from_millis(500),
        ..Options::default()
    };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        let seconds = |text: String| {
            let seconds = text.parse().ok().filter(|s| (0.0..1e9).contains(s));
            let seconds = seconds.map(Duration::from_secs_f64);
            seconds.ok_or(format!("{arg} takes a number of seconds, not {text:?}"))
        };
        match &*arg {
            "--help" | "-h" => return Ok(None),
            "--verbose" => options.verbose = true,
            "--echo" => options.echo = true,
            "--header" => {
                let header = value()?;
                let (name, value) = header
                    .split_once(':')
                    .ok_or(format!("no colon in {header:?}"))?;
                options.headers.push((name.into(), value.trim().into()));
            }
            "--subprotocol" => options.subprotocols.push(value()?),
            "--origin" => options.origin = Some(value()?),
            "--wait" => options.wait = seconds(value()?)?,
            "--ping" => {
                options.config.ping_interval = Some(seconds(value()?)?).filter(|s| !s.is_zero());
            }
            flag if flag.starts_with('-') => return Err(format!("unknown option {flag}").into()),
            _ if !options.url.is_empty() => return Err(format!("more than one URL: {arg}").into()),
            _ => options.url = arg,
        }
    }
    if options.url.is_empty() {
        return Err("a URL is needed".into());
    }
    Ok(Some(options))
}

impl Options {
    fn request(&self) -> Result<Request<'_>, Failure> {
        let mut request =
            Request::new(&self.url).map_err(|error| format!("{}: {error}", self.url))?;
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for name in &self.subprotocols {
            request = request.subprotocol(name);
        }
        if let Some(origin) = &self.origin {
            request = request.origin(origin);
        }
        if request.is_secure() {
            return Err("wss:// needs TLS, which this example does not have: use ws://".into());
        }
        Ok(options::offer(request, self.config.deflate))
    }
}

async fn run(options: Options) -> Result<ExitCode, Failure> {
    let start = Instant::now();
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let Options {
        config, verbose, ..
    } = &options;
    let request = match options.request() {
        Ok(request) => request,
        Err(error) => {
            eprintln!("client: {error}");
            return Ok(ExitCode::from(2));
        }
    };
    let (host, port) = (request.host(), request.port());
    let mut handshake = Handshake::start(&request, Seed::from_os()?, *config, &mut out)?;
    let mut socket = timeout(config.handshake_timeout, TcpStream::connect((host, port)))
        .await
        .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
        .map_err(|error| format!("cannot connect to {host}:{port}: {error}"))?;
    socket.write_all_buf(&mut out).await?;
    let mut ws = loop {
        match handshake.next(&mut input)? {
            Some(Outcome::Accepted(ws, response)) => {
                if *verbose {
                    print_head(&response);
                }
                break ws;
            }
            Some(Outcome::Refused(response)) => {
                if *verbose {
                    print_head(&response);
                }
                return Err(refusal(&response).into());
            }
            None => {}
        }
        let deadline = start
            + handshake
                .deadline(start.elapsed())
                .unwrap_or(config.handshake_timeout);
        match timeout_at(deadline, socket.read(input.spare(READ))).await {
            Ok(Ok(0)) => handshake.end_of_stream(),
            Ok(n) => input.filled(n?),
            Err(_) => handshake.handle_timeout(start.elapsed())?,
        }
    };
    if io::stdin().is_terminal() {
        eprintln!("connected: each line is sent as a message, Ctrl-D ends the input");
    }
    let result = converse(&mut ws, &mut socket, &mut input, &mut out, &options).await;
    if result.is_err() {
        // Tells the server also about errors of this end. Does nothing if a Close frame was sent.
        ws.close(CloseCode::GOING_AWAY, "", &mut out)?;
    }
    // Flush `out` also after an error: the Close frame is in it. Then read until the server ends
    // the stream: closing a socket with unread input resets it, and may destroy the Close frame.
    let finish = async {
        socket.write_all_buf(&mut out).await?;
        socket.shutdown().await?;
        while socket.read(&mut [0; 4096]).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    let _ = timeout(Duration::from_secs(5), finish).await;
    if *verbose {
        print_compression(&ws);
    }
    result?;
    Ok(match ws.close_received() {
        Some(CloseFrame {
            code: None | Some(CloseCode::NORMAL | CloseCode::GOING_AWAY),
            ..
        }) => ExitCode::SUCCESS,
        Some(close) => {
            eprintln!("client: the server closed with {}", describe(close));
            ExitCode::FAILURE
        }
        None => ExitCode::FAILURE,
    })
}

/// Runs the open connection until it is done.
async fn converse(
    ws: &mut Connection,
    socket: &mut TcpStream,
    input: &mut RecvBuf,
    out: &mut BytesMut,
    options: &Options,
) -> Result<(), Failure> {
    let start = Instant::now();
    let (mut interrupt, mut interrupted) = (pin!(signal::ctrl_c()), false);
    let (reader, mut writer) = socket.split();
    let mut lines = (!options.echo).then(stdin_lines);
    let mut silent_at = None;
    loop {
        let mut stdout = io::stdout().lock();
        while !(options.echo && out.len() >= HIGH_WATER)
            && let Some(event) = ws.next_event(input, out)?
        {
            let may_echo = options.echo && ws.state() == ReadyState::Open;
            match event {
                Event::Text(text) if may_echo => ws.send_text(text, out)?,
                Event::Binary(bytes) if may_echo => ws.send_binary(bytes, out)?,
                Event::Text(_) | Event::Binary(_) if options.echo => {}
                _ => print(event, options.verbose, &mut stdout)?,
            }
            match event {
                // Any pong counts: a server may answer only the latest of several pings.
                Event::Pong(_) if lines.is_none() && !options.echo => {
                    silent_at = Some(Instant::now() + options.wait)
                }
                Event::Text(_) | Event::Binary(_) if silent_at.is_some() => {
                    silent_at = Some(Instant::now() + options.wait);
                }
                _ => {}
            }
        }
        stdout.flush()?;
        drop(stdout);
        let deadline = ws.deadline(start.elapsed()).map(|at| start + at);
        let may_send = out.len() < HIGH_WATER && ws.state() == ReadyState::Open;
        if ws.is_done() {
            return Ok(());
        }
        coop::consume_budget().await; // lets Ctrl-C through if the server sends without a pause
        select! {
            n = writer.write(out), if !out.is_empty() => match n {
                Ok(n) => out.advance(n),
                // The server is gone. What it sent before, such as a Close frame, is still read.
                Err(_) => out.clear(),
            },
            ready = reader.readable(), if !options.echo || out.len() < HIGH_WATER => {
                match ready.and_then(|()| reader.try_read(input.spare(READ))) {
                    Ok(0) => ws.end_of_stream(),
                    // The connection knows whether the closing handshake was complete.
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                        ws.end_of_stream();
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    n => input.filled(n?),
                }
            }
            line = next_line(&mut lines), if may_send => match line {
                Some(line) => ws.send_text(&line?, out)?,
                None => {
                    lines = None;
                    ws.send_ping(b"", out)?; // its pong shows that the server has read all lines
                }
            },
            () = until(silent_at) => {
                silent_at = None;
                ws.close(CloseCode::NORMAL, "", out)?;
            }
            () = until(deadline) => ws.handle_timeout(start.elapsed(), out)?,
            _ = &mut interrupt, if !interrupted => {
                interrupted = true;
                ws.close(CloseCode::GOING_AWAY, "interrupted", out)?;
            }
        }
    }
}

/// Prints messages to standard output, and control frames to standard error.
fn print(event: Event<'_>, verbose: bool, stdout: &mut io::StdoutLock<'_>) -> io::Result<()> {
    match event {
        Event::Text(text) if stdout.is_terminal() => writeln!(stdout, "{}", harmless(text))?,
        Event::Text(text) => writeln!(stdout, "{text}")?,
        Event::Binary(bytes) => writeln!(stdout, "binary: {}", hex(bytes))?,
        Event::Ping(payload) if verbose => eprintln!("< ping {}", payload.escape_ascii()),
        Event::Pong(payload) if verbose => eprintln!("< pong {}", payload.escape_ascii()),
        Event::Close(close) if verbose => eprintln!("< close {}", describe(close)),
        _ => {}
    }
    Ok(())
}

/// The lines of standard input. A thread reads them, because reading a terminal blocks.
fn stdin_lines() -> mpsc::Receiver<io::Result<String>> {
    let (sender, receiver) = mpsc::channel(64);
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Returns `None` at the end of the input. Without `lines` it waits for ever.
async fn next_line(
    lines: &mut Option<mpsc::Receiver<io::Result<String>>>,
) -> Option<io::Result<String>> {
    match lines {
        Some(lines) => lines.recv().await,
        None => future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => future::pending().await,
    }
}

fn print_head(response: &Response<'_>) {
    eprintln!("< {} {}", response.status(), response.reason());
    for header in response.headers() {
        eprintln!(
            "< {}: {}",
            header.name,
            String::from_utf8_lossy(header.value)
        );
    }
}

fn print_compression(ws: &Connection) {
    let Some(params) = ws.deflate() else {
        return eprintln!("no compression");
    };
    let describe = |bytes: ByteCount| match bytes.plain {
        0 => "no compressed message".into(),
        plain => {
            let percent = 100.0 * bytes.compressed as f64 / plain as f64;
            format!("{plain} bytes as {} ({percent:.1} %)", bytes.compressed)
        }
    };
    let stats = ws.deflate_stats();
    eprintln!("compression: {params}");
    eprintln!("  sent     {}", describe(stats.sent));
    eprintln!("  received {}", describe(stats.received));
}

/// Describes a response that refuses the handshake.
fn refusal(response: &Response<'_>) -> String {
    let mut text = format!(
        "the server refused: {} {}",
        response.status(),
        response.reason()
    );
    if let Some(location) = response.header("Location") {
        text += &format!("; it points to {}", String::from_utf8_lossy(location));
    }
    let body = String::from_utf8_lossy(response.body());
    if !body.trim().is_empty() {
        text += &format!("\n{}", body.trim());
    }
    harmless(&text)
}

fn describe(close: CloseFrame<'_>) -> String {
    match close.code {
        Some(code) => harmless(format!("{code} {}", close.reason).trim_end()),
        None => "no code".into(),
    }
}

/// Escapes control characters, so that a server cannot control the terminal.
fn harmless(text: &str) -> String {
    let escape = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
