//! Reading a sample whole: what prompts and rows are made from.

use agentwrite::ids::{AttemptId, RunId, SampleId};
use agentwrite::plan::Plan;
use agentwrite::sample::{Candidate, SampleContext, Section};
use agentwrite::task::TaskKey;
use rusqlite::{Connection, params};

use super::statement::{all, first, json};

/// Reads a sample's input, standing plan and sections; `None` if there is no such sample.
pub(super) fn load_context(
    connection: &Connection,
    run: &RunId,
    sample: &SampleId,
) -> rusqlite::Result<Option<SampleContext>> {
    let found = first(connection, sql!("load_sample"), params![run.as_str(), sample.as_str()], |row| {
        Ok(SampleContext {
            run: run.clone(),
            sample: sample.clone(),
            ordinal: row.get::<_, i64>("ordinal")? as u64,
            input: json(row, "input")?,
            revision: row.get("revision")?,
            config_version: row.get("config_version")?,
            model: row.get("model")?,
            plan: None,
            sections: Vec::new(),
            candidates: Vec::new(),
            last_prompt_tokens: None,
        })
    })?;
    let Some(mut context) = found else { return Ok(None) };
    context.plan = load_plan(connection, run, sample, context.revision)?;
    if context.plan.is_some() {
        context.sections = load_sections(connection, run, sample, context.revision)?;
    }
    Ok(Some(context))
}

fn load_plan(connection: &Connection, run: &RunId, sample: &SampleId, revision: u32) -> rusqlite::Result<Option<Plan>> {
    first(connection, sql!("load_plan"), params![run.as_str(), sample.as_str(), revision], |row| json(row, 0))
}

fn load_sections(
    connection: &Connection,
    run: &RunId,
    sample: &SampleId,
    revision: u32,
) -> rusqlite::Result<Vec<Section>> {
    all(connection, sql!("load_sections"), params![run.as_str(), sample.as_str(), revision], |row| {
        Ok(Section {
            place: row.get(0)?,
            text: row.get(1)?,
            words: row.get(2)?,
            flags: json(row, 3)?,
            attempt: AttemptId::new(row.get::<_, String>(4)?),
        })
    })
}

/// Reads what a task's prompt is made from: the sample, the task's candidates, the last prompt's tokens.
pub(super) fn load_for_task(connection: &Connection, task: &TaskKey) -> rusqlite::Result<Option<SampleContext>> {
    let sample = SampleId::new(task.subject.clone());
    let Some(mut context) = load_context(connection, &task.run, &sample)? else { return Ok(None) };
    let (run, kind) = (task.run.as_str(), task.kind.as_str());
    let key = params![run, kind, task.subject, task.place, task.revision];
    context.candidates = all(connection, sql!("load_candidates"), key, |row| {
        Ok(Candidate { attempt: AttemptId::new(row.get::<_, String>(0)?), raw: row.get(1)? })
    })?;
    let chain = params![run, task.subject, context.revision, kind];
    let tokens: Option<i64> = first(connection, sql!("load_last_prompt"), chain, |row| row.get(0))?;
    context.last_prompt_tokens = tokens.map(|tokens| tokens as u64);
    Ok(Some(context))
}
