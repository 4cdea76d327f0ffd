//! wtx 0.46, the newest whose Rust version is not above 1.95: async over its own traits, polled
//! without a runtime.
//!
//! - Feature `optimization` (simdutf8), as its documentation advises.
//! - Received payloads are views of its buffer (`WebSocketPayloadOrigin::Adaptive`).
//! - Mask keys from its `Xorshift64`, as in its examples. They can be predicted.
//! - Sending: header and payload in one vectored write. A client masks the caller's buffer.

use ::wtx::{
    collection::Vector,
    rng::{Xorshift64, simple_seed},
    stream::{StreamReader, StreamWriter},
    web_socket::{Frame, OpCode, WebSocketBuffer, WebSocketOwned, WebSocketPayloadOrigin},
};

use crate::{
    tasks::{
        Job, Role, Task,
        receive::{Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport, now},
};

pub fn jobs(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) => vec![match task.role {
            Role::Server => task.job(Wtx::<false>::new),
            Role::Client => task.job(Wtx::<true>::new),
        }],
        Task::Send(task) => vec![match task.role {
            Role::Server => task.job(send::<false>).gather(),
            Role::Client => task.job(send::<true>).variant("in place"),
        }],
        _ => Vec::new(),
    }
}

struct Io(Transport);

impl StreamReader for Io {
    async fn read(&mut self, bytes: &mut [u8]) -> ::wtx::Result<usize> {
        match self.0.wire.read(bytes) {
            0 => std::future::pending().await,
            n => Ok(n),
        }
    }
}

impl StreamWriter for Io {
    async fn write_all(&mut self, bytes: &[u8]) -> ::wtx::Result<()> {
        self.0.drain.write(bytes);
        Ok(())
    }

    async fn write_all_vectored(&mut self, bytes: &[&[u8]]) -> ::wtx::Result<()> {
        let mut slices = [std::io::IoSlice::new(&[]); 8];
        for (slice, bytes) in slices.iter_mut().zip(bytes) {
            *slice = std::io::IoSlice::new(bytes);
        }
        self.0.drain.write_vectored(&slices[..bytes.len()]);
        Ok(())
    }
}

type Ws<const IS_CLIENT: bool> = WebSocketOwned<(), Xorshift64, Io, IS_CLIENT>;

fn open<const IS_CLIENT: bool>(transport: Transport) -> Ws<IS_CLIENT> {
    let rng = Xorshift64::from(simple_seed());
    Ws::new((), false, rng, Io(transport), WebSocketBuffer::new())
}

struct Wtx<const IS_CLIENT: bool> {
    ws: Ws<IS_CLIENT>,
    message: Vector<u8>,
}

impl<const IS_CLIENT: bool> Wtx<IS_CLIENT> {
    fn new(_: &Receive, transport: Transport) -> Self {
        Self {
            ws: open(transport),
            message: Vector::new(),
        }
    }
}

impl<const IS_CLIENT: bool> Receiver for Wtx<IS_CLIENT> {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        while !sink.is_full() {
            let origin = WebSocketPayloadOrigin::Adaptive;
            let frame = now(self.ws.read_frame(&mut self.message, origin));
            let frame = frame.expect("all bytes are there");
            let frame = frame.expect("the stream is valid");
            match frame.op_code() {
                OpCode::Text => sink.valid_text(frame.payload()),
                OpCode::Binary => sink.binary(frame.payload()),
                // It can come in between fragments, which are in `message`.
                _ => continue,
            }
            self.message.clear();
        }
    }
}

fn send<const IS_CLIENT: bool>(task: &Send, drain: Drain) -> impl FnMut(usize) + use<IS_CLIENT> {
    let Send { payload, batch, .. } = task.clone();
    let mut ws = open::<IS_CLIENT>(Transport::silent(drain.clone()));
    let mut buffer = payload.to_vec();
    move |batches| {
        for _ in 0..batches * batch {
            // Each message is a write of its own.
            if drain.is_recording() {
                // The last frame has masked it.
                buffer.copy_from_slice(&payload);
            }
            let payload = std::hint::black_box(&mut buffer[..]);
            let sent = now(ws.write_frame(&mut Frame::new_fin(OpCode::Binary, payload)));
            sent.expect("the transport takes everything").expect("open");
        }
    }
}
