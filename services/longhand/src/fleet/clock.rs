//! The database's clock, as this process knows it: what the database said, and the time since then on a clock that nobody
//! can set. Were it this machine's time of day, an hour's jump would free every lease of the fleet.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use agentwrite::ids::Timestamp;
use agentwrite::ports::{Clock, StoreError};
use checkpoints::postgres::PostgresStore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the difference is measured again.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// An answer that took longer is no measure.
const SLOW_MS: i64 = 1_000;

/// The time that decides leases in the whole fleet, to within the way to the database and back.
#[derive(Debug)]
pub struct StoreClock {
    started: Instant,
    /// The database's time when this process's count was 0; 0 until it was asked.
    zero_ms: AtomicI64,
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.zero_ms.load(Ordering::Relaxed) + self.count())
    }
}

impl StoreClock {
    /// A clock that has been set once.
    pub async fn start(store: &PostgresStore) -> Result<Arc<Self>, StoreError> {
        let clock = Self { started: Instant::now(), zero_ms: AtomicI64::new(0) };
        clock.set(store).await?;
        Ok(Arc::new(clock))
    }

    /// Milliseconds since this clock was made.
    fn count(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    async fn set(&self, store: &PostgresStore) -> Result<(), StoreError> {
        let before = self.count();
        let there = store.time().await?;
        self.learn(before, there, self.count());
        Ok(())
    }

    /// Between these two counts the database said `there`.
    fn learn(&self, before: i64, there: Timestamp, after: i64) {
        // A slow answer says little: the last measure is better, if there is one.
        if after - before < SLOW_MS || self.zero_ms.load(Ordering::Relaxed) == 0 {
            self.zero_ms.store(there.0 - i64::midpoint(before, after), Ordering::Relaxed);
        }
    }

    /// Keeps it set until `stop`.
    pub async fn follow(self: Arc<Self>, store: Arc<PostgresStore>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if let Err(error) = self.set(&store).await {
                tracing::warn!(%error, "the database's clock could not be read");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_counts_from_what_the_database_said_and_a_slow_answer_changes_nothing() {
        let clock = StoreClock { started: Instant::now(), zero_ms: AtomicI64::new(0) };
        clock.learn(0, Timestamp(1_000_000), 5_000);
        assert_eq!(clock.now(), Timestamp(997_500), "any answer is better than none");
        clock.learn(0, Timestamp(2_000_000), 20);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(clock.now(), Timestamp(2_002_990));
        clock.learn(3_000, Timestamp(9_000_000), 5_000);
        assert_eq!(clock.now(), Timestamp(2_002_990));
    }
}
