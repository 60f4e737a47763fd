//! Dispatch and the outbox: which ready tasks are published next.

use std::time::Duration;

use agentwrite::ids::{OwnerId, RunId, Timestamp};
use agentwrite::ports::{AdmissionView, Admit, DispatchStore, Dispatched, OutboxRow, Rescued, StoreError, TaskMessage};
use agentwrite::task::{Kind, TaskKey};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::claim::to_json;
use super::follow_up::add_outbox;
use super::tasks::task_key;
use super::{SqliteStore, admit, report, rescue};

#[async_trait]
impl DispatchStore for SqliteStore {
    async fn admission_view(
        &self,
        run: &RunId,
        window: u64,
        most: u32,
        now: Timestamp,
    ) -> Result<AdmissionView, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("admission_view {run}"), error);
        let mut connection = self.readers.acquire().await.map_err(fail)?;
        admit::view(&mut connection, run, window, most, now).await.map_err(fail)
    }

    async fn admit(&self, run: &RunId, admits: &[Admit], ordered: bool, now: Timestamp) -> Result<u64, StoreError> {
        let (run, admits) = (run.clone(), admits.to_vec());
        self.writer
            .write("admit", move |connection| {
                Box::pin(async move { admit::admit(connection, &run, &admits, ordered, now).await })
            })
            .await
    }

    async fn dispatch_ready(&self, run: &RunId, slots: u32, now: Timestamp) -> Result<Dispatched, StoreError> {
        let run = run.clone();
        self.writer
            .write("dispatch_ready", move |connection| {
                Box::pin(async move { dispatch(connection, &run, slots, now).await })
            })
            .await
    }

    async fn rescue_stalled(&self, lost_after: Duration, now: Timestamp) -> Result<Rescued, StoreError> {
        self.writer
            .write("rescue_stalled", move |connection| {
                Box::pin(async move { rescue::stalled(connection, lost_after, now).await })
            })
            .await
    }

    async fn free_dead_owners(&self, owner: &OwnerId, now: Timestamp) -> Result<Rescued, StoreError> {
        let owner = owner.clone();
        self.writer
            .write("free_dead_owners", move |connection| {
                Box::pin(async move { rescue::dead_owners(connection, &owner, now).await })
            })
            .await
    }

    async fn take_outbox(&self, age: Duration, most: u32, now: Timestamp) -> Result<Vec<OutboxRow>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new("take_outbox", error);
        let before = now.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let rows =
            sqlx::query(sql!("outbox_take")).bind(before).bind(most).fetch_all(&self.readers).await.map_err(fail)?;
        rows.iter()
            .map(|row| Ok(OutboxRow { id: row.try_get(0)?, message: TaskMessage { task: task_key(row, 1)? } }))
            .collect::<Result<_, _>>()
            .map_err(fail)
    }

    async fn delete_outbox(&self, ids: &[i64]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let sql = with_ids(sql!("outbox_delete"), ids);
        self.writer
            .write("delete_outbox", move |connection| {
                Box::pin(async move {
                    sqlx::query(AssertSqlSafe(sql)).persistent(false).execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn record_statistics(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError> {
        let run = run.clone();
        self.writer
            .write("record_statistics", move |connection| {
                Box::pin(async move {
                    let Some(totals) = report::read_totals(connection, &run).await? else { return Ok(()) };
                    sqlx::query(sql!("statistics_add"))
                        .bind(run.as_str())
                        .bind(now.0 - now.0.rem_euclid(10_000))
                        .bind(to_json(&totals)?)
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}

/// Numbers are the only thing written into a statement as text.
fn with_ids(sql: &'static str, ids: &[i64]) -> String {
    let list = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    sql.replace("/*ids*/", &list)
}

async fn dispatch(
    connection: &mut SqliteConnection,
    run: &RunId,
    slots: u32,
    now: Timestamp,
) -> Result<Dispatched, sqlx::Error> {
    let mut dispatched = Dispatched::default();
    let (state, _): (String, bool) =
        match sqlx::query_as(sql!("run_modes")).bind(run.as_str()).fetch_optional(&mut *connection).await? {
            Some(mode) => mode,
            None => return Ok(dispatched),
        };
    if state != "running" {
        return Ok(dispatched);
    }
    let busy: i64 = sqlx::query_scalar(sql!("dispatch_count")).bind(run.as_str()).fetch_one(&mut *connection).await?;
    let free = i64::from(slots) - busy;
    if free > 0 {
        let rows = sqlx::query(sql!("dispatch_choose"))
            .bind(run.as_str())
            .bind(now.0)
            .bind(free)
            .fetch_all(&mut *connection)
            .await?;
        let mut ids = Vec::with_capacity(rows.len());
        for row in &rows {
            ids.push(row.try_get::<i64, _>(0)?);
            let key = TaskKey {
                run: run.clone(),
                kind: Kind::new(row.try_get::<String, _>(1)?),
                subject: row.try_get(2)?,
                place: row.try_get(3)?,
                revision: row.try_get(4)?,
            };
            dispatched.rows.push(add_outbox(connection, &key, now.0).await?);
        }
        if !ids.is_empty() {
            sqlx::query(AssertSqlSafe(with_ids(sql!("dispatch_publish"), &ids)))
                .persistent(false)
                .bind(now.0)
                .execute(&mut *connection)
                .await?;
        }
    }
    let next: Option<i64> =
        sqlx::query_scalar(sql!("dispatch_next_due")).bind(run.as_str()).bind(now.0).fetch_one(connection).await?;
    dispatched.next_due = next.map(Timestamp);
    Ok(dispatched)
}
