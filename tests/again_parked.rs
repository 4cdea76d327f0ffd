//! The tests of these files once more, with a shared buffer: the connection is parked after each event.
//! `support::Way` tells how.

#![allow(clippy::duplicate_mod, reason = "each file has its own `mod support`")]

#[path = "closing.rs"]
mod closing;
#[cfg(feature = "deflate")]
#[path = "deflate_receive.rs"]
mod deflate_receive;
#[cfg(feature = "deflate")]
#[path = "deflate_wrong.rs"]
mod deflate_wrong;
#[path = "liveness.rs"]
mod liveness;
#[path = "splits.rs"]
mod splits;
#[path = "utf8.rs"]
mod utf8;
#[path = "violations.rs"]
mod violations;
