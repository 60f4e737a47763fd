//! Runs, their input and their control, on PostgreSQL.

use agentwrite::config::{Limits, RunConfig};
use agentwrite::ids::{Hash, RunId, Timestamp};
use agentwrite::ports::{Added, Control, Retried, RetryPlan, Run, RunState, RunStore, StoreError};
use agentwrite::sample::Input;
use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::rows::{number, remark};
use super::{PostgresStore, intake, lock, rescue, retry};
use crate::columns::{hash, json, run_state, to_json};

#[async_trait]
impl RunStore for PostgresStore {
    async fn create_run(
        &self,
        id: &RunId,
        name: &str,
        config: &RunConfig,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Run, StoreError> {
        self.write("create_run", (id, name, config, limits, now), |connection, (id, name, config, limits, now)| {
            Box::pin(async move {
                lock::run_alone(connection, id).await?;
                sqlx::query(sql!("run_insert"))
                    .bind(id.as_str())
                    .bind(remark(name))
                    .bind(to_json(limits)?)
                    .bind(now.0)
                    .execute(&mut *connection)
                    .await?;
                insert_config(connection, id, 1, config).await?;
                sqlx::query(sql!("run_insert_total")).bind(id.as_str()).execute(&mut *connection).await?;
                read_run(connection, id).await?.ok_or(sqlx::Error::RowNotFound)
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
            .bind(i64::from(version))
            .fetch_optional(&self.readers)
            .await
            .map_err(fail)?;
        config.as_deref().map(json).transpose().map_err(|error| fail(error.into()))
    }

    async fn runs(&self) -> Result<Vec<Run>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new("runs", error);
        let rows = sqlx::query(sql!("run_read")).bind(None::<&str>).fetch_all(&self.readers).await.map_err(fail)?;
        rows.iter().map(as_run).collect::<Result<_, _>>().map_err(fail)
    }

    async fn add_samples(&self, run: &RunId, inputs: &[(Input, u32)], _now: Timestamp) -> Result<Added, StoreError> {
        self.write("add_samples", (run, inputs), |connection, (run, inputs)| {
            Box::pin(intake::add_samples(connection, run, inputs))
        })
        .await
    }

    async fn start_run(&self, run: &RunId, _now: Timestamp) -> Result<(), StoreError> {
        self.write("start_run", run, |connection, run| {
            Box::pin(async move {
                lock::run_alone(connection, run).await?;
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
        keys.iter().map(|key| hash(key)).collect::<Result<_, _>>().map_err(|error| fail(error.into()))
    }

    async fn control(
        &self,
        run: &RunId,
        who: &str,
        control: &Control,
        now: Timestamp,
    ) -> Result<Option<Run>, StoreError> {
        self.write("control", (run, who, control, now), |connection, (run, who, control, now)| {
            Box::pin(control_run(connection, run, who, control, *now))
        })
        .await
    }

    async fn retry(&self, run: &RunId, who: &str, plan: &RetryPlan, now: Timestamp) -> Result<Retried, StoreError> {
        self.write("retry", (run, who, plan, now), |connection, (run, who, plan, now)| {
            Box::pin(retry::retry(connection, run, who, plan, *now))
        })
        .await
    }

    async fn finish_run(&self, run: &RunId, _now: Timestamp) -> Result<RunState, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("finish_run {run}"), error);
        // Locking the whole run holds everybody up, so it is done only when the run looks as if it had ended.
        let (state, over): (String, bool) =
            sqlx::query_as(sql!("run_is_over")).bind(run.as_str()).fetch_one(&self.readers).await.map_err(fail)?;
        if !over {
            return run_state(&state).map_err(|error| fail(error.into()));
        }
        self.write("finish_run", run, |connection, run| {
            Box::pin(async move {
                lock::run_alone(connection, run).await?;
                sqlx::query(sql!("run_finish")).bind(run.as_str()).execute(&mut *connection).await?;
                let state: String =
                    sqlx::query_scalar(sql!("run_state")).bind(run.as_str()).fetch_one(connection).await?;
                Ok(run_state(&state)?)
            })
        })
        .await
    }
}

pub(super) async fn read_run(connection: &mut PgConnection, id: &RunId) -> Result<Option<Run>, sqlx::Error> {
    let row = sqlx::query(sql!("run_read")).bind(id.as_str()).fetch_optional(connection).await?;
    row.as_ref().map(as_run).transpose()
}

fn as_run(row: &PgRow) -> Result<Run, sqlx::Error> {
    Ok(Run {
        id: RunId::new(row.try_get::<String, _>("run")?),
        name: row.try_get("name")?,
        state: run_state(row.try_get("state")?)?,
        reason: row.try_get("reason")?,
        config: json(row.try_get("config")?)?,
        config_version: number(row, "config_version")?,
        limits: json(row.try_get("limits")?)?,
        samples: number(row, "samples")?,
        created_at: Timestamp(row.try_get("created_at")?),
        control_epoch: row.try_get("control_epoch")?,
    })
}

async fn insert_config(
    connection: &mut PgConnection,
    run: &RunId,
    version: u32,
    config: &RunConfig,
) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("run_insert_config"))
        .bind(run.as_str())
        .bind(i64::from(version))
        .bind(to_json(config)?)
        .execute(connection)
        .await?;
    Ok(())
}

async fn control_run(
    connection: &mut PgConnection,
    run: &RunId,
    who: &str,
    control: &Control,
    now: Timestamp,
) -> Result<Option<Run>, sqlx::Error> {
    lock::run_alone(connection, run).await?;
    let Some(before) = read_run(connection, run).await? else { return Ok(None) };
    let action = match control {
        Control::Pause { reason } if before.state == RunState::Running => {
            set_state(connection, run, "paused", Some(&remark(reason))).await?;
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
            sqlx::query(sql!("run_set_config"))
                .bind(run.as_str())
                .bind(i64::from(version))
                .execute(&mut *connection)
                .await?;
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
    connection: &mut PgConnection,
    run: &RunId,
    state: &str,
    reason: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("run_set_state")).bind(run.as_str()).bind(state).bind(reason).execute(connection).await?;
    Ok(())
}

/// Writes down who did what.
pub(super) async fn write_action(
    connection: &mut PgConnection,
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
