//! The wire format of one frame (RFC 6455 §5.2), without state and without allocation. It is for
//! tools and tests: a [`Connection`](crate::Connection) reads and writes frames itself.
//!
//! A [`FrameHeader`] that this module accepts is well-formed. `Connection` also checks roles,
//! messages and limits.
//!
//! ```
//! use websocket_proto::frame::{FrameHeader, Opcode, apply_mask};
//!
//! // The masked "Hello" of RFC 6455 §5.7.
//! let mut wire = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
//! let (header, len) = FrameHeader::decode(&wire)?.expect("complete");
//! assert!(header.fin);
//! assert_eq!((header.opcode, header.len), (Opcode::Text, 5));
//! apply_mask(&mut wire[len..], header.mask.expect("masked"), 0);
//! assert_eq!(&wire[len..], b"Hello");
//! # Ok::<(), websocket_proto::frame::FrameError>(())
//! ```

mod close_code;
mod header;
mod mask;
mod opcode;

pub use close_code::{CloseCode, InvalidCloseCode};
pub use header::{EncodedHeader, FrameError, FrameHeader};
pub use mask::apply_mask;
pub use opcode::Opcode;

pub(crate) use header::MAX_CONTROL_PAYLOAD;
pub(crate) use mask::unmask;
