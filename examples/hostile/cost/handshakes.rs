//! Handshakes, one after the other.
use std::time::{Duration, Instant};

use super::rows::Shape;
use crate::exchange::{Plan, exchange};
use crate::http::answer;
use crate::server::{Server, connect};

const WAIT: Duration = Duration::from_secs(5);

/// Returns how many bytes of requests were answered.
pub fn load(server: &Server, shape: &Shape, time: Duration) -> Result<u64, String> {
    let parts = [shape.part(&server.host, &server.path)];
    let (mut bytes, end) = (0, Instant::now() + time);
    while Instant::now() < end {
        let stream = connect(server).map_err(|error| error.to_string())?;
        let plan = Plan {
            parts: &parts,
            wait: WAIT,
            ..Plan::default()
        };
        let (mut received, mut status) = (Vec::new(), None);
        let (sent, _) = exchange(&stream, &plan, &mut |read| {
            received.extend_from_slice(read);
            status = answer(&received).map(|it| it.status);
            status.is_some()
        });
        match status {
            Some(101) => bytes += sent,
            Some(status) => return Err(format!("refused with {status}")),
            None => return Err("no response".into()),
        }
    }
    Ok(bytes)
}
