//! The wire format of one frame (RFC 6455 §5.2): stateless, without allocation.
//!
//! Nothing here knows of roles, messages or limits. A [`FrameHeader`] that this module accepts is
//! well-formed; whether it is allowed at this point of this connection is decided by
//! [`Connection`](crate::Connection).
//!
//! ```
//! use websocket_proto::frame::{FrameHeader, Opcode, apply_mask};
//!
//! // The masked "Hello" of RFC 6455 §5.7.
//! let mut wire = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
//! let (header, len) = FrameHeader::decode(&wire)?.expect("the header is whole");
//! assert_eq!((header.fin, header.opcode, header.len), (true, Opcode::Text, 5));
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
