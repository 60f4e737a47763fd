//! The store as a worker sees it: claim, record, renew.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{OutboxRow, StoreError};
use crate::ids::{AttemptId, Hash, OwnerId, SampleId, Timestamp};
use crate::plan::Plan;
use crate::sample::SampleContext;
use crate::task::{AttemptEnd, ClaimedTask, KeptAnswer, NewTask, TaskFailure, TaskKey};

/// A wish to work on a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimTask {
    /// The task.
    pub task: TaskKey,
    /// The process that asks.
    pub owner: OwnerId,
    /// The id that the attempt will have.
    pub attempt: AttemptId,
    /// How long the claim lasts.
    pub lease: Duration,
    /// Now.
    pub now: Timestamp,
}

/// The result of a task, by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TaskResult {
    /// A plan.
    Plan {
        /// The plan as it will be written.
        plan: Plan,
        /// The chain's head after it.
        chain: Hash,
    },
    /// A section.
    Section {
        /// The accepted text, cleaned.
        text: String,
        /// Words by the sample's counter.
        words: u32,
        /// Codes of soft gates that it failed.
        flags: Vec<String>,
        /// The chain's head after it (serial), or the plan's (parallel).
        chain: Hash,
    },
    /// Any other kind: a JSON value.
    Other(serde_json::Value),
}

/// What a result sets in motion; computed here, written by the adapter in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FollowUp {
    /// The sample has a plan of so many places now and waits to be admitted.
    SamplePlanned {
        /// Places to fill.
        places: u32,
    },
    /// One more place of the sample is filled; all filled = written.
    PlaceFilled,
    /// The next task.
    Task(NewTask),
}

/// A wish to claim the next task in the transaction of the commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimNext {
    /// The id that its attempt will have.
    pub attempt: AttemptId,
    /// How long the claim lasts.
    pub lease: Duration,
}

/// The one commit intent of every kind: the adapter writes all of it or nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordResult {
    /// The task.
    pub task: TaskKey,
    /// What the prompt was made from. The result is accepted only if this stands now and the place is still empty;
    /// who holds the lease does not matter.
    pub context_hash: Hash,
    /// The process that records.
    pub owner: OwnerId,
    /// The attempt that ends with this.
    pub attempt: AttemptId,
    /// The attempt whose answer is recorded: `attempt`, or an earlier one whose candidate was the best.
    pub origin: AttemptId,
    /// Usage, price, times.
    pub end: AttemptEnd,
    /// The result.
    pub result: TaskResult,
    /// The answer as it came, where it differs from the result.
    pub answer: Option<KeptAnswer>,
    /// What it sets in motion.
    pub follow_ups: Vec<FollowUp>,
    /// Claim the next task at once, if the run is running: the follow-up task; in an ordered run (tail) the task that
    /// dispatch would choose, whatever its sample, if it is of the same kind.
    pub claim_next: Option<ClaimNext>,
    /// Now.
    pub now: Timestamp,
}

/// What became of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "the large variant is the usual one, and lives for a moment")]
pub enum Recorded {
    /// It stands. `next` is the next task, if one could be claimed.
    Accepted {
        /// The next task, claimed; in an ordered run it may be another sample's.
        next: Option<ClaimedTask>,
        /// Outbox rows of this commit: the process that committed publishes and deletes them at once.
        publish: Vec<OutboxRow>,
    },
    /// This very attempt stood already: the intent was repeated.
    Repeated,
    /// The place was filled or the context had changed: recorded as wasted, with its price.
    Wasted,
}

/// A failed try.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordFailure {
    /// The task.
    pub task: TaskKey,
    /// The claim's fence: a stale one ends the attempt but leaves the task alone.
    pub fence: i64,
    /// The attempt that ends with this.
    pub attempt: AttemptId,
    /// Usage, price, times.
    pub end: AttemptEnd,
    /// What happened and what becomes of the task.
    pub failure: TaskFailure,
    /// Now.
    pub now: Timestamp,
}

/// The store as a worker sees it.
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// Claims a task that is ready and due, of a running run, and starts an attempt. `None`: nothing to claim (done,
    /// claimed, early, paused, unknown), which is how duplicate and stale messages end. A lapsed lease is not claimable:
    /// only rescue frees it.
    async fn claim_task(&self, claim: ClaimTask) -> Result<Option<ClaimedTask>, StoreError>;

    /// Records a result with usage, price, follow-up task and outbox row, or records it as wasted.
    async fn record_result(&self, record: RecordResult) -> Result<Recorded, StoreError>;

    /// Ends an attempt as failed and, if the fence still holds, makes the task ready later or dead. Returns whether the
    /// fence held.
    async fn record_failure(&self, failure: RecordFailure) -> Result<bool, StoreError>;

    /// Prolongs the leases of the attempts that an owner works on. Returns the fences that it still holds. A claim whose
    /// answer was lost is nobody's work: it lapses, and rescue frees it.
    async fn renew_leases(
        &self,
        owner: &OwnerId,
        attempts: &[AttemptId],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<(TaskKey, i64)>, StoreError>;

    /// Reads all that prompts for this task's subject are made from. `None` if there is no such sample.
    async fn load_sample(&self, task: &TaskKey) -> Result<Option<SampleContext>, StoreError>;

    /// The sample's id as a subject; a convenience for handlers of sample tasks.
    fn sample_of(&self, task: &TaskKey) -> SampleId {
        SampleId::new(task.subject.clone())
    }
}
