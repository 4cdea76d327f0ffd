//! The commands in the lines of standard input.
use std::fs;

use examples::{Failure, adapters::tokio::Socket};
use websocket_proto::CloseCode;

/// What a line asks for.
pub enum Command {
    Text(String),
    Binary(Vec<u8>),
    Ping(String),
    Pong(String),
    Close(CloseCode, String),
}

impl Command {
    pub fn send<S>(self, socket: &mut Socket<S>) -> Result<(), Failure> {
        let Socket { ws, out, .. } = socket;
        Ok(match self {
            Command::Text(text) => ws.send_text(&text, out),
            Command::Binary(bytes) => ws.send_binary(&bytes, out),
            Command::Ping(payload) => ws.send_ping(payload.as_bytes(), out),
            Command::Pong(payload) => ws.send_pong(payload.as_bytes(), out),
            Command::Close(code, reason) => ws.close(code, &reason, out),
        }?)
    }
}

/// Returns the meaning of a line, as `--help` describes it.
pub fn command(line: String, raw: bool) -> Result<Command, Failure> {
    let Some(command) = line.strip_prefix('/').filter(|_| !raw) else {
        return Ok(Command::Text(line));
    };
    if command.starts_with('/') {
        return Ok(Command::Text(command.into()));
    }
    let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
    Ok(match name {
        "ping" => Command::Ping(rest.into()),
        "pong" => Command::Pong(rest.into()),
        "close" if rest.is_empty() => Command::Close(CloseCode::NORMAL, String::new()),
        "close" => {
            let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
            let number: u16 = code
                .parse()
                .map_err(|_| format!("{code:?} is not a close code"))?;
            Command::Close(CloseCode::try_from(number)?, reason.into())
        }
        "hex" => Command::Binary(bytes(rest).ok_or("/hex takes bytes such as 00 ff 10")?),
        "file" => {
            Command::Binary(fs::read(rest.trim()).map_err(|error| format!("{rest}: {error}"))?)
        }
        _ => {
            return Err(
                format!("unknown command /{name}; // sends a text that begins with /").into(),
            );
        }
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.chars().filter(|c| !c.is_whitespace());
    let digits: Option<Vec<u32>> = digits.map(|c| c.to_digit(16)).collect();
    let (pairs, rest) = digits.as_ref()?.as_chunks();
    let byte = |&[high, low]: &[u32; 2]| (high << 4 | low) as u8;
    rest.is_empty().then(|| pairs.iter().map(byte).collect())
}
