//! soketto: async over the traits of `futures`, polled without a runtime.
//!
//! - It appends messages to a buffer of the caller, which is reused.
//! - It does not check texts: the adapter does, with simdutf8.
//! - Sending: `send_binary`, or `send_binary_mut` for a client that lets its buffer be masked; then
//!   `flush`.

use ::soketto::{
    Data,
    connection::{Builder, Mode, Receiver as Incoming, Sender as Outgoing},
    handshake::{Client, Server, ServerResponse, server::Response},
};

use crate::{
    tasks::{
        Broadcast, Job, Role, Task,
        opening::{HOST, Mock, PATH},
        receive::{Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport, now},
};

pub fn jobs(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) => vec![task.job(Soketto::new)],
        Task::Send(task) => match task.role {
            Role::Server => vec![task.job(send)],
            Role::Client => vec![task.job(send), task.job(send_mut).variant("in place")],
        },
        Task::Accept(task) => vec![task.job(accept)],
        Task::Connect(task) => vec![task.job(connect)],
        Task::Broadcast(task) => vec![task.job(broadcast)],
        _ => Vec::new(),
    }
}

fn open(role: Role, transport: Transport) -> (Outgoing<Transport>, Incoming<Transport>) {
    let mode = match role {
        Role::Server => Mode::Server,
        Role::Client => Mode::Client,
    };
    Builder::new(transport, mode).finish()
}

struct Soketto {
    incoming: Incoming<Transport>,
    /// It must live as long as the other half.
    _outgoing: Outgoing<Transport>,
    message: Vec<u8>,
}

impl Soketto {
    fn new(task: &Receive, transport: Transport) -> Self {
        let (_outgoing, incoming) = open(task.role, transport);
        let message = Vec::new();
        Self {
            incoming,
            _outgoing,
            message,
        }
    }
}

impl Receiver for Soketto {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        while !sink.is_full() {
            self.message.clear();
            let data = now(self.incoming.receive_data(&mut self.message));
            let data = data.expect("all bytes are there");
            match data.expect("the stream is valid") {
                Data::Text(_) => {
                    sink.text(simdutf8::basic::from_utf8(&self.message).expect("a text"));
                }
                Data::Binary(_) => sink.binary(&self.message),
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
    let (mut ws, _incoming) = open(role, Transport::silent(drain));
    move |batches| {
        let _ = &_incoming;
        for _ in 0..batches {
            for _ in 0..batch {
                let sent = now(ws.send_binary(std::hint::black_box(&payload)));
                sent.expect("the transport takes everything").expect("open");
            }
            let flushed = now(ws.flush());
            flushed
                .expect("the transport takes everything")
                .expect("open");
        }
    }
}

fn send_mut(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let Send {
        role,
        payload,
        batch,
    } = task.clone();
    let (mut ws, _incoming) = open(role, Transport::silent(drain.clone()));
    let mut buffer = payload.to_vec();
    move |batches| {
        let _ = &_incoming;
        for _ in 0..batches {
            for _ in 0..batch {
                if drain.is_recording() {
                    // The last frame has masked it.
                    buffer.copy_from_slice(&payload);
                }
                let sent = now(ws.send_binary_mut(std::hint::black_box(&mut buffer[..])));
                sent.expect("the transport takes everything").expect("open");
            }
            let flushed = now(ws.flush());
            flushed
                .expect("the transport takes everything")
                .expect("open");
        }
    }
}

fn accept(transport: Transport) -> impl FnMut() {
    move || {
        let mut server = Server::new(transport.clone());
        let request = now(server.receive_request()).expect("all bytes are there");
        let key = request.expect("a valid request").key();
        let response = Response::Accept {
            key,
            protocol: None,
        };
        let sent = now(server.send_response(&response));
        sent.expect("the transport takes everything").expect("open");
        std::hint::black_box(server.into_builder().finish());
    }
}

fn connect() -> impl FnMut(&mut Mock) -> Result<(), String> {
    |mock: &mut Mock| {
        let mut client = Client::new(mock, HOST, PATH);
        let response = now(client.handshake()).expect("all bytes are there");
        match response.map_err(|it| it.to_string())? {
            ServerResponse::Accepted { .. } => {
                std::hint::black_box(client.into_builder().finish());
                Ok(())
            }
            _ => Err("not accepted".into()),
        }
    }
}

fn broadcast(task: &Broadcast, drain: Drain) -> impl FnMut() + use<> {
    let text = task.text();
    let open = || open(Role::Server, Transport::silent(drain.clone()));
    let mut connections: Vec<_> = std::iter::repeat_with(open)
        .take(task.connections)
        .collect();
    move || {
        for (ws, _) in &mut connections {
            let sent = now(ws.send_text(&text)).expect("the transport takes everything");
            sent.expect("open");
            let flushed = now(ws.flush()).expect("the transport takes everything");
            flushed.expect("open");
        }
    }
}
