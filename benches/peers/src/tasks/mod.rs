//! What is measured: one module for each kind of work, with its input and its check.

use std::panic::{AssertUnwindSafe, catch_unwind};

pub mod broadcast;
pub mod compress;
pub mod opening;
pub mod receive;
pub mod send;

pub use broadcast::Broadcast;
pub use compress::Compress;
pub use opening::{Accept, Connect};
pub use receive::Receive;
pub use send::Send;

/// The side of the connection that does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Server,
    Client,
}

impl Role {
    pub const BOTH: [Self; 2] = [Self::Server, Self::Client];

    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }

    pub fn is_client(self) -> bool {
        self == Self::Client
    }
}

/// One piece of work, which every contestant gets.
#[derive(Debug, Clone)]
pub enum Task {
    Receive(Receive),
    /// A stream of compressed texts.
    Inflate(Receive),
    Send(Send),
    Compress(Compress),
    Accept(Accept),
    Connect(Connect),
    Broadcast(Broadcast),
}

/// The work of one contestant in one of its shapes.
pub struct Job {
    /// What tells this shape from others of the same contestant, or "".
    pub variant: String,
    /// With what it can be compared.
    pub group: Group,
    /// How many messages one cycle has.
    pub messages: usize,
    /// Does the work once and compares every byte of the result.
    pub check: Box<dyn Fn() -> Result<(), String>>,
    /// Makes new objects and returns the work, to be called with a number of cycles.
    pub start: Box<dyn Fn() -> Box<dyn FnMut(usize)>>,
}

/// Floor rows and others are compared within a group. Peers count for all groups of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Group {
    /// Bytes are copied to where they are written from, or it makes no difference.
    #[default]
    Copy,
    /// Payloads are written from where they are, by a write of several slices.
    Gather,
}

impl Job {
    pub fn new(
        messages: usize,
        check: impl Fn() -> Result<(), String> + 'static,
        start: impl Fn() -> Box<dyn FnMut(usize)> + 'static,
    ) -> Self {
        Self {
            variant: String::new(),
            group: Group::default(),
            messages,
            check: Box::new(check),
            start: Box::new(start),
        }
    }

    pub fn variant(self, variant: impl Into<String>) -> Self {
        Self {
            variant: variant.into(),
            ..self
        }
    }

    pub fn gather(self) -> Self {
        Self {
            group: Group::Gather,
            ..self
        }
    }
}

/// Runs something that may panic. Returns the message. The program's panic hook should be silent
/// meanwhile: see [`silence`].
pub fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "it panicked".to_owned())
    })
}

/// Lets no panic print anything, until the guard is dropped.
pub fn silence() -> impl Drop {
    struct Guard(Option<Hook>);
    type Hook = Box<dyn Fn(&std::panic::PanicHookInfo<'_>) + Sync + std::marker::Send>;
    impl Drop for Guard {
        fn drop(&mut self) {
            if let Some(hook) = self.0.take() {
                std::panic::set_hook(hook);
            }
        }
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    Guard(Some(before))
}
