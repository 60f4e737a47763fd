//! What processes left that are no more.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agentwrite::ports::{RecordResult, Recorded, StoreError, TaskStore};
use tokio_util::sync::CancellationToken;

use super::Spool;
use super::log::{Contents, read};
use super::own::{LOCK, LOG, remove_folder};

/// How often a spool is looked through.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The first wait after a store that refused; doubled up to [`LOOK_EVERY`].
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// What became of answers that were adopted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Adopted {
    /// They stand now, or stood already.
    pub accepted: u64,
    /// Their places were filled meanwhile; they are recorded with their price.
    pub wasted: u64,
}

/// The spool could not be replayed, or not all of it. What was not replayed is still there.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Its folder or a file could not be read or removed.
    #[error("spool {path}: {source}")]
    Read {
        /// What was read.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The store still refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A subfolder that nobody holds; held by us while this lives.
struct Orphan {
    folder: PathBuf,
    contents: Contents,
    _lock: File,
}

impl Spool {
    /// Commits every answer that dead processes left in this folder, and removes each subfolder that is done with. One that
    /// cannot be done with now does not keep the others: the last error is returned after all were tried.
    pub async fn adopt(&self, tasks: &dyn TaskStore) -> Result<Adopted, ReplayError> {
        let mut adopted = Adopted::default();
        let mut failed = None;
        for folder in subfolders(&self.0.folder)? {
            if folder.ends_with(&self.0.name) {
                continue;
            }
            if let Err(error) = replay(&folder, tasks, &mut adopted).await {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(adopted), Err)
    }
}

/// Adopts at once, and then every minute, until `stop`. While the store is away it tries again sooner.
pub async fn adopt_forever(spool: Spool, tasks: std::sync::Arc<dyn TaskStore>, stop: CancellationToken) {
    let mut wait = FIRST_WAIT;
    loop {
        let pause = match spool.adopt(&*tasks).await {
            Ok(adopted) => {
                if adopted != Adopted::default() {
                    let Adopted { accepted, wasted } = adopted;
                    tracing::info!(accepted, wasted, "answers of another process were recorded");
                }
                wait = FIRST_WAIT;
                LOOK_EVERY
            }
            Err(error) => {
                tracing::warn!(%error, "answers in the spool wait");
                wait = (wait * 2).min(LOOK_EVERY);
                wait
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Answers in a spool that no living process looks after.
pub fn waiting_answers(spool: &Path) -> u64 {
    let folders = subfolders(spool).unwrap_or_default();
    folders.iter().filter_map(|folder| orphan(folder).ok()?).map(|orphan| orphan.contents.open.len() as u64).sum()
}

async fn replay(folder: &Path, tasks: &dyn TaskStore, adopted: &mut Adopted) -> Result<(), ReplayError> {
    let at = |source| ReplayError::Read { path: folder.to_owned(), source };
    let Some(orphan) = orphan(folder).map_err(at)? else { return Ok(()) };
    if orphan.contents.torn > 0 {
        tracing::info!(folder = %folder.display(), bytes = orphan.contents.torn, "the end of a log was never written whole");
    }
    for text in orphan.contents.open.values() {
        let mut record: RecordResult = serde_json::from_str(text).map_err(|error| at(io::Error::other(error)))?;
        // Nobody works on it now, so nobody can take the next task over.
        record.claim_next = None;
        match tasks.record_result(record).await? {
            Recorded::Accepted { .. } | Recorded::Repeated => adopted.accepted += 1,
            Recorded::Wasted => adopted.wasted += 1,
        }
    }
    remove_folder(&orphan.folder).map_err(at)
}

/// Takes a subfolder over, unless its process lives or it is gone.
fn orphan(folder: &Path) -> io::Result<Option<Orphan>> {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let lock = match File::open(folder.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let bytes = match fs::read(folder.join(LOG)) {
        Ok(bytes) => bytes,
        // Another process was faster.
        Err(error) if gone(&error) => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(Some(Orphan { folder: folder.to_owned(), contents: read(&bytes), _lock: lock }))
}

/// The subfolders of processes, oldest name first; those that are being made are hidden.
fn subfolders(spool: &Path) -> Result<Vec<PathBuf>, ReplayError> {
    let at = |source| ReplayError::Read { path: spool.to_owned(), source };
    let entries = match fs::read_dir(spool) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(error)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at)?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.file_type().map_err(at)?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}
