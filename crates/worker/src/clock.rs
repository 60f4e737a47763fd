//! The one wall clock and the one source of random ids.

use std::sync::atomic::{AtomicU64, Ordering};

use agentwrite::ids::{AttemptId, Timestamp};
use agentwrite::ports::{Clock, Dice};

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        Timestamp(chrono::Utc::now().timestamp_millis())
    }
}

/// Random ids from the system's randomness; jitter from a small generator seeded with it.
#[derive(Debug)]
pub struct RandomDice {
    state: AtomicU64,
}

impl Default for RandomDice {
    fn default() -> Self {
        Self { state: AtomicU64::new(fresh().as_u64_pair().1 | 1) }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that draws random ids")]
fn fresh() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}

impl RandomDice {
    /// A fresh id with a prefix, in the order of time.
    pub fn id(&self, prefix: &str) -> String {
        format!("{prefix}_{}", fresh().simple())
    }
}

impl Dice for RandomDice {
    fn attempt_id(&self) -> AttemptId {
        AttemptId::new(self.id("att"))
    }

    fn unit(&self) -> f64 {
        // SplitMix64: jitter needs spread, not secrecy.
        let mut z = self.state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
