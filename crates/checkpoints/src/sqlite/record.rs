//! `record_result`, for a whole batch at once: about ten statements whatever the number of results.

use std::collections::{BTreeMap, HashMap};

use agentwrite::ids::{AttemptId, Hash};
use agentwrite::ports::{FollowUp, RecordResult, Recorded, TaskResult};
use agentwrite::task::{Kind, Outcome, TaskKey};
use sqlx::{Row, SqliteConnection};

use super::claim::to_json;
use super::follow_up::follow_up;
use super::rows::{chunks, with_rows};
use super::totals::Sums;
use super::writer::Boxed;

/// What the accepted task row says about its successor.
pub(super) struct Accepted {
    pub(super) generation: u32,
    pub(super) ordinal: i64,
}

pub(super) fn record_results<'c>(
    connection: &'c mut SqliteConnection,
    records: &'c [RecordResult],
) -> Boxed<'c, Result<Vec<Recorded>, sqlx::Error>> {
    Box::pin(async move {
        let mut accepted = accept(connection, records).await?;
        let verdicts: Vec<Option<Accepted>> = records.iter().map(|record| accepted.remove(&record.task)).collect();
        let mut sums = Sums::default();
        end_attempts(connection, records, &verdicts, &mut sums).await?;
        write_answers(connection, records).await?;
        write_results(connection, records, &verdicts, &mut sums).await?;
        move_samples(connection, records, &verdicts).await?;
        let mut recorded = follow_up(connection, records, &verdicts).await?;
        for (index, verdict) in verdicts.iter().enumerate() {
            if verdict.is_none() {
                recorded[index] = not_accepted(connection, &records[index]).await?;
            }
        }
        sums.write(connection).await?;
        Ok(recorded)
    })
}

async fn accept(
    connection: &mut SqliteConnection,
    records: &[RecordResult],
) -> Result<HashMap<TaskKey, Accepted>, sqlx::Error> {
    let revisions: HashMap<(&str, &str, &str, u32), u32> = records
        .iter()
        .map(|record| {
            let key = &record.task;
            ((key.run.as_str(), key.kind.as_str(), key.subject.as_str(), key.place), key.revision)
        })
        .collect();
    let mut accepted = HashMap::with_capacity(records.len());
    for chunk in chunks(records) {
        let mut query = sqlx::query(with_rows(sql!("record_accept"), chunk.len()));
        for record in chunk {
            query = bind_key(query, &record.task).bind(record.context_hash.to_hex()).bind(record.attempt.as_str());
        }
        for row in query.fetch_all(&mut *connection).await? {
            let (run, kind, subject): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let place: u32 = row.try_get(3)?;
            let revision = revisions.get(&(run.as_str(), kind.as_str(), subject.as_str(), place)).copied();
            let key = TaskKey {
                run: agentwrite::ids::RunId::new(run.clone()),
                kind: Kind::new(kind.clone()),
                subject: subject.clone(),
                place,
                revision: revision.unwrap_or_default(),
            };
            accepted.insert(key, Accepted { generation: row.try_get(4)?, ordinal: row.try_get(5)? });
        }
    }
    Ok(accepted)
}

/// Binds the five columns that name a task.
pub(super) fn bind_key<'q>(query: super::rows::Query<'q>, key: &'q TaskKey) -> super::rows::Query<'q> {
    query.bind(key.run.as_str()).bind(key.kind.as_str()).bind(&key.subject).bind(key.place).bind(key.revision)
}

async fn end_attempts(
    connection: &mut SqliteConnection,
    records: &[RecordResult],
    verdicts: &[Option<Accepted>],
    sums: &mut Sums,
) -> Result<(), sqlx::Error> {
    let pairs: Vec<(&RecordResult, bool)> =
        records.iter().zip(verdicts).map(|(record, verdict)| (record, verdict.is_some())).collect();
    let by_attempt: HashMap<&str, (&RecordResult, bool)> =
        pairs.iter().map(|(record, accepted)| (record.attempt.as_str(), (*record, *accepted))).collect();
    for chunk in chunks(&pairs) {
        let mut query = sqlx::query(with_rows(sql!("record_attempts"), chunk.len()));
        for (record, accepted) in chunk {
            let (outcome, code) = outcome(record, *accepted);
            let end = &record.end;
            query = query
                .bind(record.attempt.as_str())
                .bind(outcome.as_str())
                .bind(code)
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
                .bind(end.cost_nanousd.map(|cost| cost as i64));
        }
        for row in query.fetch_all(&mut *connection).await? {
            let attempt: String = row.try_get(0)?;
            let Some((record, accepted)) = by_attempt.get(attempt.as_str()) else { continue };
            let added = sums.of(record.task.run.as_str());
            added.end(&record.end);
            added.reserved_nanousd -= row.try_get::<Option<i64>, _>(2)?.unwrap_or(0);
            match outcome(record, *accepted).0 {
                Outcome::Failed => added.failed_calls += 1,
                Outcome::Wasted => added.wasted_calls += 1,
                Outcome::Started | Outcome::Committed | Outcome::Orphaned => {}
            }
        }
    }
    for (record, accepted) in pairs {
        if accepted && record.origin != record.attempt {
            sqlx::query(sql!("record_origin")).bind(record.origin.as_str()).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// An accepted earlier candidate is its own attempt's; the attempt that ends now then failed by its gate.
fn outcome(record: &RecordResult, accepted: bool) -> (Outcome, Option<&str>) {
    match (accepted, record.origin == record.attempt) {
        (false, _) => (Outcome::Wasted, None),
        (true, true) => (Outcome::Committed, None),
        (true, false) => (Outcome::Failed, record.answer.as_ref().map(|answer| answer.gate.as_str())),
    }
}

async fn write_answers(connection: &mut SqliteConnection, records: &[RecordResult]) -> Result<(), sqlx::Error> {
    for record in records {
        if let Some(answer) = &record.answer {
            keep_answer(connection, &record.task, record.context_hash, record.attempt.as_str(), answer).await?;
        }
    }
    Ok(())
}

/// Keeps an answer beside the accepted text.
pub(super) async fn keep_answer(
    connection: &mut SqliteConnection,
    key: &TaskKey,
    context_hash: Hash,
    attempt: &str,
    answer: &agentwrite::task::KeptAnswer,
) -> Result<(), sqlx::Error> {
    let hash = text_hash(&answer.raw);
    write_texts(connection, &[(hash.clone(), answer.raw.as_str())]).await?;
    let query = sqlx::query(with_rows(sql!("record_answer"), 1)).bind(attempt);
    bind_key(query, key)
        .bind(hash)
        .bind(&answer.gate)
        .bind(&answer.evidence)
        .bind(answer.candidate)
        .bind(context_hash.to_hex())
        .bind(&answer.reask)
        .execute(connection)
        .await?;
    Ok(())
}

fn text_hash(body: &str) -> String {
    Hash::of("text", &[body]).to_hex()
}

async fn write_texts(connection: &mut SqliteConnection, texts: &[(String, &str)]) -> Result<(), sqlx::Error> {
    for chunk in chunks(texts) {
        let mut query = sqlx::query(with_rows(sql!("record_text"), chunk.len()));
        for (hash, body) in chunk {
            query = query.bind(hash).bind(*body);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn write_results(
    connection: &mut SqliteConnection,
    records: &[RecordResult],
    verdicts: &[Option<Accepted>],
    sums: &mut Sums,
) -> Result<(), sqlx::Error> {
    let accepted: Vec<&RecordResult> =
        records.iter().zip(verdicts).filter(|(_, verdict)| verdict.is_some()).map(|(record, _)| record).collect();
    let mut sections = Vec::with_capacity(accepted.len());
    let mut texts = Vec::with_capacity(accepted.len());
    for record in accepted {
        match &record.result {
            TaskResult::Section { text, words, flags, chain } => {
                let hash = text_hash(text);
                texts.push((hash.clone(), text.as_str()));
                sections.push((record, hash, *words, to_json(flags)?, chain.to_hex()));
                let added = sums.of(record.task.run.as_str());
                added.sections += 1;
                added.words += i64::from(*words);
            }
            TaskResult::Plan { plan, chain } => {
                sqlx::query(with_rows(sql!("record_plan"), 1))
                    .bind(record.task.run.as_str())
                    .bind(&record.task.subject)
                    .bind(record.task.revision)
                    .bind(to_json(plan)?)
                    .bind(chain.to_hex())
                    .bind(record.origin.as_str())
                    .execute(&mut *connection)
                    .await?;
            }
            TaskResult::Other(body) => {
                bind_key(sqlx::query(with_rows(sql!("record_other"), 1)), &record.task)
                    .bind(to_json(body)?)
                    .bind(record.origin.as_str())
                    .execute(&mut *connection)
                    .await?;
            }
        }
    }
    write_texts(connection, &texts).await?;
    for chunk in chunks(&sections) {
        let mut query = sqlx::query(with_rows(sql!("record_section"), chunk.len()));
        for (record, hash, words, flags, chain) in chunk {
            query = query
                .bind(record.task.run.as_str())
                .bind(&record.task.subject)
                .bind(record.task.revision)
                .bind(record.task.place)
                .bind(hash)
                .bind(chain)
                .bind(*words)
                .bind(flags)
                .bind(record.origin.as_str());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Parallel mode can fill several places of a sample in one batch; an update sees a row once, so they are added up first.
async fn move_samples(
    connection: &mut SqliteConnection,
    records: &[RecordResult],
    verdicts: &[Option<Accepted>],
) -> Result<(), sqlx::Error> {
    let mut filled: BTreeMap<(&str, &str), (u32, u32, String)> = BTreeMap::new();
    let mut planned = Vec::new();
    for (record, _) in records.iter().zip(verdicts).filter(|(_, verdict)| verdict.is_some()) {
        let sample = (record.task.run.as_str(), record.task.subject.as_str());
        for follow_up in &record.follow_ups {
            match (follow_up, &record.result) {
                (FollowUp::SamplePlanned { places }, TaskResult::Plan { chain, .. }) => {
                    planned.push((sample, *places, chain.to_hex()));
                }
                (FollowUp::PlaceFilled, TaskResult::Section { words, chain, .. }) => {
                    let entry = filled.entry(sample).or_default();
                    entry.0 += 1;
                    entry.1 += words;
                    entry.2 = chain.to_hex();
                }
                _ => {}
            }
        }
    }
    for chunk in chunks(&planned) {
        let mut query = sqlx::query(with_rows(sql!("record_planned"), chunk.len()));
        for ((run, sample), places, chain) in chunk {
            query = query.bind(*run).bind(*sample).bind(*places).bind(chain);
        }
        query.execute(&mut *connection).await?;
    }
    let filled: Vec<_> = filled.into_iter().collect();
    for chunk in chunks(&filled) {
        let mut query = sqlx::query(with_rows(sql!("record_filled"), chunk.len()));
        for ((run, sample), (places, words, chain)) in chunk {
            query = query.bind(*run).bind(*sample).bind(*places).bind(*words).bind(chain);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn not_accepted(connection: &mut SqliteConnection, record: &RecordResult) -> Result<Recorded, sqlx::Error> {
    let outcomes: Vec<(String, String)> = sqlx::query_as(sql!("record_outcomes"))
        .bind(record.attempt.as_str())
        .bind(record.origin.as_str())
        .fetch_all(connection)
        .await?;
    let outcome = |attempt: &AttemptId| {
        outcomes.iter().find(|(id, _)| id == attempt.as_str()).map(|(_, outcome)| outcome.as_str())
    };
    // An attempt that ended in favour of an earlier candidate failed itself; its intent stands if the candidate does.
    let stands = outcome(&record.attempt) == Some("committed")
        || (record.origin != record.attempt
            && outcome(&record.attempt) == Some("failed")
            && outcome(&record.origin) == Some("committed"));
    Ok(if stands { Recorded::Repeated } else { Recorded::Wasted })
}
