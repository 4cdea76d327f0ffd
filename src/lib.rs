//! A WebSocket engine (RFC 6455, RFC 7692) without I/O: bytes go in, events come out, and the
//! replies that the protocol asks for are bytes again. It runs on any transport and any runtime,
//! needs no clock and no `unsafe`, and is `no_std` with `alloc`.
//!
//! ```text
//!       network                     this crate                        application
//!
//!  read ──▶ RecvBuf ──▶ ┌───────────────────────────────────┐
//!                       │ Connection::next_event            │ ──▶ Event, borrows RecvBuf
//!                       │   frames · fragments · inflate    │
//!                       │   UTF-8 · limits · pong · close   │
//!  write ◀── BytesMut ◀─│                                   │ ◀── send_text, send_binary, close
//!  timer ◀── deadline ──│ Connection::handle_timeout        │
//!                       └───────────────────────────────────┘
//!  before that: handshake::server or handshake::client, out of which the Connection comes
//! ```
//!
//! # The loop
//!
//! An adapter owns the transport and two buffers, and does three things in turn: take all events,
//! flush, wait. This is a whole one for a server on blocking sockets:
//!
//! ```
//! use std::io::{Read, Write};
//!
//! use bytes::BytesMut;
//! use websocket_proto::{Config, Event, RecvBuf, handshake::server::{Accept, Handshake, Origins}};
//!
//! fn serve<S: Read + Write>(socket: &mut S) -> Result<(), Box<dyn std::error::Error>> {
//!     let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
//!     let result = echo(socket, &mut input, &mut out);
//!     socket.write_all(&out)?;           // after an error, what the peer is told: see "The end"
//!     result
//! }
//!
//! fn echo<S: Read + Write>(
//!     socket: &mut S,
//!     input: &mut RecvBuf,
//!     out: &mut BytesMut,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
//!     let mut ws = loop {
//!         if let Some((request, pending)) = opening.next(input, out)? {
//!             println!("{} wants {}", request.host(), request.path());
//!             break pending.accept(Accept::new(), out)?;
//!         }
//!         match socket.read(input.spare(4096))? {
//!             0 => opening.end_of_stream(),
//!             n => input.filled(n),
//!         }
//!     };
//!     loop {
//!         while let Some(event) = ws.next_event(input, out)? {                // 1 take all events
//!             if let Event::Text(text) = event {
//!                 ws.send_text(text, out)?;                                   //   reply at will
//!             }
//!         }
//!         socket.write_all(&out.split())?;                                    // 2 flush, always
//!         if ws.is_done() {
//!             return Ok(());
//!         }
//!         match socket.read(input.spare(4096))? {                             // 3 wait
//!             0 => ws.end_of_stream(),
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
//! # let mut wire = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
//! #     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//! #     Sec-WebSocket-Version: 13\r\n\r\n".to_vec();
//! # wire.extend([0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
//! # wire.extend([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
//! # let mut peer = Peer(std::io::Cursor::new(wire), Vec::new());
//! # serve(&mut peer).unwrap();
//! # assert!(peer.1.starts_with(b"HTTP/1.1 101 "));
//! # assert!(peer.1.ends_with(b"\r\n\r\n\x81\x05Hello\x88\x02\x03\xe8"));
//! ```
//!
//! What an adapter has to know beyond that:
//!
//! - **Flush before you wait.** Pongs, Close frames and refusals are in `out` when the call that
//!   caused them returns. A write that takes only a part of it is followed by
//!   [`out.advance(n)`](bytes::Buf::advance).
//! - **Back-pressure is `out.len()`.** A server that answers takes no events and reads nothing while
//!   more is unsent than it likes: the peer then has to wait. Whoever sends of its own accord stops
//!   *sending* there, and goes on reading: two ends that both stop reading wait for ever.
//!   [`Config::pong_backlog`] bounds what pings alone can add.
//! - **An event borrows the [`RecvBuf`]**, not the connection: reply while you look at it, copy what
//!   you keep. Handle events inside of the loop: a method that goes round the loop and returns the
//!   borrowed event is one that Rust's borrow checker cannot follow yet.
//! - **Once you have sent a Close frame** events still come until the peer's: messages that were
//!   under way. Nothing can be sent any more, so reply only in [`ReadyState::Open`], and do not end
//!   the loop for a [`SendError::NotOpen`].
//! - **Time** is optional: ask [`Connection::deadline`] before each wait, wait no longer than
//!   that, and then call [`Connection::handle_timeout`]. It sends the keepalive pings, and ends
//!   connections whose peer has fallen silent. The openings have the same two methods.
//! - **At rest** a connection owns no heap memory: call [`RecvBuf::release`] before a long wait, and
//!   put a new `BytesMut` in the place of an empty `out`. Until then both keep what they have grown
//!   to. Compression has codecs
//!   and histories besides: see `deflate::Pool`.
//!
//! # The end
//!
//! When [`Connection::is_done`] or an error says so, the transport is to be closed, in a way that
//! lets the last bytes of `out` arrive: a Close frame, or the response to a refused opening. A TCP
//! socket that is closed with unread input is reset, and may take them along. So flush, shut down
//! writing, and read and drop until the peer ends the stream, for a few seconds at most:
//!
//! ```no_run
//! use std::{io::{Read, Write}, net::{Shutdown, TcpStream}, time::{Duration, Instant}};
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
//! A read that fails with a reset is an end of the stream as well: tell it as
//! [`Connection::end_of_stream`], which knows whether the closing handshake was complete. A write
//! that fails says that the peer is gone: drop `out`, and let the next read tell the rest.
//!
//! The examples of the repository do all of it: `echo_blocking`, `echo_tokio`, `client`.
//!
//! # Where things are
//!
//! | | |
//! |---|---|
//! | [`handshake`] | the openings of both roles; out of each comes a [`Connection`] |
//! | [`Connection`] | events, sending, closing, time |
//! | [`RecvBuf`] | all receive memory |
//! | [`Config`] | every limit and timer, with its default |
//! | [`ProtocolError`], [`SendError`] | whose fault it was: the peer's, or the application's |
//! | `deflate` | compression (feature `deflate`): what to compress, what it costs, how to share codecs |
//! | [`frame`] | the wire format alone, for tools and tests |
//!
//! # Features
//!
//! | | | |
//! |---|---|---|
//! | `std` | default | finds the CPU's SIMD instructions for UTF-8 at run time |
//! | `getrandom` | default | [`Seed::from_os`](crate::Seed) |
//! | `deflate` | | permessage-deflate (RFC 7692), where [`Config`] asks for it; includes `std` |
//!
//! Without all of them, the crate needs `alloc` alone; a client then brings its own [`Seed`].
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

/// The crate of [`BytesMut`](bytes::BytesMut), which output goes into.
pub use bytes;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
