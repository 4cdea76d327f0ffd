//! Proves that `websocket-proto` without default features needs only `core` and `alloc`.
//!
//! This library defines a panic handler. std defines one as well. If any dependency linked std,
//! there would be two panic handlers, and the build would fail.
#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

use bytes::BytesMut;
use websocket_proto::{Config, Connection, Event, RecvBuf, Role};

/// Receives `input` and writes the replies, an echo of its messages, to `output`. Returns the length
/// of the replies in bytes, or −1 after an error.
///
/// # Safety
///
/// `input` must be readable for `input_len` bytes and `output` writable for `output_len`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn echo(
    input: *const u8,
    input_len: usize,
    output: *mut u8,
    output_len: usize,
) -> isize {
    let input = unsafe { core::slice::from_raw_parts(input, input_len) };
    let output = unsafe { core::slice::from_raw_parts_mut(output, output_len) };
    let mut ws = Connection::assume_opened(Role::Server, Config::new());
    let (mut received, mut out) = (RecvBuf::new(), BytesMut::new());
    received.extend_from_slice(input);
    while let Ok(Some(event)) = ws.next_event(&mut received, &mut out) {
        let sent = match event {
            Event::Text(text) => ws.send_text(text, &mut out),
            Event::Binary(bytes) => ws.send_binary(bytes, &mut out),
            _ => Ok(()),
        };
        if sent.is_err() {
            return -1;
        }
    }
    match output.get_mut(..out.len()) {
        Some(room) if ws.error().is_none() => {
            room.copy_from_slice(&out);
            out.len() as isize
        }
        _ => -1,
    }
}

/// An allocator without memory. The program is only built, never run.
struct Nothing;

unsafe impl GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Nothing = Nothing;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
