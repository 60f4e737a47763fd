//! Operator retries: a failed sample goes on where it stopped; a new revision keeps what is not discarded, by reference.

use std::collections::{BTreeMap, HashMap};

use agentwrite::chain;
use agentwrite::config::Mode;
use agentwrite::ids::{Hash, RunId, SampleId, Timestamp};
use agentwrite::ports::{Range, Retried, RetryPlan};
use agentwrite::sample::{SampleContext, SampleEvent, SampleState, Section};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::admit::config_of;
use super::load::load_context;
use super::lock;
use super::rows::number;
use super::runs::write_action;
use crate::columns::hash;

struct Chosen {
    sample: SampleId,
    state: SampleState,
    range: i64,
    revision: u32,
    key: Hash,
    config_version: u32,
    model: Option<String>,
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
        let keep = Keep::of(sample, &context, plan);
        retried.kept_sections += keep.sections.len() as u64;
        retried.samples.push(sample.sample.clone());
        if plan.dry_run {
            would_leave(connection, run, sample, &mut retried.supplement).await?;
            continue;
        }
        let config = config_of(connection, &mut configs, run, sample.config_version).await?;
        let range = open_range(connection, run, sample.range, &mut retried.supplement).await?;
        go_on(connection, run, sample, &context, &keep, plan, config, range).await?;
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
        let stopped = matches!(sample.state, SampleState::Failed | SampleState::Rejected | SampleState::Cancelled);
        if wanted && stopped {
            // In input order, and once, however they were named.
            chosen.insert(row.try_get::<i64, _>("ordinal")?, sample);
        }
    }
    Ok(chosen.into_values().collect())
}

impl Chosen {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let state: &str = row.try_get("state")?;
        Ok(Self {
            sample: SampleId::new(row.try_get::<String, _>("sample")?),
            state: SampleState::read(state)
                .ok_or_else(|| sqlx::Error::Decode(format!("not a sample state: {state:?}").into()))?,
            range: row.try_get("range")?,
            revision: number(row, "revision")?,
            key: hash(row.try_get("key")?)?,
            config_version: number(row, "config_version")?,
            model: row.try_get("model")?,
        })
    }
}

/// What a retry keeps.
struct Keep<'a> {
    plan: bool,
    sections: Vec<&'a Section>,
    new_revision: bool,
}

impl<'a> Keep<'a> {
    /// A rejected sample was complete: without a word on what to discard, all of it goes, since the same text would be
    /// rejected again.
    fn of(sample: &Chosen, context: &'a SampleContext, plan: &RetryPlan) -> Self {
        let from = plan.from_section.or((sample.state == SampleState::Rejected).then_some(0));
        let keeps_plan = from != Some(0) && context.plan.is_some();
        let below = from.map_or(u32::MAX, |section| section.saturating_sub(1));
        Self {
            plan: keeps_plan,
            sections: context.sections.iter().filter(|section| keeps_plan && section.place < below).collect(),
            new_revision: from.is_some() || plan.model.is_some(),
        }
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

#[expect(clippy::too_many_arguments, reason = "one intent's parts, read in one place")]
async fn go_on(
    connection: &mut PgConnection,
    run: &RunId,
    sample: &Chosen,
    context: &SampleContext,
    keep: &Keep<'_>,
    plan: &RetryPlan,
    (text_config, mode): (Hash, Mode),
    range: i64,
) -> Result<(), sqlx::Error> {
    let model = plan.model.clone().or_else(|| sample.model.clone());
    let revision = sample.revision + u32::from(keep.new_revision);
    let places = context.plan.as_ref().filter(|_| keep.plan).map_or(0, |plan| plan.steps.len());
    let event = SampleEvent::Retried { planned: keep.plan, complete: keep.plan && keep.sections.len() >= places };
    let state = sample.state.apply(event).map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    let mut head = None;
    if let Some(standing) = context.plan.as_ref().filter(|_| keep.plan) {
        let root = chain::root(sample.key, text_config, model.as_deref(), revision);
        let plan_head = chain::with_plan(root, standing);
        let mut last = plan_head;
        if keep.new_revision {
            keep_plan(connection, run, sample, revision, plan_head).await?;
        }
        for section in &keep.sections {
            if mode == Mode::Serial {
                last = chain::with_section(last, &section.text);
            }
            if keep.new_revision {
                keep_section(connection, run, sample, revision, section.place, last).await?;
            }
        }
        head = Some(last);
    }
    let words: u64 = keep.sections.iter().map(|section| u64::from(section.words)).sum();
    sqlx::query(sql!("retry_sample"))
        .bind(run.as_str())
        .bind(sample.sample.as_str())
        .bind(state.as_str())
        .bind(i64::from(revision))
        .bind(places as i64)
        .bind(keep.sections.len() as i64)
        .bind(words as i64)
        .bind(head.map(Hash::to_hex))
        .bind(model)
        .bind(range)
        .execute(connection)
        .await?;
    Ok(())
}

async fn keep_plan(
    connection: &mut PgConnection,
    run: &RunId,
    sample: &Chosen,
    revision: u32,
    head: Hash,
) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("retry_plan"))
        .bind(run.as_str())
        .bind(sample.sample.as_str())
        .bind(i64::from(sample.revision))
        .bind(i64::from(revision))
        .bind(head.to_hex())
        .execute(connection)
        .await?;
    Ok(())
}

async fn keep_section(
    connection: &mut PgConnection,
    run: &RunId,
    sample: &Chosen,
    revision: u32,
    place: u32,
    head: Hash,
) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("retry_section"))
        .bind(run.as_str())
        .bind(sample.sample.as_str())
        .bind(i64::from(sample.revision))
        .bind(i64::from(revision))
        .bind(i64::from(place))
        .bind(head.to_hex())
        .execute(connection)
        .await?;
    Ok(())
}
