//! The spool: answers that are paid for and that the store would not take before the process had to stop.
//!
//! One file an answer, written whole and fsynced under a temporary name, then renamed. Replayed at the next start through
//! the same commit intent, which accepts it by content or records it as wasted.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use agentwrite::ports::{RecordResult, Recorded, StoreError, TaskStore};

/// A folder of answers.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
}

/// The spool could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Its folder or a file could not be read.
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

impl Spool {
    /// A spool in this folder, which is made when first needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Writes an answer durably.
    pub fn write(&self, record: &RecordResult) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let name = self.folder.join(format!("{}.json", record.attempt));
        let part = name.with_extension("part");
        let mut file = File::create(&part)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()?;
        fs::rename(&part, &name)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Commits every answer in the spool and removes it. Returns `(accepted, wasted)`.
    pub async fn replay(&self, tasks: &dyn TaskStore) -> Result<(u64, u64), ReplayError> {
        let (mut accepted, mut wasted) = (0, 0);
        for path in self.files()? {
            let read = |source| ReplayError::Read { path: path.clone(), source };
            let bytes = fs::read(&path).map_err(read)?;
            let mut record: RecordResult =
                serde_json::from_slice(&bytes).map_err(|error| read(io::Error::other(error)))?;
            // Nobody works on it now, so nobody can take the next task over.
            record.claim_next = None;
            match tasks.record_result(record).await? {
                Recorded::Accepted { .. } | Recorded::Repeated => accepted += 1,
                Recorded::Wasted => wasted += 1,
            }
            fs::remove_file(&path).map_err(read)?;
        }
        Ok((accepted, wasted))
    }

    fn files(&self) -> Result<Vec<PathBuf>, ReplayError> {
        let read = |path: &Path| {
            let path = path.to_owned();
            move |source| ReplayError::Read { path, source }
        };
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(read(&self.folder)(error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(read(&self.folder))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}
