//! Runs, their input and their control, on SQLite.

use agentwrite::config::{Limits, RunConfig};
use agentwrite::ids::{Hash, RunId, Timestamp};
use agentwrite::ports::{Added, Control, Range, Retried, RetryPlan, Run, RunState, RunStore, StoreError};
use agentwrite::sample::Input;
use async_trait::async_trait;
use rusqlite::{Connection, Row, RowIndex, params};

use super::retry::open_range;
use super::statement::{all, execute, first, hash, json, one};
use super::subject::{run_number, subject_number};
use super::{SqliteStore, rescue, retry};
use crate::columns::{run_state, to_json};

#[async_trait]
impl RunStore for SqliteStore {
    async fn create_run(
        &self,
        id: &RunId,
        name: &str,
        config: &RunConfig,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Run, StoreError> {
        let (id, name, config, limits) = (id.clone(), name.to_owned(), config.clone(), *limits);
        self.writer
            .run("create_run", move |connection| {
                execute(connection, sql!("run_insert"), params![id.as_str(), &name, to_json(&limits)?, now.0])?;
                insert_config(connection, &id, 1, &config)?;
                execute(connection, sql!("run_insert_total"), params![id.as_str()])?;
                read_run(connection, &id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
            })
            .await
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        let id = id.clone();
        self.reader.run("run", move |connection| read_run(connection, &id)).await
    }

    async fn config(&self, run: &RunId, version: u32) -> Result<Option<RunConfig>, StoreError> {
        let run = run.clone();
        self.reader
            .run("config", move |connection| {
                first(connection, sql!("run_config"), params![run.as_str(), version], |row| json(row, 0))
            })
            .await
    }

    async fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.reader.run("runs", |connection| all(connection, sql!("run_read"), [None::<&str>], as_run)).await
    }

    async fn add_samples(&self, run: &RunId, inputs: &[(Input, u32)], _now: Timestamp) -> Result<Added, StoreError> {
        let (run, inputs) = (run.clone(), inputs.to_vec());
        self.writer.run("add_samples", move |connection| add_samples(connection, &run, &inputs)).await
    }

    async fn start_run(&self, run: &RunId, _now: Timestamp) -> Result<(), StoreError> {
        let run = run.clone();
        self.writer
            .run("start_run", move |connection| {
                execute(connection, sql!("run_start"), params![run.as_str()])?;
                Ok(())
            })
            .await
    }

    async fn sample_keys(&self, run: &RunId) -> Result<Vec<Hash>, StoreError> {
        let run = run.clone();
        self.reader
            .run("sample_keys", move |connection| {
                all(connection, sql!("sample_keys"), [run.as_str()], |row| hash(row, 0))
            })
            .await
    }

    async fn control(
        &self,
        run: &RunId,
        who: &str,
        control: &Control,
        now: Timestamp,
    ) -> Result<Option<Run>, StoreError> {
        let (run, who, wish) = (run.clone(), who.to_owned(), control.clone());
        self.writer.run("control", move |connection| control_run(connection, &run, &who, &wish, now)).await
    }

    async fn retry(&self, run: &RunId, who: &str, plan: &RetryPlan, now: Timestamp) -> Result<Retried, StoreError> {
        let (run, who, plan) = (run.clone(), who.to_owned(), plan.clone());
        self.writer.run("retry", move |connection| retry::retry(connection, &run, &who, &plan, now)).await
    }

    async fn finish_run(&self, run: &RunId, _now: Timestamp) -> Result<RunState, StoreError> {
        let run = run.clone();
        self.writer
            .run("finish_run", move |connection| {
                execute(connection, sql!("run_finish"), params![run.as_str()])?;
                one(connection, sql!("run_state"), [run.as_str()], |row| read_state(row, 0))
            })
            .await
    }
}

fn read_state(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<RunState> {
    Ok(run_state(row.get_ref(column)?.as_str()?)?)
}

pub(super) fn read_run(connection: &Connection, id: &RunId) -> rusqlite::Result<Option<Run>> {
    first(connection, sql!("run_read"), [id.as_str()], as_run)
}

fn as_run(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: RunId::new(row.get::<_, String>("run")?),
        name: row.get("name")?,
        state: read_state(row, "state")?,
        reason: row.get("reason")?,
        config: json(row, "config")?,
        config_version: row.get("config_version")?,
        limits: json(row, "limits")?,
        samples: row.get::<_, i64>("samples")? as u64,
        created_at: Timestamp(row.get("created_at")?),
        control_epoch: row.get("control_epoch")?,
    })
}

fn insert_config(connection: &Connection, run: &RunId, version: u32, config: &RunConfig) -> rusqlite::Result<()> {
    execute(connection, sql!("run_insert_config"), params![run.as_str(), version, to_json(config)?])?;
    Ok(())
}

fn add_samples(connection: &Connection, run: &RunId, inputs: &[(Input, u32)]) -> rusqlite::Result<Added> {
    let mut added = Added::default();
    let number = run_number(connection, run.as_str())?;
    let mut ordinal: i64 = one(connection, sql!("sample_next_ordinal"), [number], |row| row.get(0))?;
    let shard_size = read_run(connection, run)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?.config.shard_size.max(1);
    // A closed shard never changes (I7): rows whose range is closed share a supplementary one.
    let mut supplement = None;
    let mut looked_at: Option<(i64, i64)> = None;
    for (input, estimate) in inputs {
        let subject = subject_number(connection, number, input.sample_id().as_str())?;
        let main = Range::Main((ordinal as u64 / u64::from(shard_size)) as u32).number();
        let key = input.key();
        let parameters = params![subject, number, ordinal, key.as_bytes(), main, estimate];
        if execute(connection, sql!("sample_insert"), parameters)? == 0 {
            added.present += 1;
            continue;
        }
        let range = match looked_at {
            Some((seen, range)) if seen == main => range,
            _ => open_range(connection, run, main, &mut supplement)?,
        };
        looked_at = Some((main, range));
        if range != main {
            execute(connection, sql!("sample_set_range"), [subject, range])?;
        }
        execute(connection, sql!("instruction_insert"), params![subject, to_json(input)?])?;
        added.added += 1;
        ordinal += 1;
    }
    Ok(added)
}

fn control_run(
    connection: &Connection,
    run: &RunId,
    who: &str,
    control: &Control,
    now: Timestamp,
) -> rusqlite::Result<Option<Run>> {
    let Some(before) = read_run(connection, run)? else { return Ok(None) };
    let action = match control {
        Control::Pause { reason } if before.state == RunState::Running => {
            set_state(connection, run, "paused", Some(reason))?;
            "pause"
        }
        Control::Resume if before.state == RunState::Paused => {
            set_state(connection, run, "running", None)?;
            rescue::send_again(connection, Some(run.as_str()))?;
            "resume"
        }
        Control::Cancel if !matches!(before.state, RunState::Done | RunState::Cancelled) => {
            execute(connection, sql!("cancel_samples"), params![run.as_str()])?;
            execute(connection, sql!("cancel_tasks"), params![run.as_str()])?;
            set_state(connection, run, "cancelled", None)?;
            "cancel"
        }
        Control::Pause { .. } | Control::Resume | Control::Cancel => return Ok(Some(before)),
        Control::Limits(limits) => {
            execute(connection, sql!("run_set_limits"), params![run.as_str(), to_json(limits)?])?;
            "limits"
        }
        Control::Configure(config) => {
            let version = before.config_version + 1;
            // Ranges of ordinals are fixed at intake: another size would let two ranges share samples.
            let config = RunConfig { shard_size: before.config.shard_size, ..(**config).clone() };
            insert_config(connection, run, version, &config)?;
            execute(connection, sql!("run_set_config"), params![run.as_str(), version])?;
            "configure"
        }
    };
    let after = read_run(connection, run)?;
    let shown = |run: &Run| {
        serde_json::json!({"state": run.state, "reason": run.reason, "limits": run.limits,
            "config_version": run.config_version})
        .to_string()
    };
    let (old, new) = (shown(&before), after.as_ref().map(shown).unwrap_or_default());
    write_action(connection, run, who, action, &old, &new, now)?;
    Ok(after)
}

fn set_state(connection: &Connection, run: &RunId, state: &str, reason: Option<&String>) -> rusqlite::Result<()> {
    execute(connection, sql!("run_set_state"), params![run.as_str(), state, reason])?;
    Ok(())
}

/// Writes down who did what.
pub(super) fn write_action(
    connection: &Connection,
    run: &RunId,
    who: &str,
    action: &str,
    before: &str,
    after: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    execute(connection, sql!("action_insert"), params![run.as_str(), now.0, who, action, before, after])?;
    Ok(())
}
