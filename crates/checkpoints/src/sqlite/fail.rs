//! `record_failure`: the attempt ends in any case; the task moves only if the fence holds.

use agentwrite::failure::{ErrorCode, FailureClass};
use agentwrite::ports::RecordFailure;
use agentwrite::task::{AfterFailure, CountAs, Kind, Outcome, TaskKey};
use rusqlite::{Connection, params};

use super::attempt::{Ending, unsettled};
use super::record::keep_answer;
use super::statement::{execute, first, hash};
use super::totals;
use crate::added::Added;
use crate::columns::to_json;

pub(super) fn record_failure(connection: &Connection, record: &RecordFailure) -> rusqlite::Result<bool> {
    end_attempt(connection, record)?;
    keep_bad_answer(connection, record)?;
    let held = move_task(connection, record)?;
    let dead = matches!(record.failure.after, AfterFailure::Dead);
    if held && dead {
        fail_sample(connection, &record.task, record.failure.code, &record.failure.message)?;
    }
    Ok(held)
}

/// The sample of a dead task fails, and its other tasks (parallel mode) are dropped, so that nothing more is spent on it.
/// Tasks of other kinds that are about a sample do not make it, so their death leaves it alone.
pub(super) fn fail_sample(
    connection: &Connection,
    task: &TaskKey,
    code: ErrorCode,
    reason: &str,
) -> rusqlite::Result<()> {
    if task.kind != Kind::PLAN && task.kind != Kind::SECTION {
        return Ok(());
    }
    let (run, sample) = (task.run.as_str(), task.subject.as_str());
    let failed = execute(connection, sql!("fail_sample"), params![run, sample, task.revision, code.as_str(), reason])?;
    if failed > 0 {
        execute(connection, sql!("fail_siblings"), params![run, sample])?;
    }
    Ok(())
}

fn end_attempt(connection: &Connection, record: &RecordFailure) -> rusqlite::Result<()> {
    // None: the intent was repeated, and everything was counted the first time.
    let Some(attempt) = unsettled(connection, record.attempt.as_str())? else { return Ok(()) };
    let failure = &record.failure;
    let ending = Ending {
        outcome: Outcome::Failed,
        code: Some(failure.code.as_str()),
        message: Some(&failure.message),
        counted: Some(match failure.count {
            CountAs::Failure => "failure",
            CountAs::Crash => "crash",
            CountAs::Nothing => "nothing",
        }),
        now: record.now.0,
        end: &record.end,
    };
    let throttled = failure.code.class() == FailureClass::Throttled;
    let mut added = Added { throttled_calls: i64::from(throttled), ..Added::default() };
    attempt.settle(connection, record.attempt.as_str(), &ending, &mut added)?;
    totals::write(connection, record.task.run.as_str(), &added)
}

fn keep_bad_answer(connection: &Connection, record: &RecordFailure) -> rusqlite::Result<()> {
    let Some(answer) = &record.failure.answer else { return Ok(()) };
    let key = &record.task;
    let parameters = params![key.run.as_str(), key.kind.as_str(), key.subject, key.place, key.revision];
    let context = first(connection, sql!("task_context"), parameters, |row| hash(row, 0))?;
    match context {
        Some(context) => keep_answer(connection, key, context, record.attempt.as_str(), answer),
        None => Ok(()),
    }
}

fn move_task(connection: &Connection, record: &RecordFailure) -> rusqlite::Result<bool> {
    let key = &record.task;
    let failure = &record.failure;
    let (state, due_at) = match failure.after {
        AfterFailure::RetryAt(at) => ("ready", at.0),
        AfterFailure::Dead => ("dead", record.now.0),
    };
    let parameters = params![
        key.run.as_str(),
        key.kind.as_str(),
        key.subject,
        key.place,
        key.revision,
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
