//! The spool: answers that are paid for and that the store does not take, or not soon.
//!
//! A process has one log in a subfolder of its own, whose lock it holds for as long as it lives, however it dies. Answers that
//! come at the same time share an fsync. An entry that the store has taken is marked as done, and a log without open entries
//! is emptied. Whoever finds a subfolder that nobody locks adopts it: its answers are replayed through the same commit intent,
//! which accepts each by content, finds it repeated, or records it as wasted; only then is the subfolder removed.
//!
//! ```text
//! SPOOL/own_0123/lock         held by the living process
//! SPOOL/own_0123/answers.log  see `log.rs`
//! ```
//!
//! A kill costs nothing that was spooled: a record that was not written to its end is not read, and its answer was not yet
//! counted as kept.

mod adopt;
mod entry;
mod log;
mod own;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agentwrite::ports::RecordResult;

pub use adopt::{Adopted, ReplayError, adopt_forever, waiting_answers};
pub(crate) use entry::Entry;
use own::Own;

/// When an answer goes to the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpoolWhen {
    /// When the store has refused it: in the embedded edition the store is on this very disk.
    Refused,
    /// Also when the store has not taken it within this time.
    Late(Duration),
}

/// An entry of this process's log that the store has not taken yet.
#[derive(Debug)]
#[must_use = "an entry stays in the log until it is marked as done"]
struct Kept(u64);

/// The spool of a process. Clones share its log.
#[derive(Debug, Clone)]
pub struct Spool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    name: String,
    when: SpoolWhen,
    own: Mutex<Option<Own>>,
    /// Held by whoever fsyncs, for all who appended before.
    syncing: tokio::sync::Mutex<()>,
}

impl Spool {
    /// A spool in `folder`, in which this process is `name`. Nothing is made before it is needed.
    pub fn new(folder: impl Into<PathBuf>, name: &str, when: SpoolWhen) -> Self {
        Self(Arc::new(Inner {
            folder: folder.into(),
            name: name.to_owned(),
            when,
            own: Mutex::default(),
            syncing: tokio::sync::Mutex::default(),
        }))
    }

    /// Makes this process's subfolder, so that a folder that cannot be written is found before an answer needs it.
    pub fn prepare(&self) -> io::Result<()> {
        self.own_or_new(&mut self.own()).map(drop)
    }

    /// Removes this process's subfolder if it holds no answer that the store has not taken.
    pub fn leave(&self) {
        let mut own = self.own();
        if let Some(empty) = own.take_if(|own| own.is_empty()) {
            empty.remove();
        }
    }

    /// Where it is.
    fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// How long an answer may wait for the store before it is written down.
    fn patience(&self) -> Option<Duration> {
        match self.0.when {
            SpoolWhen::Refused => None,
            SpoolWhen::Late(patience) => Some(patience),
        }
    }

    /// Writes an answer into the log: there for whoever adopts it, durable once [`Self::sync`] has returned.
    fn write_down(&self, record: &RecordResult) -> io::Result<Kept> {
        let text = serde_json::to_string(record)?;
        Ok(Kept(self.own_or_new(&mut self.own())?.append(text)?))
    }

    /// The store has taken the answer.
    fn done(&self, kept: Kept) {
        if let Some(own) = self.own().as_mut()
            && let Err(error) = own.done(kept.0)
        {
            // It is replayed once more, and found repeated.
            tracing::warn!(%error, "an entry of the spool could not be marked as done");
        }
    }

    /// Puts an entry, and all before it, on the disk.
    async fn sync(&self, entry: u64) -> io::Result<()> {
        match self.0.when {
            // Rare, and the seeded simulation stays in one thread.
            SpoolWhen::Refused => self.synced_to(entry),
            SpoolWhen::Late(_) => {
                let _turn = self.0.syncing.lock().await;
                let spool = self.clone();
                tokio::task::spawn_blocking(move || spool.synced_to(entry)).await.map_err(io::Error::other)?
            }
        }
    }

    /// Everything up to `entry` is on the disk; nothing is done where somebody else's fsync came after it.
    fn synced_to(&self, entry: u64) -> io::Result<()> {
        let Some(due) = self.own().as_ref().and_then(|own| own.unsynced(entry)) else { return Ok(()) };
        let (file, up_to) = due?;
        // Without the lock: others append meanwhile.
        let outcome = file.sync_data();
        if let Some(own) = self.own().as_mut() {
            match &outcome {
                Ok(()) => own.synced(up_to),
                Err(_) => own.not_synced(up_to),
            }
        }
        outcome
    }

    fn own(&self) -> MutexGuard<'_, Option<Own>> {
        // The log repairs its end before it writes: a panic cannot leave a half record inside it.
        self.0.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn own_or_new<'a>(&self, own: &'a mut Option<Own>) -> io::Result<&'a mut Own> {
        match own {
            Some(own) => Ok(own),
            None => Ok(own.insert(Own::create(&self.0.folder, &self.0.name)?)),
        }
    }
}

#[cfg(test)]
mod tests;
