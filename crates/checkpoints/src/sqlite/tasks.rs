//! The store as a worker sees it, on SQLite.

use std::time::Duration;

use agentwrite::ids::{AttemptId, OwnerId, RunId, Timestamp};
use agentwrite::ports::{ClaimTask, RecordFailure, RecordResult, Recorded, StoreError, TaskStore};
use agentwrite::sample::SampleContext;
use agentwrite::task::{ClaimedTask, Kind, TaskKey};
use async_trait::async_trait;
use rusqlite::{Row, params};

use super::statement::all;
use super::{SqliteStore, claim, fail, load, record};

#[async_trait]
impl TaskStore for SqliteStore {
    async fn claim_task(&self, claim: ClaimTask) -> Result<Option<ClaimedTask>, StoreError> {
        self.writer.run("claim_task", move |connection| claim::claim_task(connection, &claim)).await
    }

    async fn record_result(&self, record: RecordResult) -> Result<Recorded, StoreError> {
        self.writer.run("record_result", move |connection| record::record_result(connection, &record)).await
    }

    async fn record_failure(&self, failure: RecordFailure) -> Result<bool, StoreError> {
        self.writer.run("record_failure", move |connection| fail::record_failure(connection, &failure)).await
    }

    async fn renew_leases(
        &self,
        owner: &OwnerId,
        attempts: &[AttemptId],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<(TaskKey, i64)>, StoreError> {
        let (owner, until) = (owner.clone(), now.after(lease).0);
        let attempts = serde_json::to_string(attempts).map_err(|error| StoreError::new("renew_leases", error))?;
        self.writer
            .run("renew_leases", move |connection| {
                all(connection, sql!("renew_leases"), params![owner.as_str(), until, attempts], |row| {
                    Ok((task_key(row, 0)?, row.get(5)?))
                })
            })
            .await
    }

    async fn load_sample(&self, task: &TaskKey) -> Result<Option<SampleContext>, StoreError> {
        let task = task.clone();
        self.writer.run("load_sample", move |connection| load::load_for_task(connection, &task)).await
    }
}

/// Reads run, kind, subject, place, revision from five columns.
pub(super) fn task_key(row: &Row<'_>, first: usize) -> rusqlite::Result<TaskKey> {
    Ok(TaskKey {
        run: RunId::new(row.get::<_, String>(first)?),
        kind: Kind::new(row.get::<_, String>(first + 1)?),
        subject: row.get(first + 2)?,
        place: row.get(first + 3)?,
        revision: row.get(first + 4)?,
    })
}
