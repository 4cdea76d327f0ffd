//! Frames, as fast as the server takes them.
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use websocket_proto::deflate::Params;
use websocket_proto::frame::RawHeader;

use crate::frames::{CLOSE, PING, PONG, Side, close};
use crate::server::{Server, open};

/// Bytes between two pings. A small number, because a few bytes can be seconds of work.
const BATCH: usize = 16 << 10;
/// Pings that may be without an answer.
const AHEAD: u64 = 4;
/// A server that answers nothing for so long does not count.
const SILENCE: Duration = Duration::from_secs(20);
/// How long the end of a connection may take.
const END: Duration = Duration::from_secs(1);

/// Sends batches of the unit, each with a ping behind it, as long as the server answers. Returns how
/// many bytes it has answered.
pub fn load(
    server: &Server,
    offer: Option<Params>,
    unit: &[u8],
    time: Duration,
) -> Result<u64, String> {
    let stream = open(server, offer)?;
    let _ = stream.set_write_timeout(Some(SILENCE));
    let batch = unit.repeat((BATCH / unit.len()).max(1));
    let pongs = Pongs::default();
    thread::scope(|scope| {
        scope.spawn(|| pongs.read(&stream));
        let sent = write(&stream, &batch, &pongs, time);
        let _ = (&stream).write_all(&Side::Client.frame(CLOSE, close(1000, "")).bytes());
        let end = Instant::now() + END;
        while sent.is_ok() && !pongs.ended.load(Relaxed) && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        let _ = stream.shutdown(Shutdown::Both); // ends the reader
        sent
    })
}

fn write(
    mut stream: &TcpStream,
    batch: &[u8],
    pongs: &Pongs,
    time: Duration,
) -> Result<u64, String> {
    let (mut sent, mut bytes, end) = (0, 0, Instant::now() + time);
    while Instant::now() < end {
        let ping = Side::Client.frame(PING, u64::to_be_bytes(sent + 1)).bytes();
        let part = [batch, &ping].concat();
        stream.write_all(&part).map_err(|_| pongs.reason())?;
        sent += 1;
        bytes += part.len() as u64;
        pongs.wait(sent.saturating_sub(AHEAD))?;
    }
    pongs.wait(sent)?;
    Ok(bytes)
}

/// The pongs that have arrived.
#[derive(Default)]
struct Pongs {
    last: AtomicU64,
    /// The code of the Close frame of the server.
    close: AtomicU64,
    ended: AtomicBool,
}

impl Pongs {
    /// Waits for the answer to this ping.
    fn wait(&self, ping: u64) -> Result<(), String> {
        let start = Instant::now();
        while self.last.load(Relaxed) < ping {
            if self.ended.load(Relaxed) {
                return Err(self.reason());
            }
            if start.elapsed() > SILENCE {
                return Err("no answer".into());
            }
            thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    fn reason(&self) -> String {
        match self.close.load(Relaxed) {
            0 => "closed TCP".into(),
            code => format!("closed with {code}"),
        }
    }

    /// Reads to the end. Only the headers and the payloads of control frames are looked at.
    fn read(&self, mut stream: &TcpStream) {
        let (mut pending, mut skip, mut buf) = (Vec::new(), 0_u64, vec![0; 256 << 10]);
        let _ = stream.set_read_timeout(None);
        loop {
            let read = match stream.read(&mut buf) {
                Ok(0) => break,
                Ok(n) => &buf[..n],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let skipped = skip.min(read.len() as u64);
            skip -= skipped;
            pending.extend_from_slice(&read[skipped as usize..]);
            let mut rest = &pending[..];
            while let Some((header, len)) = RawHeader::decode(rest) {
                let is_control = header.opcode >= 8;
                if is_control && ((rest.len() - len) as u64) < header.len {
                    break; // the payload is not complete
                }
                let payload = &rest[len..];
                let taken = header.len.min(payload.len() as u64);
                self.control(header.opcode, &payload[..taken as usize]);
                skip = header.len - taken;
                rest = &payload[taken as usize..];
            }
            pending = rest.to_vec();
        }
        self.ended.store(true, Relaxed);
    }

    fn control(&self, opcode: u8, payload: &[u8]) {
        match (opcode, payload) {
            (PONG, payload) => {
                // Pongs without a number answer the pings of the load.
                if let Ok(number) = payload.try_into().map(u64::from_be_bytes) {
                    self.last.fetch_max(number, Relaxed);
                }
            }
            (CLOSE, [high, low, ..]) => {
                let code = u16::from_be_bytes([*high, *low]);
                self.close.store(code.into(), Relaxed);
            }
            _ => {}
        }
    }
}
