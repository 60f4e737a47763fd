//! Operator retries: a failed sample goes on where it stopped; a new revision keeps what is not discarded, by reference.

use std::collections::{BTreeMap, HashMap};

use agentwrite::ids::{Hash, RunId, SampleId, Timestamp};
use agentwrite::ports::{Range, Retried, RetryPlan};
use agentwrite::sample::SampleState;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::admit::config_of;
use super::load::load_context;
use super::lock;
use super::report::state;
use super::rows::{number, wide};
use super::runs::write_action;
use crate::columns::hash;
use crate::fresh_start::{FreshStart, Kept, Stopped};

struct Chosen {
    sample: SampleId,
    range: i64,
    config_version: u32,
    stopped: Stopped,
}

pub(super) async fn retry(
    connection: &mut PgConnection,
    run: &RunId,
    who: &str,
    plan: &RetryPlan,
    now: Timestamp,
) -> Result<Retried, sqlx::Error> {
    lock::run_alone(connection, run).await?;
    let chosen = choose(connection, run, plan).await?;
    let mut retried = Retried::default();
    let mut configs = HashMap::new();
    for sample in &chosen {
        let Some(context) = load_context(connection, run, &sample.sample).await? else { continue };
        retried.kept_sections += Kept::of(sample.stopped.state, &context, plan).sections.len() as u64;
        retried.samples.push(sample.sample.clone());
        if plan.dry_run {
            would_leave(connection, run, sample, &mut retried.supplement).await?;
            continue;
        }
        let config = config_of(connection, &mut configs, run, sample.config_version).await?;
        let range = open_range(connection, run, sample.range, &mut retried.supplement).await?;
        let fresh = FreshStart::of(&sample.stopped, &context, plan, config)?;
        go_on(connection, run, sample, &fresh, range).await?;
    }
    if !plan.dry_run && !retried.samples.is_empty() {
        sqlx::query(sql!("retry_run")).bind(run.as_str()).execute(&mut *connection).await?;
        let before = serde_json::json!({"error": plan.error, "from_section": plan.from_section, "model": plan.model});
        let after = serde_json::json!({"samples": retried.samples, "kept_sections": retried.kept_sections});
        write_action(connection, run, who, "retry", &before.to_string(), &after.to_string(), now).await?;
    }
    Ok(retried)
}

async fn choose(connection: &mut PgConnection, run: &RunId, plan: &RetryPlan) -> Result<Vec<Chosen>, sqlx::Error> {
    let mut rows = Vec::new();
    if plan.samples.is_empty() {
        rows = sqlx::query(sql!("retry_choose"))
            .bind(run.as_str())
            .bind(plan.error.map(agentwrite::failure::ErrorCode::as_str))
            .fetch_all(&mut *connection)
            .await?;
    }
    for sample in &plan.samples {
        let row = sqlx::query(sql!("retry_one"))
            .bind(run.as_str())
            .bind(sample.as_str())
            .fetch_optional(&mut *connection)
            .await?;
        rows.extend(row);
    }
    let mut chosen = BTreeMap::new();
    for row in &rows {
        let sample = Chosen::read(row)?;
        let code: Option<String> = row.try_get("code")?;
        let wanted = plan.error.is_none_or(|error| code.as_deref() == Some(error.as_str()));
        let stopped =
            matches!(sample.stopped.state, SampleState::Failed | SampleState::Rejected | SampleState::Cancelled);
        if wanted && stopped {
            // In input order, and once, however they were named.
            chosen.insert(row.try_get::<i64, _>("ordinal")?, sample);
        }
    }
    Ok(chosen.into_values().collect())
}

impl Chosen {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            sample: SampleId::new(row.try_get::<String, _>("sample")?),
            range: row.try_get("range")?,
            config_version: number(row, "config_version")?,
            stopped: Stopped {
                state: state(row)?,
                revision: number(row, "revision")?,
                key: hash(row.try_get("key")?)?,
                model: row.try_get("model")?,
            },
        })
    }
}

/// The range that a sample goes to: its own, or this command's supplementary one if that is closed.
pub(super) async fn open_range(
    connection: &mut PgConnection,
    run: &RunId,
    range: i64,
    supplement: &mut Option<u32>,
) -> Result<i64, sqlx::Error> {
    if !is_closed(connection, run, range).await? {
        return Ok(range);
    }
    let number = match supplement {
        Some(number) => *number,
        None => {
            let row = sqlx::query(sql!("retry_supplement")).bind(run.as_str()).fetch_one(&mut *connection).await?;
            number(&row, 0)?
        }
    };
    *supplement = Some(number);
    Ok(Range::Supplement(number).number())
}

async fn is_closed(connection: &mut PgConnection, run: &RunId, range: i64) -> Result<bool, sqlx::Error> {
    let closed: Option<i64> = sqlx::query_scalar(sql!("retry_range_closed"))
        .bind(run.as_str())
        .bind(range)
        .fetch_optional(connection)
        .await?;
    Ok(closed.is_some())
}

/// For a dry run: the supplementary shard that the sample would go to.
async fn would_leave(
    connection: &mut PgConnection,
    run: &RunId,
    sample: &Chosen,
    supplement: &mut Option<u32>,
) -> Result<(), sqlx::Error> {
    if supplement.is_none() && is_closed(connection, run, sample.range).await? {
        let row = sqlx::query(sql!("retry_supplement_next")).bind(run.as_str()).fetch_optional(connection).await?;
        *supplement = row.map(|row| number(&row, 0)).transpose()?;
    }
    Ok(())
}

async fn go_on(
    connection: &mut PgConnection,
    run: &RunId,
    sample: &Chosen,
    fresh: &FreshStart<'_>,
    range: i64,
) -> Result<(), sqlx::Error> {
    if fresh.new_revision {
        keep(connection, run, sample, fresh).await?;
    }
    sqlx::query(sql!("retry_sample"))
        .bind(run.as_str())
        .bind(sample.sample.as_str())
        .bind(fresh.state.as_str())
        .bind(i64::from(fresh.revision))
        .bind(i64::from(fresh.places))
        .bind(fresh.sections.len() as i64)
        .bind(wide(fresh.words()))
        .bind(fresh.head().map(Hash::to_hex))
        .bind(&fresh.model)
        .bind(range)
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes what is kept under the new revision, by reference.
async fn keep(
    connection: &mut PgConnection,
    run: &RunId,
    sample: &Chosen,
    fresh: &FreshStart<'_>,
) -> Result<(), sqlx::Error> {
    let (old, new) = (i64::from(sample.stopped.revision), i64::from(fresh.revision));
    if let Some(head) = fresh.plan {
        sqlx::query(sql!("retry_plan"))
            .bind(run.as_str())
            .bind(sample.sample.as_str())
            .bind(old)
            .bind(new)
            .bind(head.to_hex())
            .execute(&mut *connection)
            .await?;
    }
    for (section, head) in &fresh.sections {
        sqlx::query(sql!("retry_section"))
            .bind(run.as_str())
            .bind(sample.sample.as_str())
            .bind(old)
            .bind(new)
            .bind(i64::from(section.place))
            .bind(head.to_hex())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
