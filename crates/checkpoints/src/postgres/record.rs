//! `record_result`, for a whole batch at once: a handful of statements whatever the number of results.

use std::collections::{HashMap, HashSet};

use agentwrite::ids::AttemptId;
use agentwrite::ports::{RecordResult, Recorded, TaskResult};
use agentwrite::task::TaskKey;
use sqlx::{PgConnection, Row};

use super::answers::{Kept, in_order, keep_answers};
use super::follow_up::follow_up;
use super::lock::{self, Attempt};
use super::modes::Modes;
use super::rows::{Keys, column, number, task_key, wide};
use super::tail::claim_best;
use super::totals::Sums;
use super::transaction::Boxed;
use super::written::Written;
use crate::acceptance::{not_accepted, outcome};
use crate::columns::to_json;

/// What the accepted task row says about its successor.
pub(super) struct Accepted {
    pub(super) generation: u32,
    pub(super) ordinal: i64,
}

/// The batch with what became of each result.
pub(super) struct Batch<'a> {
    records: &'a [RecordResult],
    verdicts: Vec<Option<Accepted>>,
}

impl<'a> Batch<'a> {
    pub(super) fn accepted(&self) -> Vec<&'a RecordResult> {
        let pairs = self.records.iter().zip(&self.verdicts);
        pairs.filter(|(_, verdict)| verdict.is_some()).map(|(record, _)| record).collect()
    }

    /// Each result with whether it was accepted.
    fn pairs(&self) -> Vec<(&'a RecordResult, bool)> {
        self.records.iter().zip(&self.verdicts).map(|(record, verdict)| (record, verdict.is_some())).collect()
    }
}

pub(super) fn record_results<'c>(
    connection: &'c mut PgConnection,
    records: &'c [RecordResult],
) -> Boxed<'c, Result<Vec<Recorded>, sqlx::Error>> {
    Box::pin(async move {
        let ids = records.iter().flat_map(|record| [record.attempt.as_str(), record.origin.as_str()]).collect();
        let tasks = records.iter().map(|record| &record.task);
        let attempts = lock::attempts_and_samples(connection, ids, tasks).await?;
        let (mut accepted, modes) = accept(connection, records, &attempts).await?;
        let batch = Batch { records, verdicts: column(records, |record| accepted.remove(&record.task)) };
        write_results(connection, &batch, &attempts).await?;
        let mut recorded = follow_up(connection, records, &batch.verdicts, &modes).await?;
        for (index, verdict) in batch.verdicts.iter().enumerate() {
            if verdict.is_none() {
                let outcome_of = |attempt: &AttemptId| attempts.get(attempt.as_str()).map(|it| it.outcome.as_str());
                // The outcomes are those of before it, under its locks.
                recorded[index] = not_accepted(&records[index], outcome_of);
            }
        }
        claim_best(connection, records, &mut recorded, &modes).await?;
        Ok(recorded)
    })
}

/// An attempt that stands like this may end with a result.
fn is_open(attempt: &Attempt) -> bool {
    attempt.outcome == "started" || attempt.outcome == "orphaned"
}

async fn accept(
    connection: &mut PgConnection,
    records: &[RecordResult],
    attempts: &HashMap<String, Attempt>,
) -> Result<(HashMap<TaskKey, Accepted>, Modes), sqlx::Error> {
    let (mut accepted, mut modes) = (HashMap::new(), Modes::default());
    let open = |record: &&RecordResult| attempts.get(record.attempt.as_str()).is_some_and(is_open);
    let open: Vec<&RecordResult> = records.iter().filter(open).collect();
    if open.is_empty() {
        return Ok((accepted, modes));
    }
    let rows = Keys::of(open.iter().map(|record| &record.task))
        .bind(sqlx::query(sql!("record_accept")))
        .bind(column(&open, |record| record.context_hash.to_hex()))
        .fetch_all(connection)
        .await?;
    for row in &rows {
        let task = task_key(row, 0)?;
        modes.add(&task.run, row.try_get("running")?, row.try_get("ordered")?, row.try_get("slots")?);
        accepted.insert(task, Accepted { generation: number(row, "generation")?, ordinal: row.try_get("ordinal")? });
    }
    Ok((accepted, modes))
}

/// Ends the attempts, keeps texts, sections and plans, moves the samples, and counts.
async fn write_results(
    connection: &mut PgConnection,
    batch: &Batch<'_>,
    attempts: &HashMap<String, Attempt>,
) -> Result<(), sqlx::Error> {
    let kept: Vec<Kept<'_>> = batch.records.iter().filter_map(Kept::of).collect();
    let mut written = Written::of(batch)?;
    written.texts.extend(kept.iter().map(Kept::text));
    write_batch(connection, batch, written).await?;
    keep_answers(connection, &kept).await?;
    let others: Vec<&RecordResult> =
        batch.accepted().into_iter().filter(|record| matches!(record.result, TaskResult::Other(_))).collect();
    write_others(connection, &others).await?;
    commit_origins(connection, batch).await?;
    count(batch, attempts).write(connection).await
}

async fn write_batch(
    connection: &mut PgConnection,
    batch: &Batch<'_>,
    written: Written<'_>,
) -> Result<(), sqlx::Error> {
    let Written { texts, sections, plans, samples } = written;
    let texts = in_order(texts);
    let ends = batch.pairs();
    sqlx::query(sql!("record_batch"))
        .bind(column(&ends, |(record, _)| record.attempt.as_str()))
        .bind(column(&ends, |(record, accepted)| outcome(record, *accepted).0.as_str()))
        .bind(column(&ends, |(record, accepted)| outcome(record, *accepted).1))
        .bind(column(&ends, |(record, _)| record.now.0))
        .bind(column(&ends, |(record, _)| record.end.endpoint.as_str()))
        .bind(column(&ends, |(record, _)| record.end.model.as_str()))
        .bind(column(&ends, |(record, _)| record.end.status.map(i64::from)))
        .bind(column(&ends, |(record, _)| record.end.called))
        .bind(column(&ends, |(record, _)| wide(record.end.usage.prompt_tokens)))
        .bind(column(&ends, |(record, _)| wide(record.end.usage.cached_tokens)))
        .bind(column(&ends, |(record, _)| wide(record.end.usage.completion_tokens)))
        .bind(column(&ends, |(record, _)| wide(record.end.usage.reasoning_tokens)))
        .bind(column(&ends, |(record, _)| wide(record.end.first_token_ms)))
        .bind(column(&ends, |(record, _)| wide(record.end.total_ms)))
        .bind(column(&ends, |(record, _)| record.end.cost_nanousd.map(wide)))
        .bind(column(&texts, |(hash, _)| hash.as_str()))
        .bind(column(&texts, |(_, body)| body.as_bytes()))
        .bind(column(&sections, |section| section.record.task.run.as_str()))
        .bind(column(&sections, |section| section.record.task.subject.as_str()))
        .bind(column(&sections, |section| i64::from(section.record.task.revision)))
        .bind(column(&sections, |section| i64::from(section.record.task.place)))
        .bind(column(&sections, |section| section.hash.as_str()))
        .bind(column(&sections, |section| section.chain.as_str()))
        .bind(column(&sections, |section| i64::from(section.words)))
        .bind(column(&sections, |section| section.flags.as_str()))
        .bind(column(&sections, |section| section.record.origin.as_str()))
        .bind(column(&plans, |plan| plan.record.task.run.as_str()))
        .bind(column(&plans, |plan| plan.record.task.subject.as_str()))
        .bind(column(&plans, |plan| i64::from(plan.record.task.revision)))
        .bind(column(&plans, |plan| plan.body.as_str()))
        .bind(column(&plans, |plan| plan.chain.as_str()))
        .bind(column(&plans, |plan| plan.record.origin.as_str()))
        .bind(column(&samples, |moved| moved.run))
        .bind(column(&samples, |moved| moved.sample))
        .bind(column(&samples, |moved| moved.places))
        .bind(column(&samples, |moved| moved.filled))
        .bind(column(&samples, |moved| moved.words))
        .bind(column(&samples, |moved| moved.chain.as_str()))
        .execute(connection)
        .await?;
    Ok(())
}

/// Accepted texts may be earlier attempts' candidates.
async fn commit_origins(connection: &mut PgConnection, batch: &Batch<'_>) -> Result<(), sqlx::Error> {
    let earlier = |record: &&RecordResult| record.origin != record.attempt;
    let origins: Vec<&str> =
        batch.accepted().into_iter().filter(earlier).map(|record| record.origin.as_str()).collect();
    if !origins.is_empty() {
        sqlx::query(sql!("record_origin")).bind(origins).execute(connection).await?;
    }
    Ok(())
}

/// What the attempts that end now and the accepted sections add to the counters.
fn count(batch: &Batch<'_>, attempts: &HashMap<String, Attempt>) -> Sums {
    let mut sums = Sums::default();
    let mut counted = HashSet::new();
    for (record, accepted) in batch.pairs() {
        let attempt = attempts.get(record.attempt.as_str()).filter(|attempt| is_open(attempt));
        let Some(attempt) = attempt.filter(|_| counted.insert(&record.attempt)) else { continue };
        let added = sums.of(record.task.run.as_str());
        added.end(outcome(record, accepted).0, &record.end, attempt.reserved_nanousd);
        if let (true, TaskResult::Section { words, .. }) = (accepted, &record.result) {
            added.sections += 1;
            added.words += i64::from(*words);
        }
    }
    sums
}

async fn write_others(connection: &mut PgConnection, others: &[&RecordResult]) -> Result<(), sqlx::Error> {
    if others.is_empty() {
        return Ok(());
    }
    let body = |record: &&RecordResult| match &record.result {
        TaskResult::Other(body) => to_json(body),
        TaskResult::Section { .. } | TaskResult::Plan { .. } => Ok(String::new()),
    };
    Keys::of(others.iter().map(|record| &record.task))
        .bind(sqlx::query(sql!("record_other")))
        .bind(others.iter().map(body).collect::<Result<Vec<_>, _>>()?)
        .bind(column(others, |record| record.origin.as_str()))
        .execute(connection)
        .await?;
    Ok(())
}
