//! Recording what was paid for: again and again until the store takes it.

use std::future::pending;
use std::time::Duration;

use agentwrite::ports::{RecordFailure, RecordResult, Recorded, StoreError};
use backoff::{ExponentialBuilder, Retryable};
use tokio::sync::Notify;

use crate::chain::Shared;
use crate::spool::Entry;

fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(2))
        .without_max_times()
}

impl Shared {
    /// Commits an answer, whatever becomes of its lease meanwhile: the result is accepted by content. It goes to the spool as
    /// soon as the store has refused it or takes long. `None` if the process must stop first.
    pub(crate) async fn commit(&self, record: &RecordResult) -> Option<Recorded> {
        let refused = Notify::new();
        let attempt = || async { self.tasks.record_result(record.clone()).await };
        let committed = attempt.retry(patience()).notify(|error: &StoreError, wait: Duration| {
            tracing::warn!(%error, ?wait, "the store refused a result; trying again");
            refused.notify_one();
        });
        let entry = self.spool.as_ref().map(|spool| Entry::new(spool, record));
        let spooled = async {
            match &entry {
                Some(entry) => entry.follow(&refused).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            recorded = committed => {
                if let Some(entry) = &entry {
                    entry.done();
                }
                recorded.ok()
            }
            () = self.abort.cancelled() => {
                let is_kept = match &entry {
                    Some(entry) => entry.keep().await,
                    None => false,
                };
                if !is_kept {
                    tracing::error!(attempt = %record.attempt, "an answer may be lost: the store did not take it, and the spool could not put it on the disk");
                }
                None
            }
            never = spooled => match never {},
        }
    }

    /// Ends an attempt as failed or as a part; whether the claim held. A slot cannot do anything else while the store is away; whether the claim still holds is
    /// the store's to say.
    pub(crate) async fn give_up(&self, record: &RecordFailure) -> bool {
        let attempt = || async { self.tasks.record_failure(record.clone()).await };
        let recorded = attempt.retry(patience()).notify(|error: &StoreError, wait: Duration| {
            tracing::warn!(%error, ?wait, "the store refused a failure; trying again");
        });
        tokio::select! {
            biased;
            held = recorded => held.unwrap_or(false),
            // Rescue frees the task when its lease lapses.
            () = self.abort.cancelled() => {
                tracing::warn!(attempt = %record.attempt, "a failure could not be recorded");
                false
            }
        }
    }
}
