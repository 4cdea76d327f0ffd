//! The output: whole frames, in a legal order, and none after a Close frame.

use bytes::Buf;

use super::{Checked, Endpoint};
use crate::{
    frames::{self, Frame},
    ledger::{Ledger, Property, Violation},
};

impl Endpoint {
    /// Checks the output, and returns the frames that the last call has appended.
    pub(super) fn appended(&mut self, ledger: &mut Ledger) -> Checked<Vec<Frame>> {
        let side = self.side.name();
        let mut stream = self.stream.clone();
        let mut queued = Vec::new();
        for byte in &self.out {
            let result = stream.push(*byte);
            let (_, frame) = result.map_err(|text| Violation {
                property: Property::WholeFrames,
                text: format!("{side}: {text}"),
            })?;
            queued.extend(frame);
        }
        ledger.check(Property::WholeFrames, stream.at_boundary(), || {
            format!("{side}: the output ends with a part of a frame")
        })?;
        let same = self.queued.iter().zip(&queued).take_while(|(a, b)| a == b);
        let same = same.count();
        let is_pong = |frame: Option<&Frame>| frame.is_some_and(|it| it.opcode == frames::PONG);
        // A pong may replace the last one (§5.5.3).
        let kept = match &self.queued[same..] {
            [] => true,
            [last] => is_pong(Some(last)) && is_pong(queued.get(same)),
            _ => false,
        };
        ledger.check(Property::WholeFrames, kept, || {
            format!("{side}: {:?} became {queued:?}", self.queued)
        })?;
        let appended = queued[same..].to_vec();
        self.queued = queued;
        for frame in &appended {
            ledger.tell(|| format!("{side} writes {frame:?}"));
            self.wrote(frame, ledger)?;
        }
        Ok(appended)
    }

    fn wrote(&mut self, frame: &Frame, ledger: &mut Ledger) -> Checked {
        let side = self.side.name();
        ledger.check(Property::AfterClose, self.written.close.is_none(), || {
            format!("{side} writes {frame:?} after a Close frame")
        })?;
        let is_continuation = frame.opcode == frames::CONTINUATION;
        let open = &mut self.written.open;
        let in_order = frame.opcode & 8 != 0 || is_continuation == open.is_some();
        ledger.check(Property::Legal, in_order, || {
            format!("{side} writes {frame:?} inside or outside of a message")
        })?;
        match frame.opcode {
            frames::CLOSE => {
                let said = frame.said().map_err(|text| Violation {
                    property: Property::Legal,
                    text: format!("{side} writes {text}"),
                })?;
                self.written.close = Some(said.clone());
                self.claimed = Some(said);
            }
            frames::PING => self.written.pings.push(frame.payload.clone()),
            frames::PONG => {}
            opcode => {
                let message = open.get_or_insert((opcode == frames::TEXT, Vec::new()));
                message.1.extend_from_slice(&frame.payload);
                if frame.fin {
                    self.written.messages.extend(open.take());
                }
            }
        }
        Ok(())
    }

    /// Gives at most `room` bytes to the transport, with and without their masks.
    pub fn flush(&mut self, room: usize) -> Vec<(u8, u8)> {
        let n = if self.system.flushes() {
            self.out.len().min(room)
        } else {
            0
        };
        let mut taken = Vec::with_capacity(n);
        for byte in &self.out[..n] {
            let (plain, frame) = self.stream.push(*byte).expect("it was checked");
            taken.push((*byte, plain));
            if frame.is_some() {
                self.queued.remove(0);
            }
        }
        self.out.advance(n);
        taken
    }

    /// The transport takes nothing any more.
    pub fn drop_output(&mut self) {
        self.out.clear();
        self.queued.clear();
        self.stream.reset();
    }
}
