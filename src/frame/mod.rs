//! The wire format of one frame (RFC 6455 §5.2), without state and without allocation. It is for
//! tools and tests: a [`Connection`](crate::Connection) reads and writes frames itself.
//!
//! | item | content |
//! |---|---|
//! | [`FrameHeader`] | a legal header; decoding refuses all others |
//! | [`RawHeader`] | any header, to inspect or to send illegal frames |
//! | [`apply_mask`], [`MaskKeys`] | masking of payloads, and the keys for it |
//! | [`Opcode`], [`CloseCode`] | the numbers of RFC 6455 |
//!
//! `Connection` also checks roles, messages and limits.
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
//!
//! An inspector prints all frames of a stream, the illegal ones too:
//!
//! ```
//! use websocket_proto::frame::RawHeader;
//!
//! /// Returns a line for each frame in the captured bytes.
//! fn inspect(mut wire: &[u8]) -> Vec<String> {
//!     let mut lines = Vec::new();
//!     while let Some((header, header_len)) = RawHeader::decode(wire) {
//!         let RawHeader { opcode, len, .. } = header;
//!         let verdict = match header.check() {
//!             Ok(_) => "ok".to_string(),
//!             Err(error) => error.to_string(),
//!         };
//!         lines.push(format!("opcode {opcode:#x}, {len} bytes: {verdict}"));
//!         // The next frame starts after the payload. The length can be any
//!         // number, so the payload can end after the captured bytes.
//!         wire = usize::try_from(len)
//!             .ok()
//!             .and_then(|len| wire[header_len..].get(len..))
//!             .unwrap_or_default();
//!     }
//!     lines
//! }
//!
//! let wire = [
//!     &b"\x81\x02Hi"[..],       // a text
//!     b"\x83\x01?",             // a reserved opcode
//!     b"\x82\x7e\x00\x01!",     // 1 as a 16-bit length
//!     b"\x88\x02\x03\xe8",      // a Close frame
//! ];
//! assert_eq!(inspect(&wire.concat()), [
//!     "opcode 0x1, 2 bytes: ok",
//!     "opcode 0x3, 1 bytes: the opcode 0x3 is reserved (RFC 6455 §5.2)",
//!     "opcode 0x2, 1 bytes: the payload length is not in its shortest form \
//!      (RFC 6455 §5.2)",
//!     "opcode 0x8, 2 bytes: ok",
//! ]);
//! ```

mod append;
mod close_code;
mod header;
mod mask;
mod mask_copy;
mod opcode;
mod raw;

pub use close_code::{CloseCode, InvalidCloseCode};
pub use header::{FrameError, FrameHeader};
pub use mask::apply_mask;
pub use opcode::Opcode;
pub use raw::{EncodedHeader, LengthForm, RawHeader};

pub use crate::seed::MaskKeys;

pub(crate) use append::{append_frame, append_header, append_masked_frame, append_masked_header};
pub(crate) use header::MAX_CONTROL_PAYLOAD;
pub(crate) use mask::{is_ascii, unmask};
pub(crate) use raw::{FIN, RSV1};
