//! The command line.
use std::time::Duration;

use examples::options;
use examples::{Failure, adapters::dial::Trust};
use websocket_proto::{Config, handshake::client::Request};

pub const USAGE: &str = "usage: client [OPTIONS] URL

Connects to a WebSocket server, sends each line of standard input as a text message, and prints the
messages that arrive. At the end of the input, waits for the answers and closes the connection.

  URL                      ws://HOST[:PORT][/PATH][?QUERY], or wss:// if built with --features tls
  --header 'NAME: VALUE'   adds a header to the request; may be repeated
  --subprotocol NAME       offers a subprotocol; may be repeated, in order of preference
  --origin ORIGIN          adds an Origin header, as a browser does
  --ping SECONDS           interval of pings; default: 20; 0 sends none
  --raw                    no commands: sends also the lines that begin with / as they are
  --echo                   sends every message back until the server closes; does not read standard
                           input, and does not print messages
  --wait SECONDS           after the end of the input, closes when the server has been silent for
                           this long; default: 0.5
  --verbose                prints the response, control frames, the close code and the effect of
                           compression to standard error
  --help                   prints this help

Lines that begin with / are commands:
  /ping [TEXT]             sends a ping, and prints the pong
  /pong [TEXT]             sends a pong that nobody asked for
  /close [CODE [REASON]]   closes the connection; default: 1000
  /hex BYTES               sends a binary message, such as /hex 00 ff 10
  /file PATH               sends the content of a file as a binary message
  //TEXT                   sends /TEXT as a text message

Exit status: 0 if the server closed with 1000, 1001 or no code, or answered /close; 1 otherwise; 2
for wrong usage.

Use websocat instead for: a listening side, proxies (HTTP, SOCKS), client certificates, standard
input and output as raw binary, unix sockets. The example `reconnect` connects again.";

pub struct Options {
    url: String,
    headers: Vec<(String, String)>,
    subprotocols: Vec<String>,
    origin: Option<String>,
    pub config: Config,
    pub trust: Trust,
    pub raw: bool,
    pub echo: bool,
    pub wait: Duration,
    pub verbose: bool,
}

/// Returns `None` for `--help`.
pub fn parse(args: impl Iterator<Item = String>) -> Result<Option<Options>, Failure> {
    let (config, mut args) = options::parse(args)?;
    let trust = Trust::parse(&mut args)?;
    let mut options = Options {
        url: String::new(),
        headers: Vec::new(),
        subprotocols: Vec::new(),
        origin: None,
        config,
        trust,
        raw: false,
        echo: false,
        wait: Duration::from_millis(500),
        verbose: false,
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
            "--raw" => options.raw = true,
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
    options.request().map(drop)?; // is the URL one?
    Ok(Some(options))
}

impl Options {
    pub fn request(&self) -> Result<Request<'_>, Failure> {
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
        Ok(options::offer(request, self.config.deflate))
    }
}
