//! Why training cannot go on.

use std::path::PathBuf;

use agentwrite::ids::TrainingId;
use agentwrite::ports::StoreError;
use dataset::PlaceError;

/// Why training cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such job.
    #[error("there is no training job {0}")]
    NoJob(TrainingId),
    /// Somebody else works on the job.
    #[error("training job {job} is another trainer's ({owner})")]
    Held {
        /// The job.
        job: TrainingId,
        /// Who.
        owner: String,
    },
    /// The lease was lost: another trainer works on the job now.
    #[error("another trainer took training job {0} over")]
    Lost(TrainingId),
    /// A shard is not what its manifest lists.
    #[error("{name} is not the file that was published: its sha256 is {found}, {listed} is listed")]
    ShardAltered {
        /// The shard.
        name: String,
        /// What it is.
        found: String,
        /// What it should be.
        listed: String,
    },
    /// A listed shard is not there.
    #[error("{name} is listed, but it is not there")]
    ShardMissing {
        /// The shard.
        name: String,
    },
    /// The place of the shards failed.
    #[error("the shards cannot be read")]
    Place(#[from] PlaceError),
    /// A file of data is no such file.
    #[error("{} cannot be read as training data", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The cache is too small for one round.
    #[error("the shards of a round take {need} bytes, the cache may hold {cap}")]
    CacheFull {
        /// Bytes needed.
        need: u64,
        /// Bytes allowed.
        cap: u64,
    },
    /// The file system failed.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// What was being done, as a verb.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The run ended without a row to train on.
    #[error("there is nothing to train on: {0}")]
    NothingToTrain(String),
    /// The backend does not start.
    #[error("the backend `{command}` does not start")]
    BackendStart {
        /// Its program.
        command: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The backend says why it cannot go on.
    #[error("{message}")]
    Backend {
        /// Its code.
        code: String,
        /// Its message.
        message: String,
    },
    /// The backend dies or hangs again and again.
    #[error("the backend ended {times} times without coming further; the last time: {last}")]
    BackendCrashes {
        /// How often.
        times: u32,
        /// What was seen of the last end.
        last: String,
    },
    /// The backend speaks another version of the protocol.
    #[error("the backend speaks version {0} of the protocol, this build version 1")]
    BackendVersion(String),
    /// The order of rows and packs is not the frozen one.
    #[error("round {round} was begun with order {frozen}, the backend has {found} now")]
    OrderChanged {
        /// The round.
        round: u32,
        /// The hash that stands.
        frozen: String,
        /// The hash that it says.
        found: String,
    },
    /// The backend says that it is done, and is not.
    #[error("the backend says that round {round} is done, but not that it went through {missing}")]
    Incomplete {
        /// The round.
        round: u32,
        /// A pass that is missing.
        missing: String,
    },
}

impl TrainError {
    /// The code in brackets, for people and scripts.
    pub fn code(&self) -> &str {
        match self {
            Self::Store(_) => "storage",
            Self::NoJob(_) => "not_found",
            Self::Held { .. } => "already_running",
            Self::Lost(_) => "lease_lost",
            Self::ShardAltered { .. } => "shard_altered",
            Self::ShardMissing { .. } => "shard_missing",
            Self::Place(_) => "shards",
            Self::Data { .. } => "bad_data",
            Self::CacheFull { .. } => "cache_full",
            Self::Io { .. } => "out_unwritable",
            Self::NothingToTrain(_) => "nothing_to_train",
            Self::BackendStart { .. } => "backend_start",
            Self::Backend { code, .. } => code,
            Self::BackendCrashes { .. } => "backend_crashes",
            Self::BackendVersion(_) => "backend_version",
            Self::OrderChanged { .. } => "order_changed",
            Self::Incomplete { .. } => "backend_incomplete",
        }
    }

    /// Whether the job is to be marked as failed: it cannot go on as it is. Anything else may pass, or is another's affair.
    pub(crate) fn fails_the_job(&self) -> bool {
        !matches!(
            self,
            Self::Store(_) | Self::NoJob(_) | Self::Held { .. } | Self::Lost(_) | Self::Place(_) | Self::Io { .. }
        )
    }

    pub(crate) fn io(step: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { step, path, source }
    }
}
