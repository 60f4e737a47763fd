//! The store as a worker sees it, on SQLite.

use std::time::Duration;

use agentwrite::ids::{AttemptId, OwnerId, RunId, Timestamp};
use agentwrite::ports::{ClaimTask, RecordFailure, RecordResult, Recorded, StoreError, TaskStore};
use agentwrite::sample::SampleContext;
use agentwrite::task::{ClaimedTask, Kind, TaskKey};
use async_trait::async_trait;
use sqlx::Row;

use super::{SqliteStore, fail, load};

#[async_trait]
impl TaskStore for SqliteStore {
    async fn claim_task(&self, claim: ClaimTask) -> Result<Option<ClaimedTask>, StoreError> {
        self.writer.claim(claim).await
    }

    async fn record_result(&self, record: RecordResult) -> Result<Recorded, StoreError> {
        self.writer.record(record).await
    }

    async fn record_failure(&self, failure: RecordFailure) -> Result<bool, StoreError> {
        self.writer
            .write("record_failure", move |connection| {
                Box::pin(async move { fail::record_failure(connection, &failure).await })
            })
            .await
    }

    async fn renew_leases(
        &self,
        owner: &OwnerId,
        attempts: &[AttemptId],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<(TaskKey, i64)>, StoreError> {
        let (owner, until) = (owner.clone(), now.after(lease).0);
        let fail = |error| StoreError::new("renew_leases", error);
        let attempts = serde_json::to_string(attempts).map_err(fail)?;
        self.writer
            .write("renew_leases", move |connection| {
                Box::pin(async move {
                    let rows = sqlx::query(sql!("renew_leases"))
                        .bind(owner.as_str())
                        .bind(until)
                        .bind(attempts)
                        .fetch_all(connection)
                        .await?;
                    rows.iter().map(|row| Ok((task_key(row, 0)?, row.try_get(5)?))).collect()
                })
            })
            .await
    }

    async fn load_sample(&self, task: &TaskKey) -> Result<Option<SampleContext>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("load_sample {}", task.subject), error);
        let mut connection = self.readers.acquire().await.map_err(fail)?;
        load::load_for_task(&mut connection, task).await.map_err(fail)
    }
}

/// Reads run, kind, subject, place, revision from five columns.
pub(super) fn task_key(row: &sqlx::sqlite::SqliteRow, first: usize) -> Result<TaskKey, sqlx::Error> {
    Ok(TaskKey {
        run: RunId::new(row.try_get::<String, _>(first)?),
        kind: Kind::new(row.try_get::<String, _>(first + 1)?),
        subject: row.try_get(first + 2)?,
        place: row.try_get(first + 3)?,
        revision: row.try_get(first + 4)?,
    })
}
