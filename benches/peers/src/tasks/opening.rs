//! Openings: the handshake of a server and of a client (RFC 6455 §4).

use std::{
    io::{self, Read, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::memmem::Finder;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Job;
use crate::wire::{Cycle, Drain, MOST, Transport, Wire};

/// What a browser sends.
pub const REQUEST: &str = "GET /chat HTTP/1.1\r\n\
    Host: example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// The answer to the key of [`REQUEST`], from RFC 6455 §1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub const URL: &str = "ws://example.com/chat";
pub const HOST: &str = "example.com";
pub const PATH: &str = "/chat";

/// How many openings are one cycle.
const EACH: usize = 32;

/// The key and this are hashed (§4.2.2).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of Sec-WebSocket-Accept for a key.
pub fn accept_of(key: &[u8], accept: &mut [u8; 28]) {
    let hash = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    STANDARD
        .encode_slice(hash, accept)
        .expect("28 bytes are enough");
}

/// The side of a server: [`REQUEST`] arrives in one read, and a 101 leaves.
#[derive(Debug, Clone)]
pub struct Accept {
    cycle: Arc<Cycle>,
}

impl Default for Accept {
    fn default() -> Self {
        let bytes = REQUEST.as_bytes().to_vec();
        let cuts = vec![bytes.len()];
        let cycle = Arc::new(Cycle::new(bytes, cuts));
        Self { cycle }
    }
}

impl Accept {
    /// `make` returns a function that opens one connection.
    pub fn job<F: FnMut() + 'static>(
        &self,
        make: impl Fn(Transport) -> F + Clone + 'static,
    ) -> Job {
        let (task, make_checked) = (self.clone(), make.clone());
        let check = move || {
            let drain = Drain::recording();
            let transport = task.transport(drain.clone());
            transport.wire.refill(3);
            let mut open = make_checked(transport);
            for _ in 0..3 {
                open();
                check_response(&drain.take())?;
            }
            Ok(())
        };
        let task = self.clone();
        let start = move || -> Box<dyn FnMut(usize)> {
            let transport = task.transport(Drain::default());
            let wire = transport.wire.clone();
            let mut open = make(transport);
            Box::new(move |cycles| {
                wire.refill(cycles * EACH);
                (0..cycles * EACH).for_each(|_| open());
                assert!(wire.is_empty());
            })
        };
        Job::new(EACH, check, start)
    }

    fn transport(&self, drain: Drain) -> Transport {
        let wire = Wire::new(self.cycle.clone(), MOST);
        Transport { wire, drain }
    }
}

fn check_response(bytes: &[u8]) -> Result<(), String> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut headers);
    let status = response.parse(bytes).map_err(|it| it.to_string())?;
    if status != httparse::Status::Complete(bytes.len()) || response.code != Some(101) {
        return Err("the response is not one complete 101".into());
    }
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-accept", ACCEPT),
    ] {
        let is_it = |it: &&httparse::Header| it.name.eq_ignore_ascii_case(name);
        let found = response.headers.iter().find(is_it);
        let is_right = |it: &httparse::Header| match name {
            "sec-websocket-accept" => it.value == value.as_bytes(),
            _ => it.value.eq_ignore_ascii_case(value.as_bytes()),
        };
        if !found.is_some_and(is_right) {
            return Err(format!("{name} is missing or wrong"));
        }
    }
    Ok(())
}

/// The side of a client: a request leaves, and the answer of a mock server arrives.
#[derive(Debug, Clone)]
pub struct Connect;

impl Connect {
    /// `make` returns a function that opens one connection, and fails if the answer is wrong.
    pub fn job<F>(&self, make: impl Fn() -> F + Clone + 'static) -> Job
    where
        F: FnMut(&mut Mock) -> Result<(), String> + 'static,
    {
        let make_checked = make.clone();
        let check = move || {
            let mut open = make_checked();
            let mut mock = Mock::default();
            let mut keys = Vec::new();
            for _ in 0..3 {
                open(&mut mock)?;
                keys.push(check_request(&mock.request)?);
                mock.reset();
            }
            keys.dedup();
            if keys.len() != 3 {
                return Err("the same key twice".into());
            }
            mock.is_lying = true;
            match super::quietly(|| open(&mut mock)) {
                Ok(Ok(())) => Err("it took a wrong Sec-WebSocket-Accept".into()),
                _ => Ok(()),
            }
        };
        let start = move || -> Box<dyn FnMut(usize)> {
            let mut open = make();
            let mut mock = Mock::default();
            Box::new(move |cycles| {
                for _ in 0..cycles * EACH {
                    open(&mut mock).expect("a right answer");
                    mock.reset();
                }
            })
        };
        Job::new(EACH, check, start)
    }
}

fn check_request(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut headers);
    let status = request.parse(bytes).map_err(|it| it.to_string())?;
    let (method, path) = (request.method, request.path);
    if status != httparse::Status::Complete(bytes.len())
        || (method, path) != (Some("GET"), Some(PATH))
    {
        return Err("the request is not one complete GET".into());
    }
    let value = |name: &str| {
        let is_it = |it: &&httparse::Header| it.name.eq_ignore_ascii_case(name);
        request.headers.iter().find(is_it).map(|it| it.value)
    };
    for (name, expected) in [
        ("host", HOST),
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-version", "13"),
    ] {
        if !value(name).is_some_and(|it| it.eq_ignore_ascii_case(expected.as_bytes())) {
            return Err(format!("{name} is missing or wrong"));
        }
    }
    let key = value("sec-websocket-key").ok_or("there is no key")?;
    match STANDARD.decode(key) {
        Ok(nonce) if nonce.len() == 16 => Ok(nonce),
        _ => Err("the key is not 16 bytes".into()),
    }
}

/// A server that looks for the key and answers. It is a part of everybody's work.
#[derive(Debug)]
pub struct Mock {
    request: Vec<u8>,
    response: Vec<u8>,
    at: usize,
    key: Finder<'static>,
    is_lying: bool,
}

impl Default for Mock {
    fn default() -> Self {
        Self {
            request: Vec::new(),
            response: Vec::new(),
            at: 0,
            // The end of the name, which is written in different ways.
            key: Finder::new("ey: "),
            is_lying: false,
        }
    }
}

impl Mock {
    fn reset(&mut self) {
        self.request.clear();
        self.response.clear();
        self.at = 0;
    }

    pub fn write_request(&mut self, bytes: &[u8]) {
        self.request.extend_from_slice(bytes);
        if !self.request.ends_with(b"\r\n\r\n") {
            return;
        }
        let at = self.key.find(&self.request).expect("a key") + 4;
        let mut accept = [0; 28];
        accept_of(&self.request[at..at + 24], &mut accept);
        if self.is_lying {
            accept.reverse();
        }
        self.response.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Date: Mon, 18 May 2026 12:00:00 GMT\r\nServer: mock\r\nSec-WebSocket-Accept: ",
        );
        self.response.extend_from_slice(&accept);
        self.response.extend_from_slice(b"\r\n\r\n");
    }

    /// The rest of the answer.
    pub fn response(&self) -> &[u8] {
        &self.response[self.at..]
    }

    fn take(&mut self, room: usize) -> &[u8] {
        let n = room.min(self.response().len());
        self.at += n;
        &self.response[self.at - n..self.at]
    }
}

impl Read for Mock {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.take(buffer.len());
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Write for Mock {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_request(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Mock {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = self.get_mut().take(buffer.remaining());
        buffer.put_slice(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Mock {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl futures_io::AsyncRead for Mock {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().read(buffer))
    }
}

impl futures_io::AsyncWrite for Mock {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 §1.3.
    #[test]
    fn the_key_of_the_rfc() {
        let mut accept = [0; 28];
        accept_of(b"dGhlIHNhbXBsZSBub25jZQ==", &mut accept);
        assert_eq!(accept, ACCEPT.as_bytes());
    }
}
