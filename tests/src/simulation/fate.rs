//! Everything that is left to chance, drawn from the seed.
//!
//! A draw depends on the seed, on what it is for and on how often that was drawn before, never on the order in which
//! different things draw: a script that loses one operation keeps the fate of everything else, which is what makes
//! shrinking work.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use agentwrite::ids::{AttemptId, Timestamp};
use agentwrite::ports::{Clock, Dice};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Draws.
#[derive(Debug)]
pub struct Fate {
    seed: u64,
    drawn: Mutex<HashMap<u64, u64>>,
    calm: AtomicBool,
}

impl Fate {
    /// The fate of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: Mutex::default(), calm: AtomicBool::new(false) }
    }

    /// From now on nothing fails by chance.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// The next number for this label.
    pub fn draw(&self, label: &str) -> u64 {
        let name = xxh3_64_with_seed(label.as_bytes(), self.seed);
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = drawn.entry(name).or_default();
        *nth += 1;
        mix(name, *nth)
    }

    /// The next number for this label, `0..below`.
    pub fn below(&self, label: &str, below: u64) -> u64 {
        self.draw(label) % below.max(1)
    }

    /// Whether something happens that happens `per_mille` times in a thousand; nothing does once calm.
    pub fn strikes(&self, label: &str, per_mille: u64) -> bool {
        per_mille > 0 && self.below(label, 1000) < per_mille && !self.calm.load(Ordering::Relaxed)
    }

    /// Milliseconds `0..=most`, half of the time zero.
    pub fn delay(&self, label: &str, most: u64) -> Duration {
        let drawn = self.below(label, 2 * (most + 1));
        Duration::from_millis(drawn.saturating_sub(most + 1))
    }
}

/// A number made from two.
pub fn mix(a: u64, b: u64) -> u64 {
    xxh3_64_with_seed(&b.to_le_bytes(), a)
}

/// The one clock of a simulated world: tokio's paused clock plus the jumps that operations make.
#[derive(Debug)]
pub struct SimClock {
    start: Instant,
    jumped_ms: AtomicI64,
}

/// 2026-01-01, when every simulation starts.
const EPOCH_MS: i64 = 1_767_225_600_000;

impl SimClock {
    /// Starts now; needs a runtime with a paused clock.
    pub fn start() -> Self {
        Self { start: Instant::now(), jumped_ms: AtomicI64::new(0) }
    }

    /// Turns the clock.
    pub fn jump(&self, ms: i64) {
        self.jumped_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Virtual time since the start, jumps left out.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let elapsed = self.start.elapsed().as_millis() as i64;
        Timestamp(EPOCH_MS + elapsed + self.jumped_ms.load(Ordering::Relaxed))
    }
}

/// Ids and jitter of one process.
#[derive(Debug)]
pub struct SimDice {
    owner: String,
    seed: u64,
    rolled: AtomicU64,
}

impl SimDice {
    /// The dice of a process; `owner` must be its alone.
    pub fn new(seed: u64, owner: &str) -> Self {
        Self { seed: xxh3_64_with_seed(owner.as_bytes(), seed), owner: owner.to_owned(), rolled: AtomicU64::new(0) }
    }

    fn roll(&self) -> u64 {
        self.rolled.fetch_add(1, Ordering::Relaxed)
    }
}

impl Dice for SimDice {
    fn attempt_id(&self) -> AttemptId {
        AttemptId::new(format!("att_{}_{}", self.owner, self.roll()))
    }

    fn unit(&self) -> f64 {
        (mix(self.seed, self.roll()) >> 11) as f64 / (1u64 << 53) as f64
    }
}
