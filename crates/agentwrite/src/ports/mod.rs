//! Ports: small traits by role. Each method is one atomic, repeatable intent; "not there" is a value, not an error.
//!
//! `checkpoints` implements the stores, `task-queue` the queue, `llm` the models; `services/longhand` wires them. To add an
//! adapter: implement the trait and put it through the conformance suite of its port (`tests/`).

mod chat;
mod dispatch;
mod observe;
mod outline;
mod overview;
mod pack;
mod queue;
mod report;
mod runs;
mod tasks;
mod time;
mod traffic;
mod training;

pub use chat::ChatModel;
pub use dispatch::{
    AdmissionCandidate, AdmissionView, Admit, DispatchStore, Dispatched, OutboxRow, Rescued, TaskMessage,
};
pub use observe::{Observer, RunView, SampleEnd, Try};
pub use outline::{SampleOutline, SectionOutline};
pub use overview::{OutcomeTotals, OverviewStore, RunRow, WholeLength};
pub use pack::{ClosedShard, CompleteSample, PackStore, PackedSample, PublishedShard, Range, ShardFile, Verdict};
pub use queue::{Consumer, Delivery, QueueError, TaskQueue};
pub use report::{
    AnswerRow, AttemptRow, FailureGroup, OperatorAction, ReportStore, SampleDetail, SampleFilter, SamplePage,
    SampleRow, StatisticsRow, Totals,
};
pub use runs::{Added, Control, Retried, RetryPlan, Run, RunState, RunStore};
pub use tasks::{ClaimNext, ClaimTask, FollowUp, RecordFailure, RecordResult, Recorded, TaskResult, TaskStore};
pub use time::{Clock, Dice};
pub use traffic::{Budget, Reservation, Reserve, TrafficStore, Unused};
pub use training::{
    OpenRound, RecordCheckpoint, Registered, ShardLease, Training, TrainingCheckpoint, TrainingDesk, TrainingEnd,
    TrainingPosition, TrainingRound, TrainingSession, TrainingShard, TrainingState, TrainingStore, TrainingView,
};

/// The store failed; the intent may or may not have been carried out, and may be repeated.
#[derive(Debug, thiserror::Error)]
#[error("store {intent}: {source}")]
pub struct StoreError {
    /// The intent that failed, with its subject.
    pub intent: String,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// An error of this intent.
    pub fn new(intent: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { intent: intent.into(), source: source.into() }
    }
}
