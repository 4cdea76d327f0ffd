//! A WebSocket engine (RFC 6455, RFC 7692) without I/O. You give it the bytes that
//! you received. It returns events, and it writes the bytes to send into a buffer.
//! It works with every transport and every runtime, needs no clock, contains no
//! `unsafe`, and is `no_std` with `alloc`.
//!
//! ```text
//!   read          write     timer
//!    │              ▲         │
//!    ▼              │         ▼
//! RecvBuf          out  handle_timeout
//!    │              ▲         │
//! ┌──┼── Connection ┼─────────┼──┐
//! │  ▼              │         ▼  │
//! │ receiving ────▶ sending half │
//! │ half    heard                │
//! │                              │
//! │ frames          closing      │
//! │ message         liveness     │
//! │ inflate         deflate      │
//! │ UTF-8           frames       │
//! └──┼──────────────▲────────────┘
//!    ▼              │
//!  Event    send_text, close, …
//!
//!          application
//! ```
//!
//! A `handshake` returns the `Connection`. The receiving half tells the sending half
//! what it heard (pings, pongs, Close frames, violations, signs of life), and the
//! sending half answers. Nothing is told in the other direction.
//!
//! # The loop
//!
//! Your program owns the transport and two buffers: a [`RecvBuf`] for received bytes
//! and a [`BytesMut`](bytes::BytesMut) for bytes to send. It repeats three steps: take
//! all events, flush, wait. This is a complete echo server for one blocking socket:
//!
//! ```
//! use std::error::Error;
//! use std::io::{Read, Write};
//!
//! use bytes::BytesMut;
//! use websocket_proto::handshake::server::{Accept, Handshake, Origins};
//! use websocket_proto::{Config, Connection, Event, RecvBuf};
//!
//! type Outcome = Result<(), Box<dyn Error>>;
//!
//! fn serve(socket: &mut (impl Read + Write)) -> Outcome {
//!     let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
//!     let ws = open(socket, &mut input, &mut out);
//!     // After an error, `out` contains the response that refuses.
//!     socket.write_all(&out.split())?;
//!     let mut ws = ws?;
//!     loop {
//!         // 1. Take all events.
//!         let result = take_events(&mut ws, &mut input, &mut out);
//!         // 2. Flush. After an error, `out` contains the Close frame.
//!         socket.write_all(&out.split())?;
//!         result?;
//!         if ws.is_done() {
//!             return Ok(());
//!         }
//!         // 3. Wait for more bytes.
//!         match socket.read(input.spare(16 << 10))? {
//!             0 => ws.end_of_stream(),
//!             n => input.filled(n),
//!         }
//!     }
//! }
//!
//! fn take_events(
//!     ws: &mut Connection,
//!     input: &mut RecvBuf,
//!     out: &mut BytesMut,
//! ) -> Outcome {
//!     while let Some(event) = ws.next_event(input, out)? {
//!         match event {
//!             Event::Text(text) => ws.send_text(text, out)?,
//!             Event::Binary(bytes) => ws.send_binary(bytes, out)?,
//!             _ => {}
//!         }
//!     }
//!     Ok(())
//! }
//!
//! fn open(
//!     socket: &mut impl Read,
//!     input: &mut RecvBuf,
//!     out: &mut BytesMut,
//! ) -> Result<Connection, Box<dyn Error>> {
//!     let mut handshake =
//!         Handshake::new(Config::new(), Origins::SameOrigin);
//!     loop {
//!         if let Some((request, pending)) = handshake.next(input, out)? {
//!             println!("{} wants {}", request.host(), request.path());
//!             return Ok(pending.accept(Accept::new(), out)?);
//!         }
//!         match socket.read(input.spare(4096))? {
//!             0 => handshake.end_of_stream(),
//!             n => input.filled(n),
//!         }
//!     }
//! }
//! # struct Peer(std::io::Cursor<Vec<u8>>, Vec<u8>);
//! # impl Read for Peer {
//! #     fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> { self.0.read(buf) }
//! # }
//! # impl Write for Peer {
//! #     fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> { self.1.write(buf) }
//! #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
//! # }
//! # let request = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
//! #     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//! #     Sec-WebSocket-Version: 13\r\n\r\n".to_vec();
//! # let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
//! # let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
//! # let wire = [&request[..], &hello, &close].concat();
//! # let mut peer = Peer(std::io::Cursor::new(wire), Vec::new());
//! # serve(&mut peer).unwrap();
//! # assert!(peer.1.starts_with(b"HTTP/1.1 101 "));
//! # assert!(peer.1.ends_with(b"\r\n\r\n\x81\x05Hello\x88\x02\x03\xe8"));
//! # // A violation: the Close frame arrives, behind the echo.
//! # let wire = [&request[..], &hello, &[0x81, 0x00]].concat();
//! # let mut peer = Peer(std::io::Cursor::new(wire), Vec::new());
//! # serve(&mut peer).unwrap_err();
//! # let at = peer.1.windows(7).position(|it| it == b"\x81\x05Hello").unwrap();
//! # assert_eq!(peer.1[at + 7], 0x88);
//! # assert_eq!(peer.1[at + 9..at + 11], 1002_u16.to_be_bytes());
//! ```
//!
//! # Rules for an adapter
//!
//! - **Flush before you wait, and also after an error.** When a call returns, the pongs,
//!   Close frames and responses that it caused are in `out`. The Close frame that tells
//!   the peer what was wrong is there when `next_event` returns an error. If a write takes
//!   only a part of `out`, call [`out.advance(n)`](bytes::Buf::advance).
//! - **Add nothing to `out` yourself.** The connection measures the backlog by its length:
//!   see [`Output`].
//! - **`out.len()` is the back-pressure.** If more is unsent than you like, a server takes no
//!   more events and stops reading. The peer then has to wait. If you send unprompted, stop
//!   sending at that point but keep reading. If both ends stop reading, they deadlock.
//! - **An event borrows the [`RecvBuf`]**, not the connection: you can reply while you hold
//!   it. Copy what you keep. Handle events inside the loop: a method that loops and returns
//!   the borrowed event does not compile with today's borrow checker.
//! - **Read moderate pieces, and share the thread.** [`RecvBuf::spare`] bounds one read, and
//!   so the work that the next events cause. If other connections wait, serve them between
//!   two events. [`Event::Progress`] gives you that chance inside a long compressed message.
//! - **After `close`, messages can still arrive** until the peer's Close frame does. Nothing
//!   can be sent any more: reply only in [`ReadyState::Open`].
//! - **Time is optional.** Call [`Connection::deadline`] before each wait, wait no longer than
//!   it says, and then call [`Connection::handle_timeout`]. It sends keepalive pings and ends
//!   connections whose peer is silent or too slow. Handshakes have the same two methods.
//! - **Idle connections.** Call [`RecvBuf::release`] before a long wait, and replace an empty
//!   `out` by a new `BytesMut`. Both keep their memory otherwise. For compression, see
//!   `deflate::Pool`.
//!
//! # The end of a connection
//!
//! When [`Connection::is_done`] is true, or after an error, close the transport. Close it so
//! that the last bytes of `out` arrive: a Close frame, or the response that refuses a
//! handshake. If a TCP socket is closed while received bytes are unread, the kernel resets the
//! connection and may destroy them. So flush, shut down writing, and read and drop until the
//! peer ends the stream, for a few seconds at most:
//!
//! ```no_run
//! use std::io::{Read, Write};
//! use std::net::{Shutdown, TcpStream};
//! use std::time::{Duration, Instant};
//!
//! fn finish(mut socket: TcpStream, out: &[u8]) -> std::io::Result<()> {
//!     socket.write_all(out)?;
//!     socket.shutdown(Shutdown::Write)?;
//!     socket.set_read_timeout(Some(Duration::from_secs(1)))?;
//!     let end = Instant::now() + Duration::from_secs(5);
//!     while Instant::now() < end && socket.read(&mut [0; 4096])? > 0 {}
//!     Ok(())
//! }
//! ```
//!
//! If a read fails with a connection reset, call [`Connection::end_of_stream`]: the connection
//! knows whether the closing handshake was complete. If a write fails, the peer is gone: drop
//! `out`, and let the next read tell the rest.
//!
//! The examples of the repository do all of this: `echo_blocking`, `echo_tokio`, `client`.
//!
//! # What a peer can cause
//!
//! Every limit is on by default and is a field of [`Config`]. "Per byte" means per byte that
//! the peer sent.
//!
//! | resource | bound | limit |
//! |---|---|---|
//! | memory of a message | its size, plus one read or 64 KiB; twice that for a moment while memory moves | [`max_message_size`](Config::max_message_size), 1 MiB |
//! | memory of a codec | 48 kB to inflate; 280 kB to compress | only if compression was negotiated |
//! | output | each ping is answered; above the backlog only the latest one | [`pong_backlog`](Config::pong_backlog), 16 KiB |
//! | CPU | in proportion to the bytes; without compression 10 ms per MiB, with it at most about 1 s per MiB: see `deflate` | [`max_fragments`](Config::max_fragments), `max_final_blocks` |
//! | CPU of one call | the bytes in the buffer; about 5 MiB of inflated bytes | [`Event::Progress`] |
//! | time of an unfinished message | 20 s, and 1 s more for each 500 bytes | [`message_timeout`](Config::message_timeout) |
//! | time of silence | 20 s, then a ping, then 20 s | [`ping_interval`](Config::ping_interval), [`pong_timeout`](Config::pong_timeout) |
//! | time of the handshake | 10 s, 16 KiB, 64 header fields | [`handshake_timeout`](Config::handshake_timeout) |
//! | time of the closing handshake | 10 s | [`close_timeout`](Config::close_timeout) |
//!
//! Time limits need an adapter that calls `deadline` and `handle_timeout`.
//!
//! # Where things are
//!
//! | item | content |
//! |---|---|
//! | [`handshake`] | the handshakes of both roles; each returns a [`Connection`] |
//! | [`Connection`] | events, sending, closing, time |
//! | [`RecvBuf`] | all receive memory |
//! | [`Config`] | every limit and timer, with its default |
//! | [`ProtocolError`], [`SendError`] | the peer's mistakes, and the application's |
//! | `deflate` | compression (feature `deflate`): what to compress, its cost, shared codecs |
//! | [`frame`] | the wire format of frames alone, for tools and tests |
//!
//! # Features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `std` | yes | detects the SIMD instructions of the CPU for UTF-8 validation |
//! | `getrandom` | yes | [`Seed::from_os`](crate::Seed) |
//! | `deflate` | no | permessage-deflate (RFC 7692), used if [`Config`] asks for it; enables `std` |
//!
//! Without any feature the crate needs only `alloc`. A client then provides its own [`Seed`].
#![no_std]
#![warn(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::alloc_instead_of_core
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod buffer;
#[cfg_attr(
    not(feature = "deflate"),
    expect(
        dead_code,
        unreachable_pub,
        reason = "nothing is negotiated without the feature"
    )
)]
mod config;
mod connection;
#[cfg(feature = "deflate")]
pub mod deflate;
#[cfg(not(feature = "deflate"))]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "nothing is negotiated without the feature"
)]
mod deflate;
mod error;
pub mod frame;
mod grammar;
pub mod handshake;
mod message;
mod output;
mod seed;
mod utf8;

pub use buffer::RecvBuf;
pub use config::Config;
pub use connection::{CloseFrame, Connection, Event, ReadyState, Role};
pub use error::{ProtocolError, SendError};
pub use frame::CloseCode;
pub use message::MessageKind;
pub use output::Output;
pub use seed::Seed;

/// The crate of [`BytesMut`](bytes::BytesMut), the buffer for bytes to send.
pub use bytes;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
