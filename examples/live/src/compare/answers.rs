//! What the server answers, as JSON.
use serde::{Deserialize, Serialize};

use super::Transport;
use crate::server::meter::Traffic;

/// A new session. Its readers begin behind `seq`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opened {
    pub session: String,
    pub seq: u64,
}

/// What a session has cost until now.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stats {
    /// The clock of the server, in µs since 1970: to estimate how far the viewer's clock is away.
    pub now: u64,
    /// The last notification.
    pub seq: u64,
    pub poll: Counts,
    pub long: Counts,
    pub events: Counts,
    pub ws: Counts,
}

impl Stats {
    pub fn of(&self, transport: Transport) -> &Counts {
        match transport {
            Transport::Poll => &self.poll,
            Transport::Long => &self.long,
            Transport::Events => &self.events,
            Transport::WebSocket => &self.ws,
        }
    }
}

/// Bytes at the socket of the server, headers included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub requests: u64,
}

impl From<&Traffic> for Counts {
    fn from(traffic: &Traffic) -> Self {
        Self {
            bytes_in: traffic.bytes_in(),
            bytes_out: traffic.bytes_out(),
            requests: traffic.requests(),
        }
    }
}

/// The part of a notification that is counted.
#[derive(Debug, Deserialize)]
pub struct Notification {
    pub seq: u64,
    /// In µs since 1970, by the clock of the server.
    pub at: u64,
}
