//! Reading a sample whole: what prompts and rows are made from.

use agentwrite::ids::{AttemptId, RunId, SampleId};
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
    Ok(load_numbered(connection, run, sample)?.map(|(_, context)| context))
}

/// The same with the number of the subject.
fn load_numbered(
    connection: &Connection,
    run: &RunId,
    sample: &SampleId,
) -> rusqlite::Result<Option<(i64, SampleContext)>> {
    let found = first(connection, sql!("load_sample"), params![run.as_str(), sample.as_str()], |row| {
        let context = SampleContext {
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
            parts: Vec::new(),
            last_prompt_tokens: None,
        };
        Ok((row.get::<_, i64>("subject")?, context))
    })?;
    let Some((subject, mut context)) = found else { return Ok(None) };
    let key = params![subject, context.revision];
    context.plan = first(connection, sql!("load_plan"), key, |row| json(row, 0))?;
    if context.plan.is_some() {
        context.sections = load_sections(connection, subject, context.revision)?;
    }
    Ok(Some((subject, context)))
}

fn load_sections(connection: &Connection, subject: i64, revision: u32) -> rusqlite::Result<Vec<Section>> {
    all(connection, sql!("load_sections"), params![subject, revision], |row| {
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
    let Some((subject, mut context)) = load_numbered(connection, &task.run, &sample)? else { return Ok(None) };
    let key = params![subject, task.kind.as_str(), task.place, task.revision];
    let answers: Vec<(Candidate, bool)> = all(connection, sql!("load_candidates"), key, |row| {
        Ok((Candidate { attempt: AttemptId::new(row.get::<_, String>(0)?), raw: row.get(1)? }, row.get("part")?))
    })?;
    for (answer, is_part) in answers {
        if is_part { context.parts.push(answer) } else { context.candidates.push(answer) }
    }
    let chain = params![subject, task.kind.as_str(), context.revision];
    let tokens: Option<i64> = first(connection, sql!("load_last_prompt"), chain, |row| row.get(0))?;
    context.last_prompt_tokens = tokens.map(|tokens| tokens as u64);
    Ok(Some(context))
}
