//! A WebSocket engine (RFC 6455, RFC 7692) without I/O. You give it the bytes that
//! you received. It returns events, and it writes the bytes to send into a buffer.
//! It works with every transport and every runtime, needs no clock, contains no
//! `unsafe`, and is `no_std` with `alloc`.
//!
//! ```text
//!   read         write      timer
//!    │             ▲          │
//!    ▼             │          ▼
//! RecvBuf         out   handle_timeout
//!    │             ▲          │
//! ┌──┼─ Connection ┼──────────┼──┐
//! │  ▼             │          ▼  │
//! │ receiving ───▶ sending half  │
//! │ half                         │
//! │                              │
//! │ decode         compress      │
//! │ limits         encode, mask  │
//! │ inflate        close         │
//! │ UTF-8          keepalive     │
//! └──┼─────────────▲─────────────┘
//!    ▼             │
//!  Event    send_text, close, …
//!
//!          application
//! ```
//!
//! # Where things are
//!
//! | item | content |
//! |---|---|
//! | [`handshake`] | the handshakes of both roles, over bytes, over the types of an HTTP library, and for HTTP/2 and HTTP/3; each returns a [`Connection`] |
//! | [`Connection`] | receiving, sending, closing, time |
//! | [`RecvHalf`], [`SendHalf`], [`Notes`] | a connection in two halves, for two threads or tasks |
//! | [`Event`], [`CloseFrame`], [`MessageKind`], [`ReadyState`] | what a connection returns |
//! | [`RecvBuf`], [`Output`], [`OutQueue`] | the buffers for received bytes and for bytes to send |
//! | [`Prepared`], [`Lent`], [`Delivery`] | broadcasts, and sending without a copy |
//! | [`Config`] | every limit and timer, with its default |
//! | [`Error`], [`Fault`], [`ProtocolError`], [`SendError`] | what can fail, whose fault it is, and whether another try can help |
//! | `Clock` (feature `std`), [`Deadlines`] | the time of one connection, and of many |
//! | [`Role`], [`Seed`] | client or server, and the entropy of a client |
//! | `deflate` | compression (feature `deflate`) |
//! | [`frame`] | the wire format of frames alone, for tools and tests |
//!
//! # Which way is mine
//!
//! | your program | use | example |
//! |---|---|---|
//! | blocking sockets, a thread for each connection | [the loop](#the-loop) | `adapters/blocking.rs` |
//! | tokio | [`Connection::poll`], or [halves](Connection::split) for two tasks | `adapters/tokio.rs` |
//! | epoll or kqueue, thousands of connections in a thread | [`Connection::park`], [`Deadlines`] | `adapters/epoll.rs` |
//! | io_uring | [`RecvBuf::swap`] | `io_uring` |
//! | hyper, axum or another HTTP library | [`handshake::values`], `handshake::http` | `http/hyper_upgrade.rs`, `http/axum_handler.rs` |
//! | messages to many connections | [`Prepared`] | `broadcast` |
//! | uploads, or a proxy | [`Config::parts_above`], [`Connection::send_fragment`]; for a proxy also [`Connection::split`] | `proxy` |
//! | an inspector, a test tool or a fuzzer | [`frame`], [`CloseFrame::parse`] | `inspect` |
//! | no operating system | [the loop](#the-loop) without [features](#features): your transport, your instants, a [`Seed`] of your own | |
//!
//! The examples are in the folder `examples` of the repository.
//!
//! # The loop
//!
//! Your program owns the transport and two buffers: a [`RecvBuf`] for received bytes
//! and a [`BytesMut`](bytes::BytesMut) for bytes to send, called `out`. It repeats
//! these steps:
//!
//! 1. Take all events.
//! 2. Do what is due at this time.
//! 3. Flush `out`, also after an error.
//! 4. Stop if the connection is done or has failed.
//! 5. Wait for bytes, until the deadline at most.
//!
//! This is a complete echo server for one blocking socket:
//!
//! ```
//! # #[cfg(feature = "std")] {
//! use std::io::{self, ErrorKind, Read, Write};
//! use std::net::{Shutdown, TcpStream};
//! use std::time::{Duration, Instant};
//!
//! use bytes::BytesMut;
//! use websocket_proto::handshake::server::{Accept, Handshake, Origins};
//! use websocket_proto::{Clock, Config, Connection, Error, Event};
//! use websocket_proto::{ReadyState, RecvBuf};
//!
//! fn serve(mut socket: TcpStream) -> Result<(), Error> {
//!     // Otherwise a peer that does not read could block a write for ever.
//!     socket.set_write_timeout(Some(Duration::from_secs(20)))?;
//!     let mut out = BytesMut::new();
//!     let result = run(&mut socket, &mut out);
//!     // Flush also after an error: `out` contains a Close frame, or the
//!     // response that refuses the handshake.
//!     let _ = finish(socket, &out);
//!     result
//! }
//!
//! fn run(socket: &mut TcpStream, out: &mut BytesMut) -> Result<(), Error> {
//!     let (clock, mut input) = (Clock::start(), RecvBuf::new());
//!     let mut handshake =
//!         Handshake::new(Config::new(), Origins::SameOrigin);
//!     let mut ws = loop {
//!         if let Some((request, pending)) =
//!             handshake.next(&mut input, out)?
//!         {
//!             println!("{} wants {}", request.host(), request.path());
//!             break pending.accept(Accept::new(), out)?;
//!         }
//!         handshake.handle_timeout(clock.now(), out)?;
//!         let deadline = handshake.deadline(clock.now());
//!         if wait(socket, clock.timeout(deadline), &mut input)? {
//!             handshake.end_of_stream();
//!         }
//!     };
//!     loop {
//!         take_events(&mut ws, &mut input, out)?;
//!         ws.handle_timeout(clock.now(), out)?;
//!         // After an error, `out` is empty: nothing is sent twice.
//!         socket.write_all(&out.split())?;
//!         if ws.is_done() {
//!             return Ok(());
//!         }
//!         let deadline = ws.deadline(clock.now());
//!         if wait(socket, clock.timeout(deadline), &mut input)? {
//!             ws.end_of_stream();
//!         }
//!     }
//! }
//!
//! fn take_events(
//!     ws: &mut Connection,
//!     input: &mut RecvBuf,
//!     out: &mut BytesMut,
//! ) -> Result<(), Error> {
//!     while let Some(event) = ws.next_event(input, out)? {
//!         if ws.state() != ReadyState::Open {
//!             continue; // Nothing can be sent any more.
//!         }
//!         match event {
//!             Event::Text(text) => ws.send_text(text, out)?,
//!             Event::Binary(bytes) => ws.send_binary(bytes, out)?,
//!             _ => {} // Pings are answered already.
//!         }
//!     }
//!     Ok(())
//! }
//!
//! /// Reads once. Returns whether the peer has ended the stream.
//! fn wait(
//!     socket: &mut TcpStream,
//!     timeout: Option<Duration>,
//!     input: &mut RecvBuf,
//! ) -> io::Result<bool> {
//!     socket.set_read_timeout(timeout)?;
//!     match socket.read(input.spare(input.read_size())) {
//!         Ok(n) => {
//!             input.filled(n);
//!             Ok(n == 0)
//!         }
//!         Err(error) => match error.kind() {
//!             ErrorKind::ConnectionReset => Ok(true),
//!             ErrorKind::WouldBlock
//!             | ErrorKind::TimedOut
//!             | ErrorKind::Interrupted => Ok(false),
//!             _ => Err(error),
//!         },
//!     }
//! }
//!
//! /// Closes the socket so that the last bytes arrive.
//! fn finish(mut socket: TcpStream, out: &[u8]) -> io::Result<()> {
//!     socket.write_all(out)?;
//!     socket.shutdown(Shutdown::Write)?;
//!     socket.set_read_timeout(Some(Duration::from_secs(1)))?;
//!     let end = Instant::now() + Duration::from_secs(5);
//!     while Instant::now() < end && socket.read(&mut [0; 4096])? > 0 {}
//!     Ok(())
//! }
//! # fn talk(frames: &[u8]) -> (bool, Vec<u8>) {
//! #     let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
//! #     let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
//! #     let (socket, _) = listener.accept().unwrap();
//! #     let server = std::thread::spawn(move || serve(socket).is_ok());
//! #     peer.write_all(b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
//! #         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//! #         Sec-WebSocket-Version: 13\r\n\r\n").unwrap();
//! #     peer.write_all(frames).unwrap();
//! #     let mut received = Vec::new();
//! #     peer.read_to_end(&mut received).unwrap();
//! #     drop(peer);
//! #     let at = received.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
//! #     assert!(received.starts_with(b"HTTP/1.1 101 "));
//! #     (server.join().unwrap(), received.split_off(at + 4))
//! # }
//! # let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
//! # let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
//! # let (ok, received) = talk(&[&hello[..], &close].concat());
//! # assert!(ok && received == b"\x81\x05Hello\x88\x02\x03\xe8");
//! # // A violation: the Close frame arrives behind the echo.
//! # let (ok, received) = talk(&[&hello[..], &[0x81, 0x00]].concat());
//! # assert!(!ok && received.starts_with(b"\x81\x05Hello\x88"));
//! # assert_eq!(received[9..11], 1002_u16.to_be_bytes());
//! # }
//! ```
//!
//! # Rules for an adapter
//!
//! - **Flush before you wait, and also after an error.** When a call returns, the pongs,
//!   Close frames and responses that it caused are in `out`. When `next_event` returns an
//!   error, the Close frame that tells the peer is in `out`. If a write takes only a part
//!   of `out`, call [`out.advance(n)`](bytes::Buf::advance).
//! - **Keep unsent bytes in `out`, and add none yourself.** The connection measures the
//!   backlog by the length of `out`: see [`Output`].
//! - **Limit `out`.** Choose a limit for `out.len()`, for example 64 KiB. Above it, a program
//!   that only replies takes no more events and does not read until `out` is shorter. A
//!   program that also sends other messages, or forwards them to another connection, stops
//!   sending, but continues to read. Otherwise both peers could wait for each other for ever.
//!   When `out` is shorter again, take events before you wait: whole messages can be in the
//!   [`RecvBuf`], and the socket does not announce them again.
//! - **Use the time limits on every server.** Call [`Connection::handle_timeout`] after taking
//!   all events, and wait no longer than [`Connection::deadline`]. Without these calls there
//!   is no keepalive, and a silent peer stays connected for ever.
//! - **Set a write timeout** on a blocking socket. While a write blocks, nothing is read and
//!   no timer works.
//! - **Read at most 16 KiB at a time** ([`RecvBuf::spare`]). If one thread serves many
//!   connections, serve the others between two events. [`Event::Progress`] makes that possible
//!   inside a long compressed message.
//! - **An event borrows the [`RecvBuf`]**, not the connection: you can reply while you hold
//!   it. Copy what you keep. A function that waits in a loop and returns an event needs
//!   [`Connection::poll`].
//! - **After `close`, messages can still arrive** until the peer's Close frame does. Nothing
//!   can be sent any more: reply only in [`ReadyState::Open`].
//! - **Threads.** If one thread reads and another one writes, [split](Connection::split) the
//!   connection. If you keep it in one piece and another thread sends, wake the thread that
//!   waits: `out` must be flushed, and the deadline may have changed.
//! - **How much to read.** [`RecvBuf::read_size`] tells it. For a buffer that many connections share,
//!   or of your own choice, pass any length to [`RecvBuf::spare`].
//! - **Idle connections.** Call [`RecvBuf::release`] before a long wait, and replace an empty
//!   `out` by a new `BytesMut`. Both keep their memory otherwise. For compression, see
//!   `deflate::Pool`.
//!
//! # Many connections in one thread
//!
//! An idle server connection has 200 bytes and no heap memory, if you share the rest:
//!
//! - **One receive buffer.** [`Connection::resume`] before a read and [`Connection::park`] after
//!   the last event let all connections use the same [`RecvBuf`]. In the middle of a frame header,
//!   a connection keeps a copy of these few bytes. A handshake needs a buffer of its own: call
//!   `park` with that buffer when it returns the connection.
//! - **One list of timers.** Do not ask all connections for their deadlines before each wait. Ask
//!   those that you have used, and keep the deadlines in [`Deadlines`].
//! - **One pair of codecs**: `deflate::Pool`. A connection that has used compression keeps 80 bytes.
//! - **One broadcast.** A [`Prepared`] message is framed and compressed once.
//!   [`Connection::send_prepared_within`] skips peers that do not read. With [`OutQueue`] as `out`,
//!   long messages that wait are not copied for each peer.
//!
//! # Long messages
//!
//! By default a message is assembled and then returned. With [`Config::parts_above`], longer
//! messages are returned in parts as they arrive: [`Event::TextPart`], [`Event::BinaryPart`], and
//! an end. They are unmasked, inflated, limited and checked as other messages, but their memory is
//! that of one read. To send in pieces, use [`Connection::start_message`].
//!
//! To send a long payload without copying it, use [`Connection::lend_binary`] and one vectored
//! write.
//!
//! # The end of a connection
//!
//! When [`Connection::is_done`] is true, or after an error, close the transport so that the
//! last bytes of `out` arrive: a Close frame, or the response that refuses a handshake. If a
//! TCP socket is closed while received bytes are unread, the kernel resets the connection, and
//! the peer may never receive the last bytes. So flush, shut down writing, and read and drop
//! until the peer ends the stream, for a few seconds at most, as `finish` does above. If the
//! peer has already ended the stream, drop the socket.
//!
//! If a read fails with a connection reset, call [`Connection::end_of_stream`]: the connection
//! knows whether the closing handshake was complete. If a write fails, the peer is gone: drop
//! `out`, write nothing more, because it could follow a part of a frame, and let the next read tell
//! the rest.
//!
//! The examples of the repository do all of this: `echo_blocking`, `echo_tokio`, `client`.
//!
//! # What a peer can cause
//!
//! The limits on memory, output and CPU are on by default. The time limits work if you call
//! `deadline` and `handle_timeout`. All of them are fields of [`Config`].
//!
//! | cost | at most | setting |
//! |---|---|---|
//! | memory of a message | its maximum size, or [`parts_above`](Config::parts_above), and one read; 64 KiB more if it is compressed (128 KiB in parts), 256 KiB more for text, an eighth more if reads become longer; twice that for a moment while memory moves | [`max_message_size`](Config::max_message_size), 1 MiB |
//! | memory of the codecs | 48 kB to inflate, 280 kB to compress | [`deflate`](Config#structfield.deflate), off |
//! | output | a pong for each ping; above the backlog, one behind each frame that the application writes and each keepalive ping | [`pong_backlog`](Config::pong_backlog), 16 KiB |
//! | CPU for 1 MiB of received bytes | 10 ms, each byte is read or moved up to 8 times; with compression 1 s, up to 16,392 times: see `deflate` | [`max_fragments`](Config::max_fragments), `max_final_blocks` |
//! | CPU of one call | the received bytes, and little more than 1 MiB of inflated bytes and loaded windows; of a message that is longer than 4 MiB, 4 MiB are joined | [`Event::Progress`] |
//! | time of an unfinished message | 20 s, and 1 s more for each 500 bytes | [`message_timeout`](Config::message_timeout) |
//! | time until a peer that is gone is detected | 40 s | [`ping_interval`](Config::ping_interval), [`pong_timeout`](Config::pong_timeout) |
//! | time of the handshake | 10 s | [`handshake_timeout`](Config::handshake_timeout) |
//! | size of the handshake | 16 KiB, 64 header fields | [`max_head_size`](Config::max_head_size), [`max_headers`](Config::max_headers) |
//! | time of the closing handshake | 10 s | [`close_timeout`](Config::close_timeout) |
//!
//! These limits are for one connection: the program limits the number of connections. If the global
//! allocator has no memory left, the program aborts, as with every `Vec`. An [`Output`] has no
//! capacity of its own: what the application sends is bounded by the application, see
//! [the rules](#rules-for-an-adapter).
//!
//! # Features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `std` | yes | `Clock`, `Error::Io`, vectored writes of [`OutQueue`]; detects the SIMD instructions of the CPU, for masks and UTF-8 |
//! | `getrandom` | yes | [`Seed::from_os`](crate::Seed), `Error::Entropy` |
//! | `deflate` | no | permessage-deflate (RFC 7692), used if [`Config`] asks for it; enables `std` |
//! | `http` | no | [`handshake`] over the types of the crate `http`, for hyper and axum; enables `std` |
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
#[cfg(feature = "std")]
mod clock;
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
mod deadlines;
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
mod fault;
pub mod frame;
mod grammar;
pub mod handshake;
mod message;
#[cfg(feature = "__meter")]
#[doc(hidden)]
pub mod meter;
#[cfg(not(feature = "__meter"))]
mod meter;
mod output;
mod seed;
#[cfg(doc)]
pub mod speed;
mod utf8;

pub use buffer::RecvBuf;
#[cfg(feature = "std")]
pub use clock::Clock;
pub use config::Config;
pub use connection::{
    CloseFrame, Connection, Delivery, Event, JoinError, JoinErrorKind, Lent, Notes, Prepared,
    ReadyState, RecvHalf, Role, SendHalf,
};
pub use deadlines::Deadlines;
pub use error::{ProtocolError, SendError};
pub use fault::{Error, Fault};
pub use frame::CloseCode;
pub use message::MessageKind;
pub use output::{OutQueue, Output};
pub use seed::Seed;

/// The crate of [`BytesMut`](bytes::BytesMut), the buffer for bytes to send.
pub use bytes;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
