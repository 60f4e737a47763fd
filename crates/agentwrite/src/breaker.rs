//! The circuit breaker of one endpoint in one process.
//!
//! It opens after a few failures in a row that say that the endpoint itself is ill (no connection, 5xx, a broken or silent
//! stream). From then on its gate is closed for a growing time, and when the gate opens one call goes alone to see whether
//! the endpoint is back: an answer closes the breaker, a failure closes the gate for longer. What one sample's answer is
//! like opens nothing.

use std::time::Duration;

use crate::failure::ErrorCode;

/// Failures in a row that open the breaker: so many that an endpoint which fails every fourth call by chance hardly ever has
/// them. A refused connection is no chance and counts twice.
const MOST_FAILURES: u32 = 5;

/// The longest that the gate stays closed for an endpoint that is away: asking it costs one call.
const LONGEST_AWAY: Duration = Duration::from_secs(10);
/// The longest for one that is there and overloaded, unless it names a time itself.
const LONGEST_THROTTLE: Duration = Duration::from_secs(30);

/// What the end of a call says about the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearing {
    /// It is there and works.
    Well,
    /// It is there and asks for less.
    Throttled,
    /// It is away or ill.
    Ill,
}

impl Bearing {
    /// What a failure with this code says.
    pub fn of(code: ErrorCode) -> Self {
        match code {
            ErrorCode::RateLimited | ErrorCode::Overloaded => Self::Throttled,
            ErrorCode::Connection
            | ErrorCode::ServerError
            | ErrorCode::Reset
            | ErrorCode::FirstTokenTimeout
            | ErrorCode::IdleTimeout
            | ErrorCode::BadResponse => Self::Ill,
            _ => Self::Well,
        }
    }
}

/// How many calls the breaker lets through once the gate is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admits {
    /// Any number.
    All,
    /// One, which goes alone.
    Trial,
    /// None until that one has come back.
    None,
}

/// The breaker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row.
    failures: u32,
    /// It is open.
    open: bool,
    /// A call tries whether the endpoint is back.
    trial: bool,
    /// Closures of the gate in a row, for the growing wait.
    closures: u32,
}

impl Breaker {
    /// How many calls may go now, the gate being open.
    pub fn admits(&self) -> Admits {
        match (self.open, self.trial) {
            (false, _) => Admits::All,
            (true, false) => Admits::Trial,
            (true, true) => Admits::None,
        }
    }

    /// Whether the breaker is open.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// A call starts; says whether it is the trial.
    pub fn start(&mut self) -> bool {
        let trial = self.admits() == Admits::Trial;
        self.trial |= trial;
        trial
    }

    /// A trial ended without a word about the endpoint, because the process stops or had to wait.
    pub fn give_up(&mut self, trial: bool) {
        self.trial &= !trial;
    }

    /// The first token of a call has come: the endpoint is there, so the others need not wait for the end of a long answer.
    /// The next failure opens the breaker again: some break off every answer that they begin.
    pub fn heard(&mut self) {
        (self.open, self.trial) = (false, false);
    }

    /// No call can succeed here, and the gate is closed for that: when it opens, one goes alone.
    pub fn refused(&mut self) {
        (self.open, self.trial) = (true, false);
    }

    /// A call ended in a way that shows that the endpoint works.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// A call failed in a way that says something about the endpoint: how long the gate is to be closed, if at all.
    /// `gate_closed`: it is closed already; failures of one burst count once.
    pub fn failed(&mut self, bearing: Bearing, code: ErrorCode, trial: bool, gate_closed: bool) -> Option<Duration> {
        self.trial &= !trial;
        match bearing {
            Bearing::Well => {
                self.answered();
                None
            }
            Bearing::Throttled => {
                // It answers, if only to say no: the gate is enough.
                (self.failures, self.open) = (0, false);
                Some(self.closure(LONGEST_THROTTLE, gate_closed))
            }
            Bearing::Ill => {
                self.failures = self.failures.saturating_add(1 + u32::from(code == ErrorCode::Connection));
                self.open |= trial || self.failures >= MOST_FAILURES;
                let closes = code == ErrorCode::Connection || self.open;
                closes.then(|| self.closure(LONGEST_AWAY, gate_closed))
            }
        }
    }

    /// The next wait: 750 ms at first, then doubling from 1 s on. A burst of failures gets the shortest and prolongs nothing.
    fn closure(&mut self, longest: Duration, gate_closed: bool) -> Duration {
        let nth = if gate_closed { 0 } else { self.closures };
        self.closures = self.closures.saturating_add(u32::from(!gate_closed));
        Duration::from_millis(750).max(Duration::from_millis(250) * 2u32.pow(nth.min(7))).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &mut Breaker, code: ErrorCode, trial: bool) -> Option<u128> {
        breaker.failed(Bearing::of(code), code, trial, false).map(|wait| wait.as_millis())
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_tries_with_one_call() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert_eq!(fail(&mut breaker, ErrorCode::ServerError, false), None);
        }
        assert_eq!(breaker.admits(), Admits::All);
        assert_eq!(fail(&mut breaker, ErrorCode::Reset, false), Some(750));
        assert_eq!(breaker.admits(), Admits::Trial);
        assert!(breaker.start());
        assert_eq!(breaker.admits(), Admits::None);
        assert!(!breaker.start());
        assert_eq!(fail(&mut breaker, ErrorCode::Connection, true), Some(750));
        assert_eq!(breaker.admits(), Admits::Trial);
        assert!(breaker.start());
        breaker.answered();
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn an_answer_between_failures_keeps_it_closed_and_bad_answers_say_nothing() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            fail(&mut breaker, ErrorCode::ServerError, false);
            fail(&mut breaker, ErrorCode::ServerError, false);
            breaker.answered();
            for code in [ErrorCode::Cut, ErrorCode::Refusal, ErrorCode::BadRequest, ErrorCode::ContentFilter] {
                assert_eq!(fail(&mut breaker, code, false), None);
            }
        }
        assert_eq!(breaker.admits(), Admits::All);
    }

    #[test]
    fn waits_grow_to_their_cap_and_a_burst_counts_once() {
        let mut breaker = Breaker::default();
        let waits: Vec<_> = (0..8).map(|_| fail(&mut breaker, ErrorCode::Connection, false).unwrap()).collect();
        assert_eq!(waits, [750, 750, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        let mut breaker = Breaker::default();
        let code = ErrorCode::RateLimited;
        for _ in 0..50 {
            assert_eq!(breaker.failed(Bearing::Throttled, code, false, true), Some(Duration::from_millis(750)));
        }
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn a_refused_trial_that_is_throttled_shows_that_the_endpoint_is_there() {
        let mut breaker = Breaker { open: true, ..Breaker::default() };
        let trial = breaker.start();
        assert!(trial && fail(&mut breaker, ErrorCode::RateLimited, trial).is_some());
        assert_eq!(breaker.admits(), Admits::All);
    }

    #[test]
    fn an_endpoint_that_breaks_off_what_it_begins_is_closed_again() {
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            fail(&mut breaker, ErrorCode::Reset, false);
        }
        let trial = breaker.start();
        breaker.heard();
        assert_eq!(breaker.admits(), Admits::All, "nobody waits for the whole answer");
        assert!(fail(&mut breaker, ErrorCode::Reset, trial).is_some());
        assert_eq!(breaker.admits(), Admits::Trial);
    }

    #[test]
    fn a_trial_that_was_given_up_leaves_room_for_the_next() {
        let mut breaker = Breaker { open: true, ..Breaker::default() };
        let trial = breaker.start();
        breaker.give_up(trial);
        assert_eq!(breaker.admits(), Admits::Trial);
    }
}
