//! Broadcast: the same text to many connections.

use bytes::Bytes;

use super::Job;
use crate::{
    generate::Content,
    reader::{self, Message},
    wire::Drain,
};

/// One text, which is sent to every connection and flushed.
#[derive(Debug, Clone)]
pub struct Broadcast {
    pub text: Bytes,
    pub connections: usize,
}

impl Default for Broadcast {
    fn default() -> Self {
        let text = Content::Ascii.payload(512, &mut fastrand::Rng::with_seed(512));
        Self {
            text: text.into(),
            connections: 1000,
        }
    }
}

impl Broadcast {
    /// The text, as applications have it.
    pub fn text(&self) -> String {
        String::from_utf8(self.text.to_vec()).expect("ASCII")
    }

    /// `make` returns a function that sends the text to all connections once.
    pub fn job<F: FnMut() + 'static>(
        &self,
        make: impl Fn(&Self, Drain) -> F + Clone + 'static,
    ) -> Job {
        let (task, make_checked) = (self.clone(), make.clone());
        let check = move || {
            let drain = Drain::recording();
            let mut send = make_checked(&task, drain.clone());
            for _ in 0..2 {
                send();
                let messages = reader::messages(&drain.take(), false)?;
                let is_right = |it: &Message| it.is_text && it.payload == task.text;
                if messages.len() != task.connections || !messages.iter().all(is_right) {
                    return Err("somebody did not get the text".into());
                }
            }
            Ok(())
        };
        let task = self.clone();
        let start = move || -> Box<dyn FnMut(usize)> {
            let mut send = make(&task, Drain::default());
            Box::new(move |cycles| (0..cycles).for_each(|_| send()))
        };
        Job::new(self.connections, check, start)
    }
}
