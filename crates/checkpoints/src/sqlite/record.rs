//! `record_result`: accepted by content, and everything that follows from it.

use agentwrite::ids::Hash;
use agentwrite::ports::{FollowUp, RecordResult, Recorded, TaskResult};
use agentwrite::task::KeptAnswer;
use rusqlite::{Connection, params};

use super::attempt::{self, Ending, Tried};
use super::batch::Batch;
use super::follow_up::follow_up;
use super::statement::{all, execute, first};
use crate::acceptance;
use crate::added::Added;
use crate::columns::to_json;

pub(super) fn record_result(batch: &Batch, record: &RecordResult) -> rusqlite::Result<Recorded> {
    // An attempt that was settled before decides nothing: the intent is repeated.
    let connection: &Connection = batch;
    let found = attempt::find(connection, &record.attempt, &record.task)?;
    let Some((tried, is_at_task)) = found.filter(|(tried, _)| tried.unsettled) else {
        return not_accepted(connection, record);
    };
    let accepted = is_at_task && tried.accepts(record.context_hash);
    let mut added = Added::default();
    end_attempt(connection, record, &tried, accepted, &mut added)?;
    if let Some(answer) = &record.answer {
        keep_answer(connection, &tried, &record.context_hash, answer)?;
    }
    let recorded = if accepted {
        execute(connection, sql!("record_done"), [tried.task])?;
        write_result(connection, record, &tried, &mut added)?;
        move_sample(connection, record, &tried)?;
        follow_up(connection, record, &tried)?
    } else {
        not_accepted(connection, record)?
    };
    batch.count(tried.run, &added);
    Ok(recorded)
}

fn end_attempt(
    connection: &Connection,
    record: &RecordResult,
    tried: &Tried,
    accepted: bool,
    added: &mut Added,
) -> rusqlite::Result<()> {
    let (outcome, code) = acceptance::outcome(record, accepted);
    let ending = Ending { outcome, code, message: None, counted: None, now: record.now.0, end: &record.end };
    tried.settle(connection, &ending, added)?;
    if accepted && record.origin != record.attempt {
        // The candidate's attempt had failed by its gate; it is counted so no more (I6).
        let failed = execute(connection, sql!("record_origin"), [record.origin.as_str()])?;
        added.failed_calls -= failed as i64;
    }
    Ok(())
}

/// Keeps an answer beside the accepted text; a repeated intent adds nothing.
pub(super) fn keep_answer(
    connection: &Connection,
    tried: &Tried,
    context_hash: &Hash,
    answer: &KeptAnswer,
) -> rusqlite::Result<()> {
    let attempt = (tried.task, tried.fence);
    if first(connection, sql!("answer_kept"), attempt, |_| Ok(()))?.is_some() {
        return Ok(());
    }
    let text = write_text(connection, &answer.raw)?;
    let parameters = params![
        tried.task,
        tried.fence,
        text,
        answer.gate,
        answer.evidence,
        answer.candidate,
        context_hash.as_bytes(),
        answer.reask
    ];
    execute(connection, sql!("record_answer"), parameters)?;
    Ok(())
}

/// Stores a text and returns its id.
fn write_text(connection: &Connection, body: &str) -> rusqlite::Result<i64> {
    execute(connection, sql!("record_text"), params![Hash::of("text", &[body]).as_bytes(), body])?;
    Ok(connection.last_insert_rowid())
}

fn write_result(
    connection: &Connection,
    record: &RecordResult,
    tried: &Tried,
    added: &mut Added,
) -> rusqlite::Result<()> {
    let (key, subject, origin) = (&record.task, tried.subject, record.origin.as_str());
    match &record.result {
        TaskResult::Section { text, words, flags, chain } => {
            let text = write_text(connection, text)?;
            let flags = to_json(flags)?;
            let parameters = params![subject, key.revision, key.place, text, chain.as_bytes(), words, flags, origin];
            execute(connection, sql!("record_section"), parameters)?;
            added.sections += 1;
            added.words += i64::from(*words);
        }
        TaskResult::Plan { plan, chain } => {
            let parameters = params![subject, key.revision, to_json(plan)?, chain.as_bytes(), origin];
            execute(connection, sql!("record_plan"), parameters)?;
        }
        TaskResult::Other(body) => {
            let parameters = params![subject, key.kind.as_str(), key.place, key.revision, to_json(body)?, origin];
            execute(connection, sql!("record_other"), parameters)?;
        }
    }
    Ok(())
}

fn move_sample(connection: &Connection, record: &RecordResult, tried: &Tried) -> rusqlite::Result<()> {
    let sample = tried.subject;
    for follow_up in &record.follow_ups {
        match (follow_up, &record.result) {
            (FollowUp::SamplePlanned { places }, TaskResult::Plan { chain, .. }) => {
                execute(connection, sql!("record_planned"), params![sample, places, chain.as_bytes()])?;
            }
            (FollowUp::PlaceFilled, TaskResult::Section { words, chain, .. }) => {
                execute(connection, sql!("record_filled"), params![sample, words, chain.as_bytes()])?;
                if tried.places_left <= 1 {
                    execute(connection, sql!("record_written"), [sample])?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn not_accepted(connection: &Connection, record: &RecordResult) -> rusqlite::Result<Recorded> {
    let ids = params![record.attempt.as_str(), record.origin.as_str()];
    let outcomes: Vec<(String, String)> = all(connection, sql!("record_outcomes"), ids, |row| row.try_into())?;
    Ok(acceptance::not_accepted(record, |attempt| {
        outcomes.iter().find(|(id, _)| id == attempt.as_str()).map(|(_, outcome)| outcome.as_str())
    }))
}
