//! Recording what was paid for: again and again until the store takes it.

use std::future::pending;
use std::time::Duration;

use agentwrite::ports::{RecordFailure, RecordResult, Recorded, StoreError};
use backoff::{ExponentialBuilder, Retryable};
use tokio::sync::Notify;

use crate::chain::Shared;
use crate::spool::Kept;

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
        let late = async {
            match self.spool.as_ref().and_then(crate::Spool::patience) {
                Some(patience) => tokio::time::sleep(patience).await,
                None => pending().await,
            }
        };
        tokio::pin!(committed, late);
        let (mut kept, mut is_late, mut is_told) = (None, false, false);
        loop {
            tokio::select! {
                biased;
                recorded = &mut committed => {
                    if let (Some(spool), Some(kept)) = (&self.spool, kept.take()) {
                        spool.done(kept);
                    }
                    return recorded.ok();
                }
                () = self.abort.cancelled() => {
                    if kept.is_none() && self.keep(record, &mut is_told).await.is_none() {
                        tracing::error!(attempt = %record.attempt, "an answer is lost: neither the store nor the spool took it");
                    }
                    return None;
                }
                () = &mut late, if !is_late => is_late = true,
                () = refused.notified() => {}
            }
            if kept.is_none() {
                kept = self.keep(record, &mut is_told).await;
            }
        }
    }

    /// Writes an answer to the spool. A spool that takes none is told of once an answer: it is tried again with every refusal
    /// of the store.
    async fn keep(&self, record: &RecordResult, is_told: &mut bool) -> Option<Kept> {
        let spool = self.spool.as_ref()?;
        match spool.keep(record).await {
            Ok(kept) => Some(kept),
            Err(error) => {
                if !std::mem::replace(is_told, true) {
                    tracing::error!(%error, folder = %spool.folder().display(), attempt = %record.attempt,
                        "the spool takes no answer: this one waits in memory for the store, make room");
                }
                None
            }
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
