//! Runs a program with every fault at every operation of its stream, and compares it with a run without.

use std::io::ErrorKind;

use websocket_proto::handshake::client::ResponseError;
use websocket_proto::handshake::server::RequestError;
use websocket_proto::{Error, ProtocolError};

use super::line::{End, FAULTS, Fault, Line};

/// What the application has seen and done.
#[derive(Default)]
pub struct Log {
    /// What has arrived, without pings and pongs.
    pub got: Vec<String>,
    /// What was sent, without pings and pongs.
    pub sent: Vec<String>,
    /// The handshake was complete.
    pub opened: bool,
}

impl Log {
    /// For an echo server that keeps no list: what it must have got and sent is what it has read.
    pub fn told(&mut self, end: &End, result: &Result<(), Error>) {
        self.got = end.line().peer.told();
        self.sent.clone_from(&self.got);
        self.opened |= !self.got.is_empty();
        if let Err(error) = result {
            self.failed(error);
        }
    }

    /// The Close frame that tells the peer what was wrong was sent.
    pub fn failed(&mut self, error: &Error) {
        if let Error::Protocol(error) = error
            && let Some(code) = error.close_code()
        {
            self.sent.push(format!("close {}", u16::from(code)));
        }
    }
}

/// A program that talks over a stream until the connection is over.
pub struct Run {
    pub log: Log,
    pub result: Result<(), Error>,
    pub line: Line,
}

impl Run {
    /// Compares a run with the one without a fault.
    pub fn check(&self, usual: &Self) {
        let Self { log, result, line } = self;
        let is_prefix = |of: &[String], all: &[String]| all.starts_with(of);
        assert!(is_prefix(&log.got, &usual.log.got), "{line}: {:?}", log.got);
        let heard = &line.peer.heard;
        assert!(
            is_prefix(heard, &log.sent),
            "{line}: {heard:?}, not {:?}, {result:?}",
            log.sent
        );
        let wrong = line
            .peer
            .error
            .filter(|it| *it != ProtocolError::EndOfStream);
        assert_eq!(wrong, None, "{line}");

        if line.failed_write.is_none() {
            assert_eq!(*heard, log.sent, "{line}: not flushed");
            let ends = log.opened && !line.failed_shutdown;
            assert!(line.shut || !ends, "{line}: no orderly end");
        }
        let failed = line.failed_read.is_some() || line.failed_write.is_some();
        if !failed {
            let pongs = [line.peer.pongs, usual.line.peer.pongs].map(|it| it > 0);
            assert_eq!(pongs[0], pongs[1], "{line}: pings are not answered");
            assert_eq!(log.got, usual.log.got, "{line}");
            assert_eq!(log.sent, usual.log.sent, "{line}");
            let results = (shown(result), shown(&usual.result));
            assert_eq!(results.0, results.1, "{line}");
        }
        match result {
            // It was over when the stream failed. Or it had not begun, as with a health check.
            Ok(()) => assert!(
                log.got == usual.log.got || !line.was_read,
                "{line}: no error"
            ),
            Err(error) => {
                let known = shown(result) == shown(&usual.result);
                assert!(known || self.is_named(error), "{line}: {error:?}");
            }
        }
    }

    /// Whether the error is one of those with which the stream has failed.
    fn is_named(&self, error: &Error) -> bool {
        let kinds = [self.line.failed_read, self.line.failed_write.map(Some)];
        kinds.into_iter().flatten().any(|kind| match (kind, error) {
            (Some(kind), Error::Io(error)) => error.kind() == kind,
            (
                kind,
                Error::Protocol(ProtocolError::EndOfStream)
                | Error::Request(RequestError::EndOfStream)
                | Error::Response(ResponseError::EndOfStream),
            ) => kind.is_none() || self.line.hides_errors,
            (None, Error::Io(error)) => {
                self.line.cover.is_some() && error.kind() == ErrorKind::UnexpectedEof
            }
            _ => false,
        })
    }
}

fn shown(result: &Result<(), Error>) -> String {
    format!("{result:?}")
}

/// Runs a program with every fault at every operation, until it needs no more operations. Returns
/// the number of runs.
pub fn each_fault(run: impl Fn(&[(usize, Fault)]) -> Run) -> usize {
    let usual = run(&[]);
    usual.check(&usual);
    let mut runs = 0;
    for fault in FAULTS {
        for n in 0.. {
            let run = run(&[(n, fault)]);
            run.check(&usual);
            runs += 1;
            if run.line.ops <= n {
                break;
            }
        }
    }
    runs
}

/// The same with two faults, of which the first one does not end the stream.
pub fn each_pair(run: impl Fn(&[(usize, Fault)]) -> Run) -> usize {
    let usual = run(&[]);
    let mut runs = 0;
    for first in &FAULTS[..3] {
        for second in FAULTS {
            for n in 0..=usual.line.ops {
                for m in n + 1.. {
                    let run = run(&[(n, *first), (m, second)]);
                    run.check(&usual);
                    runs += 1;
                    if run.line.ops <= m {
                        break;
                    }
                }
            }
        }
    }
    runs
}
