//! The store as intake and operators see it: runs, their input, their control.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::config::{Limits, RunConfig};
use crate::failure::ErrorCode;
use crate::ids::{Hash, RunId, SampleId, Timestamp};
use crate::sample::Input;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Its input is being read.
    Pending,
    /// Its tasks may be claimed.
    Running,
    /// No new claim; `reason` says why.
    Paused,
    /// Every sample is terminal.
    Done,
    /// The run itself cannot go on.
    Failed,
    /// Cancelled by an operator.
    Cancelled,
}

impl RunState {
    /// As stored and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn read(text: &str) -> Option<Self> {
        [Self::Pending, Self::Running, Self::Paused, Self::Done, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its name, for people and for the dataset card.
    pub name: String,
    /// Where it stands.
    pub state: RunState,
    /// Why it is paused or failed.
    pub reason: Option<String>,
    /// Its frozen configuration, newest version.
    pub config: RunConfig,
    /// Number of that version, from 1.
    pub config_version: u32,
    /// Its limits.
    pub limits: Limits,
    /// Samples in it.
    pub samples: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// Grows with every control action; a runner that saw an older one reads the run again.
    pub control_epoch: i64,
}

/// What became of input rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Added {
    /// New samples.
    pub added: u64,
    /// Rows whose sample was there already.
    pub present: u64,
}

/// What an operator wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Control {
    /// No new claim; calls in flight are recorded.
    Pause {
        /// `user`, or an error code.
        reason: String,
    },
    /// Go on.
    Resume,
    /// Stop for good: unfinished samples become cancelled.
    Cancel,
    /// New limits.
    Limits(Limits),
    /// A new configuration for samples not yet planned.
    Configure(Box<RunConfig>),
}

/// Which samples to retry and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetryPlan {
    /// Only these; empty = all that failed, were rejected or cancelled.
    pub samples: Vec<SampleId>,
    /// Only those with this code.
    pub error: Option<ErrorCode>,
    /// Discard sections from this one on (1-based as people count; 0 discards the plan too).
    pub from_section: Option<u32>,
    /// Another model for what is written from now on.
    pub model: Option<String>,
    /// Only count.
    pub dry_run: bool,
}

/// What a retry did or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retried {
    /// Samples that go on.
    pub samples: Vec<SampleId>,
    /// Sections that they keep.
    pub kept_sections: u64,
    /// The number of the supplementary shard, if any of them had left a closed range.
    pub supplement: Option<u32>,
}

/// The store as intake and operators see it.
#[async_trait]
pub trait RunStore: Send + Sync {
    /// Creates a run, or returns the one that has this id.
    async fn create_run(
        &self,
        id: &RunId,
        name: &str,
        config: &RunConfig,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Run, StoreError>;

    /// Reads a run.
    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError>;

    /// A version of a run's configuration: samples are written under the version that stood when they were planned.
    /// `None` if there is no such run or version.
    async fn config(&self, run: &RunId, version: u32) -> Result<Option<RunConfig>, StoreError>;

    /// All runs, newest first.
    async fn runs(&self) -> Result<Vec<Run>, StoreError>;

    /// Adds samples with the next ordinals, in this order. A row whose key is there already adds nothing. `estimate` is
    /// the expected number of steps of each.
    async fn add_samples(&self, run: &RunId, inputs: &[(Input, u32)], now: Timestamp) -> Result<Added, StoreError>;

    /// Ends intake: a pending run starts running, and a done one to which samples were added goes on.
    async fn start_run(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError>;

    /// The sample keys of a run in ordinal order, for comparing input with what was submitted.
    async fn sample_keys(&self, run: &RunId) -> Result<Vec<Hash>, StoreError>;

    /// Carries out an operator's wish and writes it down (who, what, before, after). A wish that does not fit the run's
    /// state (resume a done run) changes nothing. `None` if there is no such run.
    async fn control(
        &self,
        run: &RunId,
        who: &str,
        control: &Control,
        now: Timestamp,
    ) -> Result<Option<Run>, StoreError>;

    /// Starts samples again, each as a new generation; with `from_section` or `model` as a new revision.
    async fn retry(&self, run: &RunId, who: &str, plan: &RetryPlan, now: Timestamp) -> Result<Retried, StoreError>;

    /// Marks a running run done if every sample is terminal and every range published. Returns its state now.
    async fn finish_run(&self, run: &RunId, now: Timestamp) -> Result<RunState, StoreError>;
}
