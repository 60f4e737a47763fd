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
pub(super) const FSYNCED_AFTER: Duration = Duration::from_millis(200);

/// An answer that the store has not taken yet.
pub(crate) struct Entry<'a> {
    spool: &'a Spool,
    record: &'a RecordResult,
    copy: Mutex<Option<InLog>>,
    is_told: AtomicBool,
}

/// The answer as it stands in the log.
struct InLog {
    kept: Kept,
    /// Its fsync failed: it outlives this process, but it may never reach the disk, whatever a second fsync says.
    is_doubtful: bool,
}

impl<'a> Entry<'a> {
    /// Writes nothing yet.
    pub(crate) fn new(spool: &'a Spool, record: &'a RecordResult) -> Self {
        Self { spool, record, copy: Mutex::default(), is_told: AtomicBool::new(false) }
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
        if outcome.is_err()
            && let Some(copy) = self.copy().as_mut()
        {
            copy.is_doubtful = true;
        }
        self.tell(outcome)
    }

    /// The store has taken the answer.
    pub(crate) fn done(&self) {
        if let Some(copy) = self.copy().take() {
            self.spool.done(copy.kept);
        }
    }

    /// Writes the answer into the log, unless it stands there. A doubtful copy stays until there is another.
    fn write_down(&self) -> io::Result<u64> {
        let mut copy = self.copy();
        if let Some(InLog { kept: Kept(number), is_doubtful: false }) = &*copy {
            return Ok(*number);
        }
        let kept = self.spool.write_down(self.record)?;
        let number = kept.0;
        if let Some(before) = copy.replace(InLog { kept, is_doubtful: false }) {
            self.spool.done(before.kept);
        }
        Ok(number)
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

    fn copy(&self) -> MutexGuard<'_, Option<InLog>> {
        self.copy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
