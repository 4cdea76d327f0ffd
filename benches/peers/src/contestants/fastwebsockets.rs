//! fastwebsockets: async, polled without a runtime.
//!
//! - Receiving: `FragmentCollector`, which joins fragments and checks texts (with simdutf8, its
//!   default feature). Texts come out as bytes that are known to be UTF-8: nothing checks them again.
//! - It reads into the room that its buffer has: 8 KiB, or what a long message needs.
//! - Sending: a server writes borrowed bytes, above 1 KiB by a vectored write (its default). A
//!   client masks an owned buffer in place (`Payload::BorrowedMut`), or copies borrowed bytes.

use ::fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role as Side, WebSocket};

use crate::{
    tasks::{
        Broadcast, Job, Role, Task,
        receive::{Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport, now},
};

pub fn jobs(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) => vec![task.job(Fast::new)],
        Task::Send(task) => match task.role {
            Role::Server => vec![task.job(send).gather()],
            Role::Client => vec![task.job(send), task.job(send_mut).variant("in place")],
        },
        Task::Broadcast(task) => vec![task.job(broadcast)],
        _ => Vec::new(),
    }
}

fn open(role: Role, transport: Transport) -> WebSocket<Transport> {
    let side = match role {
        Role::Server => Side::Server,
        Role::Client => Side::Client,
    };
    WebSocket::after_handshake(transport, side)
}

struct Fast(FragmentCollector<Transport>);

impl Fast {
    fn new(task: &Receive, transport: Transport) -> Self {
        Self(FragmentCollector::new(open(task.role, transport)))
    }
}

impl Receiver for Fast {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        // A future that is dropped inside of a frame loses what it has read of it, so none is begun
        // that would have to wait.
        while !sink.is_full() {
            let frame = now(self.0.read_frame()).expect("all bytes are there");
            let frame = frame.expect("the stream is valid");
            match frame.opcode {
                OpCode::Text => sink.valid_text(&frame.payload),
                OpCode::Binary => sink.binary(&frame.payload),
                _ => {}
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
    let mut ws = open(role, Transport::silent(drain));
    move |batches| {
        for _ in 0..batches * batch {
            // Each frame is a write of its own: it has no way to collect them.
            let payload = Payload::Borrowed(std::hint::black_box(&payload));
            let sent = now(ws.write_frame(Frame::binary(payload)));
            sent.expect("the transport takes everything").expect("open");
        }
    }
}

fn send_mut(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let Send {
        role,
        payload,
        batch,
    } = task.clone();
    let mut ws = open(role, Transport::silent(drain.clone()));
    let mut buffer = payload.to_vec();
    move |batches| {
        for _ in 0..batches * batch {
            if drain.is_recording() {
                // The last frame has masked it.
                buffer.copy_from_slice(&payload);
            }
            let payload = Payload::BorrowedMut(std::hint::black_box(&mut buffer));
            let sent = now(ws.write_frame(Frame::binary(payload)));
            sent.expect("the transport takes everything").expect("open");
        }
    }
}

/// The text is borrowed by each connection.
fn broadcast(task: &Broadcast, drain: Drain) -> impl FnMut() + use<> {
    let text = task.text.clone();
    let open = || open(Role::Server, Transport::silent(drain.clone()));
    let mut connections: Vec<_> = std::iter::repeat_with(open)
        .take(task.connections)
        .collect();
    move || {
        for ws in &mut connections {
            let sent = now(ws.write_frame(Frame::text(Payload::Borrowed(&text))));
            sent.expect("the transport takes everything").expect("open");
        }
    }
}
