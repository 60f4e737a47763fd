//! The store as a worker sees it, on PostgreSQL.

use std::time::Duration;

use agentwrite::ids::{AttemptId, OwnerId, Timestamp};
use agentwrite::ports::{ClaimTask, RecordFailure, RecordResult, Recorded, StoreError, TaskStore};
use agentwrite::sample::SampleContext;
use agentwrite::task::{ClaimedTask, TaskKey};
use async_trait::async_trait;
use sqlx::Row;

use super::rows::{column, task_key};
use super::{PostgresStore, fail};

#[async_trait]
impl TaskStore for PostgresStore {
    async fn claim_task(&self, claim: ClaimTask) -> Result<Option<ClaimedTask>, StoreError> {
        self.claims.carry_out(claim).await
    }

    async fn record_result(&self, record: RecordResult) -> Result<Recorded, StoreError> {
        self.results.carry_out(record).await
    }

    async fn record_failure(&self, failure: RecordFailure) -> Result<bool, StoreError> {
        self.write("record_failure", failure, |connection, failure| Box::pin(fail::record_failure(connection, failure)))
            .await
    }

    async fn renew_leases(
        &self,
        owner: &OwnerId,
        attempts: &[AttemptId],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<(TaskKey, i64)>, StoreError> {
        let attempts = column(attempts, AttemptId::as_str);
        self.write("renew_leases", (owner, attempts, now.after(lease).0), |connection, (owner, attempts, until)| {
            Box::pin(async move {
                // A lease that is lost with the server's last moments is renewed with the next heartbeat.
                sqlx::query("set local synchronous_commit = off").execute(&mut *connection).await?;
                let rows = sqlx::query(sql!("renew_leases"))
                    .bind(owner.as_str())
                    .bind(*until)
                    .bind(attempts)
                    .fetch_all(connection)
                    .await?;
                rows.iter().map(|row| Ok((task_key(row, 0)?, row.try_get(5)?))).collect()
            })
        })
        .await
    }

    async fn load_sample(&self, task: &TaskKey) -> Result<Option<SampleContext>, StoreError> {
        self.loads.carry_out(task.clone()).await
    }
}
