//! The database's clock, as this process knows it: its own clock and how far that is off.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use agentwrite::ids::Timestamp;
use agentwrite::ports::{Clock, StoreError};
use checkpoints::postgres::PostgresStore;
use tokio_util::sync::CancellationToken;
use worker::SystemClock;

/// How often the difference is measured again.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The time that decides leases in the whole fleet, to within the way to the database and back.
#[derive(Debug, Default)]
pub struct StoreClock {
    ahead_ms: AtomicI64,
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.ahead_ms.load(Ordering::Relaxed))
    }
}

impl StoreClock {
    /// A clock that has been set once.
    pub async fn start(store: &PostgresStore) -> Result<Arc<Self>, StoreError> {
        let clock = Self::default();
        clock.set(store).await?;
        Ok(Arc::new(clock))
    }

    async fn set(&self, store: &PostgresStore) -> Result<(), StoreError> {
        let before = SystemClock.now().0;
        let there = store.time().await?.0;
        let after = SystemClock.now().0;
        // A slow answer says little: the last measure is better.
        if after - before < 1_000 {
            self.ahead_ms.store(there - i64::midpoint(before, after), Ordering::Relaxed);
        }
        Ok(())
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
