//! Rates as virtual schedules: a bucket is one number, the time at which its next unit is free, in milliseconds since 1970.
//! A call starts no earlier than that, less what a burst may run ahead, and moves it on by the time that its units take. So
//! nobody polls, and the order of asking is the order of starting.

use std::time::Duration;

use crate::call::StatedLimits;
use crate::config::Limits;
use crate::ports::{Budget, Reserve};

/// Milliseconds per minute, and how much a quiet endpoint may be asked for at once.
const MINUTE_MS: f64 = 60_000.0;
const BURST_MS: f64 = 1_000.0;

/// What a call takes from one bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// The bucket's name.
    pub bucket: String,
    /// How long its units take at the bucket's rate, in milliseconds.
    takes_ms: f64,
    /// How far it may run ahead of the schedule, in milliseconds.
    ahead_ms: f64,
}

impl Draw {
    /// The earliest start, given when the bucket's next unit is free.
    pub fn start(&self, free_at: f64) -> f64 {
        free_at - self.ahead_ms
    }

    /// When the next unit is free once the call starts at `start`. Units that fell due while another bucket or the gate held
    /// the call back are gone, or the gate would open onto a burst.
    pub fn moved_on(&self, free_at: f64, start: f64) -> f64 {
        free_at.max(start) + self.takes_ms
    }
}

/// What a call takes, always in the same order: the run's rates from the pool's buckets, the endpoint's from its own.
pub fn draws(reserve: &Reserve, limits: &Limits) -> Vec<Draw> {
    let budget = &reserve.budget;
    let requests = [(limits.rpm, format!("requests {}", budget.pool)), (budget.rpm, own("requests", &budget.endpoint))];
    let requests = requests.into_iter().filter_map(|(rpm, bucket)| {
        let takes_ms = MINUTE_MS / f64::from(rpm?.max(1));
        // The request itself is part of the burst, and one request always is.
        Some(Draw { bucket, takes_ms, ahead_ms: (BURST_MS - takes_ms).max(0.0) })
    });
    let tokens = token_buckets(budget, limits).map(|(tpm, bucket)| {
        let takes_ms = time_of(reserve.tokens as f64, tpm);
        Draw { bucket, takes_ms, ahead_ms: BURST_MS }
    });
    requests.chain(tokens).collect()
}

/// The buckets that reserved tokens come back to when a call used fewer, and the milliseconds by which their schedules move
/// back; none without a token limit. Negative if it used more.
pub fn give_back(budget: &Budget, unused_tokens: i64, limits: &Limits) -> Vec<(String, f64)> {
    token_buckets(budget, limits).map(|(tpm, bucket)| (bucket, time_of(unused_tokens as f64, tpm))).collect()
}

fn token_buckets(budget: &Budget, limits: &Limits) -> impl Iterator<Item = (u32, String)> {
    let buckets = [(limits.tpm, format!("tokens {}", budget.pool)), (budget.tpm, own("tokens", &budget.endpoint))];
    buckets.into_iter().filter_map(|(tpm, bucket)| Some((tpm?, bucket)))
}

/// The bucket of an endpoint's own rate.
fn own(what: &str, endpoint: &str) -> String {
    format!("{what} of {endpoint}")
}

fn time_of(tokens: f64, tpm: u32) -> f64 {
    tokens * MINUTE_MS / f64::from(tpm.max(1))
}

/// The longest that stated limits close a gate; what is still exhausted then is stated again.
const LONGEST_STATED: Duration = Duration::from_secs(3_600);

/// For how long the endpoint's own headers say that nothing is left. Dimensions that are limited here anyway do not count:
/// calls then come at the rate that was agreed on, and a bucket that is empty at the moment is what that looks like.
pub fn exhausted(stated: &StatedLimits, rpm_known: bool, tpm_known: bool) -> Option<Duration> {
    let closed = |remaining: Option<u64>, reset: Option<Duration>, known: bool| {
        reset.filter(|reset| !known && remaining == Some(0) && !reset.is_zero())
    };
    let requests = closed(stated.remaining_requests, stated.reset_requests, rpm_known);
    let tokens = closed(stated.remaining_tokens, stated.reset_tokens, tpm_known);
    requests.max(tokens).map(|reset| reset.min(LONGEST_STATED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AttemptId, RunId, Timestamp};

    fn reserve(tokens: u64) -> Reserve {
        Reserve {
            run: RunId::new("run_1"),
            budget: Budget::of("e"),
            attempt: AttemptId::new("att_1"),
            tokens,
            worst_nanousd: None,
            now: Timestamp(0),
        }
    }

    fn limits(rpm: Option<u32>, tpm: Option<u32>) -> Limits {
        Limits { rpm, tpm, ..Limits::default() }
    }

    #[test]
    fn calls_start_at_the_rate_after_a_burst_of_one_second() {
        let draw = &draws(&reserve(0), &limits(Some(600), None))[0];
        let mut free_at = f64::MIN;
        let mut starts = Vec::new();
        for _ in 0..13 {
            let start = draw.start(free_at).max(0.0);
            free_at = draw.moved_on(free_at, start);
            starts.push(start);
        }
        assert!(starts[..10].iter().all(|start| *start == 0.0), "{starts:?}");
        assert_eq!(starts[10..], [100.0, 200.0, 300.0]);
    }

    #[test]
    fn unused_tokens_come_back_and_missing_ones_are_owed() {
        let (limits, budget) = (limits(None, Some(60_000)), Budget::of("e"));
        let draw = &draws(&reserve(500), &limits)[0];
        let free_at = draw.moved_on(f64::MIN, 0.0);
        assert_eq!(give_back(&budget, 200, &limits), [(draw.bucket.clone(), 200.0)]);
        assert_eq!((free_at, free_at - give_back(&budget, -200, &limits)[0].1), (500.0, 700.0));
        assert_eq!(give_back(&budget, 1, &Limits::default()), []);
    }

    #[test]
    fn a_run_s_rates_are_those_of_the_pool_and_an_endpoint_has_its_own() {
        let budget = |endpoint: &str| Budget {
            endpoint: endpoint.to_owned(),
            pool: "a+b".to_owned(),
            rpm: Some(60),
            tpm: Some(6_000),
        };
        let limits = limits(Some(120), Some(60_000));
        let takes = |endpoint: &str| -> Vec<(String, f64)> {
            let reserve = Reserve { budget: budget(endpoint), ..reserve(100) };
            draws(&reserve, &limits).into_iter().map(|draw| (draw.bucket, draw.takes_ms)).collect()
        };
        let expected = |endpoint: &str| {
            let own = |what: &str| format!("{what} of {endpoint}");
            vec![
                ("requests a+b".to_owned(), 500.0),
                (own("requests"), 1_000.0),
                ("tokens a+b".to_owned(), 100.0),
                (own("tokens"), 1_000.0),
            ]
        };
        assert_eq!((takes("a"), takes("b")), (expected("a"), expected("b")));
        assert_eq!(
            give_back(&budget("a"), 10, &limits),
            [("tokens a+b".to_owned(), 10.0), ("tokens of a".to_owned(), 100.0)]
        );
    }

    #[test]
    fn an_exhausted_limit_closes_until_its_reset_unless_it_is_known() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let stated = StatedLimits {
            remaining_requests: Some(0),
            remaining_tokens: Some(0),
            reset_requests: seconds(6),
            reset_tokens: seconds(20),
        };
        assert_eq!(exhausted(&stated, false, false), seconds(20));
        assert_eq!(exhausted(&stated, false, true), seconds(6));
        assert_eq!(exhausted(&stated, true, true), None);
        assert_eq!(exhausted(&StatedLimits { remaining_requests: Some(1), ..stated }, false, true), None);
        assert_eq!(exhausted(&StatedLimits { reset_tokens: seconds(86_400), ..stated }, true, false), seconds(3_600));
        assert_eq!(exhausted(&StatedLimits::default(), false, false), None);
    }
}
