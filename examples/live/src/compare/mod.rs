//! The same notifications by short polling, long polling, server-sent events and WebSocket.
//!
//! A viewer opens a session, `POST /compare/session?rate=1`, and reads the notifications of this rate
//! from the position that the answer tells, by all four transports at once. Every notification has a
//! sequence number without holes, so a reader sees what it has missed, and a transport that reconnects
//! goes on behind the last number that it has seen. The server counts bytes and requests for each
//! session and transport, at the socket.
//!
//! | file | what it does |
//! |---|---|
//! | `feed.rs` | the source of a rate: a ring that all its readers share |
//! | `session.rs` | who looks, and the limits |
//! | `serve.rs` | the four transports at the server |
//! | `answers.rs` | what the server answers, as JSON |
//! | `client/` | the four transports at the client |
//! | `command.rs` | `live compare` |
//! | `report.rs` | its table |

pub mod answers;
pub mod client;
mod command;
mod feed;
mod report;
mod serve;
mod session;

pub use command::{Compare, run};
pub use serve::routes;

/// How notifications travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Asks again and again; the answer comes at once.
    Poll,
    /// Asks, and the answer comes when there is something to tell.
    Long,
    /// One response without end: `text/event-stream`.
    Events,
    WebSocket,
}

impl Transport {
    pub const ALL: [Self; 4] = [Self::Poll, Self::Long, Self::Events, Self::WebSocket];

    pub fn name(self) -> &'static str {
        match self {
            Self::Poll => "short polling",
            Self::Long => "long polling",
            Self::Events => "server-sent events",
            Self::WebSocket => "WebSocket",
        }
    }

    /// The last part of its path: `/compare/poll`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Long => "long",
            Self::Events => "events",
            Self::WebSocket => "ws",
        }
    }
}
