//! Real servers for the tests, and a subscriber that notes what it is told.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, io};

use live::broker::{
    BrokerError, Callback, EngineState, EngineUrl, Event, HistoryLimits, MessageBroker, Position,
    Published,
};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

pub mod nats;
pub mod redis;

/// How long a test waits for something that must happen.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A server that a test has started. It ends with this.
pub struct Server {
    pub url: EngineUrl,
    program: &'static str,
    args: Vec<String>,
    data: PathBuf,
    dir: TempDir,
    child: Child,
}

impl Server {
    /// Starts a program that keeps its data in `data`, in a new directory. `None`: the program is missing.
    fn start(
        program: &'static str,
        url: impl FnOnce(&Path) -> EngineUrl,
        args: impl FnOnce(&Path) -> Vec<String>,
    ) -> Option<Self> {
        // LIVE_LOG=live=debug shows why an engine is away.
        let filter = tracing_subscriber::EnvFilter::from_env("LIVE_LOG");
        let log = tracing_subscriber::fmt().with_env_filter(filter);
        let _ = log.with_test_writer().try_init();
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        let args = args(dir.path());
        match spawn(program, &args) {
            Ok(child) => Some(Self {
                url: url(dir.path()),
                program,
                args,
                data,
                dir,
                child,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let required = std::env::var_os("LIVE_REQUIRE_ENGINES").is_some_and(|v| v == "1");
                assert!(!required, "{program} is not installed");
                println!("SKIPPED: {program} is not installed");
                None
            }
            Err(error) => panic!("{program}: {error}"),
        }
    }

    /// kill -9
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, at the same address. Does not wait until it answers.
    pub fn restart(&mut self) {
        self.child = spawn(self.program, &self.args).unwrap();
    }

    /// Stops it. Returns when none of its threads runs any more.
    pub fn stop(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::STOP).unwrap();
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped());
    }

    /// Lets it go on after [`stop`](Self::stop).
    pub fn go_on(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).unwrap();
    }

    /// Deletes what it has stored. Call it while it is killed.
    pub fn wipe(&self) {
        fs::remove_dir_all(&self.data).unwrap();
        fs::create_dir(&self.data).unwrap();
    }

    /// Keeps a copy of what it has stored. Call it while it is killed.
    pub fn save(&self) {
        copy(&self.data, &self.dir.path().join("saved"));
    }

    /// Goes back to the copy.
    pub fn restore(&self) {
        self.wipe();
        copy(&self.dir.path().join("saved"), &self.data);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &str, args: &[String]) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// A node, up.
pub async fn node(server: &Server, name: &str) -> Arc<MessageBroker> {
    let broker = start(server, name, HistoryLimits::default()).await;
    wait_for(&broker, EngineState::Up).await;
    broker
}

pub async fn start(server: &Server, name: &str, limits: HistoryLimits) -> Arc<MessageBroker> {
    let started = MessageBroker::start(&server.url, name, limits);
    started.await.unwrap()
}

pub async fn wait_for(broker: &MessageBroker, state: EngineState) {
    let mut states = broker.state();
    let waited = timeout(DEADLINE, states.wait_for(|now| *now == state)).await;
    waited
        .unwrap_or_else(|_| panic!("never {state:?}"))
        .unwrap();
}

/// Waits until something is so.
pub async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is() {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Publishes, and repeats it as long as the engine is away: it may be killed, or slow on a busy machine.
pub async fn say(broker: &MessageBroker, id: &str) -> Published {
    let end = Instant::now() + DEADLINE;
    loop {
        match broker.publish("c", id, id.to_owned().into()).await {
            Ok(published) => return published,
            Err(BrokerError::Away) => assert!(Instant::now() < end, "away for too long"),
            Err(error) => panic!("{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// What a subscriber was told.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Message(Position, String),
    Signal(String),
    Reset(Position),
}

/// A subscriber of the channel `c` that notes what it is told.
pub struct Recorder {
    pub callback: Callback,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Recorder {
    pub async fn subscribe(broker: &MessageBroker) -> Self {
        let recorder = Self::new();
        let end = Instant::now() + DEADLINE;
        while let Err(error) = broker.subscribe("c", recorder.callback.clone()).await {
            assert_eq!(error, BrokerError::Away);
            assert!(Instant::now() < end, "away for too long");
        }
        recorder
    }

    pub fn new() -> Self {
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let notes = heard.clone();
        let callback: Callback = Arc::new(move |channel, event| {
            assert_eq!(channel, "c");
            let text = |bytes: &[u8]| String::from_utf8(bytes.into()).unwrap();
            lock(&notes).push(match event {
                Event::Message(m) => Heard::Message(m.position, text(&m.payload)),
                Event::Signal(payload) => Heard::Signal(text(payload)),
                Event::Reset(position) => Heard::Reset(position),
            });
        });
        Self { callback, heard }
    }

    pub fn heard(&self) -> Vec<Heard> {
        lock(&self.heard).clone()
    }

    pub fn messages(&self) -> Vec<(Position, String)> {
        let heard = self.heard().into_iter();
        let messages = heard.filter_map(|heard| match heard {
            Heard::Message(position, text) => Some((position, text)),
            _ => None,
        });
        messages.collect()
    }

    pub fn resets(&self) -> Vec<Position> {
        let heard = self.heard().into_iter();
        let resets = heard.filter_map(|heard| match heard {
            Heard::Reset(position) => Some(position),
            _ => None,
        });
        resets.collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
