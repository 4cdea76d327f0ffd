//! The tests of these files once more, with the connection split into halves and joined again.
//! `support::Way` tells how.
//!
//! Features do not change how these ways work: they are tested with compression only.
#![cfg(feature = "deflate")]
#![allow(clippy::duplicate_mod, reason = "each file has its own `mod support`")]

#[path = "closing.rs"]
mod closing;
#[path = "deflate_receive.rs"]
mod deflate_receive;
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
