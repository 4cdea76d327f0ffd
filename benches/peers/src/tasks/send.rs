//! Sending: a payload in the memory of the application becomes frames on the wire.

use std::fmt;

use bytes::Bytes;
use fastrand::Rng;

use super::{Job, Role};
use crate::{
    generate::Content,
    reader::{self, Message},
    wire::Drain,
};

/// One binary message, sent again and again.
#[derive(Clone)]
pub struct Send {
    pub role: Role,
    /// Cloning it copies nothing.
    pub payload: Bytes,
    /// How many messages are written together. 1: each is flushed.
    pub batch: usize,
}

impl fmt::Debug for Send {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.payload.len())
    }
}

impl Send {
    pub fn new(role: Role, size: usize, batch: usize) -> Self {
        let payload = Content::Binary.payload(size, &mut Rng::with_seed(size as u64));
        Self {
            role,
            payload: payload.into(),
            batch,
        }
    }

    /// The work of one contestant. `make` returns a function that sends so many batches of
    /// [`batch`](Self::batch) messages and flushes each.
    pub fn job<F: FnMut(usize) + 'static>(
        &self,
        make: impl Fn(&Self, Drain) -> F + Clone + 'static,
    ) -> Job {
        let (task, make_checked) = (self.clone(), make.clone());
        let check = move || task.check(&make_checked);
        let (task, batches) = (self.clone(), self.batches());
        let start = move || -> Box<dyn FnMut(usize)> {
            let mut send = make(&task, Drain::default());
            Box::new(move |cycles| send(cycles * batches))
        };
        Job::new(batches * self.batch, check, start)
    }

    /// How many batches are one cycle: about 64 KiB.
    fn batches(&self) -> usize {
        ((64 << 10) / (self.payload.len() + 64) / self.batch).max(1)
    }

    fn check<F: FnMut(usize)>(&self, make: &impl Fn(&Self, Drain) -> F) -> Result<(), String> {
        let drain = Drain::recording();
        let mut send = make(self, drain.clone());
        send(1);
        send(2);
        drop(send);
        let messages = reader::messages(&drain.take(), self.role.is_client())?;
        if messages.len() != 3 * self.batch {
            return Err(format!(
                "{} messages instead of {}",
                messages.len(),
                3 * self.batch
            ));
        }
        let is_right =
            |it: &Message| !it.is_text && !it.is_compressed && it.payload == self.payload;
        match messages.iter().position(|it| !is_right(it)) {
            Some(at) => Err(format!("message {at} is not the one that was to be sent")),
            None => Ok(()),
        }
    }
}
