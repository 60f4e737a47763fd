//! The one wall clock, the clock of a process that works by itself, and the one source of random ids.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use agentwrite::ids::{AttemptId, Timestamp};
use agentwrite::ports::{Clock, Dice};
use rustix::time::{ClockId, clock_gettime};

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        Timestamp(chrono::Utc::now().timestamp_millis() + off_ms())
    }
}

/// The system's time when this clock was made, and the time since then on a clock that nobody can set and that goes on while
/// the machine sleeps. Were it the time of day, a jump of an hour would free the leases of the process's own calls, or hold
/// everything that waits for its time back for an hour.
#[derive(Debug, Clone, Copy)]
pub struct SteadyClock {
    /// The system's time when the other clock stood at 0.
    zero_ms: i64,
}

impl SteadyClock {
    /// A clock that is right now.
    pub fn start() -> Self {
        Self { zero_ms: SystemClock.now().0 - since_boot_ms() }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.zero_ms + since_boot_ms())
    }
}

/// The one that goes on while the machine sleeps, where there is one.
#[cfg(target_os = "linux")]
const STEADY: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: ClockId = ClockId::Monotonic;

fn since_boot_ms() -> i64 {
    let time = clock_gettime(STEADY);
    time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
}

/// By how much the wall clock of a test build is wrong: its clock can be made to jump while it runs.
#[cfg(feature = "crash-points")]
mod wrong {
    use std::path::PathBuf;
    use std::sync::OnceLock;

    static FILE: OnceLock<PathBuf> = OnceLock::new();

    pub(super) fn follow(file: PathBuf) -> bool {
        FILE.set(file).is_ok()
    }

    /// 0 while the file is not there.
    pub(super) fn off_ms() -> i64 {
        let seconds = |file: &PathBuf| std::fs::read_to_string(file).ok()?.trim().parse::<i64>().ok();
        FILE.get().and_then(seconds).unwrap_or(0) * 1_000
    }
}

/// Test builds only: from now on this process's wall clock is off by as many seconds as the file says, which may change.
/// Whether this build can do that.
#[cfg(feature = "crash-points")]
pub fn wrong_clock(file: PathBuf) -> bool {
    wrong::follow(file)
}

/// Test builds only.
#[cfg(not(feature = "crash-points"))]
pub fn wrong_clock(_file: PathBuf) -> bool {
    false
}

#[cfg(feature = "crash-points")]
fn off_ms() -> i64 {
    wrong::off_ms()
}

#[cfg(not(feature = "crash-points"))]
const fn off_ms() -> i64 {
    0
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
    match off_ms() {
        0 => uuid::Uuid::now_v7(),
        _ => {
            let millis = SystemClock.now().0.unsigned_abs();
            uuid::Uuid::new_v7(uuid::Timestamp::from_unix(
                uuid::NoContext,
                millis / 1_000,
                (millis % 1_000) as u32 * 1_000_000,
            ))
        }
    }
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
