//! How many calls an endpoint is given at once when nobody says how many it can take.
//!
//! There is no limit until there is evidence for one; then it falls fast and rises slowly. Two things are evidence:
//!
//! - *Loss*: the endpoint refuses a call (429, overload) that came while more were in flight than at any call that it took
//!   lately. Refusals that come at any number say nothing about it: a rate, or chance. One burst counts once: only calls that
//!   started after the last cut cut again. What was in flight is remembered as a wall, below which the limit stays until a
//!   minute has passed without such a loss.
//! - *Queueing*: a vLLM server never refuses; calls wait inside it and the time to the first token rises. By Little's law the
//!   calls that it works on are those in flight, less the share of a call's time spent waiting. The wait is measured against
//!   the shortest time to the first token of calls with about as many uncached prompt tokens, so that long prompts are not
//!   taken for a queue; what is below a quarter of a second never counts.
//!
//! A queue costs no throughput, but it fills the server's cache with samples that do not move and runs into the first-token
//! limit; so a cut always leaves a tenth more than the endpoint can work on.

use std::time::Duration;

use crate::ids::Timestamp;

/// What is left after a loss.
const AFTER_LOSS: f64 = 0.85;
/// A cut for queueing goes no further than this in one step.
const AFTER_QUEUEING: f64 = 0.5;
/// Shares of a call's time spent waiting: below the first the limit may rise, above the second it falls.
const LITTLE_WAITING: f64 = 0.05;
const MUCH_WAITING: f64 = 0.15;
/// Waiting that is part of the noise, in seconds.
const NOISE: f64 = 0.25;
/// Fewest calls that a judgement on queueing rests on.
const FEWEST: u32 = 10;
/// How long a wall stands after the last loss.
const WALL_STANDS: Duration = Duration::from_secs(60);
/// What the endpoint took is remembered for one to two windows of this time and at least so many calls.
const WINDOW: Duration = Duration::from_secs(15);
const WINDOW_CALLS: u32 = 10;
/// Classes of prompts by the power of two of their uncached tokens.
const CLASSES: usize = 24;
/// Prompts up to 2,048 uncached tokens are one class: plans come first, and what is first of its class may have waited.
const SMALLEST_CLASS: usize = 11;
/// A baseline that is never reached again rises by this per call of its class: endpoints change.
const BASELINE_RISE: f64 = 1.0005;

/// What is known of a call when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// When.
    pub at: Timestamp,
    /// Calls in flight then, with this one.
    pub in_flight: u32,
}

/// What is known of a complete answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Prompt tokens that did not come from the endpoint's cache.
    pub uncached_tokens: u64,
    /// From sending to the first token.
    pub first_token: Duration,
    /// From sending to the end.
    pub total: Duration,
}

/// The limit of one endpoint in one process.
#[derive(Debug, Clone)]
pub struct Adaptive {
    /// None: no evidence for a limit.
    limit: Option<f64>,
    /// When the limit was last cut or judged; calls that started before say nothing about it.
    since: Timestamp,
    /// Calls in flight that were one too many, and when that was last seen.
    wall: Option<(u32, Timestamp)>,
    proven: Proven,
    /// Shortest time to the first token by class, in seconds.
    baselines: [Option<f64>; CLASSES],
    epoch: Epoch,
}

/// Most calls in flight of which the last was taken, in this window and the one before.
#[derive(Debug, Clone, Copy, Default)]
struct Proven {
    now: u32,
    before: u32,
    calls: u32,
    since: Timestamp,
}

impl Proven {
    fn take(&mut self, in_flight: u32, now: Timestamp) {
        if self.calls >= WINDOW_CALLS && now.since(self.since) >= WINDOW {
            *self = Self { before: self.now, since: now, ..Self::default() };
        }
        self.calls += 1;
        self.now = self.now.max(in_flight);
    }

    fn most(&self) -> u32 {
        self.now.max(self.before)
    }
}

/// The calls since the last judgement.
#[derive(Debug, Clone, Copy, Default)]
struct Epoch {
    calls: u32,
    waiting: f64,
    total: f64,
    /// Most calls in flight. Not their mean: calls that end together start together, and the first of them see few others.
    most: u32,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self {
            limit: None,
            since: Timestamp(i64::MIN),
            wall: None,
            proven: Proven::default(),
            baselines: [None; CLASSES],
            epoch: Epoch::default(),
        }
    }
}

impl Adaptive {
    /// Most calls in flight; none without evidence. At least 1.
    pub fn limit(&self) -> Option<u32> {
        self.limit.map(|limit| (limit as u32).max(1))
    }

    /// The endpoint refused a call; `in_flight` is how many are in flight now, with it.
    pub fn lost(&mut self, call: Started, in_flight: u32, now: Timestamp) {
        if call.in_flight <= self.proven.most() {
            return;
        }
        if self.proven.most() == 0 {
            // Nothing was answered yet: this call may have been unlucky, so only the whole burst says anything.
            if call.at >= self.since {
                let base = self.limit.unwrap_or(f64::MAX).min(f64::from(in_flight.max(call.in_flight)));
                self.cut((base * AFTER_LOSS).max(1.0), now);
            }
            return;
        }
        if call.at < self.since {
            // The burst that cut the limit: it only says better where the wall is.
            self.wall = self.wall.map(|(wall, seen)| (wall.min(call.in_flight), seen));
            return;
        }
        let base = self.limit.unwrap_or(f64::MAX).min(f64::from(call.in_flight));
        self.wall = Some((call.in_flight, now));
        self.cut((base * AFTER_LOSS).max(1.0), now);
    }

    /// A complete answer came.
    pub fn answered(&mut self, call: Started, timing: &Timing, now: Timestamp) {
        self.proven.take(call.in_flight, now);
        let waited = self.waited(timing);
        if call.at < self.since {
            return;
        }
        let epoch = &mut self.epoch;
        epoch.calls += 1;
        epoch.waiting += waited;
        epoch.total += timing.total.as_secs_f64();
        epoch.most = epoch.most.max(call.in_flight);
        if epoch.calls >= epoch.most.max(FEWEST) {
            self.judge(now);
        }
    }

    fn judge(&mut self, now: Timestamp) {
        let epoch = std::mem::take(&mut self.epoch);
        let waiting = if epoch.total > 0.0 { epoch.waiting / epoch.total } else { 0.0 };
        let in_flight = f64::from(epoch.most);
        let limit = self.limit.unwrap_or(f64::MAX);
        if waiting > MUCH_WAITING {
            let worked_on = in_flight * (1.0 - waiting);
            let target = (worked_on * 1.1 + 2.0).max(in_flight * AFTER_QUEUEING);
            if target < limit {
                self.cut(target, now);
            }
        } else if waiting < LITTLE_WAITING && in_flight >= limit * 0.9 {
            // What nothing pushed against need not rise: so the limit is never far beyond what is wanted.
            self.rise(now);
        }
    }

    fn cut(&mut self, limit: f64, now: Timestamp) {
        self.limit = Some(limit);
        self.since = now;
        self.epoch = Epoch::default();
    }

    /// A tenth and at least one more: fast towards a known wall, one at a time where nothing is known.
    fn rise(&mut self, now: Timestamp) {
        let Some(limit) = self.limit else { return };
        self.wall = self.wall.filter(|(_, seen)| now.since(*seen) < WALL_STANDS);
        self.limit = Some(match self.wall {
            Some((wall, _)) => (limit * 1.1).max(limit + 1.0).min(f64::from(wall) - 1.0).max(limit),
            None => limit + 1.0 + limit * 0.02,
        });
    }

    /// Seconds that a call waited inside the endpoint, beyond noise.
    fn waited(&mut self, timing: &Timing) -> f64 {
        let class = (64 - timing.uncached_tokens.leading_zeros() as usize).clamp(SMALLEST_CLASS, CLASSES - 1);
        let took = timing.first_token.as_secs_f64();
        let baseline = self.baselines[class].map_or(took, |shortest| (shortest * BASELINE_RISE).min(took));
        self.baselines[class] = Some(baseline);
        (took - baseline - NOISE).max(0.0)
    }
}

#[cfg(test)]
mod tests;
