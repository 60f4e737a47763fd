//! How many calls may be repetitions: a fifth of all calls, and a floor of ten a second. Beyond that a retry waits, so that an
//! endpoint in trouble is not asked several times for what it failed to do once. Retries are made at one layer only, by the
//! task's own `due_at`; this says how far away that must be.

use std::time::Duration;

use crate::ids::Timestamp;

/// Retries that a call earns.
const SHARE: f64 = 0.2;
/// Retries a second that are always allowed.
const FLOOR: f64 = 10.0;
/// The most that can be saved up: what a large process has in flight when an endpoint dies.
const MOST: f64 = 200.0;

/// What is left of the allowance.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryBudget {
    credit: f64,
    seen: Timestamp,
}

impl Default for RetryBudget {
    /// The allowance of a process that starts.
    fn default() -> Self {
        Self { credit: FLOOR, seen: Timestamp(0) }
    }
}

impl RetryBudget {
    /// A call starts.
    pub fn call(&mut self, now: Timestamp) {
        self.pass(now);
        self.credit = (self.credit + SHARE).min(MOST);
    }

    /// A call failed and will be tried again: how long that has to wait at least.
    pub fn retry(&mut self, now: Timestamp) -> Duration {
        self.pass(now);
        self.credit -= 1.0;
        Duration::from_secs_f64((-self.credit / FLOOR).max(0.0))
    }

    /// Time earns the floor, but saves nothing up beyond one second of it.
    fn pass(&mut self, now: Timestamp) {
        let earned = now.since(self.seen).as_secs_f64() * FLOOR;
        self.seen = self.seen.max(now);
        if self.credit < FLOOR {
            self.credit = (self.credit + earned).min(FLOOR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_calls_may_be_repeated_at_once() {
        let mut budget = RetryBudget::default();
        for round in 0..200 {
            for _ in 0..5 {
                budget.call(Timestamp(round));
            }
            assert_eq!(budget.retry(Timestamp(round)), Duration::ZERO, "round {round}");
        }
    }

    #[test]
    fn when_everything_fails_retries_come_at_the_floor_s_rate() {
        let mut budget = RetryBudget::default();
        let waits: Vec<f64> = (0..1_000).map(|_| budget.retry(Timestamp(0)).as_secs_f64()).collect();
        assert_eq!(waits.iter().filter(|wait| **wait == 0.0).count(), 10);
        let spread = |from: usize| waits[from + 100] - waits[from];
        assert!((spread(100) - 10.0).abs() < 1e-6 && (spread(800) - 10.0).abs() < 1e-6, "{waits:?}");
        // Time pays it back.
        assert_eq!(budget.retry(Timestamp(120_000)), Duration::ZERO);
    }

    #[test]
    fn what_calls_earned_is_kept_and_bounded() {
        let mut budget = RetryBudget::default();
        (0..100_000).for_each(|_| budget.call(Timestamp(0)));
        let free = (0..1_000).filter(|_| budget.retry(Timestamp(60_000)).is_zero()).count();
        assert_eq!(free, 200);
    }
}
