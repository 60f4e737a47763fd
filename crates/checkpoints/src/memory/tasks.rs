//! The store as a worker sees it.

use std::time::Duration;

use agentwrite::ids::{AttemptId, OwnerId, Timestamp};
use agentwrite::ports::{ClaimTask, RecordFailure, RecordResult, Recorded, StoreError, TaskStore};
use agentwrite::sample::SampleContext;
use agentwrite::task::{ClaimedTask, TaskKey};
use async_trait::async_trait;

use super::{MemoryStore, claim, load, record_failure, record_result};

#[async_trait]
impl TaskStore for MemoryStore {
    async fn claim_task(&self, claim: ClaimTask) -> Result<Option<ClaimedTask>, StoreError> {
        self.write("claim_task", |state| claim::claim_task(state, &claim))
    }

    async fn record_result(&self, record: RecordResult) -> Result<Recorded, StoreError> {
        self.write("record_result", |state| record_result::record_result(state, &record))
    }

    async fn record_failure(&self, failure: RecordFailure) -> Result<bool, StoreError> {
        self.write("record_failure", |state| record_failure::record_failure(state, &failure))
    }

    async fn renew_leases(
        &self,
        owner: &OwnerId,
        attempts: &[AttemptId],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<(TaskKey, i64)>, StoreError> {
        self.write("renew_leases", |state| Ok(claim::renew_leases(state, owner, attempts, lease, now)))
    }

    async fn load_sample(&self, task: &TaskKey) -> Result<Option<SampleContext>, StoreError> {
        self.read(|state| load::load_sample(state, task))
    }
}
