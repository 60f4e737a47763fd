//! `record_result`, for a whole batch at once: about a dozen statements whatever the number of results.

use std::collections::{BTreeMap, HashMap};

use agentwrite::ids::AttemptId;
use agentwrite::ports::{FollowUp, RecordResult, Recorded, TaskResult};
use agentwrite::task::TaskKey;
use sqlx::{PgConnection, Row};

use super::answers::{Kept, keep_answers, text_hash, write_texts};
use super::follow_up::follow_up;
use super::lock;
use super::modes::Modes;
use super::rows::{Keys, column, number, task_key, wide};
use super::tail::claim_best;
use super::totals::Sums;
use super::transaction::Boxed;
use crate::acceptance::{not_accepted, outcome};
use crate::columns::to_json;

/// What the accepted task row says about its successor.
pub(super) struct Accepted {
    pub(super) generation: u32,
    pub(super) ordinal: i64,
}

/// The batch with what became of each result.
struct Batch<'a> {
    records: &'a [RecordResult],
    verdicts: Vec<Option<Accepted>>,
}

impl<'a> Batch<'a> {
    fn accepted(&self) -> Vec<&'a RecordResult> {
        let pairs = self.records.iter().zip(&self.verdicts);
        pairs.filter(|(_, verdict)| verdict.is_some()).map(|(record, _)| record).collect()
    }
}

pub(super) fn record_results<'c>(
    connection: &'c mut PgConnection,
    records: &'c [RecordResult],
) -> Boxed<'c, Result<Vec<Recorded>, sqlx::Error>> {
    Box::pin(async move {
        lock::runs(connection, records.iter().map(|record| &record.task.run)).await?;
        let ids = records.iter().flat_map(|record| [record.attempt.as_str(), record.origin.as_str()]).collect();
        let outcomes = lock::attempts(connection, ids).await?;
        lock::samples(connection, records.iter().map(|record| &record.task)).await?;
        let mut accepted = accept(connection, records, &outcomes).await?;
        let batch = Batch { records, verdicts: column(records, |record| accepted.remove(&record.task)) };
        let mut sums = Sums::default();
        end_attempts(connection, &batch, &mut sums).await?;
        write_results(connection, &batch, &mut sums).await?;
        move_samples(connection, &batch).await?;
        let modes = Modes::of(connection, batch.accepted().into_iter().map(|record| &record.task.run)).await?;
        let mut recorded = follow_up(connection, records, &batch.verdicts, &modes).await?;
        for (index, verdict) in batch.verdicts.iter().enumerate() {
            if verdict.is_none() {
                let outcome_of = |attempt: &AttemptId| outcomes.get(attempt.as_str()).map(String::as_str);
                // The outcomes are those of before it, under its locks.
                recorded[index] = not_accepted(&records[index], outcome_of);
            }
        }
        claim_best(connection, records, &mut recorded, &modes).await?;
        sums.write(connection).await?;
        Ok(recorded)
    })
}

fn is_open(outcomes: &HashMap<String, String>, attempt: &AttemptId) -> bool {
    outcomes.get(attempt.as_str()).is_some_and(|outcome| outcome == "started" || outcome == "orphaned")
}

async fn accept(
    connection: &mut PgConnection,
    records: &[RecordResult],
    outcomes: &HashMap<String, String>,
) -> Result<HashMap<TaskKey, Accepted>, sqlx::Error> {
    let open: Vec<&RecordResult> = records.iter().filter(|record| is_open(outcomes, &record.attempt)).collect();
    if open.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = Keys::of(open.iter().map(|record| &record.task))
        .bind(sqlx::query(sql!("record_accept")))
        .bind(column(&open, |record| record.context_hash.to_hex()))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| Ok((task_key(row, 0)?, Accepted { generation: number(row, 5)?, ordinal: row.try_get(6)? })))
        .collect()
}

async fn end_attempts(connection: &mut PgConnection, batch: &Batch<'_>, sums: &mut Sums) -> Result<(), sqlx::Error> {
    let pairs: Vec<(&RecordResult, bool)> =
        batch.records.iter().zip(&batch.verdicts).map(|(record, verdict)| (record, verdict.is_some())).collect();
    let rows = sqlx::query(sql!("record_attempts"))
        .bind(column(&pairs, |(record, _)| record.attempt.as_str()))
        .bind(column(&pairs, |(record, accepted)| outcome(record, *accepted).0.as_str()))
        .bind(column(&pairs, |(record, accepted)| outcome(record, *accepted).1))
        .bind(column(&pairs, |(record, _)| record.now.0))
        .bind(column(&pairs, |(record, _)| record.end.endpoint.as_str()))
        .bind(column(&pairs, |(record, _)| record.end.model.as_str()))
        .bind(column(&pairs, |(record, _)| record.end.status.map(i64::from)))
        .bind(column(&pairs, |(record, _)| record.end.called))
        .bind(column(&pairs, |(record, _)| wide(record.end.usage.prompt_tokens)))
        .bind(column(&pairs, |(record, _)| wide(record.end.usage.cached_tokens)))
        .bind(column(&pairs, |(record, _)| wide(record.end.usage.completion_tokens)))
        .bind(column(&pairs, |(record, _)| wide(record.end.usage.reasoning_tokens)))
        .bind(column(&pairs, |(record, _)| wide(record.end.first_token_ms)))
        .bind(column(&pairs, |(record, _)| wide(record.end.total_ms)))
        .bind(column(&pairs, |(record, _)| record.end.cost_nanousd.map(wide)))
        .fetch_all(&mut *connection)
        .await?;
    let by_attempt: HashMap<&str, (&RecordResult, bool)> =
        pairs.iter().map(|(record, accepted)| (record.attempt.as_str(), (*record, *accepted))).collect();
    for row in rows {
        let Some((record, accepted)) = by_attempt.get(row.try_get::<&str, _>(0)?) else { continue };
        let added = sums.of(record.task.run.as_str());
        let reserved = row.try_get::<Option<i64>, _>(1)?.unwrap_or(0);
        added.end(outcome(record, *accepted).0, &record.end, reserved);
    }
    let origins: Vec<&str> = pairs
        .iter()
        .filter(|(record, accepted)| *accepted && record.origin != record.attempt)
        .map(|(record, _)| record.origin.as_str())
        .collect();
    if !origins.is_empty() {
        sqlx::query(sql!("record_origin")).bind(origins).execute(connection).await?;
    }
    Ok(())
}

struct Section<'a> {
    record: &'a RecordResult,
    hash: String,
    chain: String,
    words: u32,
    flags: String,
}

async fn write_results(connection: &mut PgConnection, batch: &Batch<'_>, sums: &mut Sums) -> Result<(), sqlx::Error> {
    let mut texts = Vec::new();
    let (mut sections, mut plans, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for record in batch.accepted() {
        match &record.result {
            TaskResult::Section { text, words, flags, chain } => {
                let hash = text_hash(text);
                texts.push((hash.clone(), text.as_str()));
                let (chain, flags) = (chain.to_hex(), to_json(flags)?);
                sections.push(Section { record, hash, chain, words: *words, flags });
                let added = sums.of(record.task.run.as_str());
                added.sections += 1;
                added.words += i64::from(*words);
            }
            TaskResult::Plan { plan, chain } => plans.push((record, to_json(plan)?, chain.to_hex())),
            TaskResult::Other(body) => others.push((record, to_json(body)?)),
        }
    }
    let kept: Vec<Kept<'_>> = batch.records.iter().filter_map(Kept::of).collect();
    texts.extend(kept.iter().map(Kept::text));
    write_texts(connection, texts).await?;
    keep_answers(connection, &kept).await?;
    write_sections(connection, &sections).await?;
    write_plans(connection, &plans).await?;
    write_others(connection, &others).await
}

async fn write_sections(connection: &mut PgConnection, sections: &[Section<'_>]) -> Result<(), sqlx::Error> {
    if sections.is_empty() {
        return Ok(());
    }
    sqlx::query(sql!("record_section"))
        .bind(column(sections, |section| section.record.task.run.as_str()))
        .bind(column(sections, |section| section.record.task.subject.as_str()))
        .bind(column(sections, |section| i64::from(section.record.task.revision)))
        .bind(column(sections, |section| i64::from(section.record.task.place)))
        .bind(column(sections, |section| section.hash.as_str()))
        .bind(column(sections, |section| section.chain.as_str()))
        .bind(column(sections, |section| i64::from(section.words)))
        .bind(column(sections, |section| section.flags.as_str()))
        .bind(column(sections, |section| section.record.origin.as_str()))
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_plans(
    connection: &mut PgConnection,
    plans: &[(&RecordResult, String, String)],
) -> Result<(), sqlx::Error> {
    if plans.is_empty() {
        return Ok(());
    }
    sqlx::query(sql!("record_plan"))
        .bind(column(plans, |(record, ..)| record.task.run.as_str()))
        .bind(column(plans, |(record, ..)| record.task.subject.as_str()))
        .bind(column(plans, |(record, ..)| i64::from(record.task.revision)))
        .bind(column(plans, |(_, plan, _)| plan.as_str()))
        .bind(column(plans, |(_, _, chain)| chain.as_str()))
        .bind(column(plans, |(record, ..)| record.origin.as_str()))
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_others(connection: &mut PgConnection, others: &[(&RecordResult, String)]) -> Result<(), sqlx::Error> {
    if others.is_empty() {
        return Ok(());
    }
    Keys::of(others.iter().map(|(record, _)| &record.task))
        .bind(sqlx::query(sql!("record_other")))
        .bind(column(others, |(_, body)| body.as_str()))
        .bind(column(others, |(record, _)| record.origin.as_str()))
        .execute(connection)
        .await?;
    Ok(())
}

/// Parallel mode can fill several places of a sample in one batch; an update sees a row once, so they are added up first.
async fn move_samples(connection: &mut PgConnection, batch: &Batch<'_>) -> Result<(), sqlx::Error> {
    let mut filled: BTreeMap<(&str, &str), (i64, i64, String)> = BTreeMap::new();
    let mut planned = Vec::new();
    for record in batch.accepted() {
        let sample = (record.task.run.as_str(), record.task.subject.as_str());
        for follow_up in &record.follow_ups {
            match (follow_up, &record.result) {
                (FollowUp::SamplePlanned { places }, TaskResult::Plan { chain, .. }) => {
                    planned.push((sample, i64::from(*places), chain.to_hex()));
                }
                (FollowUp::PlaceFilled, TaskResult::Section { words, chain, .. }) => {
                    let entry = filled.entry(sample).or_default();
                    entry.0 += 1;
                    entry.1 += i64::from(*words);
                    entry.2 = chain.to_hex();
                }
                _ => {}
            }
        }
    }
    if !planned.is_empty() {
        sqlx::query(sql!("record_planned"))
            .bind(column(&planned, |((run, _), ..)| *run))
            .bind(column(&planned, |((_, sample), ..)| *sample))
            .bind(column(&planned, |(_, places, _)| *places))
            .bind(column(&planned, |(_, _, chain)| chain.as_str()))
            .execute(&mut *connection)
            .await?;
    }
    let filled: Vec<_> = filled.into_iter().collect();
    if !filled.is_empty() {
        sqlx::query(sql!("record_filled"))
            .bind(column(&filled, |((run, _), _)| *run))
            .bind(column(&filled, |((_, sample), _)| *sample))
            .bind(column(&filled, |(_, (places, ..))| *places))
            .bind(column(&filled, |(_, (_, words, _))| *words))
            .bind(column(&filled, |(_, (_, _, chain))| chain.as_str()))
            .execute(connection)
            .await?;
    }
    Ok(())
}
