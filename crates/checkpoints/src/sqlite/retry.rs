//! Operator retries: a failed sample goes on where it stopped; a new revision keeps what is not discarded, by reference.

use std::collections::{BTreeMap, HashMap};

use agentwrite::chain;
use agentwrite::config::Mode;
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{Hash, RunId, SampleId, Timestamp};
use agentwrite::ports::{Range, Retried, RetryPlan};
use agentwrite::sample::{SampleContext, SampleEvent, SampleState, Section};
use rusqlite::{Connection, Row, params};

use super::admit::config_of;
use super::load::load_context;
use super::report::state;
use super::runs::write_action;
use super::statement::{all, broken, execute, first, hash, one};

struct Chosen {
    sample: SampleId,
    ordinal: i64,
    state: SampleState,
    code: Option<String>,
    range: i64,
    revision: u32,
    key: Hash,
    config_version: u32,
    model: Option<String>,
}

pub(super) fn retry(
    connection: &Connection,
    run: &RunId,
    who: &str,
    plan: &RetryPlan,
    now: Timestamp,
) -> rusqlite::Result<Retried> {
    let chosen = choose(connection, run, plan)?;
    let mut retried = Retried::default();
    let mut configs = HashMap::new();
    for sample in &chosen {
        let Some(context) = load_context(connection, run, &sample.sample)? else { continue };
        let keep = Keep::of(sample, &context, plan);
        retried.kept_sections += keep.sections.len() as u64;
        retried.samples.push(sample.sample.clone());
        if plan.dry_run {
            would_leave(connection, run, sample, &mut retried.supplement)?;
            continue;
        }
        let config = config_of(connection, &mut configs, run, sample.config_version)?;
        let range = open_range(connection, run, sample.range, &mut retried.supplement)?;
        go_on(connection, run, sample, &context, &keep, plan, config, range)?;
    }
    if !plan.dry_run && !retried.samples.is_empty() {
        execute(connection, sql!("retry_run"), params![run.as_str()])?;
        let before = serde_json::json!({"error": plan.error, "from_section": plan.from_section, "model": plan.model});
        let after = serde_json::json!({"samples": retried.samples, "kept_sections": retried.kept_sections});
        write_action(connection, run, who, "retry", &before.to_string(), &after.to_string(), now)?;
    }
    Ok(retried)
}

fn choose(connection: &Connection, run: &RunId, plan: &RetryPlan) -> rusqlite::Result<Vec<Chosen>> {
    let mut named = Vec::new();
    if plan.samples.is_empty() {
        let failed_by = params![run.as_str(), plan.error.map(ErrorCode::as_str)];
        named = all(connection, sql!("retry_choose"), failed_by, Chosen::read)?;
    }
    for sample in &plan.samples {
        named.extend(first(connection, sql!("retry_one"), params![run.as_str(), sample.as_str()], Chosen::read)?);
    }
    let mut chosen = BTreeMap::new();
    for sample in named {
        let wanted = plan.error.is_none_or(|error| sample.code.as_deref() == Some(error.as_str()));
        let stopped = matches!(sample.state, SampleState::Failed | SampleState::Rejected | SampleState::Cancelled);
        if wanted && stopped {
            // In input order, and once, however they were named.
            chosen.insert(sample.ordinal, sample);
        }
    }
    Ok(chosen.into_values().collect())
}

impl Chosen {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            sample: SampleId::new(row.get::<_, String>("sample")?),
            ordinal: row.get("ordinal")?,
            state: state(row)?,
            code: row.get("code")?,
            range: row.get("range")?,
            revision: row.get("revision")?,
            key: hash(row, "key")?,
            config_version: row.get("config_version")?,
            model: row.get("model")?,
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
pub(super) fn open_range(
    connection: &Connection,
    run: &RunId,
    range: i64,
    supplement: &mut Option<u32>,
) -> rusqlite::Result<i64> {
    if !is_closed(connection, run, range)? {
        return Ok(range);
    }
    let number = match supplement {
        Some(number) => *number,
        None => one(connection, sql!("retry_supplement"), params![run.as_str()], |row| row.get(0))?,
    };
    *supplement = Some(number);
    Ok(Range::Supplement(number).number())
}

fn is_closed(connection: &Connection, run: &RunId, range: i64) -> rusqlite::Result<bool> {
    Ok(first(connection, sql!("retry_range_closed"), params![run.as_str(), range], |_| Ok(()))?.is_some())
}

/// For a dry run: the supplementary shard that the sample would go to.
fn would_leave(
    connection: &Connection,
    run: &RunId,
    sample: &Chosen,
    supplement: &mut Option<u32>,
) -> rusqlite::Result<()> {
    if supplement.is_none() && is_closed(connection, run, sample.range)? {
        *supplement = first(connection, sql!("retry_supplement_next"), params![run.as_str()], |row| row.get(0))?;
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "one intent's parts, read in one place")]
fn go_on(
    connection: &Connection,
    run: &RunId,
    sample: &Chosen,
    context: &SampleContext,
    keep: &Keep<'_>,
    plan: &RetryPlan,
    (text_config, mode): (Hash, Mode),
    range: i64,
) -> rusqlite::Result<()> {
    let model = plan.model.clone().or_else(|| sample.model.clone());
    let revision = sample.revision + u32::from(keep.new_revision);
    let places = context.plan.as_ref().filter(|_| keep.plan).map_or(0, |plan| plan.steps.len());
    let event = SampleEvent::Retried { planned: keep.plan, complete: keep.plan && keep.sections.len() >= places };
    let state = sample.state.apply(event).map_err(|error| broken(error.to_string()))?;
    let mut head = None;
    if let Some(standing) = context.plan.as_ref().filter(|_| keep.plan) {
        let root = chain::root(sample.key, text_config, model.as_deref(), revision);
        let plan_head = chain::with_plan(root, standing);
        let mut last = plan_head;
        if keep.new_revision {
            keep_plan(connection, run, sample, revision, plan_head)?;
        }
        for section in &keep.sections {
            if mode == Mode::Serial {
                last = chain::with_section(last, &section.text);
            }
            if keep.new_revision {
                keep_section(connection, run, sample, revision, section.place, last)?;
            }
        }
        head = Some(last);
    }
    let words: u64 = keep.sections.iter().map(|section| u64::from(section.words)).sum();
    execute(
        connection,
        sql!("retry_sample"),
        params![
            run.as_str(),
            sample.sample.as_str(),
            state.as_str(),
            revision,
            places as i64,
            keep.sections.len() as i64,
            words as i64,
            head.map(Hash::to_hex),
            model,
            range
        ],
    )?;
    Ok(())
}

fn keep_plan(connection: &Connection, run: &RunId, sample: &Chosen, revision: u32, head: Hash) -> rusqlite::Result<()> {
    execute(
        connection,
        sql!("retry_plan"),
        params![run.as_str(), sample.sample.as_str(), sample.revision, revision, head.to_hex()],
    )?;
    Ok(())
}

fn keep_section(
    connection: &Connection,
    run: &RunId,
    sample: &Chosen,
    revision: u32,
    place: u32,
    head: Hash,
) -> rusqlite::Result<()> {
    execute(
        connection,
        sql!("retry_section"),
        params![run.as_str(), sample.sample.as_str(), sample.revision, revision, place, head.to_hex()],
    )?;
    Ok(())
}
