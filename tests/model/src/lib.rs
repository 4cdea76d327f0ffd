//! A model checker over the real code. It explores the behaviours of two connections within bounds,
//! and checks properties in each state. Handshakes, compression and long messages are not explored.
//!
//! ```text
//! application ──▶ client ──▶ out ──▶ bytes under way ──▶ server ──▶ application
//!             ◀──        ◀── bytes under way ◀── out ◀──        ◀──
//!                           one clock, two deadlines
//! ```
//!
//! | module | content |
//! |---|---|
//! | `action` | everything that can happen |
//! | `system` | a real connection, whole or in halves, behind a small trait |
//! | `endpoint` | one side, and an observer that knows from the RFC what it must do |
//! | `world` | both sides, the network and the clock |
//! | `future` | what must follow from every state |
//! | `explore` | the search |
//! | [`scenarios`] | what is explored by default |
//! | `faults` | known bugs that the search must find |
//! | [`report`] | figures, tables and traces |
//!
//! # What can happen
//!
//! In every state the network can deliver one byte, or all bytes in one read. It can drop all bytes
//! from now on, or end the stream. It accepts a limited number of bytes, so output must wait, and
//! frames are cut anywhere. The clock moves to the next deadline or half the way, and timers fire then
//! or late. Applications send, ping, close, stop taking events, take them one by one, or end without
//! closing. If a connection is split, the notes of its receiving half reach the sending half late, or
//! merged. [`Bounds`] limit how often each of these happens.
//!
//! # What is checked
//!
//! Each call is compared with what the observer expects: [`Property`] lists it. Besides, each state
//! gets four continuations in which nothing unexpected happens: the network delivers everything and
//! both sides end, or stay idle; the network falls silent; both streams end. All of them must end
//! well, and in time. So no state is a deadlock, and no peer that is dead goes unnoticed.
//!
//! # Why equal states can be merged
//!
//! A connection cannot be cloned or compared. A state is the path that leads to it, which is replayed.
//! Two paths lead to the same state if their fingerprints, of 128 bits, are equal. A fingerprint
//! covers everything that decides what the two sides do later:
//!
//! - `{:?}` of the connection or of its halves, which shows all fields that decide later behaviour, deadlines
//!   included.
//!   `{:?}` of notes leaves out the payload of a ping or Close frame. The observer has it.
//! - The receive buffer, whose `{:?}` does not show its content. It is a function of what happened
//!   since it was idle: the bytes of each read, and the calls. That is what is hashed. An idle buffer
//!   is released, which makes it equal to a new one.
//! - The output, the bytes under way, the clock, and all that the observer and the bounds count.
//!
//! Three things are left out:
//!
//! - The mask keys. Both sides use real keys, but bytes are hashed without their mask. A mask is a XOR
//!   that the receiver undoes, so it decides nothing. Other tests prove that for each key and offset.
//! - The numbers of notes, which only `Connection::join` compares. The model delivers all notes in
//!   their order, so the halves can be joined in the end, and each path checks that.
//! - The capacity of buffers, which no result depends on.
//!
//! Two different states with equal fingerprints would hide one of them. With 10^8 states the chance
//! of that is below 10^-22.

mod action;
mod endpoint;
mod explore;
mod faults;
mod frames;
mod future;
mod ledger;
pub mod report;
pub mod scenarios;
mod system;
mod world;

pub use action::Action;
pub use explore::{Counterexample, Explored, Limits, explore};
pub use faults::Fault;
pub use ledger::{Event, Ledger, Property, ROWS, Violation};
pub use system::Form;
pub use world::{Bounds, Setup};
