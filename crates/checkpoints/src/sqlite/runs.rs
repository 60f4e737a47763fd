//! Runs, their input and their control, on SQLite.

use agentwrite::config::{Limits, RunConfig};
use agentwrite::ids::{Hash, RunId, SampleId, Timestamp};
use agentwrite::ports::{Added, Control, Range, Retried, RetryPlan, Run, RunState, RunStore, StoreError};
use agentwrite::sample::Input;
use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::claim::{hash, json, to_json};
use super::retry::open_range;
use super::{SqliteStore, rescue, retry};

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
            .write("create_run", move |connection| {
                Box::pin(async move {
                    sqlx::query(sql!("run_insert"))
                        .bind(id.as_str())
                        .bind(&name)
                        .bind(to_json(&limits)?)
                        .bind(now.0)
                        .execute(&mut *connection)
                        .await?;
                    insert_config(connection, &id, 1, &config).await?;
                    sqlx::query(sql!("run_insert_total")).bind(id.as_str()).execute(&mut *connection).await?;
                    read_run(connection, &id).await?.ok_or(sqlx::Error::RowNotFound)
                })
            })
            .await
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("run {id}"), error);
        let mut connection = self.readers.acquire().await.map_err(fail)?;
        read_run(&mut connection, id).await.map_err(fail)
    }

    async fn config(&self, run: &RunId, version: u32) -> Result<Option<RunConfig>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("config {version} of {run}"), error);
        let config: Option<String> = sqlx::query_scalar(sql!("run_config"))
            .bind(run.as_str())
            .bind(version)
            .fetch_optional(&self.readers)
            .await
            .map_err(fail)?;
        config.as_deref().map(json).transpose().map_err(fail)
    }

    async fn runs(&self) -> Result<Vec<Run>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new("runs", error);
        let rows = sqlx::query(sql!("run_read")).bind(None::<&str>).fetch_all(&self.readers).await.map_err(fail)?;
        rows.iter().map(as_run).collect::<Result<_, _>>().map_err(fail)
    }

    async fn add_samples(&self, run: &RunId, inputs: &[(Input, u32)], _now: Timestamp) -> Result<Added, StoreError> {
        let (run, inputs) = (run.clone(), inputs.to_vec());
        self.writer
            .write("add_samples", move |connection| {
                Box::pin(async move { add_samples(connection, &run, &inputs).await })
            })
            .await
    }

    async fn start_run(&self, run: &RunId, _now: Timestamp) -> Result<(), StoreError> {
        let run = run.clone();
        self.writer
            .write("start_run", move |connection| {
                Box::pin(async move {
                    sqlx::query(sql!("run_start")).bind(run.as_str()).execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn sample_keys(&self, run: &RunId) -> Result<Vec<Hash>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("sample_keys {run}"), error);
        let keys: Vec<String> =
            sqlx::query_scalar(sql!("sample_keys")).bind(run.as_str()).fetch_all(&self.readers).await.map_err(fail)?;
        keys.iter().map(|key| hash(key)).collect::<Result<_, _>>().map_err(fail)
    }

    async fn control(
        &self,
        run: &RunId,
        who: &str,
        control: &Control,
        now: Timestamp,
    ) -> Result<Option<Run>, StoreError> {
        let (run, who, wish) = (run.clone(), who.to_owned(), control.clone());
        self.writer
            .write("control", move |connection| {
                Box::pin(async move { control_run(connection, &run, &who, &wish, now).await })
            })
            .await
    }

    async fn retry(&self, run: &RunId, who: &str, plan: &RetryPlan, now: Timestamp) -> Result<Retried, StoreError> {
        let (run, who, plan) = (run.clone(), who.to_owned(), plan.clone());
        self.writer
            .write("retry", move |connection| {
                Box::pin(async move { retry::retry(connection, &run, &who, &plan, now).await })
            })
            .await
    }

    async fn finish_run(&self, run: &RunId, _now: Timestamp) -> Result<RunState, StoreError> {
        let run = run.clone();
        self.writer
            .write("finish_run", move |connection| {
                Box::pin(async move {
                    sqlx::query(sql!("run_finish")).bind(run.as_str()).execute(&mut *connection).await?;
                    let state: String =
                        sqlx::query_scalar(sql!("run_state")).bind(run.as_str()).fetch_one(connection).await?;
                    read_state(&state)
                })
            })
            .await
    }
}

fn read_state(text: &str) -> Result<RunState, sqlx::Error> {
    RunState::read(text).ok_or_else(|| sqlx::Error::Decode(format!("not a run state: {text:?}").into()))
}

pub(super) async fn read_run(connection: &mut SqliteConnection, id: &RunId) -> Result<Option<Run>, sqlx::Error> {
    let row = sqlx::query(sql!("run_read")).bind(id.as_str()).fetch_optional(connection).await?;
    row.as_ref().map(as_run).transpose()
}

fn as_run(row: &SqliteRow) -> Result<Run, sqlx::Error> {
    Ok(Run {
        id: RunId::new(row.try_get::<String, _>("run")?),
        name: row.try_get("name")?,
        state: read_state(row.try_get("state")?)?,
        reason: row.try_get("reason")?,
        config: json(row.try_get("config")?)?,
        config_version: row.try_get("config_version")?,
        limits: json(row.try_get("limits")?)?,
        samples: row.try_get::<i64, _>("samples")? as u64,
        created_at: Timestamp(row.try_get("created_at")?),
        control_epoch: row.try_get("control_epoch")?,
    })
}

async fn insert_config(
    connection: &mut SqliteConnection,
    run: &RunId,
    version: u32,
    config: &RunConfig,
) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("run_insert_config"))
        .bind(run.as_str())
        .bind(version)
        .bind(to_json(config)?)
        .execute(connection)
        .await?;
    Ok(())
}

async fn add_samples(
    connection: &mut SqliteConnection,
    run: &RunId,
    inputs: &[(Input, u32)],
) -> Result<Added, sqlx::Error> {
    let mut added = Added::default();
    let mut ordinal: i64 =
        sqlx::query_scalar(sql!("sample_next_ordinal")).bind(run.as_str()).fetch_one(&mut *connection).await?;
    let shard_size = read_run(connection, run).await?.ok_or(sqlx::Error::RowNotFound)?.config.shard_size.max(1);
    // A closed shard never changes (I7): rows whose range is closed share a supplementary one.
    let mut supplement = None;
    let mut looked_at: Option<(i64, i64)> = None;
    for (input, estimate) in inputs {
        let sample = input.sample_id();
        let main = Range::Main((ordinal as u64 / u64::from(shard_size)) as u32).number();
        let inserted = sqlx::query(sql!("sample_insert"))
            .bind(run.as_str())
            .bind(sample.as_str())
            .bind(ordinal)
            .bind(input.key().to_hex())
            .bind(main)
            .bind(estimate)
            .execute(&mut *connection)
            .await?
            .rows_affected();
        if inserted == 0 {
            added.present += 1;
            continue;
        }
        let range = match looked_at {
            Some((seen, range)) if seen == main => range,
            _ => open_range(connection, run, main, &mut supplement).await?,
        };
        looked_at = Some((main, range));
        if range != main {
            set_range(connection, run, &sample, range).await?;
        }
        sqlx::query(sql!("instruction_insert"))
            .bind(run.as_str())
            .bind(sample.as_str())
            .bind(to_json(input)?)
            .execute(&mut *connection)
            .await?;
        added.added += 1;
        ordinal += 1;
    }
    Ok(added)
}

async fn set_range(
    connection: &mut SqliteConnection,
    run: &RunId,
    sample: &SampleId,
    range: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("sample_set_range"))
        .bind(run.as_str())
        .bind(sample.as_str())
        .bind(range)
        .execute(connection)
        .await?;
    Ok(())
}

async fn control_run(
    connection: &mut SqliteConnection,
    run: &RunId,
    who: &str,
    control: &Control,
    now: Timestamp,
) -> Result<Option<Run>, sqlx::Error> {
    let Some(before) = read_run(connection, run).await? else { return Ok(None) };
    let action = match control {
        Control::Pause { reason } if before.state == RunState::Running => {
            set_state(connection, run, "paused", Some(reason)).await?;
            "pause"
        }
        Control::Resume if before.state == RunState::Paused => {
            set_state(connection, run, "running", None).await?;
            rescue::send_again(connection, Some(run.as_str())).await?;
            "resume"
        }
        Control::Cancel if !matches!(before.state, RunState::Done | RunState::Cancelled) => {
            sqlx::query(sql!("cancel_samples")).bind(run.as_str()).execute(&mut *connection).await?;
            sqlx::query(sql!("cancel_tasks")).bind(run.as_str()).execute(&mut *connection).await?;
            set_state(connection, run, "cancelled", None).await?;
            "cancel"
        }
        Control::Pause { .. } | Control::Resume | Control::Cancel => return Ok(Some(before)),
        Control::Limits(limits) => {
            sqlx::query(sql!("run_set_limits"))
                .bind(run.as_str())
                .bind(to_json(limits)?)
                .execute(&mut *connection)
                .await?;
            "limits"
        }
        Control::Configure(config) => {
            let version = before.config_version + 1;
            // Ranges of ordinals are fixed at intake: another size would let two ranges share samples.
            let config = RunConfig { shard_size: before.config.shard_size, ..(**config).clone() };
            insert_config(connection, run, version, &config).await?;
            sqlx::query(sql!("run_set_config")).bind(run.as_str()).bind(version).execute(&mut *connection).await?;
            "configure"
        }
    };
    let after = read_run(connection, run).await?;
    let shown = |run: &Run| {
        serde_json::json!({"state": run.state, "reason": run.reason, "limits": run.limits,
            "config_version": run.config_version})
        .to_string()
    };
    let (old, new) = (shown(&before), after.as_ref().map(shown).unwrap_or_default());
    write_action(connection, run, who, action, &old, &new, now).await?;
    Ok(after)
}

async fn set_state(
    connection: &mut SqliteConnection,
    run: &RunId,
    state: &str,
    reason: Option<&String>,
) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("run_set_state")).bind(run.as_str()).bind(state).bind(reason).execute(connection).await?;
    Ok(())
}

/// Writes down who did what.
pub(super) async fn write_action(
    connection: &mut SqliteConnection,
    run: &RunId,
    who: &str,
    action: &str,
    before: &str,
    after: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("action_insert"))
        .bind(run.as_str())
        .bind(now.0)
        .bind(who)
        .bind(action)
        .bind(before)
        .bind(after)
        .execute(connection)
        .await?;
    Ok(())
}
