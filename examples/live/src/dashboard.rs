//! The metrics of the server as a live plot, in binary messages.
//!
//! One task samples the metrics 10 times a second and publishes them twice a second, framed once for all
//! viewers. It runs only while there is a viewer. A viewer gets each update, as long as it answers. If it
//! has missed one, and at the start, it gets all samples of the last 60 s in one message: a slow viewer
//! sees the newest state, and no queue grows for it.
//!
//! # Messages
//!
//! Server to client: one binary message. All numbers are big-endian, as `DataView` reads them.
//!
//! | offset | type | |
//! |---|---|---|
//! | 0 | u8 | version of this layout: 1 |
//! | 1 | u8 | 0: forget older samples. 1: the samples follow those of the message before |
//! | 2 | u16 | number of samples |
//! | 4 | u32 | time between two samples, in milliseconds |
//! | 8 | samples | 48 bytes each, old ones first |
//!
//! | offset in a sample | type | |
//! |---|---|---|
//! | 0 | f64 | time, in milliseconds since 1970 |
//! | 8, 12 | f32 | chat messages from clients and to clients, per second |
//! | 16, 20 | f32 | bytes read and written, per second |
//! | 24, 28 | f32 | open chat connections, open TCP connections |
//! | 32 | f32 | processors used in the last second; NaN: unknown |
//! | 36 | f32 | resident memory in bytes; NaN: unknown |
//! | 40, 44 | f32 | median and p99 of publishing in the last second, in seconds; NaN: nothing was published |
//!
//! Client to server: one message, of any content, for each that it has drawn. If 4 are unanswered, the
//! server waits. The answers are what makes a viewer slow or not: the buffers of the two systems below
//! could hold hours of updates. An answer to nothing closes the connection with 1008.
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router, routing::get};
use prometheus_client::metrics::counter::Counter;
use tokio::select;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use websocket_proto::{CloseCode, Error, Event, Prepared};

use crate::server::App;
use crate::server::metrics::Counts;
use crate::server::process::{Usage, usage};
use crate::server::upgrade::{WebSocket, upgrade};

/// Time between two samples.
const SAMPLE: Duration = Duration::from_millis(100);
/// Samples of an update.
const UPDATE: usize = 5;
/// Samples of the last 60 s.
const HISTORY: usize = 600;
/// Samples of a second, over which CPU time and latency are taken.
const SECOND: usize = 10;
/// Viewers at the same time. They need no login, and must not take all places of the chat.
const VIEWERS: usize = 100;
/// Messages that a viewer may leave unanswered.
const AHEAD: usize = 4;

const VERSION: u8 = 1;
const SNAPSHOT: u8 = 0;
const FOLLOWS: u8 = 1;

/// The time and the values of a sample, in the order of the layout.
type Sample = (f64, [f32; 10]);

pub fn routes() -> Router<App> {
    Router::new()
        .route("/dashboard/stream", get(stream))
        .layer(Extension(Arc::new(Publisher::default())))
}

async fn stream(
    State(app): State<App>,
    Extension(publisher): Extension<Arc<Publisher>>,
    request: Request,
) -> Response {
    if *app.stopping.borrow() {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return (status, [(RETRY_AFTER, "1")], "stopping\n").into_response();
    }
    let Ok(place) = Arc::clone(&publisher.places).try_acquire_owned() else {
        // Not 503: proxies would take the node for full.
        let status = StatusCode::TOO_MANY_REQUESTS;
        return (status, [(RETRY_AFTER, "10")], "too many viewers\n").into_response();
    };
    let shared = app.clone();
    upgrade(request, &app.origins, app.config, async move |socket| {
        let _place = place;
        let updates = publisher.join(&shared);
        if let Err(error) = view(socket, updates, &shared).await {
            tracing::debug!(%error, "viewer");
        }
    })
}

/// What is published: the newest samples, and those of the last 60 s.
#[derive(Default)]
struct Update {
    /// Counts the updates, so that a viewer knows if it has missed one.
    number: u64,
    update: Option<Prepared>,
    history: Vec<Sample>,
    snapshot: OnceLock<Prepared>,
}

impl Update {
    /// For a viewer that has seen the update `seen`.
    fn after(&self, seen: Option<u64>) -> &Prepared {
        match &self.update {
            Some(update) if seen.is_some_and(|seen| seen + 1 == self.number) => update,
            _ => (self.snapshot).get_or_init(|| Prepared::binary(&encode(SNAPSHOT, &self.history))),
        }
    }
}

fn encode(kind: u8, samples: &[Sample]) -> Vec<u8> {
    let mut bytes = vec![VERSION, kind];
    bytes.extend((samples.len() as u16).to_be_bytes()); // at most HISTORY
    bytes.extend((SAMPLE.as_millis() as u32).to_be_bytes());
    for (at, values) in samples {
        bytes.extend(at.to_be_bytes());
        bytes.extend(values.iter().flat_map(|value| value.to_be_bytes()));
    }
    bytes
}

/// The task that samples, if there are viewers.
struct Publisher {
    updates: watch::Sender<Arc<Update>>,
    running: Mutex<bool>,
    places: Arc<Semaphore>,
}

impl Default for Publisher {
    fn default() -> Self {
        Self {
            updates: watch::Sender::default(),
            running: Mutex::default(),
            places: Arc::new(Semaphore::new(VIEWERS)),
        }
    }
}

impl Publisher {
    /// Adds a viewer. The first one starts the task.
    fn join(self: Arc<Self>, app: &App) -> watch::Receiver<Arc<Update>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let updates = self.updates.subscribe();
        if !*running {
            *running = true;
            tokio::spawn(Arc::clone(&self).run(app.clone()));
        }
        updates
    }

    /// Under the same lock as [`join`](Self::join): no viewer can come in between.
    fn is_watched(&self) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running = self.updates.receiver_count() > 0;
        *running
    }

    async fn run(self: Arc<Self>, app: App) {
        let mut sampler = Sampler::new(&app);
        let mut history = VecDeque::new();
        let mut ticks = interval(SAMPLE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await; // the first one is at once
        let mut new = 0;
        while self.is_watched() {
            ticks.tick().await;
            history.push_back(sampler.sample(&app));
            if history.len() > HISTORY {
                history.pop_front();
            }
            new += 1;
            if new == UPDATE {
                new = 0;
                self.publish(history.make_contiguous());
            }
        }
    }

    fn publish(&self, history: &[Sample]) {
        let newest = &history[history.len() - UPDATE..];
        let update = Prepared::binary(&encode(FOLLOWS, newest));
        self.updates.send_modify(|updates| {
            *updates = Arc::new(Update {
                number: updates.number + 1,
                update: Some(update),
                history: history.to_vec(),
                snapshot: OnceLock::new(),
            });
        });
    }
}

/// Takes samples. Rates are differences of counters.
struct Sampler {
    /// What was seen in the last second, old ones first.
    seen: VecDeque<Seen>,
}

struct Seen {
    at: Instant,
    /// Messages in and out, bytes in and out.
    counters: [u64; 4],
    usage: Option<Usage>,
    latency: Counts,
}

impl Seen {
    fn now(app: &App) -> Self {
        let metrics = &app.metrics;
        let counters = [
            &metrics.received,
            &metrics.sent,
            &metrics.bytes_in,
            &metrics.bytes_out,
        ];
        Self {
            at: Instant::now(),
            counters: counters.map(Counter::get),
            usage: usage(),
            latency: metrics.latency.counts(),
        }
    }
}

impl Sampler {
    fn new(app: &App) -> Self {
        let seen = VecDeque::from([Seen::now(app)]);
        Self { seen }
    }

    fn sample(&mut self, app: &App) -> Sample {
        let now = Seen::now(app);
        let (first, last) = (&self.seen[0], &self.seen[self.seen.len() - 1]);
        let elapsed = |since: &Seen| (now.at - since.at).as_secs_f32().max(f32::EPSILON);
        let rate = |i: usize| (now.counters[i] - last.counters[i]) as f32 / elapsed(last);
        let cpu = match (now.usage, first.usage) {
            (Some(now), Some(then)) => (now.cpu - then.cpu).as_secs_f32() / elapsed(first),
            _ => f32::NAN,
        };
        let quantile = |share| now.latency.quantile_since(&first.latency, share);
        let at = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let sample = (
            at.as_secs_f64() * 1000.0,
            [
                rate(0),
                rate(1),
                rate(2),
                rate(3),
                app.metrics.connections.get() as f32,
                app.sockets() as f32,
                cpu,
                now.usage.map_or(f32::NAN, |usage| usage.memory as f32),
                quantile(0.5).map_or(f32::NAN, |seconds| seconds as f32),
                quantile(0.99).map_or(f32::NAN, |seconds| seconds as f32),
            ],
        );
        if self.seen.len() == SECOND {
            self.seen.pop_front();
        }
        self.seen.push_back(now);
        sample
    }
}

/// Sends updates to one viewer until it leaves or the server stops.
async fn view(
    mut socket: WebSocket,
    mut updates: watch::Receiver<Arc<Update>>,
    app: &App,
) -> Result<(), Error> {
    let (mut seen, mut unanswered) = (None, 0);
    let mut stopped = pin!(app.stopped());
    loop {
        select! {
            event = socket.recv() => match event? {
                Some(Event::Text(_) | Event::Binary(_)) if unanswered > 0 => unanswered -= 1,
                Some(Event::Text(_) | Event::Binary(_)) => {
                    return socket.close(CloseCode::POLICY_VIOLATION, "nothing to answer").await;
                }
                Some(_) => {}
                None => return Ok(()),
            },
            Ok(()) = updates.changed(), if unanswered < AHEAD => {
                let update = Arc::clone(&updates.borrow_and_update());
                // It fails only if the connection is closing, which `recv` tells.
                let _ = socket.ws.send_prepared(update.after(seen), &mut socket.out);
                seen = Some(update.number);
                unanswered += 1;
            }
            () = &mut stopped => return socket.close(CloseCode::GOING_AWAY, "").await,
        }
    }
}
