//! Operator retries: a failed sample goes on where it stopped; a new revision keeps what is not discarded, by reference.

use std::collections::{BTreeMap, HashMap};

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{Hash, RunId, SampleId, Timestamp};
use agentwrite::ports::{Range, Retried, RetryPlan};
use agentwrite::sample::SampleState;
use rusqlite::{Connection, Row, params};

use super::admit::config_of;
use super::load::load_context;
use super::report::state;
use super::runs::write_action;
use super::statement::{all, execute, first, hash, one};
use crate::fresh_start::{FreshStart, Kept, Stopped};

struct Chosen {
    subject: i64,
    sample: SampleId,
    ordinal: i64,
    code: Option<String>,
    range: i64,
    config_version: u32,
    stopped: Stopped,
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
        retried.kept_sections += Kept::of(sample.stopped.state, &context, plan).sections.len() as u64;
        retried.samples.push(sample.sample.clone());
        if plan.dry_run {
            would_leave(connection, run, sample, &mut retried.supplement)?;
            continue;
        }
        let config = config_of(connection, &mut configs, run, sample.config_version)?;
        let range = open_range(connection, run, sample.range, &mut retried.supplement)?;
        let fresh = FreshStart::of(&sample.stopped, &context, plan, config)?;
        go_on(connection, sample, &fresh, range)?;
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
        let stopped =
            matches!(sample.stopped.state, SampleState::Failed | SampleState::Rejected | SampleState::Cancelled);
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
            subject: row.get("subject")?,
            sample: SampleId::new(row.get::<_, String>("name")?),
            ordinal: row.get("ordinal")?,
            code: row.get("code")?,
            range: row.get("range")?,
            config_version: row.get("config_version")?,
            stopped: Stopped {
                state: state(row)?,
                revision: row.get("revision")?,
                key: hash(row, "key")?,
                model: row.get("model")?,
            },
        })
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

fn go_on(connection: &Connection, sample: &Chosen, fresh: &FreshStart<'_>, range: i64) -> rusqlite::Result<()> {
    if fresh.new_revision {
        keep(connection, sample, fresh)?;
    }
    let head = fresh.head();
    let parameters = params![
        sample.subject,
        fresh.state.as_str(),
        fresh.revision,
        fresh.places,
        fresh.sections.len() as i64,
        fresh.words() as i64,
        head.as_ref().map(Hash::as_bytes),
        fresh.model,
        range
    ];
    execute(connection, sql!("retry_sample"), parameters)?;
    execute(connection, sql!("retry_verdict"), [sample.subject])?;
    Ok(())
}

/// Writes what is kept under the new revision, by reference.
fn keep(connection: &Connection, sample: &Chosen, fresh: &FreshStart<'_>) -> rusqlite::Result<()> {
    let (subject, old) = (sample.subject, sample.stopped.revision);
    if let Some(head) = fresh.plan {
        execute(connection, sql!("retry_plan"), params![subject, old, fresh.revision, head.as_bytes()])?;
    }
    for (section, head) in &fresh.sections {
        let parameters = params![subject, old, fresh.revision, section.place, head.as_bytes()];
        execute(connection, sql!("retry_section"), parameters)?;
    }
    Ok(())
}
