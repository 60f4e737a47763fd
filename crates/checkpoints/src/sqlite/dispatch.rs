//! Dispatch and the outbox: which ready tasks are published next.

use std::time::Duration;

use agentwrite::ids::{OwnerId, RunId, Timestamp};
use agentwrite::ports::{AdmissionView, Admit, DispatchStore, Dispatched, OutboxRow, Rescued, StoreError, TaskMessage};
use agentwrite::task::{Kind, TaskKey};
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::follow_up::add_outbox;
use super::statement::{all, execute, first, one};
use super::tasks::task_key;
use super::{SqliteStore, admit, report, rescue};
use crate::columns::to_json;

#[async_trait]
impl DispatchStore for SqliteStore {
    async fn admission_view(
        &self,
        run: &RunId,
        window: u64,
        most: u32,
        now: Timestamp,
    ) -> Result<AdmissionView, StoreError> {
        let run = run.clone();
        self.writer.run("admission_view", move |connection| admit::view(connection, &run, window, most, now)).await
    }

    async fn admit(&self, run: &RunId, admits: &[Admit], ordered: bool, now: Timestamp) -> Result<u64, StoreError> {
        let (run, admits) = (run.clone(), admits.to_vec());
        self.writer.run("admit", move |connection| admit::admit(connection, &run, &admits, ordered, now)).await
    }

    async fn dispatch_ready(&self, run: &RunId, slots: u32, now: Timestamp) -> Result<Dispatched, StoreError> {
        let run = run.clone();
        self.writer.run("dispatch_ready", move |connection| dispatch(connection, &run, slots, now)).await
    }

    async fn rescue_stalled(&self, lost_after: Duration, now: Timestamp) -> Result<Rescued, StoreError> {
        self.writer.run("rescue_stalled", move |connection| rescue::stalled(connection, lost_after, now)).await
    }

    async fn free_dead_owners(&self, owner: &OwnerId, now: Timestamp) -> Result<Rescued, StoreError> {
        let owner = owner.clone();
        self.writer.run("free_dead_owners", move |connection| rescue::dead_owners(connection, &owner, now)).await
    }

    async fn take_outbox(&self, age: Duration, most: u32, now: Timestamp) -> Result<Vec<OutboxRow>, StoreError> {
        let before = now.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        self.writer
            .run("take_outbox", move |connection| {
                all(connection, sql!("outbox_take"), params![before, most], |row| {
                    Ok(OutboxRow { id: row.get(0)?, message: TaskMessage::about(task_key(row, 1)?) })
                })
            })
            .await
    }

    async fn delete_outbox(&self, ids: &[i64]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids = ids.to_vec();
        self.writer
            .run("delete_outbox", move |connection| {
                ids.iter().try_for_each(|id| execute(connection, sql!("outbox_delete"), [id]).map(drop))
            })
            .await
    }

    async fn record_statistics(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError> {
        let run = run.clone();
        self.writer
            .run("record_statistics", move |connection| {
                connection.write_totals()?;
                let Some(totals) = report::read_totals(connection, &run)? else { return Ok(()) };
                let slot = now.0 - now.0.rem_euclid(10_000);
                execute(connection, sql!("statistics_add"), params![run.as_str(), slot, to_json(&totals)?])?;
                Ok(())
            })
            .await
    }
}

/// Reads a row of `dispatch_choose`.
pub(super) fn waiting_task(run: &RunId, row: &Row<'_>) -> rusqlite::Result<(i64, TaskKey)> {
    let key = TaskKey {
        run: run.clone(),
        kind: Kind::new(row.get::<_, String>(1)?),
        subject: row.get(2)?,
        place: row.get(3)?,
        revision: row.get(4)?,
    };
    Ok((row.get(0)?, key))
}

fn dispatch(connection: &Connection, run: &RunId, slots: u32, now: Timestamp) -> rusqlite::Result<Dispatched> {
    let mut dispatched = Dispatched::default();
    let mode: Option<(String, bool)> = first(connection, sql!("run_modes"), [run.as_str()], |row| row.try_into())?;
    if mode.is_none_or(|(state, _)| state != "running") {
        return Ok(dispatched);
    }
    let busy: i64 = one(connection, sql!("dispatch_count"), [run.as_str()], |row| row.get(0))?;
    let free = i64::from(slots) - busy;
    if free > 0 {
        let wanted = params![run.as_str(), now.0, free];
        let chosen = all(connection, sql!("dispatch_choose"), wanted, |row| waiting_task(run, row))?;
        for (id, key) in chosen {
            dispatched.rows.push(add_outbox(connection, id, &key, now.0)?);
            execute(connection, sql!("dispatch_publish"), params![id, now.0])?;
        }
    }
    let waiting = params![run.as_str(), now.0];
    dispatched.next_due =
        one(connection, sql!("dispatch_next_due"), waiting, |row| row.get::<_, Option<i64>>(0))?.map(Timestamp);
    Ok(dispatched)
}
