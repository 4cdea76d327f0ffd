//! Makes a failing scenario small: fewer connections, a calm network, fewer messages. That works
//! because each connection does the same whichever others there are.

use std::time::{Duration, Instant};

use crate::{
    run::{Failure, run},
    scenario::Scenario,
};

/// How long it tries.
const AT_MOST: Duration = Duration::from_secs(300);

/// The smallest scenario that was found to fail in the same way, and how.
#[derive(Debug, Clone)]
pub struct Shrunk {
    pub scenario: Scenario,
    pub failure: Failure,
    /// How many runs it took.
    pub runs: u32,
}

/// Shrinks a scenario that has failed so.
pub fn shrink(scenario: &Scenario, failure: &Failure) -> Shrunk {
    let shrunk = Shrunk {
        scenario: scenario.clone(),
        failure: failure.clone(),
        runs: 0,
    };
    let mut shrinking = Shrinking {
        shrunk,
        until: Instant::now() + AT_MOST,
    };
    shrinking.connections();
    shrinking.calm();
    shrinking.messages();
    shrinking.shrunk
}

struct Shrinking {
    shrunk: Shrunk,
    until: Instant,
}

impl Shrinking {
    /// Keeps the scenario if it fails in the same way.
    fn fails(&mut self, scenario: Scenario) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        self.shrunk.runs += 1;
        let kind = self.shrunk.failure.kind();
        let failure = run(&scenario, false).failure;
        let Some(failure) = failure.filter(|it| it.kind() == kind) else {
            return false;
        };
        (self.shrunk.scenario, self.shrunk.failure) = (scenario, failure);
        true
    }

    fn with_only(&mut self, only: &[u32]) -> bool {
        let only = Some(only.to_vec());
        self.fails(Scenario {
            only,
            ..self.shrunk.scenario.clone()
        })
    }

    fn connections(&mut self) {
        if let Some(id) = self.shrunk.failure.id
            && self.with_only(&[id])
        {
            return;
        }
        // Those that were opened later have no part in it.
        let plans = self.shrunk.scenario.plans().into_iter();
        let at = self.shrunk.failure.at;
        let mut ids: Vec<_> = plans
            .filter(|it| it.opens_at <= at)
            .map(|it| it.id)
            .collect();
        // Leaves out one half, then quarters, and so on.
        let mut size = ids.len().div_ceil(2);
        while size > 0 && ids.len() > 1 {
            let mut start = 0;
            while start < ids.len() {
                let end = (start + size).min(ids.len());
                let rest = [&ids[..start], &ids[end..]].concat();
                if !rest.is_empty() && self.with_only(&rest) {
                    ids = rest;
                } else {
                    start = end;
                }
            }
            size /= 2;
        }
    }

    fn calm(&mut self) {
        self.fails(Scenario {
            calm: true,
            ..self.shrunk.scenario.clone()
        });
    }

    /// Doubles the number of messages until it fails, then looks for the smallest one.
    fn messages(&mut self) {
        let steps = |steps| {
            move |it: &Scenario| Scenario {
                steps,
                ..it.clone()
            }
        };
        let mut most = 1;
        while !self.fails(steps(most)(&self.shrunk.scenario.clone())) {
            most *= 2;
            if most > 1 << 12 {
                return;
            }
        }
        let mut least = most / 2;
        while least + 1 < most {
            let middle = least.midpoint(most);
            match self.fails(steps(middle)(&self.shrunk.scenario.clone())) {
                true => most = middle,
                false => least = middle,
            }
        }
    }
}
