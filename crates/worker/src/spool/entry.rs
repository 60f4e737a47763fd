//! One answer's place in the spool, while the store is asked to take it.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agentwrite::ports::RecordResult;
use tokio::sync::Notify;

use super::{Kept, Spool};

/// How much longer a late answer waits for the store before it is fsynced: most of those that a busy store is late with are
/// committed by then, and an fsync of theirs would only hold up the store's own.
const FSYNCED_AFTER: Duration = Duration::from_millis(200);

/// An answer that the store has not taken yet.
pub(crate) struct Entry<'a> {
    spool: &'a Spool,
    record: &'a RecordResult,
    kept: Mutex<Option<Kept>>,
    is_told: AtomicBool,
}

impl<'a> Entry<'a> {
    /// Writes nothing yet.
    pub(crate) fn new(spool: &'a Spool, record: &'a RecordResult) -> Self {
        Self { spool, record, kept: Mutex::default(), is_told: AtomicBool::new(false) }
    }

    /// Keeps the answer for as long as the store does not take it. One that is late is written down, where no kill of this
    /// process reaches it, and fsynced if it stays late; one that the store refused is on the disk at once. A spool that takes
    /// none is tried again with every refusal.
    pub(crate) async fn follow(&self, refused: &Notify) -> Infallible {
        match self.spool.patience() {
            None => refused.notified().await,
            Some(patience) => {
                if tokio::time::timeout(patience, refused.notified()).await.is_err() {
                    self.tell(self.write_down().map(drop));
                    let _ = tokio::time::timeout(FSYNCED_AFTER, refused.notified()).await;
                }
            }
        }
        loop {
            self.keep().await;
            refused.notified().await;
        }
    }

    /// Puts the answer on the disk. Whether it is there.
    pub(crate) async fn keep(&self) -> bool {
        let outcome = match self.write_down() {
            Ok(number) => self.spool.sync(number).await,
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            // What may not be on the disk is not kept: it is written again next time.
            self.done();
        }
        self.tell(outcome)
    }

    /// The store has taken the answer.
    pub(crate) fn done(&self) {
        if let Some(kept) = self.kept().take() {
            self.spool.done(kept);
        }
    }

    fn write_down(&self) -> io::Result<u64> {
        let mut kept = self.kept();
        if kept.is_none() {
            *kept = Some(self.spool.write_down(self.record)?);
        }
        Ok(kept.as_ref().map_or(0, |Kept(number)| *number))
    }

    /// A spool that takes no answer is told of once an answer.
    fn tell(&self, outcome: io::Result<()>) -> bool {
        let Err(error) = outcome else { return true };
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, folder = %self.spool.folder().display(), attempt = %self.record.attempt,
                "the spool takes no answer: this one waits in memory for the store, make room");
        }
        false
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
