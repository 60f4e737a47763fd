//! `record_failure`: the attempt ends in any case; the task moves only if the fence holds.

use agentwrite::failure::{ErrorCode, FailureClass};
use agentwrite::ids::Hash;
use agentwrite::ports::RecordFailure;
use agentwrite::task::{AfterFailure, CountAs, Kind, TaskKey};
use sqlx::{PgConnection, Row};

use super::answers::{Kept, keep_answers, write_texts};
use super::lock;
use super::rows::{bind_key, remark, wide};
use super::totals::Sums;
use crate::columns::{hash, to_json};

pub(super) async fn record_failure(connection: &mut PgConnection, record: &RecordFailure) -> Result<bool, sqlx::Error> {
    lock::runs(connection, [&record.task.run]).await?;
    end_attempt(connection, record).await?;
    let dead = matches!(record.failure.after, AfterFailure::Dead);
    if dead && makes_a_sample(&record.task.kind) {
        lock::samples(connection, [&record.task]).await?;
        lock::families(connection, &[], [&record.task]).await?;
    }
    let context = task_context(connection, record).await?;
    let held = move_task(connection, record).await?;
    if held && dead {
        fail_sample(connection, &record.task, record.failure.code, &record.failure.message).await?;
    }
    if let (Some(answer), Some(context)) = (&record.failure.answer, context) {
        let kept = Kept::new(&record.task, record.attempt.as_str(), context, answer);
        write_texts(connection, vec![kept.text()]).await?;
        keep_answers(connection, &[kept]).await?;
    }
    Ok(held)
}

/// Tasks of other kinds that are about a sample do not make it, so their death leaves it alone.
pub(super) fn makes_a_sample(kind: &Kind) -> bool {
    *kind == Kind::PLAN || *kind == Kind::SECTION
}

/// The sample of a dead task fails, and its other tasks (parallel mode) are dropped, so that nothing more is spent on it.
pub(super) async fn fail_sample(
    connection: &mut PgConnection,
    task: &TaskKey,
    code: ErrorCode,
    reason: &str,
) -> Result<(), sqlx::Error> {
    if !makes_a_sample(&task.kind) {
        return Ok(());
    }
    let failed = sqlx::query(sql!("fail_sample"))
        .bind(task.run.as_str())
        .bind(&task.subject)
        .bind(i64::from(task.revision))
        .bind(code.as_str())
        .bind(remark(reason))
        .execute(&mut *connection)
        .await?
        .rows_affected();
    if failed > 0 {
        sqlx::query(sql!("fail_siblings")).bind(task.run.as_str()).bind(&task.subject).execute(connection).await?;
    }
    Ok(())
}

async fn end_attempt(connection: &mut PgConnection, record: &RecordFailure) -> Result<(), sqlx::Error> {
    let end = &record.end;
    let row = sqlx::query(sql!("fail_attempt"))
        .bind(record.attempt.as_str())
        .bind(record.failure.stored_code())
        .bind(remark(&record.failure.message))
        .bind(record.failure.count.as_str())
        .bind(record.now.0)
        .bind(&end.endpoint)
        .bind(&end.model)
        .bind(end.status.map(i64::from))
        .bind(end.called)
        .bind(wide(end.usage.prompt_tokens))
        .bind(wide(end.usage.cached_tokens))
        .bind(wide(end.usage.completion_tokens))
        .bind(wide(end.usage.reasoning_tokens))
        .bind(wide(end.first_token_ms))
        .bind(wide(end.total_ms))
        .bind(end.cost_nanousd.map(wide))
        .bind(record.failure.count.outcome().as_str())
        .fetch_optional(&mut *connection)
        .await?;
    // No row: the intent was repeated, and everything was counted the first time.
    let Some(row) = row else { return Ok(()) };
    let mut sums = Sums::default();
    let added = sums.of(record.task.run.as_str());
    added.end(record.failure.count.outcome(), end, row.try_get::<Option<i64>, _>(0)?.unwrap_or(0));
    added.throttled_calls += i64::from(record.failure.code.class() == FailureClass::Throttled);
    sums.write(connection).await
}

async fn task_context(connection: &mut PgConnection, record: &RecordFailure) -> Result<Option<Hash>, sqlx::Error> {
    if record.failure.answer.is_none() {
        return Ok(None);
    }
    let row = bind_key(sqlx::query(sql!("task_context")), &record.task).fetch_optional(connection).await?;
    row.map(|row| Ok(hash(row.try_get(0)?)?)).transpose()
}

async fn move_task(connection: &mut PgConnection, record: &RecordFailure) -> Result<bool, sqlx::Error> {
    let failure = &record.failure;
    let (state, due_at) = match failure.after {
        AfterFailure::RetryAt(at) => ("ready", at.0),
        AfterFailure::Dead => ("dead", record.now.0),
    };
    let row = bind_key(sqlx::query(sql!("fail_task")), &record.task)
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
