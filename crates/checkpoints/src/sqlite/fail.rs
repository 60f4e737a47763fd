//! `record_failure`: the attempt ends in any case; the task moves only if the fence holds.

use agentwrite::failure::{ErrorCode, FailureClass};
use agentwrite::ports::RecordFailure;
use agentwrite::task::{AfterFailure, CountAs, Kind, TaskKey};
use rusqlite::{Connection, params};

use super::attempt::{self, Ending, Tried};
use super::batch::Batch;
use super::record::keep_answer;
use super::statement::execute;
use crate::added::Added;
use crate::columns::to_json;

pub(super) fn record_failure(batch: &Batch, record: &RecordFailure) -> rusqlite::Result<bool> {
    let connection: &Connection = batch;
    let Some((tried, is_at_task)) = attempt::find(connection, &record.attempt, &record.task)? else {
        return Ok(false);
    };
    // Settled before: the intent was repeated, and everything was counted the first time.
    if tried.unsettled {
        end_attempt(batch, record, &tried)?;
    }
    if !is_at_task {
        return Ok(false);
    }
    if let Some(answer) = &record.failure.answer {
        keep_answer(connection, &tried, tried.context_hash(), answer)?;
    }
    let held = move_task(connection, record, tried.task)?;
    let dead = matches!(record.failure.after, AfterFailure::Dead);
    if held && dead {
        fail_sample(connection, &record.task, tried.subject, record.failure.code, &record.failure.message)?;
    }
    Ok(held)
}

/// The sample of a dead task fails, and its other tasks (parallel mode) are dropped, so that nothing more is spent on it.
/// Tasks of other kinds that are about a sample do not make it, so their death leaves it alone.
pub(super) fn fail_sample(
    connection: &Connection,
    task: &TaskKey,
    subject: i64,
    code: ErrorCode,
    reason: &str,
) -> rusqlite::Result<()> {
    if task.kind != Kind::PLAN && task.kind != Kind::SECTION {
        return Ok(());
    }
    let failed = execute(connection, sql!("fail_sample"), params![subject, task.revision, code.as_str(), reason])?;
    if failed > 0 {
        execute(connection, sql!("fail_siblings"), [subject])?;
    }
    Ok(())
}

fn end_attempt(batch: &Batch, record: &RecordFailure, tried: &Tried) -> rusqlite::Result<()> {
    let failure = &record.failure;
    let ending = Ending {
        outcome: failure.count.outcome(),
        code: failure.stored_code(),
        message: Some(&failure.message),
        counted: Some(failure.count.as_str()),
        now: record.now.0,
        end: &record.end,
    };
    let throttled = failure.code.class() == FailureClass::Throttled;
    let mut added = Added { throttled_calls: i64::from(throttled), ..Added::default() };
    tried.settle(batch, &ending, &mut added)?;
    batch.count(tried.run, &added);
    Ok(())
}

fn move_task(connection: &Connection, record: &RecordFailure, task: i64) -> rusqlite::Result<bool> {
    let failure = &record.failure;
    let (state, due_at) = match failure.after {
        AfterFailure::RetryAt(at) => ("ready", at.0),
        AfterFailure::Dead => ("dead", record.now.0),
    };
    let parameters = params![
        task,
        record.fence,
        state,
        due_at,
        i64::from(failure.count == CountAs::Failure),
        i64::from(failure.bad_answer),
        i64::from(failure.count == CountAs::Crash),
        to_json(&failure.hint)?
    ];
    Ok(execute(connection, sql!("fail_task"), parameters)? > 0)
}
