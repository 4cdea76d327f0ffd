//! wslay: C, without I/O of its own, from Debian's `libwslay-dev`. It takes part with the feature
//! `wslay`.
//!
//! - Its event API: callbacks read into its buffer of 4 KiB, and get assembled messages. It checks
//!   texts itself.
//! - Sending: `wslay_event_queue_msg` copies the message, `wslay_event_send` writes it. Keys are from
//!   `fastrand`, as the library makes none.
//!
//! This is the only file of the package with `unsafe`: the library is bound by hand.

use std::{
    ffi::{c_int, c_void},
    ptr,
};

use fastrand::Rng;

use crate::{
    tasks::{
        Job, Role, Task,
        receive::{Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport, Wire},
};

pub fn jobs(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) => vec![task.job(Wslay::new)],
        Task::Send(task) => vec![task.job(send)],
        _ => Vec::new(),
    }
}

type Context = *mut c_void;

#[repr(C)]
struct Callbacks {
    recv: unsafe extern "C" fn(Context, *mut u8, usize, c_int, *mut c_void) -> isize,
    send: unsafe extern "C" fn(Context, *const u8, usize, c_int, *mut c_void) -> isize,
    genmask: unsafe extern "C" fn(Context, *mut u8, usize, *mut c_void) -> c_int,
    frame_start: Option<unsafe extern "C" fn()>,
    frame_chunk: Option<unsafe extern "C" fn()>,
    frame_end: Option<unsafe extern "C" fn()>,
    message: unsafe extern "C" fn(Context, *const Received, *mut c_void),
}

/// `wslay_event_on_msg_recv_arg`
#[repr(C)]
struct Received {
    rsv: u8,
    opcode: u8,
    msg: *const u8,
    len: usize,
    status: u16,
}

/// `wslay_event_msg`
#[repr(C)]
struct Outgoing {
    opcode: u8,
    msg: *const u8,
    len: usize,
}

const WOULD_BLOCK: c_int = -401;

#[link(name = "wslay")]
unsafe extern "C" {
    fn wslay_event_context_server_init(
        ctx: *mut Context,
        callbacks: *const Callbacks,
        user: *mut c_void,
    ) -> c_int;
    fn wslay_event_context_client_init(
        ctx: *mut Context,
        callbacks: *const Callbacks,
        user: *mut c_void,
    ) -> c_int;
    fn wslay_event_context_free(ctx: Context);
    fn wslay_event_recv(ctx: Context) -> c_int;
    fn wslay_event_send(ctx: Context) -> c_int;
    fn wslay_event_want_write(ctx: Context) -> c_int;
    fn wslay_event_get_read_enabled(ctx: Context) -> c_int;
    fn wslay_event_queue_msg(ctx: Context, msg: *const Outgoing) -> c_int;
    fn wslay_event_set_error(ctx: Context, error: c_int);
}

/// What callbacks get. None of them may panic.
struct User {
    wire: Wire,
    drain: Drain,
    rng: Rng,
    /// Takes a message, with the sink of the present call.
    deliver: unsafe fn(*mut c_void, u8, &[u8]),
    sink: *mut c_void,
}

unsafe extern "C" fn recv(
    ctx: Context,
    buffer: *mut u8,
    len: usize,
    _: c_int,
    user: *mut c_void,
) -> isize {
    // SAFETY: `user` is the `User` of this context, and `buffer` has `len` bytes.
    unsafe {
        let user = &*user.cast::<User>();
        let bytes = user.wire.take(len);
        if bytes.is_empty() {
            wslay_event_set_error(ctx, WOULD_BLOCK);
            return -1;
        }
        ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, bytes.len());
        bytes.len() as isize
    }
}

unsafe extern "C" fn write(
    _: Context,
    data: *const u8,
    len: usize,
    _: c_int,
    user: *mut c_void,
) -> isize {
    // SAFETY: as above.
    unsafe {
        let user = &*user.cast::<User>();
        user.drain.write(std::slice::from_raw_parts(data, len));
    }
    len as isize
}

unsafe extern "C" fn genmask(_: Context, key: *mut u8, len: usize, user: *mut c_void) -> c_int {
    // SAFETY: as above; it asks for four bytes.
    unsafe {
        let user = &mut *user.cast::<User>();
        let bytes = user.rng.u32(..).to_ne_bytes();
        ptr::copy_nonoverlapping(bytes.as_ptr(), key, len.min(4));
    }
    0
}

unsafe extern "C" fn message(_: Context, received: *const Received, user: *mut c_void) {
    // SAFETY: as above; an empty message can have a null pointer.
    unsafe {
        let (received, user) = (&*received, &*user.cast::<User>());
        let payload = match received.msg.is_null() {
            true => &[],
            false => std::slice::from_raw_parts(received.msg, received.len),
        };
        (user.deliver)(user.sink, received.opcode, payload);
    }
}

struct Wslay {
    context: Context,
    user: Box<User>,
}

impl Wslay {
    fn new(task: &Receive, transport: Transport) -> Self {
        Self::open(task.role, transport)
    }

    fn open(role: Role, transport: Transport) -> Self {
        let mut user = Box::new(User {
            wire: transport.wire,
            drain: transport.drain,
            rng: Rng::new(),
            deliver: |_, _, _| {},
            sink: ptr::null_mut(),
        });
        let callbacks = Callbacks {
            recv,
            send: write,
            genmask,
            frame_start: None,
            frame_chunk: None,
            frame_end: None,
            message,
        };
        let init = match role {
            Role::Server => wslay_event_context_server_init,
            Role::Client => wslay_event_context_client_init,
        };
        let mut context = ptr::null_mut();
        // SAFETY: the callbacks are copied, and `user` lives as long as the context.
        let result = unsafe { init(&mut context, &callbacks, (&raw mut *user).cast()) };
        assert_eq!(result, 0, "out of memory");
        Self { context, user }
    }

    /// Copies a binary message.
    fn queue(&self, payload: &[u8]) {
        let outgoing = Outgoing {
            opcode: 2,
            msg: payload.as_ptr(),
            len: payload.len(),
        };
        // SAFETY: the context is valid, and the message is copied.
        assert_eq!(unsafe { wslay_event_queue_msg(self.context, &outgoing) }, 0);
    }

    fn flush(&self) {
        // SAFETY: the context is valid.
        assert_eq!(unsafe { wslay_event_send(self.context) }, 0);
    }
}

impl Drop for Wslay {
    fn drop(&mut self) {
        // SAFETY: the context is not used afterwards.
        unsafe { wslay_event_context_free(self.context) }
    }
}

/// # Safety
///
/// `sink` must be an `S` that nobody else uses.
unsafe fn deliver<S: Sink>(sink: *mut c_void, opcode: u8, payload: &[u8]) {
    // SAFETY: the caller's duty.
    let sink = unsafe { &mut *sink.cast::<S>() };
    match opcode {
        1 => sink.valid_text(payload),
        2 => sink.binary(payload),
        _ => {}
    }
}

impl Receiver for Wslay {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        self.user.sink = (&raw mut *sink).cast();
        self.user.deliver = deliver::<S>;
        while !self.user.wire.is_empty() {
            // SAFETY: the context is valid, and `sink` is not used meanwhile.
            unsafe {
                assert_eq!(wslay_event_recv(self.context), 0);
                assert_eq!(
                    wslay_event_get_read_enabled(self.context),
                    1,
                    "the stream is valid"
                );
            }
            // SAFETY: as above.
            if unsafe { wslay_event_want_write(self.context) } == 1 {
                self.flush();
            }
        }
    }
}

fn send(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let Send {
        role,
        payload,
        batch,
    } = task.clone();
    let ws = Wslay::open(role, Transport::silent(drain));
    move |batches| {
        for _ in 0..batches {
            for _ in 0..batch {
                let payload = std::hint::black_box(&payload);
                ws.queue(payload);
            }
            ws.flush();
        }
    }
}
