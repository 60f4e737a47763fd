//! `record_result`: accepted by content, and everything that follows from it.

use agentwrite::ids::Hash;
use agentwrite::ports::{FollowUp, RecordResult, Recorded, TaskResult};
use agentwrite::task::{KeptAnswer, TaskKey};
use rusqlite::{Connection, params};

use super::attempt::{Ending, Unsettled, unsettled};
use super::follow_up::follow_up;
use super::statement::{all, execute, first};
use super::totals;
use crate::acceptance;
use crate::added::Added;
use crate::columns::to_json;

/// What the accepted task row says about its successor.
pub(super) struct Accepted {
    id: i64,
    pub(super) generation: u32,
    pub(super) ordinal: i64,
}

pub(super) fn record_result(connection: &Connection, record: &RecordResult) -> rusqlite::Result<Recorded> {
    // An attempt that was settled before decides nothing: the intent is repeated.
    let Some(attempt) = unsettled(connection, record.attempt.as_str())? else {
        return not_accepted(connection, record);
    };
    let accepted = accept(connection, record)?;
    let mut added = Added::default();
    end_attempt(connection, record, &attempt, accepted.is_some(), &mut added)?;
    if let Some(answer) = &record.answer {
        keep_answer(connection, &record.task, record.context_hash, record.attempt.as_str(), answer)?;
    }
    let recorded = match accepted {
        Some(accepted) => {
            execute(connection, sql!("record_done"), [accepted.id])?;
            write_result(connection, record, &mut added)?;
            move_sample(connection, record)?;
            follow_up(connection, record, &accepted)?
        }
        None => not_accepted(connection, record)?,
    };
    totals::write(connection, record.task.run.as_str(), &added)?;
    Ok(recorded)
}

fn accept(connection: &Connection, record: &RecordResult) -> rusqlite::Result<Option<Accepted>> {
    let key = &record.task;
    let parameters = params![
        key.run.as_str(),
        key.kind.as_str(),
        key.subject,
        key.place,
        key.revision,
        record.context_hash.to_hex()
    ];
    first(connection, sql!("record_accept"), parameters, |row| {
        Ok(Accepted { id: row.get(0)?, generation: row.get(1)?, ordinal: row.get(2)? })
    })
}

fn end_attempt(
    connection: &Connection,
    record: &RecordResult,
    attempt: &Unsettled,
    accepted: bool,
    added: &mut Added,
) -> rusqlite::Result<()> {
    let (outcome, code) = acceptance::outcome(record, accepted);
    let ending = Ending { outcome, code, message: None, counted: None, now: record.now.0, end: &record.end };
    attempt.settle(connection, record.attempt.as_str(), &ending, added)?;
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
    key: &TaskKey,
    context_hash: Hash,
    attempt: &str,
    answer: &KeptAnswer,
) -> rusqlite::Result<()> {
    if first(connection, sql!("answer_kept"), [attempt], |_| Ok(()))?.is_some() {
        return Ok(());
    }
    let text = write_text(connection, &answer.raw)?;
    let parameters = params![
        attempt,
        key.run.as_str(),
        key.kind.as_str(),
        key.subject,
        key.place,
        key.revision,
        text,
        answer.gate,
        answer.evidence,
        answer.candidate,
        context_hash.to_hex(),
        answer.reask
    ];
    execute(connection, sql!("record_answer"), parameters)?;
    Ok(())
}

/// Stores a text and returns its id.
fn write_text(connection: &Connection, body: &str) -> rusqlite::Result<i64> {
    execute(connection, sql!("record_text"), params![Hash::of("text", &[body]).to_hex(), body])?;
    Ok(connection.last_insert_rowid())
}

fn write_result(connection: &Connection, record: &RecordResult, added: &mut Added) -> rusqlite::Result<()> {
    let key = &record.task;
    match &record.result {
        TaskResult::Section { text, words, flags, chain } => {
            let text = write_text(connection, text)?;
            let parameters = params![
                key.run.as_str(),
                key.subject,
                key.revision,
                key.place,
                text,
                chain.to_hex(),
                words,
                to_json(flags)?,
                record.origin.as_str()
            ];
            execute(connection, sql!("record_section"), parameters)?;
            added.sections += 1;
            added.words += i64::from(*words);
        }
        TaskResult::Plan { plan, chain } => {
            let parameters = params![
                key.run.as_str(),
                key.subject,
                key.revision,
                to_json(plan)?,
                chain.to_hex(),
                record.origin.as_str()
            ];
            execute(connection, sql!("record_plan"), parameters)?;
        }
        TaskResult::Other(body) => {
            let parameters = params![
                key.run.as_str(),
                key.kind.as_str(),
                key.subject,
                key.place,
                key.revision,
                to_json(body)?,
                record.origin.as_str()
            ];
            execute(connection, sql!("record_other"), parameters)?;
        }
    }
    Ok(())
}

fn move_sample(connection: &Connection, record: &RecordResult) -> rusqlite::Result<()> {
    let (run, sample) = (record.task.run.as_str(), record.task.subject.as_str());
    for follow_up in &record.follow_ups {
        match (follow_up, &record.result) {
            (FollowUp::SamplePlanned { places }, TaskResult::Plan { chain, .. }) => {
                execute(connection, sql!("record_planned"), params![run, sample, places, chain.to_hex()])?;
            }
            (FollowUp::PlaceFilled, TaskResult::Section { words, chain, .. }) => {
                execute(connection, sql!("record_filled"), params![run, sample, words, chain.to_hex()])?;
                execute(connection, sql!("record_written"), params![run, sample])?;
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
