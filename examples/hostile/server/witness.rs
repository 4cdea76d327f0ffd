//! An innocent client of the server under test.
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use websocket_proto::handshake::client::{Handshake, Outcome, Request};
use websocket_proto::{CloseCode, Config, Connection, Error, Event, RecvBuf, Seed};

use super::{Server, play::connect};

/// How long an echo may take before the witness gives up.
const LIMIT: Duration = Duration::from_secs(10);
/// The time between two echoes of the witness that stays.
const INTERVAL: Duration = Duration::from_millis(20);

struct Witness {
    stream: TcpStream,
    ws: Connection,
    input: RecvBuf,
    out: BytesMut,
    number: u64,
}

/// Connects, waits for one echo and closes. Returns how long the echo took.
pub fn visit(server: &Server) -> Result<Duration, String> {
    let visit = || {
        let mut witness = Witness::new(server)?;
        let time = witness.echo()?;
        witness.ws.close(CloseCode::NORMAL, "", &mut witness.out)?;
        witness.until(|ws, _| ws.close_received().is_some())?;
        Ok::<_, Error>(time)
    };
    visit().map_err(|error| error.to_string())
}

impl Witness {
    fn new(server: &Server) -> Result<Self, Error> {
        let url = format!("ws://{}{}", server.host, server.path);
        let request = Request::new(&url).map_err(|error| io::Error::other(error.to_string()))?;
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut stream = connect(server)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut config = Config::new();
        config.max_message_size = 64 << 20; // what others send to a chat
        config.ping_interval = None;
        let seed = Seed::from_os().map_err(io::Error::other)?;
        let mut handshake = Handshake::start(&request, seed, config, &mut out)?;
        stream.write_all(&out)?;
        out.clear();
        let ws = loop {
            match handshake.next(&mut input)? {
                Some(Outcome::Accepted(ws, _)) => break ws,
                Some(Outcome::Refused(response)) => return Err(Error::Refused(response.status())),
                None => {}
            }
            match stream.read(input.spare(4096))? {
                0 => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
                n => input.filled(n),
            }
        };
        Ok(Self {
            stream,
            ws,
            input,
            out,
            number: 0,
        })
    }

    /// Sends a message, and waits until it comes back.
    fn echo(&mut self) -> Result<Duration, Error> {
        self.number += 1;
        let text = format!("witness {:x} {}", self as *const Self as usize, self.number);
        let start = Instant::now();
        self.ws.send_text(&text, &mut self.out)?;
        // A chat puts a name in front.
        self.until(|_, event| matches!(event, Some(Event::Text(it)) if it.ends_with(&text)))?;
        Ok(start.elapsed())
    }

    fn until(&mut self, is: impl Fn(&Connection, Option<Event<'_>>) -> bool) -> Result<(), Error> {
        let end = Instant::now() + LIMIT;
        loop {
            while let Some(event) = self.ws.next_event(&mut self.input, &mut self.out)? {
                if is(&self.ws, Some(event)) {
                    return Ok(());
                }
            }
            self.stream.write_all(&self.out)?; // pongs too
            self.out.clear();
            if is(&self.ws, None) {
                return Ok(());
            }
            if self.ws.is_done() {
                return Err(Error::Closed(
                    self.ws.close_received().and_then(|it| it.code),
                ));
            }
            let read = self.stream.read(self.input.spare(self.input.read_size()));
            match read {
                Ok(0) => self.ws.end_of_stream(),
                Ok(n) => self.input.filled(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(io::Error::from(ErrorKind::TimedOut).into());
                }
                Err(error) => return Err(error.into()),
            }
            if Instant::now() > end {
                return Err(io::Error::from(ErrorKind::TimedOut).into());
            }
        }
    }
}

/// A witness that stays connected in a thread, and sends a message every 20 ms.
pub struct Resident {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// The longest echo since the last question, in µs.
    worst: AtomicU64,
    error: Mutex<Option<String>>,
}

impl Resident {
    pub fn start(server: &Server) -> Result<Self, String> {
        let mut witness = Witness::new(server).map_err(|error| error.to_string())?;
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            while !its.stop.load(Relaxed) {
                match witness.echo() {
                    Ok(time) => _ = its.worst.fetch_max(time.as_micros() as u64, Relaxed),
                    Err(error) => {
                        *its.error.lock().expect("no panic") = Some(error.to_string());
                        return;
                    }
                }
                sleep(INTERVAL);
            }
        });
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// The longest echo since the last call, or why the connection has ended.
    pub fn ask(&self) -> Result<Duration, String> {
        if let Some(error) = self.shared.error.lock().expect("no panic").take() {
            return Err(error);
        }
        Ok(Duration::from_micros(self.shared.worst.swap(0, Relaxed)))
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        let thread = self.thread.take();
        let _ = thread.map(JoinHandle::join);
    }
}
