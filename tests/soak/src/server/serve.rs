//! What the server does for one connection.

use super::*;

impl Server {
    pub(super) fn serve(&mut self, key: usize, now: u64, host: &mut impl Host) {
        self.touch(key);
        let Some(slot) = &mut self.slots[key] else {
            return;
        };
        slot.more = false;
        match &mut slot.phase {
            Phase::Connecting(_) => self.connect(key, now, host),
            Phase::Open(_) => self.take_events(key, host),
            Phase::Ending => {
                let mut dropped = [0; 4096];
                while !slot.eof {
                    match host.read(slot.id, &mut dropped) {
                        Read::Bytes(_) => {}
                        Read::Nothing => break,
                        Read::End => slot.eof = true,
                    }
                }
            }
        }
        self.charge(key);
    }

    fn connect(&mut self, key: usize, now: u64, host: &mut impl Host) {
        let Some(slot) = &mut self.slots[key] else {
            return;
        };
        let Phase::Connecting(start) = &mut slot.phase else {
            return;
        };
        let (handshake, head) = &mut **start;
        let (request, pending) = loop {
            host.working(slot.id);
            let next = handshake.next(head, &mut slot.out);
            host.worked(slot.id, Stage::Handshake, 0);
            match next {
                Ok(Some((request, pending))) => break (request, pending),
                Err(error) => {
                    host.answered(slot.id, slot.out.unsent());
                    return self.end(key, now, Ended::Refused(error), host);
                }
                Ok(None) => {}
            }
            host.working(slot.id);
            let capacity = head.capacity();
            let read = host.read(slot.id, head.spare(HEAD));
            host.worked(
                slot.id,
                Stage::Handshake,
                new_room(capacity, head.capacity(), HEAD),
            );
            match read {
                Read::Bytes(n) => {
                    head.filled(n);
                    slot.charge.held += n;
                }
                Read::Nothing => return,
                Read::End => handshake.end_of_stream(),
            }
        };
        // "/room/30": gets broadcasts, and is closed after 30 messages.
        let mut path = request.path().split('/').skip(1);
        slot.in_room = path.next() == Some("room");
        slot.quit_after = path
            .next()
            .and_then(|it| it.parse().ok())
            .unwrap_or(u32::MAX);
        let ws = pending.accept(Accept::new(), &mut slot.out);
        let ws = Ws::new(ws.expect("nothing was added"), slot.door.has_halves());
        host.answered(slot.id, slot.out.unsent());
        self.input.extend_from_slice(head.unread());
        slot.phase = Phase::Open(ws);
        self.take_events(key, host);
    }

    fn take_events(&mut self, key: usize, host: &mut impl Host) {
        let bugs = [
            Bug::DoubleMessage,
            Bug::LoseMessage,
            Bug::KeepCodecs,
            Bug::Panic,
        ];
        let [double, lose, keep, panic] = bugs.map(|bug| self.has_bug(bug, key));
        let (input, mut work) = (&mut self.input, 0);
        let Some(Slot {
            id,
            phase: Phase::Open(ws),
            ..
        }) = &mut self.slots[key]
        else {
            return;
        };
        let id = *id;
        ws.lend(&mut self.pool);
        host.working(id);
        assert!(!panic, "a bug was put in");
        let capacity = input.capacity();
        ws.resume(input);
        host.worked(
            id,
            Stage::Open,
            new_room(capacity, input.capacity(), PARK as usize),
        );
        let slot = loop {
            let Some(slot) = &mut self.slots[key] else {
                return;
            };
            let Phase::Open(ws) = &mut slot.phase else {
                return;
            };
            if work >= TURN || slot.out.unsent() >= HIGH_WATER {
                slot.more = true;
                break slot;
            }
            let unsent = slot.out.unsent();
            host.working(id);
            let event = ws.next_event(input, &mut slot.out);
            host.worked(id, Stage::Open, 0);
            host.answered(id, slot.out.unsent().saturating_sub(unsent));
            match event {
                Ok(Some(event)) => {
                    work += 128 + event.payload().len();
                    host.received(id, &event);
                    slot.on_event(&event, [double, lose], host);
                }
                Ok(None) if slot.eof => break slot,
                Ok(None) => {
                    host.working(id);
                    let capacity = input.capacity();
                    let read = host.read(id, input.spare(READ));
                    host.worked(id, Stage::Open, new_room(capacity, input.capacity(), READ));
                    match read {
                        Read::Bytes(n) => {
                            input.filled(n);
                            slot.charge.held += n;
                            work += n;
                        }
                        Read::Nothing => break slot,
                        Read::End => {
                            slot.eof = true;
                            ws.end_of_stream();
                        }
                    }
                }
                Err(_) => break slot,
            }
        };
        if input.is_idle() {
            slot.charge.held = 0;
            host.idle(id);
        }
        if let Phase::Open(ws) = &mut slot.phase {
            host.working(id);
            ws.park(input);
            host.worked(id, Stage::Open, PARK);
            if !keep {
                ws.hibernate(&mut self.pool);
            }
        }
    }

    pub(super) fn expire(&mut self, key: usize, now: u64, host: &mut impl Host) {
        // What has arrived counts.
        self.serve(key, now, host);
        if self.bug == Some(Bug::NoTimeouts) {
            return;
        }
        let instant = Duration::from_millis(now);
        let Some(slot) = &mut self.slots[key] else {
            return;
        };
        match &mut slot.phase {
            Phase::Ending => return self.remove(key, host),
            Phase::Connecting(start) => {
                if let Err(error) = start.0.handle_timeout(instant, &mut slot.out) {
                    return self.end(key, now, Ended::Refused(error), host);
                }
            }
            Phase::Open(ws) => {
                ws.hear(&mut slot.out);
                // `flush` sees an error.
                let _ = ws.handle_timeout(instant, &mut slot.out);
            }
        }
        self.charge(key);
    }

    /// Flushes, and decides what to wait for.
    pub(super) fn flush(&mut self, key: usize, now: u64, host: &mut impl Host) {
        let forget = self.has_bug(Bug::ForgetFlush, key);
        let Some(slot) = &mut self.slots[key] else {
            return;
        };
        if let Phase::Open(ws) = &mut slot.phase {
            let unsent = slot.out.unsent();
            ws.hear(&mut slot.out);
            host.answered(slot.id, slot.out.unsent().saturating_sub(unsent));
            slot.charge.unsent(slot.out.unsent());
            if ws.state() == ReadyState::Closed {
                if forget {
                    slot.out = OutQueue::new();
                }
                let how = match ws.error() {
                    Some(error) => Ended::Failed(error),
                    None => Ended::Closed(ws.close_codes()),
                };
                self.end(key, now, how, host);
            }
        }
        let Some(slot) = &mut self.slots[key] else {
            return;
        };
        while slot.out.has_remaining() {
            let n = host.write(slot.id, slot.out.chunk());
            slot.out.advance(n);
            if n == 0 {
                break;
            }
        }
        if !slot.out.has_remaining() {
            slot.out = OutQueue::new();
            slot.charge.flushed();
        }
        let deadline = match &mut slot.phase {
            Phase::Connecting(start) => start.0.deadline(Duration::from_millis(now)),
            Phase::Open(ws) => ws.deadline(Duration::from_millis(now)),
            Phase::Ending if slot.out.has_remaining() => None,
            Phase::Ending if slot.eof => return self.remove(key, host),
            Phase::Ending => {
                host.shutdown(slot.id);
                None
            }
        };
        if !matches!(slot.phase, Phase::Ending) {
            self.deadlines.set(key, deadline);
        }
        let goes_on = slot.more && slot.out.unsent() < HIGH_WATER;
        self.charge(key);
        if goes_on {
            self.touch(key);
        }
    }

    fn end(&mut self, key: usize, now: u64, how: Ended, host: &mut impl Host) {
        let Some(slot) = &mut self.slots[key] else {
            return;
        };
        if let Phase::Open(ws) = &mut slot.phase {
            // A connection that is over gives all codecs back.
            ws.hibernate(&mut self.pool);
        }
        slot.phase = Phase::Ending;
        slot.more = false;
        slot.charge.held = 0;
        host.ended(slot.id, how);
        self.deadlines
            .set(key, Some(Duration::from_millis(now + LINGER)));
        self.charge(key);
        self.touch(key);
    }

    fn remove(&mut self, key: usize, host: &mut impl Host) {
        if let Some(slot) = self.slots[key].take() {
            self.freed += slot.charge.charged;
            self.deadlines.set(key, None);
            self.free.push(key);
            host.close(slot.id);
        }
    }
}

impl Slot {
    /// The application: it echoes.
    fn on_event(&mut self, event: &Event<'_>, [double, lose]: [bool; 2], host: &mut impl Host) {
        let Phase::Open(ws) = &mut self.phase else {
            return;
        };
        if matches!(event, Event::Text(_) | Event::Binary(_)) {
            self.messages += 1;
        }
        let bytes = event.payload();
        let out = &mut self.out;
        let sent = match event {
            Event::Text(_) | Event::Binary(_) => {
                if double {
                    let _ = ws.send(event, out);
                }
                if lose || ws.send(event, out).is_ok() {
                    host.sent(self.id, Sent::Echo);
                }
                Ok(())
            }
            Event::TextPart(_) | Event::BinaryPart(_) | Event::TextEnd(_) | Event::BinaryEnd(_) => {
                use websocket_proto::MessageKind::{Binary, Text};
                let is_text = matches!(event, Event::TextPart(_) | Event::TextEnd(_));
                let last = matches!(event, Event::TextEnd(_) | Event::BinaryEnd(_));
                if !mem::replace(&mut self.echoing, !last) {
                    // It fails if the connection is closing. Then the pieces do as well.
                    let _ = ws.start(if is_text { Text } else { Binary });
                }
                let sent = ws.piece(bytes, last, out);
                if last {
                    self.messages += 1;
                    if sent.is_ok() {
                        host.sent(self.id, Sent::Echo);
                    }
                }
                Ok(())
            }
            _ => Err(()),
        };
        let quits = !self.echoing && self.messages >= self.quit_after;
        if sent.is_ok() && quits && ws.state() == ReadyState::Open {
            host.closing(self.id);
            ws.close(websocket_proto::CloseCode::GOING_AWAY, out);
        }
        self.charge.unsent(self.out.unsent());
    }
}
