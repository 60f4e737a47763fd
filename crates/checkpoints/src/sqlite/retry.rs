//! Operator retries: a failed sample goes on where it stopped; a new revision keeps what is not discarded, by reference.

use std::collections::HashMap;

use agentwrite::chain;
use agentwrite::config::Mode;
use agentwrite::ids::{Hash, RunId, SampleId, Timestamp};
use agentwrite::ports::{Range, Retried, RetryPlan};
use agentwrite::sample::{SampleContext, SampleEvent, SampleState};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::admit::config_of;
use super::claim::hash;
use super::load::load_context;
use super::runs::write_action;

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
    connection: &mut SqliteConnection,
    run: &RunId,
    who: &str,
    plan: &RetryPlan,
    now: Timestamp,
) -> Result<Retried, sqlx::Error> {
    let chosen = choose(connection, run, plan).await?;
    let mut retried = Retried::default();
    let mut configs = HashMap::new();
    for sample in &chosen {
        let Some(context) = load_context(connection, run, &sample.sample).await? else { continue };
        let keep = Keep::of(sample, &context, plan);
        retried.kept_sections += keep.sections as u64;
        retried.samples.push(sample.sample.clone());
        if plan.dry_run {
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

async fn choose(connection: &mut SqliteConnection, run: &RunId, plan: &RetryPlan) -> Result<Vec<Chosen>, sqlx::Error> {
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
    let mut chosen = Vec::with_capacity(rows.len());
    for row in &rows {
        let sample = Chosen::read(row)?;
        let code: Option<String> = row.try_get("code")?;
        let wanted = plan.error.is_none_or(|error| code.as_deref() == Some(error.as_str()));
        let stopped = matches!(sample.state, SampleState::Failed | SampleState::Rejected | SampleState::Cancelled);
        if wanted && stopped {
            chosen.push(sample);
        }
    }
    Ok(chosen)
}

impl Chosen {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let state: &str = row.try_get("state")?;
        Ok(Self {
            sample: SampleId::new(row.try_get::<String, _>("sample")?),
            state: SampleState::read(state)
                .ok_or_else(|| sqlx::Error::Decode(format!("not a sample state: {state:?}").into()))?,
            range: row.try_get("range")?,
            revision: row.try_get("revision")?,
            key: hash(row.try_get("key")?)?,
            config_version: row.try_get("config_version")?,
            model: row.try_get("model")?,
        })
    }
}

/// What a retry keeps.
struct Keep {
    plan: bool,
    sections: usize,
    new_revision: bool,
}

impl Keep {
    /// A rejected sample was complete: without a word on what to discard, all of it goes.
    fn of(sample: &Chosen, context: &SampleContext, plan: &RetryPlan) -> Self {
        let from = plan.from_section.or((sample.state == SampleState::Rejected && plan.model.is_none()).then_some(0));
        let standing = if context.plan.is_some() { context.sections.len() } else { 0 };
        match from {
            Some(0) => Self { plan: false, sections: 0, new_revision: true },
            Some(from) => {
                Self { plan: context.plan.is_some(), sections: standing.min(from as usize - 1), new_revision: true }
            }
            None => Self { plan: context.plan.is_some(), sections: standing, new_revision: plan.model.is_some() },
        }
    }
}

/// The range itself while it is open, else the supplementary range of this command.
pub(super) async fn open_range(
    connection: &mut SqliteConnection,
    run: &RunId,
    range: i64,
    supplement: &mut Option<u32>,
) -> Result<i64, sqlx::Error> {
    let closed: Option<i64> = sqlx::query_scalar(sql!("retry_range_closed"))
        .bind(run.as_str())
        .bind(range)
        .fetch_optional(&mut *connection)
        .await?;
    if closed.is_none() {
        return Ok(range);
    }
    let number = match supplement {
        Some(number) => *number,
        None => {
            let number: u32 =
                sqlx::query_scalar(sql!("retry_supplement")).bind(run.as_str()).fetch_one(&mut *connection).await?;
            *supplement = Some(number);
            number
        }
    };
    Ok(Range::Supplement(number).number())
}

#[expect(clippy::too_many_arguments, reason = "one intent's parts, read in one place")]
async fn go_on(
    connection: &mut SqliteConnection,
    run: &RunId,
    sample: &Chosen,
    context: &SampleContext,
    keep: &Keep,
    plan: &RetryPlan,
    (text_config, mode): (Hash, Mode),
    range: i64,
) -> Result<(), sqlx::Error> {
    let model = plan.model.clone().or_else(|| sample.model.clone());
    let revision = sample.revision + u32::from(keep.new_revision);
    let places = context.plan.as_ref().filter(|_| keep.plan).map_or(0, |plan| plan.steps.len());
    let event = SampleEvent::Retried { planned: keep.plan, complete: keep.plan && keep.sections == places };
    let state = sample.state.apply(event).map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    sqlx::query(sql!("cancel_tasks")).bind(run.as_str()).bind(sample.sample.as_str()).execute(&mut *connection).await?;
    let mut head = None;
    if let Some(standing) = context.plan.as_ref().filter(|_| keep.plan) {
        let root = chain::root(sample.key, text_config, model.as_deref(), revision);
        let plan_head = chain::with_plan(root, standing);
        let mut last = plan_head;
        if keep.new_revision {
            keep_plan(connection, run, sample, revision, plan_head).await?;
        }
        for section in context.sections.iter().take(keep.sections) {
            if mode == Mode::Serial {
                last = chain::with_section(last, &section.text);
            }
            if keep.new_revision {
                keep_section(connection, run, sample, revision, section.place, last).await?;
            }
        }
        head = Some(last);
    }
    let words: u64 = context.sections.iter().take(keep.sections).map(|section| u64::from(section.words)).sum();
    sqlx::query(sql!("retry_sample"))
        .bind(run.as_str())
        .bind(sample.sample.as_str())
        .bind(state.as_str())
        .bind(revision)
        .bind(places as i64)
        .bind(keep.sections as i64)
        .bind(words as i64)
        .bind(head.map(Hash::to_hex))
        .bind(model)
        .bind(range)
        .execute(connection)
        .await?;
    Ok(())
}

async fn keep_plan(
    connection: &mut SqliteConnection,
    run: &RunId,
    sample: &Chosen,
    revision: u32,
    head: Hash,
) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("retry_plan"))
        .bind(run.as_str())
        .bind(sample.sample.as_str())
        .bind(sample.revision)
        .bind(revision)
        .bind(head.to_hex())
        .execute(connection)
        .await?;
    Ok(())
}

async fn keep_section(
    connection: &mut SqliteConnection,
    run: &RunId,
    sample: &Chosen,
    revision: u32,
    place: u32,
    head: Hash,
) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("retry_section"))
        .bind(run.as_str())
        .bind(sample.sample.as_str())
        .bind(sample.revision)
        .bind(revision)
        .bind(place)
        .bind(head.to_hex())
        .execute(connection)
        .await?;
    Ok(())
}
