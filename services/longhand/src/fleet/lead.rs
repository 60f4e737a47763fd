//! Leadership: one process at a time plans a run, and one packs it. The lease is a row that the database's clock decides
//! about. Should a process that hangs wake up after its lease, two do the same for a moment: each intent of theirs is atomic
//! and repeatable, so that costs a message or a staged file, never a sample.

use std::sync::Arc;
use std::time::Duration;

use agentwrite::ids::{OwnerId, RunId};
use checkpoints::postgres::PostgresStore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A leader that is not heard of for so long has lost the lead, or for a task's lease where that is shorter.
const LONGEST_LEASE: Duration = Duration::from_secs(10);
/// It renews so many times in that time.
const RENEWALS: u32 = 3;
/// The others ask this often.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The name that processes of a role contend for at a run: `planner` or `packer`.
pub fn name(role: &str, run: &RunId) -> String {
    format!("{role} {run}")
}

/// A candidate for one lead. Its owner is a name of its own: two candidates of a process are rivals too.
pub struct Candidate {
    store: Arc<PostgresStore>,
    name: String,
    owner: OwnerId,
    lease: Duration,
}

impl Candidate {
    /// A candidate for `name`; `lease` is that of a task.
    pub fn new(store: Arc<PostgresStore>, name: String, owner: OwnerId, lease: Duration) -> Self {
        Self { store, name, owner, lease: lease.min(LONGEST_LEASE) }
    }

    /// Waits for the lead. Its term; `None` once `stop` is cancelled.
    pub async fn elected(&self, stop: &CancellationToken) -> Option<i64> {
        while !stop.is_cancelled() {
            match self.store.lead(&self.name, &self.owner, self.lease).await {
                Ok(Some(term)) => return Some(term),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "nobody can be elected"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(ASK_EVERY) => {}
            }
        }
        None
    }

    /// Does `work` and keeps the lead meanwhile; `lost` is cancelled when that fails, and `work` is to end then. Gives the
    /// lead up at the end.
    pub async fn leading<T>(&self, term: i64, lost: &CancellationToken, work: impl Future<Output = T>) -> T {
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            never = self.renew(term, lost) => match never {},
        };
        if let Err(error) = self.store.step_down(&self.name, &self.owner).await {
            tracing::debug!(%error, "the lead lapses by itself");
        }
        outcome
    }

    async fn renew(&self, term: i64, lost: &CancellationToken) -> std::convert::Infallible {
        let mut sure = Instant::now();
        let every = self.lease / RENEWALS;
        while sure.elapsed() + every < self.lease {
            tokio::time::sleep(every).await;
            let asked = Instant::now();
            match self.store.lead(&self.name, &self.owner, self.lease).await {
                Ok(Some(now)) if now == term => sure = asked,
                Ok(_) => break,
                Err(error) => tracing::warn!(%error, "the lead could not be renewed"),
            }
        }
        tracing::warn!(name = self.name, "the lead is lost");
        lost.cancel();
        std::future::pending().await
    }
}
