//! Proves that the loop in README.md is correct: whoever copies it loses no Close frame.

use std::io;

use websocket_proto::{Config, ProtocolError};

mod support;

use support::{Side, frames, wire};

include!("support/readme_loop.rs");

/// A socket that has received these bytes, and what was written to it.
struct Socket<'a>(&'a [u8], Vec<u8>);

impl Read for Socket<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the loop returns for these bytes, and the opcodes and close codes that it sends.
fn run(received: &[Vec<u8>]) -> (Outcome, Vec<(u8, Option<u16>)>) {
    let received = received.concat();
    let mut socket = Socket(&received, Vec::new());
    let mut ws = Connection::assume_opened(Side::Server.role(), Config::new());
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let outcome = echo(&mut socket, &mut ws, &mut input, &mut out);
    let sent = frames(&socket.1).into_iter();
    let sent = sent.map(|frame| {
        (
            frame.opcode,
            (frame.opcode == 8).then(|| frame.close_code()),
        )
    });
    (outcome, sent.collect())
}

#[test]
fn the_readme_has_this_loop() {
    let readme = include_str!("../README.md");
    assert!(readme.contains(include_str!("support/readme_loop.rs").trim()));
}

#[test]
fn fixed_12_the_loop_does_not_lose_the_close_frame() {
    let hello = wire::text("Hello").to(Side::Server).bytes();
    let bye = wire::close(1000, "").to(Side::Server).bytes();
    let (outcome, sent) = run(&[hello.clone(), bye]);
    assert!(outcome.is_ok());
    assert_eq!(sent, [(1, None), (8, Some(1000))]);

    // A frame without a mask.
    let (outcome, sent) = run(&[hello.clone(), vec![0x81, 0x00]]);
    let error = outcome.unwrap_err();
    let error = error.downcast_ref();
    assert_eq!(error, Some(&ProtocolError::UnmaskedFrame));
    assert_eq!(sent, [(1, None), (8, Some(1002))]);

    // A message that is too long.
    let long = wire::text(&"x".repeat((1 << 20) + 1));
    let (outcome, sent) = run(&[hello, long.to(Side::Server).bytes()]);
    assert!(outcome.is_err());
    assert_eq!(sent, [(1, None), (8, Some(1009))]);
}
