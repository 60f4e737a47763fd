//! The store as the planner sees it: admission, dispatch, rescue, the outbox.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::ids::{OwnerId, RunId, SampleId, Timestamp};
use crate::task::TaskKey;
use crate::trace::TraceContext;

/// A message about a task: "look at this task", and nothing else that matters.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TaskMessage {
    /// The task.
    pub task: TaskKey,
    /// The trace that the work belongs to, for who watches. It is carried beside the message, not in it, and is known only
    /// where messages leave the process.
    #[serde(skip)]
    pub trace: Option<TraceContext>,
}

impl TaskMessage {
    /// A message about a task.
    pub fn about(task: TaskKey) -> Self {
        Self { task, trace: None }
    }

    /// A message about a task of a sample in this generation.
    pub fn traced(task: TaskKey, generation: u32) -> Self {
        let trace = TraceContext::of_task(&task, generation);
        Self { task, trace: Some(trace) }
    }
}

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its id, for deleting it once the message is confirmed.
    pub id: i64,
    /// The message.
    pub message: TaskMessage,
}

/// A sample that could be admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionCandidate {
    /// The sample.
    pub sample: SampleId,
    /// Position in the input.
    pub ordinal: u64,
    /// Calls it still needs: steps of its plan, or an estimate plus the plan call.
    pub remaining: u32,
    /// Whether it has a plan.
    pub planned: bool,
}

/// What admission decides from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdmissionView {
    /// Samples of the run that still need calls.
    pub unfinished: u64,
    /// Live tasks (ready and due within 5 s, or claimed) of sections.
    pub writing: u32,
    /// Live tasks of plans.
    pub planning: u32,
    /// The lowest ordinal that is not terminal or written; the window starts here.
    pub window_start: u64,
    /// Planned samples inside the window, longest first, at most the asked number.
    pub planned: Vec<AdmissionCandidate>,
    /// Pending samples inside the window, in ordinal order, at most the asked number.
    pub pending: Vec<AdmissionCandidate>,
}

/// One admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admit {
    /// The sample.
    pub sample: SampleId,
    /// To writing if true, to planning otherwise.
    pub write: bool,
}

/// What a dispatch found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dispatched {
    /// Outbox rows written for the tasks that were chosen.
    pub rows: Vec<OutboxRow>,
    /// When the next task that waits for its `due_at` becomes due.
    pub next_due: Option<Timestamp>,
}

/// What a rescue did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rescued {
    /// Claims whose lease had lapsed, freed.
    pub leases: u64,
    /// Messages taken for lost, made ready to be sent again.
    pub messages: u64,
    /// Tasks that died of too many crashes.
    pub died: u64,
}

/// The store as the planner sees it.
#[async_trait]
pub trait DispatchStore: Send + Sync {
    /// Reads what admission decides from; `window` ordinals from the first unfinished one, at most `most` candidates of
    /// each sort.
    async fn admission_view(
        &self,
        run: &RunId,
        window: u64,
        most: u32,
        now: Timestamp,
    ) -> Result<AdmissionView, StoreError>;

    /// Creates the tasks of the admitted samples, ready and unpublished, and sets whether the run is ordered (its
    /// follow-up tasks wait to be dispatched). A sample that is no longer in the expected state is passed over. Returns
    /// how many were admitted.
    async fn admit(&self, run: &RunId, admits: &[Admit], ordered: bool, now: Timestamp) -> Result<u64, StoreError>;

    /// Chooses unpublished, ready, due tasks while fewer than `slots` tasks of the run are published or claimed: plans first
    /// (until it is planned, a sample may be the longest of all), then the longest remaining chain; marks them published and writes their outbox rows.
    async fn dispatch_ready(&self, run: &RunId, slots: u32, now: Timestamp) -> Result<Dispatched, StoreError>;

    /// Frees lapsed leases (their attempts become orphaned, a crash is counted, too many kill the task) and makes tasks
    /// unpublished whose message is older than `lost_after` and that nobody claimed.
    async fn rescue_stalled(&self, lost_after: Duration, now: Timestamp) -> Result<Rescued, StoreError>;

    /// Embedded edition: the lock on the folder proves every old owner dead. Frees all leases not held by `owner` and
    /// makes every ready task unpublished, since the queue died with its process.
    async fn free_dead_owners(&self, owner: &OwnerId, now: Timestamp) -> Result<Rescued, StoreError>;

    /// Outbox rows older than `age`, oldest first, at most `most`.
    async fn take_outbox(&self, age: Duration, most: u32, now: Timestamp) -> Result<Vec<OutboxRow>, StoreError>;

    /// Deletes outbox rows whose messages are confirmed.
    async fn delete_outbox(&self, ids: &[i64]) -> Result<(), StoreError>;

    /// Writes the run's statistics row of this 10 s slot, if there is none yet.
    async fn record_statistics(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError>;
}
