//! Dispatch and the outbox: which ready tasks are published next.

use std::time::Duration;

use agentwrite::ids::{OwnerId, RunId, Timestamp};
use agentwrite::ports::{AdmissionView, Admit, DispatchStore, Dispatched, OutboxRow, Rescued, StoreError, TaskMessage};
use async_trait::async_trait;
use sqlx::{PgConnection, Row};

use super::follow_up::add_outbox;
use super::room::{Room, Waiting};
use super::rows::{column, number, task_key};
use super::transaction::Opening;
use super::{PostgresStore, admit, lock, report, rescue};
use crate::columns::to_json;

#[async_trait]
impl DispatchStore for PostgresStore {
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

    async fn admit(&self, run: &RunId, admits: &[Admit], ordered: bool, _now: Timestamp) -> Result<u64, StoreError> {
        self.write("admit", (run, admits, ordered), |connection, (run, admits, ordered)| {
            Box::pin(admit::admit(connection, run, admits, *ordered))
        })
        .await
    }

    async fn dispatch_ready(&self, run: &RunId, slots: u32, now: Timestamp) -> Result<Dispatched, StoreError> {
        self.write("dispatch_ready", (run, slots, now), |connection, (run, slots, now)| {
            Box::pin(dispatch(connection, run, *slots, *now))
        })
        .await
    }

    async fn rescue_stalled(&self, lost_after: Duration, now: Timestamp) -> Result<Rescued, StoreError> {
        self.write("rescue_stalled", (lost_after, now), |connection, (lost_after, now)| {
            Box::pin(rescue::stalled(connection, *lost_after, *now))
        })
        .await
    }

    async fn free_dead_owners(&self, owner: &OwnerId, now: Timestamp) -> Result<Rescued, StoreError> {
        self.write("free_dead_owners", (owner, now), |connection, (owner, now)| {
            Box::pin(rescue::dead_owners(connection, owner, *now))
        })
        .await
    }

    async fn take_outbox(&self, age: Duration, most: u32, now: Timestamp) -> Result<Vec<OutboxRow>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new("take_outbox", error);
        let before = now.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let rows = sqlx::query(sql!("outbox_take"))
            .bind(now.0)
            .bind(before)
            .bind(i64::from(most))
            .fetch_all(&self.writers)
            .await
            .map_err(fail)?;
        rows.iter()
            .map(|row| {
                Ok(OutboxRow {
                    id: row.try_get(0)?,
                    message: TaskMessage::traced(task_key(row, 1)?, number(row, "generation")?),
                })
            })
            .collect::<Result<_, _>>()
            .map_err(fail)
    }

    async fn delete_outbox(&self, ids: &[i64]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        // A row that comes back with a crash is published twice, which harms nobody.
        self.write_after(&Opening::plain().lax(), "delete_outbox", ids, |connection, ids| {
            Box::pin(async move {
                sqlx::query(sql!("outbox_delete")).bind(*ids).execute(connection).await?;
                Ok(())
            })
        })
        .await
    }

    async fn record_statistics(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError> {
        self.write("record_statistics", (run, now.0), |connection, (run, now)| {
            Box::pin(async move {
                let Some(totals) = report::read_totals(connection, run).await? else { return Ok(()) };
                sqlx::query("set local synchronous_commit = off").execute(&mut *connection).await?;
                sqlx::query(sql!("statistics_add"))
                    .bind(run.as_str())
                    .bind(now - now.rem_euclid(10_000))
                    .bind(to_json(&totals)?)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }
}

async fn dispatch(
    connection: &mut PgConnection,
    run: &RunId,
    slots: u32,
    now: Timestamp,
) -> Result<Dispatched, sqlx::Error> {
    let mut dispatched = Dispatched::default();
    lock::runs(connection, [run]).await?;
    lock::dispatch(connection, run).await?;
    let mode = sqlx::query(sql!("run_modes")).bind([run.as_str()]).fetch_optional(&mut *connection).await?;
    let Some(mode) = mode else { return Ok(dispatched) };
    if mode.try_get::<&str, _>("state")? != "running" {
        return Ok(dispatched);
    }
    let room = Room::of(connection, run, i64::from(slots)).await?;
    if room.free() > 0 {
        let chosen = room.choose(connection, run, room.free(), now).await?;
        dispatched.rows = publish(connection, &chosen, now).await?;
    }
    let next: Option<i64> =
        sqlx::query_scalar(sql!("dispatch_next_due")).bind(run.as_str()).bind(now.0).fetch_one(connection).await?;
    dispatched.next_due = next.map(Timestamp);
    Ok(dispatched)
}

async fn publish(
    connection: &mut PgConnection,
    chosen: &[Waiting],
    now: Timestamp,
) -> Result<Vec<OutboxRow>, sqlx::Error> {
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query(sql!("dispatch_publish"))
        .bind(now.0)
        .bind(column(chosen, |task| task.id))
        .execute(&mut *connection)
        .await?;
    add_outbox(connection, &column(chosen, |task| (&task.key, now))).await
}
