//! The lines of standard input.
use std::io::{self, BufRead};
use std::{future, thread};

use tokio::sync::mpsc;

pub struct Lines(Option<mpsc::Receiver<io::Result<String>>>);

impl Lines {
    /// A thread reads them, because reading a terminal blocks.
    pub fn read() -> Self {
        let (sender, receiver) = mpsc::channel(64);
        thread::spawn(move || {
            for line in io::stdin().lock().lines() {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self(Some(receiver))
    }

    /// No lines: [`next`](Self::next) waits for ever.
    pub fn none() -> Self {
        Self(None)
    }

    /// Returns the next line, or `None` once at the end of the input. Later calls wait for ever. It
    /// can be a branch of `select!`.
    pub async fn next(&mut self) -> io::Result<Option<String>> {
        let Some(receiver) = &mut self.0 else {
            return future::pending().await;
        };
        let line = receiver.recv().await.transpose();
        if matches!(line, Ok(None)) {
            self.0 = None;
        }
        line
    }

    /// Whether the input has ended.
    pub fn ended(&self) -> bool {
        self.0.is_none()
    }
}
