//! Why some code is not written in the plainest way, and what that bought.
//!
//! The crate has a plain form for everything. Beside some plain forms there is a fast one, for the
//! input that is most common. A fast form accepts less than its plain form, or does the same for
//! some lengths; for everything else it returns nothing and the plain form decides. A property test runs
//! both on the same inputs.
//!
//! The columns "before" and "after" are instructions for one message (or one handshake, or the payload
//! named), counted by callgrind, before and after this code was written. Such counts are exact and can be repeated. `.ci/run` counts them again
//! and fails if one has grown by more than 5 %: see `benches/instructions.txt`. Times beside other
//! libraries are in `benches/peers`.
//!
//! # Receiving
//!
//! | what | why | before | after | where |
//! |---|---|---|---|---|
//! | A whole message in one uncompressed frame is found by one load of 8 bytes, and only this code is inlined into your loop | an `Option<FrameHeader>` would go through memory, and the code of the other events is long | 125 for 16 B | 106 | `connection/receive.rs`, `whole_frame` |
//! | A payload is masked as two words, as blocks of 32 bytes, or as aligned vectors, by its length | a loop over single bytes is slow; a vector that is not aligned can lie in two cache lines; AVX2 is used if the CPU has it | 4,100 writes to memory for 64 KiB | 2,062 | `frame/mask.rs` |
//! | Zeros are written in front of a text before it is checked | `simdutf8` checks blocks of 64 bytes, and is several times slower if the last block is not full. The bytes in front of a payload are its header and messages that were delivered already | 304 for 125 B ASCII | 261; 63 B that are not ASCII take 0.4 of the time | `buffer/text.rs` |
//! | A text of at most 32 bytes that was seen to be ASCII becomes a `&str` by the crate `ascii` | safe Rust has no way from "known to be ASCII" to `&str`; that crate has one, for the price of a quick look | 248 for 16 B | 151 | `buffer/text.rs` |
//! | A long text that is cut by reads is collected in a `String`, unless it is ASCII | only a check makes a `&str`. In a `String` each byte is checked once, when it arrives; in the buffer all of them would be checked again in the end | 147,284 for 64 KiB | 88,512 | `buffer/text.rs` |
//! | A binary frame of at most 16 KiB that is cut by a read waits until it is whole | to unmask it in two pieces costs more than everything else | 2,073 for 4 KiB | 1,313 | `connection/receive.rs`, `waits` |
//! | `RecvBuf::read_size` advises the rest of a long frame | the next frame then begins at the start of the buffer, and nothing is moved | 32,303 for 64 KiB | 17,823 | `buffer/mod.rs` |
//! | A compressed message in one frame that is wholly here is inflated at once. The tail of RFC 7692 §7.2.2 and zeros lie behind it in the buffer for that time | one call of zlib for payload and tail, in its fast loop to the end, instead of two, and nothing of what assembles messages | 4,945 for a chat line | 3,087 | `connection/receive/compressed.rs`, `deflate/inflater.rs` |
//!
//! # Sending
//!
//! | what | why | before | after | where |
//! |---|---|---|---|---|
//! | One number decides whether a message can be sent at once: below it nothing is compressed, split or in progress | five conditions for each message would be five branches | 168 for 16 B (server) | 79 | `connection/send.rs`, `plain_below` |
//! | A short payload is copied as two chunks of a constant size, which may overlap | a call of `memcpy` for a few bytes costs more than the rest of the frame | counted in the row above | | `frame/append.rs` |
//! | A client masks while it copies, 256 bytes at a time | one pass instead of two, and no zeros first | 1,880 for 4 KiB | 727 | `frame/mask_copy.rs` |
//! | All output of a run of ChaCha12 is used: 56 mask keys and the next seed | a run makes 256 bytes, of which 160 were thrown away | 323 for 16 B (client) | 160 | `seed.rs` |
//! | A lent payload is not touched | a server does not mask, so header and payload can be written as two slices | 235 for 64 KiB | 76 | `connection/lent.rs` |
//!
//! # Handshakes
//!
//! | what | why | before | after | where |
//! |---|---|---|---|---|
//! | A complete head is parsed in one pass, 8 bytes at a time. Only if that fails, the scan that can be resumed decides what is wrong | a head was walked three times, twice byte by byte | 29,969 (server) | 8,758 | `handshake/parse.rs`, `grammar.rs` |
//! | Names of fields are told apart by their length first; the usual offer of compression and an origin equal to the host are compared as they are | most comparisons end with the first number | counted in the row above | | `handshake/fields.rs`, `origin.rs` |
//! | The accept key is two fixed blocks of SHA-1 | the length of a key and of the GUID is known | counted in the row above | | `handshake/key.rs` |
//!
//! # What was tried and is not here
//!
//! - Vectors of 64 bytes (AVX-512): not faster than 32 for a mask in place. (The mask while copying uses
//!   what LLVM makes of it, up to the widest vectors of the CPU.)
//! - Masks with less code, for example one loop of 8-byte words for all lengths: 10 to 50 % slower,
//!   by the length.
//! - All sending inlined, also that of a client: saves 2 ns, and makes 3.5 KiB of code at each call.
//! - ChaCha8 for mask keys: saves less than 1 ns a frame.
//! - A text that waits for all of its frame, as a binary message does: it would not fail at its first
//!   wrong byte.
