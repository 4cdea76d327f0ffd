//! Compression and broadcasts.

use std::io::IoSlice;

use bytes::BytesMut;
use websocket_proto::{
    Config, Connection, Prepared,
    deflate::{Compression, DeflateConfig, Params},
};

use super::{Ours, Whole, open};
use crate::{
    tasks::{
        Broadcast, Compress, Job, Receive, Role,
        compress::{LEVEL, MEM_LEVEL},
    },
    wire::{Drain, Transport},
};

fn connection(takeover: bool, mut config: DeflateConfig) -> Connection {
    config.compression = Compression::Always;
    let params = Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        ..Params::default()
    };
    open(Role::Server, Config::new()).with_deflate(params, config)
}

pub fn inflate(task: &Receive) -> Vec<Job> {
    let new = |task: &Receive, transport: Transport| {
        let takeover = task.compressed.as_ref().is_some_and(|it| it.takeover);
        let ws = connection(takeover, DeflateConfig::new());
        Whole(Ours::new(task, transport, ws))
    };
    vec![task.job(new)]
}

/// With the level of everyone else.
pub fn deflate(task: &Compress) -> Vec<Job> {
    vec![task.job(|task, drain| {
        let mut config = DeflateConfig::new();
        (config.level, config.mem_level) = (LEVEL, MEM_LEVEL);
        deflating(task, drain, config)
    })]
}

/// With our default level, which is faster.
pub fn deflate_default(task: &Compress) -> Vec<Job> {
    vec![task.job(|task, drain| deflating(task, drain, DeflateConfig::new()))]
}

fn deflating(task: &Compress, drain: Drain, config: DeflateConfig) -> impl FnMut(&str) + use<> {
    let mut ws = connection(task.settings.takeover, config);
    let mut out = BytesMut::new();
    move |text: &str| {
        ws.send_text(text, &mut out).expect("open");
        drain.write(&out);
        out.clear();
    }
}

struct Peer {
    ws: Connection,
    out: BytesMut,
}

fn peers(task: &Broadcast) -> Vec<Peer> {
    let peer = || Peer {
        ws: open(Role::Server, Config::new()),
        out: BytesMut::new(),
    };
    std::iter::repeat_with(peer)
        .take(task.connections)
        .collect()
}

/// `send_text` to each.
pub fn broadcast(task: &Broadcast) -> Vec<Job> {
    vec![task.job(|task, drain| {
        let (text, mut peers) = (task.text(), peers(task));
        move || {
            for Peer { ws, out } in &mut peers {
                ws.send_text(&text, out).expect("open");
                drain.write(out);
                out.clear();
            }
        }
    })]
}

/// A message that is prepared once a round: copied, or written from its own memory.
pub fn broadcast_prepared(task: &Broadcast) -> Vec<Job> {
    let copied = task.job(|task, drain| {
        let (text, mut peers) = (task.text(), peers(task));
        move || {
            let message = Prepared::text(&text);
            for Peer { ws, out } in &mut peers {
                ws.send_prepared(&message, out).expect("open");
                drain.write(out);
                out.clear();
            }
        }
    });
    let lent = task.job(|task, drain| {
        let (text, mut peers) = (task.text(), peers(task));
        move || {
            let message = Prepared::text(&text);
            for Peer { ws, out } in &mut peers {
                let mut lent = ws.lend_prepared(&message, out).expect("open");
                let written = drain.write_vectored(&lent.slices().map(IoSlice::new));
                lent.written(written);
            }
        }
    });
    vec![copied, lent.variant("lent").gather()]
}
