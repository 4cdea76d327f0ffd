//! The command line.
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use crate::exchange::Times;
use crate::server::Server;
use crate::tunnel;

pub const USAGE: &str = "\
usage: hostile server [OPTIONS] ws://127.0.0.1:9001   attacks a server; wss:// with --features tls
       hostile client [OPTIONS]                       is a server that attacks its clients
       hostile cost   [OPTIONS] ws://127.0.0.1:9001   measures what costly input costs a server

Use it only against your own programs. It tries to stop them, and can make a machine slow. It refuses
other addresses than loopback unless you give --i-may-test-this-host.

The server under test is an echo server. What it says besides, and words in front of an echo, do no
harm. After each attack another client must still be served, and one that stays connected must not
notice anything.

  --start [NAME=]COMMAND     starts the server under test, instead of a URL: a command line whose output
                             has a ws:// or wss:// URL; may be repeated for cost. Its CPU and memory are measured
  --pid N                    the process of the server, whose CPU and memory are measured (Linux)
  --only NAME,…              only attacks whose names contain one of these
  --list                     prints the attacks and ends
  --json                     prints one JSON object for each attack
  --strict                   the exit status tells also of NON-STRICT
  --same-origin              the server must refuse other origins; otherwise this is not tried
  --count N                  how much of each a flood sends; default: 1000000
  --wait SECONDS             a peer that is silent for so long hangs; default: 1.5
  --patience SECONDS         also plays attacks that drip, and waits so long for their end
  --memory MIB               FAIL if an attack makes the server grow by more; default: 128

For clients:
  --listen ADDRESS           default: 127.0.0.1:0. Each connection gets the next attack
  --run COMMAND              starts the client under test for each attack; {url} is replaced

For cost:
  --seconds SECONDS          for each row and server; default: 3
Exit status: 0 if all attacks have passed, 1 if one failed, 2 for wrong usage.";

#[derive(Clone, PartialEq)]
pub enum Mode {
    Server,
    Client,
    Cost,
}

pub struct Options {
    pub mode: Mode,
    pub url: Option<String>,
    /// Names and commands of servers to start.
    pub start: Vec<(String, String)>,
    pub pid: Option<u32>,
    only: Vec<String>,
    pub list: bool,
    pub json: bool,
    pub strict: bool,
    pub same_origin: bool,
    pub count: usize,
    pub times: Times,
    /// In bytes.
    pub memory: u64,
    pub listen: String,
    pub run: Option<String>,
    pub seconds: Duration,
    any_host: bool,
}

/// Returns `None` for `--help`.
pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        mode: Mode::Server,
        url: None,
        start: Vec::new(),
        pid: None,
        only: Vec::new(),
        list: false,
        json: false,
        strict: false,
        same_origin: false,
        count: 1_000_000,
        times: Times {
            wait: Duration::from_millis(1500),
            patience: None,
        },
        memory: 128 << 20,
        listen: "127.0.0.1:0".into(),
        run: None,
        seconds: Duration::from_secs(3),
        any_host: false,
    };
    options.mode = match args.next().as_deref() {
        Some("server") => Mode::Server,
        Some("client") => Mode::Client,
        Some("cost") => Mode::Cost,
        None | Some("-h" | "--help") => return Ok(None),
        Some(other) => return Err(format!("{other} is none of server, client, cost")),
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match &*arg {
            "--help" | "-h" => return Ok(None),
            "--list" => options.list = true,
            "--json" => options.json = true,
            "--strict" => options.strict = true,
            "--same-origin" => options.same_origin = true,
            "--i-may-test-this-host" => options.any_host = true,
            "--only" => options.only.extend(value()?.split(',').map(String::from)),
            "--start" => options.start.push(named(&value()?)),
            "--listen" => options.listen = value()?,
            "--run" => options.run = Some(value()?),
            "--pid" => options.pid = Some(number(&arg, &value()?)?),
            "--count" => options.count = number::<usize>(&arg, &value()?)?.max(100),
            "--memory" => options.memory = number::<u64>(&arg, &value()?)? << 20,
            "--wait" => options.times.wait = seconds(&arg, &value()?)?,
            "--patience" => options.times.patience = Some(seconds(&arg, &value()?)?),
            "--seconds" => options.seconds = seconds(&arg, &value()?)?,
            flag if flag.starts_with('-') => return Err(format!("unknown option {flag}")),
            _ if options.url.is_some() => return Err(format!("more than one URL: {arg}")),
            _ => options.url = Some(arg),
        }
    }
    Ok(Some(options))
}

/// A command, with a name in front or not.
fn named(text: &str) -> (String, String) {
    match text.split_once('=') {
        Some((name, command)) if !name.contains('/') => (name.into(), command.into()),
        _ => (text.into(), text.into()),
    }
}

fn number<T: std::str::FromStr>(arg: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{arg} takes a number, not {text:?}"))
}

fn seconds(arg: &str, text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|it| (0.0..1e6).contains(it));
    let seconds = seconds.map(Duration::from_secs_f64);
    seconds.ok_or(format!("{arg} takes a number of seconds, not {text:?}"))
}

impl Options {
    /// Whether an attack of this name is to be played.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|it| name.contains(&**it))
    }

    /// The server at a URL.
    pub fn server(&self, url: &str) -> Result<Server, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let port = match scheme {
            "ws" => 80,
            "wss" => 443,
            _ => return Err(format!("{url} begins neither with ws:// nor with wss://")),
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let has_port = host
            .rsplit(':')
            .next()
            .is_some_and(|it| it.parse::<u16>().is_ok());
        let with_port = if has_port {
            host.into()
        } else {
            format!("{host}:{port}")
        };
        let addrs = with_port.to_socket_addrs();
        let mut addrs = addrs.map_err(|error| format!("{url}: {error}"))?;
        let mut addr = addrs.next().ok_or(format!("{url} has no address"))?;
        self.allow(addr)?;
        if scheme == "wss" {
            addr = tunnel::open(url)?;
        }
        Ok(Server {
            addr,
            host: host.into(),
            path: if path.is_empty() {
                "/".into()
            } else {
                path.into()
            },
            count: self.count,
            same_origin: self.same_origin,
        })
    }

    /// Refuses other addresses than loopback.
    pub fn allow(&self, addr: SocketAddr) -> Result<(), String> {
        match addr.ip().is_loopback() || self.any_host {
            true => Ok(()),
            false => Err(format!(
                "{addr} is not a loopback address. Use this program only against your own programs; \
                 if this is one, add --i-may-test-this-host"
            )),
        }
    }
}
