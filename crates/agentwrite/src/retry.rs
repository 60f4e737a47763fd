//! What becomes of a task after a failure: classes, the three counters, decorrelated jitter.

use std::time::Duration;

use crate::failure::{ErrorCode, FailureClass};
use crate::ids::Timestamp;
use crate::task::{AfterFailure, ClaimedTask, CountAs};

/// Limits of the counters and the waiting times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Counted failures after which a task dies.
    pub attempts: u32,
    /// Crashes and interruptions after which a task dies.
    pub crash_limit: u32,
    /// The shortest wait after a fault of the endpoint.
    pub base: Duration,
    /// The longest.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 8, crash_limit: 20, base: Duration::from_millis(500), cap: Duration::from_secs(60) }
    }
}

/// A decision about a failed task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What the failure counts against.
    pub count: CountAs,
    /// What becomes of the task.
    pub after: AfterFailure,
    /// The wait that was chosen, for the next decision.
    pub waited: Duration,
}

impl RetryPolicy {
    /// Decides about a failure with this code. `unit` is a random number in `0.0..1.0`; `retry_after` is what the endpoint
    /// asked for; answers that a gate turned down are asked again at once, since waiting does not mend them.
    pub fn decide(
        &self,
        code: ErrorCode,
        task: &ClaimedTask,
        retry_after: Option<Duration>,
        bad_answer: bool,
        now: Timestamp,
        unit: f64,
    ) -> Decision {
        let previous = Duration::from_millis(task.hint.waited_ms);
        let jitter = decorrelated(self.base, self.cap, previous, unit);
        // An endpoint's own time is kept and spread a little, so that a fleet does not come back as one.
        let wait = retry_after.map_or(jitter, |asked| asked + asked.mul_f64(unit * 0.1));
        match code.class() {
            FailureClass::Throttled => retry(CountAs::Nothing, now, wait),
            FailureClass::Fatal => retry(CountAs::Nothing, now, Duration::ZERO),
            FailureClass::Interrupted if task.crashes + 1 >= self.crash_limit => dead(CountAs::Crash),
            FailureClass::Interrupted => retry(CountAs::Crash, now, Duration::ZERO),
            FailureClass::Permanent => dead(CountAs::Failure),
            FailureClass::Faulty if task.failures + 1 >= self.attempts => dead(CountAs::Failure),
            FailureClass::Faulty if bad_answer => retry(CountAs::Failure, now, Duration::ZERO),
            FailureClass::Faulty => retry(CountAs::Failure, now, wait),
        }
    }
}

fn retry(count: CountAs, now: Timestamp, wait: Duration) -> Decision {
    Decision { count, after: AfterFailure::RetryAt(now.after(wait)), waited: wait }
}

fn dead(count: CountAs) -> Decision {
    Decision { count, after: AfterFailure::Dead, waited: Duration::ZERO }
}

/// Decorrelated jitter: `min(cap, random(base, 3 * previous))`, the previous wait being at least the base.
pub fn decorrelated(base: Duration, cap: Duration, previous: Duration, unit: f64) -> Duration {
    let high = previous.max(base).mul_f64(3.0);
    (base + (high - base).mul_f64(unit.clamp(0.0, 1.0))).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(failures: u32, crashes: u32) -> ClaimedTask {
        ClaimedTask { failures, crashes, ..ClaimedTask::fresh() }
    }

    #[test]
    fn three_counters_stay_apart() {
        let policy = RetryPolicy::default();
        let now = Timestamp(1_000);
        let decide = |code, task: &ClaimedTask| policy.decide(code, task, None, false, now, 0.5);
        assert_eq!(decide(ErrorCode::RateLimited, &task(7, 19)).count, CountAs::Nothing);
        assert!(matches!(decide(ErrorCode::RateLimited, &task(7, 19)).after, AfterFailure::RetryAt(_)));
        assert_eq!(decide(ErrorCode::ServerError, &task(7, 0)).after, AfterFailure::Dead);
        assert!(matches!(decide(ErrorCode::ServerError, &task(6, 19)).after, AfterFailure::RetryAt(_)));
        assert_eq!(decide(ErrorCode::Interrupted, &task(0, 19)).after, AfterFailure::Dead);
        assert_eq!(decide(ErrorCode::Interrupted, &task(7, 18)).after, AfterFailure::RetryAt(now));
        assert_eq!(decide(ErrorCode::ContextTooSmall, &task(0, 0)).after, AfterFailure::Dead);
    }

    #[test]
    fn the_endpoints_time_is_kept_and_a_bad_answer_is_asked_again_at_once() {
        let policy = RetryPolicy::default();
        let asked = Some(Duration::from_secs(20));
        let decision = policy.decide(ErrorCode::RateLimited, &task(0, 0), asked, false, Timestamp(0), 0.0);
        assert_eq!(decision.after, AfterFailure::RetryAt(Timestamp(20_000)));
        let decision = policy.decide(ErrorCode::Refusal, &task(0, 0), None, true, Timestamp(7), 0.9);
        assert_eq!(decision.after, AfterFailure::RetryAt(Timestamp(7)));
    }

    proptest::proptest! {
        #[test]
        fn jitter_stays_between_base_and_cap(previous in 0u64..100_000, unit in 0.0f64..1.0) {
            let (base, cap) = (Duration::from_millis(500), Duration::from_secs(60));
            let wait = decorrelated(base, cap, Duration::from_millis(previous), unit);
            proptest::prop_assert!(wait >= base && wait <= cap);
        }
    }
}
