//! `record_failure`: the attempt ends in any case; the task moves only if the fence holds.

use agentwrite::failure::{ErrorCode, FailureClass};
use agentwrite::ports::RecordFailure;
use agentwrite::task::{AfterFailure, CountAs, Kind, TaskKey};
use sqlx::{Row, SqliteConnection};

use super::claim::{hash, to_json};
use super::record::keep_answer;
use super::totals::Sums;

pub(super) async fn record_failure(
    connection: &mut SqliteConnection,
    record: &RecordFailure,
) -> Result<bool, sqlx::Error> {
    end_attempt(connection, record).await?;
    let context: Option<String> = task_context(connection, record).await?;
    if let (Some(answer), Some(context)) = (&record.failure.answer, context) {
        keep_answer(connection, &record.task, hash(&context)?, record.attempt.as_str(), answer).await?;
    }
    let held = move_task(connection, record).await?;
    let dead = matches!(record.failure.after, AfterFailure::Dead);
    if held && dead {
        fail_sample(connection, &record.task, record.failure.code, &record.failure.message).await?;
    }
    Ok(held)
}

/// The sample of a dead task fails, and its other tasks (parallel mode) are dropped, so that nothing more is spent on it.
/// Tasks of other kinds that are about a sample do not make it, so their death leaves it alone.
pub(super) async fn fail_sample(
    connection: &mut SqliteConnection,
    task: &TaskKey,
    code: ErrorCode,
    reason: &str,
) -> Result<(), sqlx::Error> {
    if task.kind != Kind::PLAN && task.kind != Kind::SECTION {
        return Ok(());
    }
    let failed = sqlx::query(sql!("fail_sample"))
        .bind(task.run.as_str())
        .bind(&task.subject)
        .bind(task.revision)
        .bind(code.as_str())
        .bind(reason)
        .execute(&mut *connection)
        .await?
        .rows_affected();
    if failed > 0 {
        sqlx::query(sql!("fail_siblings")).bind(task.run.as_str()).bind(&task.subject).execute(connection).await?;
    }
    Ok(())
}

async fn end_attempt(connection: &mut SqliteConnection, record: &RecordFailure) -> Result<(), sqlx::Error> {
    let end = &record.end;
    let row = sqlx::query(sql!("fail_attempt"))
        .bind(record.attempt.as_str())
        .bind(record.failure.code.as_str())
        .bind(&record.failure.message)
        .bind(match record.failure.count {
            CountAs::Failure => "failure",
            CountAs::Crash => "crash",
            CountAs::Nothing => "nothing",
        })
        .bind(record.now.0)
        .bind(&end.endpoint)
        .bind(&end.model)
        .bind(end.status)
        .bind(end.called)
        .bind(end.usage.prompt_tokens as i64)
        .bind(end.usage.cached_tokens as i64)
        .bind(end.usage.completion_tokens as i64)
        .bind(end.usage.reasoning_tokens as i64)
        .bind(end.first_token_ms as i64)
        .bind(end.total_ms as i64)
        .bind(end.cost_nanousd.map(|cost| cost as i64))
        .fetch_optional(&mut *connection)
        .await?;
    // No row: the intent was repeated, and everything was counted the first time.
    let Some(row) = row else { return Ok(()) };
    let mut sums = Sums::default();
    let added = sums.of(record.task.run.as_str());
    added.end(end);
    added.failed_calls += 1;
    added.throttled_calls += i64::from(record.failure.code.class() == FailureClass::Throttled);
    added.reserved_nanousd -= row.try_get::<Option<i64>, _>(0)?.unwrap_or(0);
    sums.write(connection).await
}

async fn task_context(
    connection: &mut SqliteConnection,
    record: &RecordFailure,
) -> Result<Option<String>, sqlx::Error> {
    let key = &record.task;
    sqlx::query_scalar(sql!("task_context"))
        .bind(key.run.as_str())
        .bind(key.kind.as_str())
        .bind(&key.subject)
        .bind(key.place)
        .bind(key.revision)
        .fetch_optional(connection)
        .await
}

async fn move_task(connection: &mut SqliteConnection, record: &RecordFailure) -> Result<bool, sqlx::Error> {
    let key = &record.task;
    let failure = &record.failure;
    let (state, due_at) = match failure.after {
        AfterFailure::RetryAt(at) => ("ready", at.0),
        AfterFailure::Dead => ("dead", record.now.0),
    };
    let row = sqlx::query(sql!("fail_task"))
        .bind(key.run.as_str())
        .bind(key.kind.as_str())
        .bind(&key.subject)
        .bind(key.place)
        .bind(key.revision)
        .bind(record.fence)
        .bind(state)
        .bind(due_at)
        .bind(i64::from(failure.count == CountAs::Failure))
        .bind(i64::from(failure.bad_answer))
        .bind(i64::from(failure.count == CountAs::Crash))
        .bind(to_json(&failure.hint)?)
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}
