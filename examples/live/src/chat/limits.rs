//! How much one client may ask for.
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::lock;

/// Warnings after which a client that still sends too much is closed.
const WARNINGS: u32 = 20;
/// A client without a warning for this long starts with none.
const CALM: Duration = Duration::from_secs(1);

type Bucket<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The inputs of one connection: a token bucket, and what becomes of a client that ignores it.
pub struct Inputs<C: Clock = DefaultClock> {
    bucket: Bucket<C>,
    clock: C,
    warnings: u32,
    warned: Option<C::Instant>,
}

/// What is to be done with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Take,
    /// Refuse it with an error.
    Warn,
    /// Close the connection.
    Close,
}

impl<C: Clock + Clone> Inputs<C> {
    /// `rate` inputs a second, and `burst` at once after a pause. Zero counts as one.
    pub fn new(rate: u32, burst: u32, clock: C) -> Self {
        Self {
            bucket: RateLimiter::direct_with_clock(quota((rate, burst)), clock.clone()),
            clock,
            warnings: 0,
            warned: None,
        }
    }

    /// Every input costs one token, also one that is malformed.
    pub fn take(&mut self) -> Verdict {
        if self.bucket.check().is_ok() {
            return Verdict::Take;
        }
        let now = self.clock.now();
        let calm = |warned| now.duration_since(warned) >= CALM.into();
        if self.warned.replace(now).is_none_or(calm) {
            self.warnings = 0;
        }
        self.warnings += 1;
        match self.warnings > WARNINGS {
            true => Verdict::Close,
            false => Verdict::Warn,
        }
    }
}

fn quota((rate, burst): (u32, u32)) -> Quota {
    let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(at_least_one(rate)).allow_burst(at_least_one(burst))
}

/// A room costs memory in the engine for some minutes, also if all have left it. So a node opens only so
/// many: in a second, and at once after a pause. A room is new if nobody on this node is in it.
const NEW_ROOMS: (u32, u32) = (50, 500);
/// The same for one user, so that nobody takes them all.
const NEW_ROOMS_OF_USER: (u32, u32) = (2, 100);

/// How many connections there are and how many rooms are opened, in all and of each user.
pub struct Connections<C: Clock = DefaultClock> {
    max: usize,
    max_per_user: usize,
    clock: C,
    new_rooms: Bucket<C>,
    open: Mutex<Open<C>>,
}

struct Open<C: Clock> {
    all: usize,
    of: HashMap<Arc<str>, User<C>>,
}

struct User<C: Clock> {
    connections: usize,
    new_rooms: Bucket<C>,
}

/// The place of one connection. It is given back on drop.
pub struct Place<C: Clock = DefaultClock> {
    connections: Arc<Connections<C>>,
    user: Arc<str>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error("too many connections")]
    All,
    #[error("too many connections of this user")]
    User,
}

impl<C: Clock + Clone> Connections<C> {
    pub fn new(max: usize, max_per_user: usize, clock: C) -> Arc<Self> {
        Arc::new(Self {
            max,
            max_per_user,
            new_rooms: RateLimiter::direct_with_clock(quota(NEW_ROOMS), clock.clone()),
            clock,
            open: Mutex::new(Open {
                all: 0,
                of: HashMap::new(),
            }),
        })
    }

    pub fn enter(self: &Arc<Self>, user: &Arc<str>) -> Result<Place<C>, Full> {
        let mut open = lock(&self.open);
        if open.all >= self.max {
            return Err(Full::All);
        }
        match open.of.get_mut(user) {
            Some(of) if of.connections >= self.max_per_user => return Err(Full::User),
            Some(of) => of.connections += 1,
            None if self.max_per_user == 0 => return Err(Full::User),
            None => {
                let quota = quota(NEW_ROOMS_OF_USER);
                let first = User {
                    connections: 1,
                    new_rooms: RateLimiter::direct_with_clock(quota, self.clock.clone()),
                };
                open.of.insert(Arc::clone(user), first);
            }
        }
        open.all += 1;
        Ok(Place {
            connections: Arc::clone(self),
            user: Arc::clone(user),
        })
    }
}

impl<C: Clock> Place<C> {
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// Whether the user may open one more room now.
    pub fn new_room(&self) -> bool {
        let open = lock(&self.connections.open);
        let user = open.of.get(&self.user);
        user.is_some_and(|user| user.new_rooms.check().is_ok())
            && self.connections.new_rooms.check().is_ok()
    }
}

impl<C: Clock> Drop for Place<C> {
    fn drop(&mut self) {
        let mut open = lock(&self.connections.open);
        open.all -= 1;
        if let Some(user) = open.of.get_mut(&self.user) {
            user.connections -= 1;
            if user.connections == 0 {
                open.of.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let clock = FakeRelativeClock::default();
        let mut inputs = Inputs::new(10, 20, clock.clone());
        let taken = |inputs: &mut Inputs<_>| {
            (0..40)
                .take_while(|_| inputs.take() == Verdict::Take)
                .count()
        };
        assert_eq!(taken(&mut inputs), 20);
        clock.advance(Duration::from_millis(500));
        assert_eq!(taken(&mut inputs), 5);
        clock.advance(Duration::from_secs(60));
        assert_eq!(taken(&mut inputs), 20);
    }

    #[test]
    fn twenty_warnings_without_a_calm_second_then_the_end() {
        let clock = FakeRelativeClock::default();
        let mut inputs = Inputs::new(1, 1, clock.clone());
        let warnings = |inputs: &mut Inputs<_>| {
            (0..40)
                .take_while(|_| inputs.take() == Verdict::Warn)
                .count()
        };
        assert_eq!(inputs.take(), Verdict::Take);
        assert_eq!(warnings(&mut inputs), 20);
        assert_eq!(inputs.take(), Verdict::Close);

        let mut inputs = Inputs::new(1, 1, clock.clone());
        assert_eq!(inputs.take(), Verdict::Take);
        for _ in 0..10 {
            assert_eq!(inputs.take(), Verdict::Warn);
        }
        // Not yet a calm second.
        clock.advance(Duration::from_millis(999));
        assert_eq!(warnings(&mut inputs), 10);
        clock.advance(CALM);
        assert_eq!(inputs.take(), Verdict::Take);
        assert_eq!(warnings(&mut inputs), 20);
    }

    #[test]
    fn nobody_opens_all_the_rooms() {
        let clock = FakeRelativeClock::default();
        let connections = Connections::new(100, 10, clock.clone());
        let opened = |user: &str| {
            let place = connections.enter(&user.into()).unwrap();
            let opened = (0..1000).take_while(|_| place.new_room()).count();
            (place, opened)
        };
        let first = opened("Ann");
        assert_eq!(first.1, 100);
        // Another connection of the same user gets no more.
        assert_eq!(opened("Ann").1, 0);
        clock.advance(Duration::from_secs(10));
        assert_eq!(opened("Ann").1, 20);
        // All users together, then in a second.
        let users = |from: usize| {
            let users = from..from + 20;
            users.map(|user| opened(&user.to_string()).1).sum::<usize>()
        };
        assert_eq!(users(0), 480);
        clock.advance(Duration::from_secs(1));
        assert_eq!(users(20), 50);
    }

    #[test]
    fn places_are_given_back() {
        let connections = Connections::new(3, 2, FakeRelativeClock::default());
        let (ann, bob): (Arc<str>, Arc<str>) = ("Ann".into(), "Bob".into());
        let first = connections.enter(&ann).unwrap();
        let second = connections.enter(&ann).unwrap();
        assert_eq!(connections.enter(&ann).err(), Some(Full::User));
        let third = connections.enter(&bob).unwrap();
        assert_eq!(connections.enter(&bob).err(), Some(Full::All));
        drop(first);
        let again = connections.enter(&ann).unwrap();
        drop((second, third, again));
        assert!(lock(&connections.open).of.is_empty());
        assert_eq!(lock(&connections.open).all, 0);
    }
}
