//! A model checker over the real code. It explores what two connections can do within bounds, and
//! checks properties in each state.
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
//! # What is explored
//!
//! A step is one of these:
//!
//! - The network delivers one byte, or all bytes under way in one read. Or it loses them and all later
//!   ones, or ends the stream.
//! - An application sends a text, starts or finishes a message of two fragments, pings, closes, stops
//!   taking events, takes one event, or is gone without closing.
//! - A foreign peer sends a Close frame without a code, or a text that is not UTF-8.
//! - A timer fires, at its deadline or late. The clock moves to the next deadline or half the way.
//! - If a connection is split: notes reach the sending half, two notes are merged, or the halves are
//!   joined and split again.
//!
//! The network takes a limited number of bytes, so output waits and frames are cut anywhere. All orders
//! of these steps are explored, until there is no new state. [`Bounds`] limit how often each step
//! happens. All steps together have too many orders. So each of the [`scenarios`] allows a few of them,
//! once or twice.
//!
//! # What is not explored
//!
//! - What no scenario combines, and more than its bounds allow. The flags of the command combine more.
//! - Handshakes, compression, long messages, and limits of size.
//! - `park` and `resume`, prepared and lent messages, `OutQueue`. `poll` and messages in parts only
//!   without halves.
//! - Configurations other than these: a ping interval of 20 s, a pong timeout of 10 s or 30 s, a close
//!   timeout of 5 s, a message timeout of 15 s or none, `min_message_rate` 1, `pong_backlog` 0.
//! - Round-trip times.
//! - Bytes that no implementation would send, apart from that text.
//!
//! Other tests look at these.
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
//! - The numbers of notes, which only `Connection::join` compares. Each path ends with joining halves.
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
