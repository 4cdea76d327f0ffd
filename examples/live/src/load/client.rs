//! One client: it opens a connection, and another one when that has ended.
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use examples::Failure;
use examples::adapters::tokio::Socket;
use examples::backoff::Backoff;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use websocket_proto::deflate::Pool;
use websocket_proto::{CloseCode, Event};

use super::Load;
use super::http::Node;
use super::ledger::Ledger;
use super::open::{LIMIT, Opened, Opener};
use super::report::Stats;
use super::session::{Memory, Session};

/// What the clients of a run share.
pub struct Shared {
    pub options: Load,
    pub nodes: Vec<Node>,
    /// Begins the names of users and rooms, so that rooms are new.
    pub run: String,
    pub rooms: Vec<String>,
    pub opener: Opener,
    pub controls: Vec<Control>,
    pub ledger: RefCell<Ledger>,
    pub stats: RefCell<Stats>,
    pub pool: RefCell<Pool>,
    pub start: Instant,
    /// Clients that are in their room.
    pub joined: Cell<usize>,
    pub stopping: Cell<bool>,
    /// Cut the next connection that sends, with its message under way.
    pub cut_sender: Cell<bool>,
}

/// How the run tells a client what to do.
#[derive(Default)]
pub struct Control {
    pub wake: Notify,
    /// Send a message.
    pub due: Cell<bool>,
    /// Send what was refused again.
    pub again: Cell<bool>,
    /// End the connection without a Close frame.
    pub cut: Cell<bool>,
    pub joined: Cell<bool>,
}

impl Shared {
    /// The clock of the messages.
    pub fn micros(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    pub fn set_joined(&self, index: usize, joined: bool) {
        if self.controls[index].joined.replace(joined) != joined {
            let count = self.joined.get();
            self.joined.set(if joined { count + 1 } else { count - 1 });
        }
    }
}

/// How a connection has ended.
enum End {
    /// By the server, or by an error.
    Lost,
    Cut,
    Stopped,
}

/// Runs a client until the run stops.
pub async fn run(shared: Rc<Shared>, index: usize) {
    let user = format!("{}-{index}", shared.run);
    let control = &shared.controls[index];
    let (mut me, mut backoff) = (Memory::new(index), Backoff::default());
    // After each connection it goes to the next node.
    for node in index.. {
        let to = &shared.nodes[node % shared.nodes.len()];
        control.cut.set(false);
        // A box: what only the opening needs does not stay with the connection.
        let opened = Box::pin(shared.opener.open(to, &user, node)).await;
        let start = opened.as_ref().ok().map(|opened| opened.opening.start);
        let end = match opened {
            Ok(opened) => Box::pin(converse(&shared, &mut me, opened)).await,
            Err(error) => Err(error),
        };
        match end {
            Ok(End::Cut) => continue,
            Ok(End::Stopped) => return,
            Ok(End::Lost) => {}
            Err(error) => shared.stats.borrow_mut().error(error.to_string()),
        }
        let open = start.map(|start| start.elapsed());
        let pause = backoff.pause(open, getrandom::u64().unwrap_or_default());
        let stopped = async {
            while !shared.stopping.get() {
                control.wake.notified().await;
            }
        };
        if timeout(pause, stopped).await.is_ok() {
            return;
        }
    }
}

/// A connection from the handshake to the end.
async fn converse(
    shared: &Rc<Shared>,
    me: &mut Memory,
    opened: Opened<'_>,
) -> Result<End, Failure> {
    let Opened {
        mut socket,
        opening,
    } = opened;
    let mut session = Session::new(shared, me, opening);
    let end = talk(&mut socket, &mut session).await;
    session.ended();
    match end {
        Ok(End::Stopped) => _ = socket.close(CloseCode::NORMAL, "").await,
        Ok(End::Cut) => shared.stats.borrow_mut().cut += 1,
        Ok(End::Lost) | Err(_) => {
            let code = socket.ws.close_received().map(|close| close.code);
            shared.stats.borrow_mut().closed(code);
            socket.finish().await;
        }
    }
    end
}

/// Until the client has joined, which must not take too long, and then until the end.
async fn talk(socket: &mut Socket<TcpStream>, session: &mut Session<'_>) -> Result<End, Failure> {
    let joining = timeout(LIMIT, part(socket, session)).await;
    let mut end = joining.map_err(|_| "joining took too long")??;
    if end.is_none() {
        end = part(socket, session).await?;
    }
    Ok(end.unwrap_or(End::Lost))
}

/// Until the connection ends, or (`None`) the client has joined.
async fn part(
    socket: &mut Socket<TcpStream>,
    session: &mut Session<'_>,
) -> Result<Option<End>, Failure> {
    let (shared, was_joined) = (session.shared, session.is_joined());
    let control = &shared.controls[session.me.index];
    loop {
        take_events(socket, session)?;
        if session.is_joined() != was_joined {
            return Ok(None);
        }
        if socket.ws.is_done() {
            return Ok(Some(End::Lost));
        }
        tokio::select! {
            () = socket.wait() => {}
            () = control.wake.notified() => {
                if shared.stopping.get() {
                    return Ok(Some(End::Stopped));
                }
                session.say(&mut socket.ws, &mut socket.out)?;
                if control.cut.take() {
                    if !socket.out.is_empty() {
                        socket.wait().await; // a message leaves, and no one knows whether it arrives
                    }
                    return Ok(Some(End::Cut));
                }
            }
        }
    }
}

fn take_events(socket: &mut Socket<TcpStream>, session: &mut Session<'_>) -> Result<(), Failure> {
    let Socket { ws, input, out, .. } = socket;
    let mut pool = session.shared.pool.borrow_mut();
    pool.lend(ws);
    let mut take = || {
        while let Some(event) = ws.next_event(input, out)? {
            if let Event::Text(text) = event {
                session.hear(text, ws, out)?;
            }
        }
        Ok(())
    };
    let result = take();
    pool.reclaim(ws);
    result
}
