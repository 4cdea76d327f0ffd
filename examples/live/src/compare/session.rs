//! The viewers of the comparison.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Transport;
use super::feed::{Feed, Rate};
use crate::server::meter::Traffic;

/// Maximum number of sessions.
const SESSIONS: usize = 100;
/// Maximum number of rates at the same time.
const RATES: usize = 20;
/// A session without requests ends after this time.
const IDLE: Duration = Duration::from_secs(30);

/// One viewer: its feed and its counts.
pub struct Session {
    pub feed: Arc<Feed>,
    traffic: [Arc<Traffic>; Transport::ALL.len()],
    /// The number of requests until now. Each request that waits has a receiver.
    requests: [watch::Sender<u64>; Transport::ALL.len()],
    used: Mutex<Instant>,
}

/// The place of a request that waits. There is one for each transport: a client whose network has
/// changed asks again, and the server may not know yet that the old connection is dead.
pub struct Place {
    number: u64,
    requests: watch::Receiver<u64>,
}

impl Place {
    /// Waits until another request has taken the place.
    pub async fn lost(&mut self) {
        // An error: the session has ended.
        let _ = self.requests.wait_for(|newest| *newest > self.number).await;
    }
}

impl Session {
    pub fn traffic(&self, transport: Transport) -> &Arc<Traffic> {
        &self.traffic[transport as usize]
    }

    /// Takes the place of the last request of this transport.
    pub fn place(&self, transport: Transport) -> Place {
        let requests = &self.requests[transport as usize];
        let mut number = 0;
        requests.send_modify(|newest| {
            *newest += 1;
            number = *newest;
        });
        Place {
            number,
            requests: requests.subscribe(),
        }
    }

    fn is_idle(&self) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |requests: &watch::Sender<u64>| requests.receiver_count() > 0;
        !self.requests.iter().any(waits) && used.elapsed() >= IDLE
    }
}

/// All sessions, and the feeds that they share.
#[derive(Default)]
pub struct Sessions(Mutex<Open>);

#[derive(Default)]
struct Open {
    sessions: HashMap<String, Arc<Session>>,
    feeds: HashMap<Rate, Weak<Feed>>,
}

impl Sessions {
    /// Opens a session, and returns its id. `None`: there are too many, or too many rates.
    pub fn open(self: &Arc<Self>, rate: Rate) -> Option<(String, Arc<Session>)> {
        let id = format!("{:016x}", getrandom::u64().ok()?);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.sessions.len() >= SESSIONS {
            return None;
        }
        open.feeds.retain(|_, feed| feed.strong_count() > 0);
        let feed = match open.feeds.get(&rate).and_then(Weak::upgrade) {
            Some(feed) => feed,
            None if open.feeds.len() >= RATES => return None,
            None => Feed::start(rate),
        };
        open.feeds.insert(rate, Arc::downgrade(&feed));
        let session = Arc::new(Session {
            feed,
            traffic: Default::default(),
            requests: Default::default(),
            used: Mutex::new(Instant::now()),
        });
        open.sessions.insert(id.clone(), Arc::clone(&session));
        drop(open);
        tokio::spawn(Arc::clone(self).expire(id.clone(), Arc::clone(&session)));
        Some((id, session))
    }

    pub fn get(&self, id: &str) -> Option<Arc<Session>> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = Arc::clone(open.sessions.get(id)?);
        *session.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Some(session)
    }

    async fn expire(self: Arc<Self>, id: String, session: Arc<Session>) {
        while !session.is_idle() {
            sleep(IDLE / 3).await;
        }
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.sessions.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    fn rate(per_second: f64) -> Rate {
        Rate::new(per_second).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_of_a_rate_share_a_feed() {
        let sessions = Arc::new(Sessions::default());
        let (id, a) = sessions.open(rate(1.0)).unwrap();
        let (_, b) = sessions.open(rate(1.0)).unwrap();
        let (_, c) = sessions.open(rate(2.0)).unwrap();
        assert!(Arc::ptr_eq(&a.feed, &b.feed));
        assert!(!Arc::ptr_eq(&a.feed, &c.feed));
        assert!(Arc::ptr_eq(&sessions.get(&id).unwrap(), &a));
        assert!(sessions.get("0").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_and_rates_are_bounded_and_come_back() {
        let sessions = Arc::new(Sessions::default());
        for i in 1..=RATES {
            assert!(sessions.open(rate(i as f64)).is_some());
        }
        assert!(sessions.open(rate(99.0)).is_none());
        for _ in RATES..SESSIONS {
            assert!(sessions.open(rate(1.0)).is_some());
        }
        assert!(sessions.open(rate(1.0)).is_none());
        sleep(2 * IDLE).await;
        assert!(sessions.open(rate(99.0)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_with_a_request_that_waits_stays() {
        let sessions = Arc::new(Sessions::default());
        let (id, session) = sessions.open(rate(1.0)).unwrap();
        let place = session.place(Transport::Events);
        sleep(3 * IDLE).await;
        assert!(sessions.get(&id).is_some());
        drop(place);
        sleep(2 * IDLE).await;
        assert!(sessions.get(&id).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_takes_the_place_of_the_last_one() {
        let sessions = Arc::new(Sessions::default());
        let (_, session) = sessions.open(rate(1.0)).unwrap();
        let mut first = session.place(Transport::Events);
        let mut other = session.place(Transport::WebSocket);
        let mut second = session.place(Transport::Events);
        first.lost().await;
        for place in [&mut other, &mut second] {
            assert!(timeout(IDLE, place.lost()).await.is_err());
        }
    }
}
