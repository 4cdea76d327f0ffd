//! What a person sees.
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use websocket_proto::deflate::ByteCount;
use websocket_proto::{CloseCode, CloseFrame, Connection, Event, handshake::client::Response};

/// Prints messages to standard output, and control frames to standard error.
pub fn event(
    event: Event<'_>,
    verbose: bool,
    pongs: bool,
    stdout: &mut io::StdoutLock<'_>,
) -> io::Result<()> {
    match event {
        Event::Text(text) if stdout.is_terminal() => writeln!(stdout, "{}", harmless(text))?,
        Event::Text(text) => writeln!(stdout, "{text}")?,
        Event::Binary(bytes) => writeln!(stdout, "binary: {}", hex(bytes))?,
        Event::Ping(payload) if verbose => eprintln!("< ping {}", payload.escape_ascii()),
        Event::Pong(payload) if pongs => eprintln!("< pong {}", payload.escape_ascii()),
        Event::Close(close) if verbose => eprintln!("< close {}", describe(close)),
        _ => {}
    }
    Ok(())
}

/// Prints the response, but for the body only if `verbose`.
pub fn response(response: &Response<'_>, verbose: bool) {
    if verbose {
        eprintln!("< {} {}", response.status(), harmless(response.reason()));
        for header in response.headers() {
            let value = String::from_utf8_lossy(header.value);
            eprintln!("< {}: {}", header.name, harmless(&value));
        }
    }
    let body = String::from_utf8_lossy(response.body());
    if !body.trim().is_empty() {
        eprintln!("{}", harmless(body.trim()));
    }
}

pub fn compression(ws: &Connection) {
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

/// Prints a close that is no success. Returns the exit status. A close `by_hand` is one, whatever
/// its code.
pub fn end(close: Option<CloseFrame<'_>>, by_hand: bool) -> ExitCode {
    match close {
        Some(CloseFrame {
            code: None | Some(CloseCode::NORMAL | CloseCode::GOING_AWAY),
            ..
        }) => return ExitCode::SUCCESS,
        Some(_) if by_hand => return ExitCode::SUCCESS,
        Some(close) => eprintln!("client: the server closed with {}", describe(close)),
        None => eprintln!("client: the server ended the connection without a Close frame"),
    }
    ExitCode::FAILURE
}

fn describe(close: CloseFrame<'_>) -> String {
    match close.code {
        Some(code) => harmless(format!("{code} {}", close.reason).trim_end()),
        None => "no code".into(),
    }
}

/// Escapes control characters, so that a server cannot control the terminal.
pub fn harmless(text: &str) -> String {
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
