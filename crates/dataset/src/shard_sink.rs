//! The place where shards go, apart from how they are written.
//!
//! A shard becomes visible in two steps. *Stage* puts the whole file, on disk for certain, under a name that no reader
//! takes. *Publish* gives it its final name if that name is free. A crash between the two leaves an orphan, which the
//! sweep removes; it can't leave half a shard. A new place (an object store) implements these four promises.

use std::path::PathBuf;

use crate::shard_name::ShardFileName;

/// Somewhere shards are kept. Calls block: run them where blocking is allowed.
pub trait ShardSink: Send + Sync {
    /// Writes the file durably under a temporary name. `suffix` is 1 to 64 letters, digits, `-` or `_`, different for
    /// every call (random): two processes that stage the same shard may not meet in one file.
    fn stage(&self, file: ShardFileName, bytes: &[u8], suffix: &str) -> Result<Staged, SinkError>;

    /// Gives a staged file its final name, durably, without ever replacing a file. Repeatable: if the name is taken by
    /// the same bytes, that is success; by other bytes, [`SinkError::Conflict`], and the staged file is gone.
    fn publish(&self, staged: Staged) -> Result<Published, SinkError>;

    /// A published file's bytes; none if there is no such file. Compare their hash with the manifest's.
    fn read(&self, file: ShardFileName) -> Result<Option<Vec<u8>>, SinkError>;

    /// Removes staged files whose suffix `is_live` denies and returns their names, sorted. The caller knows who may
    /// still be staging: nobody, if it holds the lock on the folder.
    fn sweep_orphans(&self, is_live: &dyn Fn(&str) -> bool) -> Result<Vec<String>, SinkError>;
}

/// A file that is durable but not visible yet. Dropping it leaves an orphan for the sweep.
#[derive(Debug)]
#[must_use = "a staged shard is not visible until it is published"]
pub struct Staged {
    pub(crate) file: ShardFileName,
    pub(crate) temp: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// A visible shard file; it never changes from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its name.
    pub file: ShardFileName,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, lower-case hex, as `sha256sum` prints it.
    pub sha256: String,
    /// An earlier publish had done it already.
    pub already_there: bool,
}

/// A shard could not be staged, published, read or swept.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The suffix would not make a plain file name.
    #[error("staging suffix {0:?} is not 1 to 64 letters, digits, `-` or `_`")]
    Suffix(String),
    /// The final name is taken by different bytes: a closed shard never changes.
    #[error("{file} exists with other content (sha256 {existing}, new {offered})")]
    Conflict {
        /// The shard file.
        file: ShardFileName,
        /// Hash of what is there.
        existing: String,
        /// Hash of what should have been published.
        offered: String,
    },
    /// The place failed.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// What was being done, as a verb.
        step: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}
