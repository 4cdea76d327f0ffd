//! One side of a connection that receives in every way that the crate offers, within its budget.

use core::time::Duration;

use bytes::{Buf, BytesMut};
use websocket_proto::{
    Config, Connection, JoinErrorKind, Notes, OutQueue, Output, ProtocolError, ReadyState, RecvBuf,
    RecvHalf, SendHalf, deflate::Pool,
};

use crate::{
    budget::{Budget, Limits},
    support::{OwnedEvent, take},
};

/// A connection, or its halves.
#[expect(clippy::large_enum_variant, reason = "there are two of them")]
pub(crate) enum Ends {
    Whole(Connection),
    Halves(RecvHalf, SendHalf),
    /// Only while it is replaced.
    Nothing,
}

/// Both kinds of output.
pub(crate) enum Out {
    Plain(BytesMut),
    Queue(OutQueue),
}

impl Out {
    pub(crate) fn get(&mut self) -> &mut dyn Output {
        match self {
            Self::Plain(out) => out,
            Self::Queue(out) => out,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Plain(out) => out.unsent(),
            Self::Queue(out) => out.unsent(),
        }
    }
}

/// What another connection reads into the same buffer.
const ANOTHER: &[u8] = b"something else";

/// How a read is done, and what follows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How(pub(crate) u8);

impl How {
    /// The most bytes of the read.
    pub(crate) fn size(self) -> usize {
        [1, 2, 3, 7, 16, 100, 1000, 5000][usize::from(self.0 % 8)]
    }

    fn polls(self) -> bool {
        self.0 & 0x20 != 0
    }

    fn parks(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// Halves: the notes are kept back. Otherwise: the memory is given back after the read.
    fn waits(self) -> bool {
        self.0 & 0x80 != 0
    }
}

pub(crate) struct Node {
    pub(crate) ends: Ends,
    pub(crate) input: RecvBuf,
    pub(crate) out: Out,
    pub(crate) budget: Budget,
    pub(crate) events: Vec<OwnedEvent>,
    parts: Vec<u8>,
    pub(crate) error: Option<ProtocolError>,
    /// Notes that the sending half has not heard.
    late: Option<Notes>,
    /// Whether the codecs hibernate after each event.
    pub(crate) hibernates: bool,
}

impl Node {
    pub(crate) fn new(ws: Connection, config: &Config, out: Out) -> Self {
        Self {
            ends: Ends::Whole(ws),
            input: RecvBuf::new(),
            out,
            budget: Budget::new(Limits::new(config)),
            events: Vec::new(),
            parts: Vec::new(),
            error: None,
            late: None,
            hibernates: false,
        }
    }

    /// Receives these bytes, and takes all events.
    pub(crate) fn read(&mut self, bytes: &[u8], how: How) {
        if how.parks() {
            self.resume();
        }
        let input = &mut self.input;
        let mode = how.0 >> 3 & 3;
        let room = match mode {
            0 => bytes.len(),
            1 => input.read_size().max(bytes.len()),
            _ => bytes.len() + 32,
        };
        if mode == 3 {
            self.budget.reads_elsewhere(room);
        }
        self.budget
            .reads(input, bytes.len(), room, |input| match mode {
                2 => input.extend_from_slice(bytes),
                3 => {
                    let mut filled = Vec::with_capacity(room);
                    filled.extend_from_slice(bytes);
                    assert!(input.swap(filled, 0).is_empty());
                }
                _ => {
                    input.spare(room)[..bytes.len()].copy_from_slice(bytes);
                    input.filled(bytes.len());
                }
            });
        self.check_buffer();
        self.drain(how);
        if how.parks() {
            self.park();
        } else if how.waits() {
            self.release();
        }
    }

    /// Gives the memory of the buffer back, if it is idle.
    pub(crate) fn release(&mut self) {
        let input = &mut self.input;
        self.budget.call(|| input.release());
    }

    fn resume(&mut self) {
        let Self { ends, input, .. } = self;
        self.budget.resumes(input, |input| match ends {
            Ends::Whole(ws) => ws.resume(input),
            Ends::Halves(recv, _) => recv.resume(input),
            Ends::Nothing => {}
        });
        self.check_buffer();
    }

    fn park(&mut self) {
        let Self { ends, input, .. } = self;
        self.budget.parks();
        self.budget.call(|| match ends {
            Ends::Whole(ws) => ws.park(input),
            Ends::Halves(recv, _) => recv.park(input),
            Ends::Nothing => {}
        });
        assert!(self.input.is_idle());
        // Another connection uses the buffer, and its reads make it longer as well.
        self.budget.receives(0, ANOTHER.len());
        self.budget.own(|| {
            self.input.extend_from_slice(ANOTHER);
            self.input.clear();
        });
    }

    /// Takes events until there are none.
    fn drain(&mut self, how: How) {
        let (unread, inflated) = (self.input.unread().len(), self.inflated());
        let mut calls = 0;
        loop {
            let ready = how.polls().then(|| self.poll());
            let next = self.next();
            assert!(ready.is_none_or(|ready| ready == (next != Ok(false))));
            self.tell(how.waits());
            self.check_buffer();
            calls += 1;
            // A frame has two bytes at least. A message that was under way can end, and the last two
            // calls find nothing, or an error twice.
            let most = 4 + unread / 2 + (self.inflated() - inflated) / 1024;
            assert!(calls <= most, "{calls} calls, and {most} may make progress");
            match next {
                Ok(true) => {
                    assert_eq!(self.error, None, "an event after an error");
                    if self.hibernates {
                        self.hibernate();
                    }
                }
                Ok(false) => {
                    assert_eq!(self.error, None, "the error was not repeated");
                    break;
                }
                Err(error) if self.error.is_none() => self.error = Some(error),
                Err(error) => {
                    assert_eq!(self.error, Some(error), "another error than before");
                    break;
                }
            }
            if how.parks() {
                self.park();
            }
        }
    }

    fn check_buffer(&self) {
        self.budget.check_buffer(&self.input, self.inflates());
    }

    fn poll(&mut self) -> bool {
        let Self {
            ends, input, out, ..
        } = self;
        self.budget.call(|| match ends {
            Ends::Whole(ws) => ws.poll(input, out.get()),
            Ends::Halves(recv, _) => recv.poll(input),
            Ends::Nothing => false,
        })
    }

    /// Takes the next event. Returns whether there is one.
    fn next(&mut self) -> Result<bool, ProtocolError> {
        let closed = matches!(self.events.last(), Some(OwnedEvent::Close(..)));
        let Self {
            ends, input, out, ..
        } = self;
        let event = self.budget.call(|| match ends {
            Ends::Whole(ws) => ws.next_event(input, out.get()),
            Ends::Halves(recv, _) => recv.next_event(input),
            Ends::Nothing => Ok(None),
        })?;
        let Some(event) = event else {
            return Ok(false);
        };
        assert!(!closed, "{event:?} after a Close frame");
        take(event, &mut self.events, &mut self.parts);
        Ok(true)
    }

    /// Passes the notes on, or keeps them back, merged with those that wait already.
    fn tell(&mut self, waits: bool) {
        if let Ends::Halves(recv, _) = &mut self.ends
            && let Some(newer) = self.budget.call(|| recv.take_notes())
        {
            match &mut self.late {
                Some(late) => late.merge(newer),
                late => *late = Some(newer),
            }
        }
        if !waits {
            self.deliver();
        }
        self.budget.unsent(self.out.len());
    }

    /// Passes the notes on that were kept back.
    pub(crate) fn deliver(&mut self) {
        if let Some(notes) = self.late.take()
            && let Ends::Halves(_, send) = &mut self.ends
        {
            self.budget.call(|| send.hear(notes, self.out.get()));
        }
    }

    pub(crate) fn split(&mut self) {
        self.ends = match core::mem::replace(&mut self.ends, Ends::Nothing) {
            Ends::Whole(ws) => {
                let (recv, send) = self.budget.own(|| ws.split());
                Ends::Halves(recv, send)
            }
            other => other,
        };
    }

    /// Joins the halves. Before the sending half has heard everything, that is refused.
    pub(crate) fn join(&mut self) {
        let late = self.late.is_some();
        let joined = self.joined();
        assert!(!(late && joined), "joined without the last notes");
        self.tell(false);
        assert!(self.joined(), "a pair that has heard everything");
    }

    /// Whether the halves could be joined.
    fn joined(&mut self) -> bool {
        let (ends, joined) = match core::mem::replace(&mut self.ends, Ends::Nothing) {
            Ends::Halves(recv, send) => match self.budget.own(|| Connection::join(recv, send)) {
                Ok(ws) => {
                    // The error of the sending half is that of the connection.
                    self.error = self.error.and(ws.error());
                    (Ends::Whole(ws), true)
                }
                Err(error) => {
                    assert_eq!(error.kind(), JoinErrorKind::MissingNotes);
                    let (recv, send) = self.budget.own(|| error.into_halves());
                    (Ends::Halves(recv, send), false)
                }
            },
            other => (other, true),
        };
        self.ends = ends;
        joined
    }

    /// The peer ends the stream.
    pub(crate) fn end(&mut self, how: How) {
        self.resume();
        let ends = &mut self.ends;
        self.budget.call(|| match ends {
            Ends::Whole(ws) => ws.end_of_stream(),
            Ends::Halves(recv, _) => recv.end_of_stream(),
            Ends::Nothing => {}
        });
        self.drain(How(how.0 & 0x3F));
    }

    /// Gives the codecs back, and frees them.
    pub(crate) fn hibernate(&mut self) {
        let mut pool = Pool::new();
        self.hibernate_into(&mut pool);
        self.budget.own(|| drop(pool));
    }

    pub(crate) fn hibernate_into(&mut self, pool: &mut Pool) {
        let ends = &mut self.ends;
        self.budget.own(|| match ends {
            Ends::Whole(ws) => pool.hibernate(ws),
            Ends::Halves(recv, send) => {
                pool.hibernate(recv);
                pool.hibernate(send);
            }
            Ends::Nothing => {}
        });
    }

    pub(crate) fn reclaim(&mut self, pool: &mut Pool) {
        let ends = &mut self.ends;
        self.budget.own(|| match ends {
            Ends::Whole(ws) => pool.reclaim(ws),
            Ends::Halves(recv, send) => {
                pool.reclaim(recv);
                pool.reclaim(send);
            }
            Ends::Nothing => {}
        });
    }

    /// Tells the time. An error is that of the connection.
    pub(crate) fn time(&mut self, now: Duration) {
        let Self { ends, out, .. } = self;
        let result = self.budget.own(|| match ends {
            Ends::Whole(ws) => {
                let (due, before) = (ws.deadline(now), ws.error());
                let result = ws.handle_timeout(now, out.get());
                assert!(due.is_some_and(|due| due <= now) || result.err() == before);
                result
            }
            Ends::Halves(_, send) => {
                send.deadline(now);
                send.handle_timeout(now, out.get())
            }
            Ends::Nothing => Ok(()),
        });
        if let (Err(error), Ends::Whole(_)) = (result, &self.ends) {
            assert_eq!(*self.error.get_or_insert(error), error);
        }
    }

    /// Removes the first bytes of the output, at most so many.
    pub(crate) fn flush(&mut self, most: usize) -> Vec<u8> {
        self.budget.unsent(self.out.len());
        let mut bytes = vec![0; most.min(self.out.len())];
        self.budget.own(|| match &mut self.out {
            Out::Plain(out) => out.copy_to_slice(&mut bytes),
            Out::Queue(out) => out.copy_to_slice(&mut bytes),
        });
        bytes
    }

    /// The error of the half that writes.
    pub(crate) fn failed(&self) -> Option<ProtocolError> {
        match &self.ends {
            Ends::Whole(ws) => ws.error(),
            Ends::Halves(_, send) => send.error(),
            Ends::Nothing => None,
        }
    }

    pub(crate) fn state(&self) -> ReadyState {
        match &self.ends {
            Ends::Whole(ws) => ws.state(),
            Ends::Halves(_, send) => send.state(),
            Ends::Nothing => ReadyState::Closed,
        }
    }

    /// The same, or `None` without compression.
    pub(crate) fn inflates(&self) -> Option<usize> {
        let params = match &self.ends {
            Ends::Whole(ws) => ws.deflate(),
            Ends::Halves(recv, _) => recv.deflate(),
            Ends::Nothing => None,
        };
        params.map(|_| self.inflated())
    }

    /// Bytes that were inflated so far.
    pub(crate) fn inflated(&self) -> usize {
        let bytes = match &self.ends {
            Ends::Whole(ws) => ws.deflate_stats().received,
            Ends::Halves(recv, _) => recv.deflate_stats(),
            Ends::Nothing => return 0,
        };
        bytes.plain as usize
    }
}
