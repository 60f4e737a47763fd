//! Why packing could not go on.

use std::io;
use std::path::PathBuf;

use agentwrite::ids::RunId;
use agentwrite::ports::StoreError;
use dataset::{DecodeError, EncodeError, ManifestError, PlaceError};

/// Packing could not go on, or a repack could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Rows could not be encoded.
    #[error("cannot encode {shard}")]
    Encode {
        /// The shard, as its files are called.
        shard: String,
        /// Why.
        #[source]
        source: EncodeError,
    },
    /// A shard file, the manifest or the card could not be put, read or swept.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The manifest contradicts itself.
    #[error("cannot make a manifest")]
    Manifest(#[from] ManifestError),
    /// A published shard file is gone or is not what was published.
    #[error("shard file {file} is missing or has other bytes than were published")]
    Damaged {
        /// Its name.
        file: String,
    },
    /// A published shard file cannot be read back.
    #[error("cannot read {file}")]
    Unreadable {
        /// Its name.
        file: String,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// There is no such run.
    #[error("no run {0}")]
    NoRun(RunId),
    /// A sample names a version of the configuration that the run does not have.
    #[error("run {run} has no configuration {version}")]
    NoConfig {
        /// The run.
        run: RunId,
        /// The version.
        version: u32,
    },
    /// A repack goes into a new folder only.
    #[error("{} is not an empty folder", .0.display())]
    NotEmpty(PathBuf),
    /// A folder cannot be looked at.
    #[error("cannot look into {}", path.display())]
    Look {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Work on another thread ended in a panic: a defect.
    #[error("packing panicked")]
    Panicked(#[from] tokio::task::JoinError),
}

impl PackError {
    /// Whether trying again later may help: a store, a disk or a bucket that refuses for a while must not end a week's
    /// run.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Store(_) => true,
            Self::Place(error) => error.may_pass(),
            _ => false,
        }
    }
}
