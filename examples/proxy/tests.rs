//! Each side fails at each operation: see `../tests/support/line.rs`. The other side gets all that the
//! proxy has read, and a Close frame.

use examples::Failure;
use examples::adapters::tokio::Socket;
use tokio::runtime::Builder;
use tokio::time::Instant;
use websocket_proto::handshake::client::Request;
use websocket_proto::handshake::server::{Accept, Handshake, Origins};

use super::{connect, relay};

#[path = "../tests/support/mod.rs"]
mod support;

use support::alive;
use support::line::{End, FAULTS, Fault, Line};
use support::peer::{Peer, Talk};

async fn proxy(client: End, server: End, talk: Talk) -> Result<(), Failure> {
    let mut config = relay::limits(talk.config());
    config.parts_above = 20; // so most messages arrive in parts
    let handshake = Handshake::new(config, Origins::Any);
    let Some(client) = Socket::accept(client, handshake, async |_| Ok(Accept::new())).await? else {
        return Ok(());
    };
    let request = Request::new("ws://localhost/")?;
    let upstream = Socket::connect(server, &request, config, |_| ()).await?;
    connect(client, upstream).await
}

/// A client, a proxy and a server. Returns how many operations each side needed.
fn run(talk: Talk, plans: [&[(usize, Fault)]; 2]) -> [usize; 2] {
    let client = Line::new("client of a proxy", talk, Peer::client(talk), plans[0]);
    let server = Line::new("server of a proxy", talk, Peer::server(talk), plans[1]);
    let ends = [client, server].map(End::new);
    let [client, server] = ends.clone();
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let result = runtime.block_on(alive(async {
        let start = Instant::now();
        let result = proxy(client, server, talk).await;
        assert!(start.elapsed().is_zero(), "{plans:?}: only a timer woke it");
        result
    }));
    let [client, server] = &ends.each_ref().map(End::line);
    let all: Vec<_> = talk
        .messages()
        .iter()
        .map(|it| support::peer::note_of(it))
        .collect();
    for (side, other) in [(client, server), (server, client)] {
        let what = format!(
            "{side}, {other}: {:?}, {:?}, {result:?}",
            side.peer.heard,
            other.peer.told()
        );
        let mut heard = side.peer.heard.clone();
        let close = heard.pop_if(|it| it.starts_with("close"));
        assert!(all.starts_with(&heard), "{what}");
        if side.has_failed() || client.peer.told().is_empty() {
            continue; // it cannot hear all, or the handshakes were not complete
        }
        let mut told = other.peer.told();
        told.retain(|it| !it.starts_with("close"));
        assert_eq!(heard, told, "{what}");
        assert!(close.is_some() && side.shut, "{what}");
    }
    [client.ops, server.ops]
}

#[test]
fn each_fault_at_each_operation_of_each_side() {
    for talk in [Talk::Tiny, Talk::Short, Talk::Long, Talk::Wrong] {
        for fault in FAULTS {
            for side in [0, 1] {
                for n in 0.. {
                    let plan = [(n, fault)];
                    let mut plans: [&[_]; 2] = [&[]; 2];
                    plans[side] = &plan;
                    if run(talk, plans)[side] <= n {
                        break;
                    }
                }
            }
        }
    }
}
