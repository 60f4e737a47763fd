//! Requests and tokens per minute as token buckets that refill steadily.

use std::time::Duration;

use tokio::time::Instant;

use agentwrite::call::StatedLimits;

/// One bucket. A need beyond its capacity is met when it is full and leaves a debt.
#[derive(Debug)]
struct Bucket {
    per_minute: u64,
    burst_ms: u64,
    level: f64,
    filled_at: Instant,
}

impl Bucket {
    fn new(per_minute: u64, burst_ms: u64, now: Instant) -> Self {
        let mut bucket = Self { per_minute: per_minute.max(1), burst_ms, level: 0.0, filled_at: now };
        bucket.level = bucket.capacity();
        bucket
    }

    fn per_second(&self) -> f64 {
        self.per_minute as f64 / 60.0
    }

    fn capacity(&self) -> f64 {
        (self.per_second() * self.burst_ms as f64 / 1000.0).max(1.0)
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        self.level = (self.level + passed * self.per_second()).min(self.capacity());
    }

    /// How long until `need` is there; zero = now.
    fn wait(&self, need: f64) -> Duration {
        // A millionth of slack: refills are sums of fractions.
        let missing = need.min(self.capacity()) - self.level - 1e-6;
        Duration::from_secs_f64((missing / self.per_second()).max(0.0))
    }

    fn until_full(&self) -> Duration {
        Duration::from_secs_f64(((self.capacity() - self.level) / self.per_second()).max(0.0))
    }
}

/// Both limits of an endpoint.
#[derive(Debug)]
pub(crate) struct Limits {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

impl Limits {
    pub(crate) fn new(rpm: Option<u64>, tpm: Option<u64>, burst_ms: u64, now: Instant) -> Self {
        let bucket = |limit: Option<u64>| limit.map(|limit| Bucket::new(limit, burst_ms, now));
        Self { requests: bucket(rpm), tokens: bucket(tpm) }
    }

    /// Takes one request and `tokens`, or says how long to wait and takes nothing.
    pub(crate) fn take(&mut self, tokens: u64, now: Instant) -> Result<(), Duration> {
        let mut wait = Duration::ZERO;
        for (bucket, need) in [(&mut self.requests, 1.0), (&mut self.tokens, tokens as f64)] {
            if let Some(bucket) = bucket {
                bucket.fill(now);
                wait = wait.max(bucket.wait(need));
            }
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        for (bucket, need) in [(&mut self.requests, 1.0), (&mut self.tokens, tokens as f64)] {
            if let Some(bucket) = bucket {
                bucket.level -= need;
            }
        }
        Ok(())
    }

    /// Gives back tokens that were charged and not used.
    pub(crate) fn refund(&mut self, tokens: u64, now: Instant) {
        if let Some(bucket) = &mut self.tokens {
            bucket.level += tokens as f64;
            bucket.fill(now);
        }
    }

    /// What the headers state: left now, and until all is there again.
    pub(crate) fn state(&mut self, now: Instant) -> LimitState {
        let read = |bucket: &mut Option<Bucket>| {
            bucket.as_mut().map(|bucket| {
                bucket.fill(now);
                (bucket.per_minute, bucket.level.max(0.0) as u64, bucket.until_full())
            })
        };
        LimitState { requests: read(&mut self.requests), tokens: read(&mut self.tokens) }
    }
}

/// Limit per minute, left now, until full; of requests and of tokens.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LimitState {
    pub(crate) requests: Option<(u64, u64, Duration)>,
    pub(crate) tokens: Option<(u64, u64, Duration)>,
}

impl From<LimitState> for StatedLimits {
    fn from(state: LimitState) -> Self {
        Self {
            remaining_requests: state.requests.map(|(_, left, _)| left),
            remaining_tokens: state.tokens.map(|(_, left, _)| left),
            reset_requests: state.requests.map(|(_, _, reset)| reset),
            reset_tokens: state.tokens.map(|(_, _, reset)| reset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_steady_rate() {
        let start = Instant::now();
        let mut limits = Limits::new(Some(1200), None, 1000, start);
        let burst = (0..100).filter(|_| limits.take(1, start).is_ok()).count();
        assert_eq!(burst, 20);
        assert_eq!(limits.take(1, start).map_err(|wait| wait.as_millis()), Err(49));
        let mut granted = 0;
        for tick in 1..=6000 {
            granted += usize::from(limits.take(1, start + Duration::from_millis(tick * 10)).is_ok());
        }
        assert_eq!(granted, 1200);
    }

    #[test]
    fn a_call_larger_than_the_bucket_passes_when_it_is_full_and_the_refund_comes_back() {
        let start = Instant::now();
        let mut limits = Limits::new(None, Some(60_000), 1000, start);
        assert!(limits.take(5_000, start).is_ok());
        assert_eq!(limits.take(10, start).map_err(|wait| wait.as_secs()), Err(4));
        limits.refund(4_500, start);
        assert!(limits.take(500, start).is_ok());
    }
}
