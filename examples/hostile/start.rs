//! Programs under test that this one starts.
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A server that runs until it is dropped.
pub struct Started {
    child: Child,
    pub url: String,
}

impl Started {
    /// Starts a command line, and waits for a ws:// or wss:// URL in its output.
    pub fn new(command: &str) -> Result<Self, String> {
        let mut shell = shell(command);
        let child = shell
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.map_err(|error| format!("{command}: {error}"))?;
        let stdout = child.stdout.take().expect("it is piped");
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            // It reads to the end: a server whose output nobody takes would stop.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let is_url = |word: &&str| word.starts_with("ws://") || word.starts_with("wss://");
                let url = line.split_whitespace().find(is_url);
                if let Some(url) = url {
                    let _ = sender.send(url.to_string());
                }
            }
        });
        match receiver.recv_timeout(Duration::from_secs(20)) {
            Ok(url) => Ok(Self { child, url }),
            Err(_) => {
                stop(&mut child);
                Err(format!("{command}: it has printed no ws:// or wss:// URL"))
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// `exec`, so that the process is the program and not the shell.
pub fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("exec {command}"));
    shell
}

pub fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
