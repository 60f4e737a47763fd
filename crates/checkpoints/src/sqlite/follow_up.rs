//! `record_result`, second half: the tasks that accepted results set in motion, claimed, published or left to dispatch.

use std::collections::{HashMap, HashSet};

use agentwrite::ports::{ClaimNext, FollowUp, OutboxRow, RecordResult, Recorded, TaskMessage};
use agentwrite::task::{ClaimedTask, Hint, NewTask, TaskKey};
use sqlx::{Row, SqliteConnection};

use super::claim::{Start, start_attempts};
use super::record::{Accepted, bind_key};
use super::rows::{chunks, with_rows};
use super::tasks::task_key;

struct Next<'a> {
    record: usize,
    task: &'a NewTask,
    ordinal: i64,
    published_at: Option<i64>,
    claimed: Option<ClaimedTask>,
    lease_until: Option<i64>,
    generation: u32,
}

/// Follow-up tasks: claimed by the worker that made them, or published, or left for the dispatcher (tail, paused run).
pub(super) async fn follow_up(
    connection: &mut SqliteConnection,
    records: &[RecordResult],
    verdicts: &[Option<Accepted>],
) -> Result<Vec<Recorded>, sqlx::Error> {
    let mut modes: HashMap<&str, (bool, bool)> = HashMap::new();
    let mut nexts = Vec::with_capacity(records.len());
    for (index, (record, verdict)) in records.iter().zip(verdicts).enumerate() {
        let Some(accepted) = verdict else { continue };
        let tasks = record.follow_ups.iter().filter_map(|follow_up| match follow_up {
            FollowUp::Task(task) => Some(task),
            FollowUp::SamplePlanned { .. } | FollowUp::PlaceFilled => None,
        });
        // One attempt was offered, so one task is claimed; the others are published.
        for (position, task) in tasks.enumerate() {
            let run = record.task.run.as_str();
            let (running, ordered) = if let Some(mode) = modes.get(run) {
                *mode
            } else {
                let mode = run_mode(connection, run).await?;
                modes.insert(run, mode);
                mode
            };
            let claim = record.claim_next.as_ref().filter(|_| position == 0);
            nexts.push(next_task(index, record, task, accepted, claim, running && !ordered));
        }
    }
    let mut recorded: Vec<Recorded> =
        records.iter().map(|_| Recorded::Accepted { next: None, publish: Vec::new() }).collect();
    // A task that was there already is neither claimed nor published; of two results that make the same one, the first does.
    let mut created = write_next(connection, &nexts).await?;
    nexts.retain(|next| created.remove(&next.task.key));
    let starts: Vec<Start> = nexts
        .iter()
        .filter_map(|next| next.claimed.as_ref().map(|task| Start::of(task, records[next.record].now.0)))
        .collect();
    start_attempts(connection, &starts).await?;
    for next in nexts {
        let outbox = if next.published_at.is_some() {
            Some(add_outbox(connection, &next.task.key, records[next.record].now.0).await?)
        } else {
            None
        };
        if let Recorded::Accepted { next: claimed, publish } = &mut recorded[next.record] {
            if next.claimed.is_some() {
                *claimed = next.claimed;
            }
            publish.extend(outbox);
        }
    }
    Ok(recorded)
}

async fn run_mode(connection: &mut SqliteConnection, run: &str) -> Result<(bool, bool), sqlx::Error> {
    let row: Option<(String, bool)> = sqlx::query_as(sql!("run_modes")).bind(run).fetch_optional(connection).await?;
    Ok(row.map_or((false, false), |(state, ordered)| (state == "running", ordered)))
}

fn next_task<'a>(
    index: usize,
    record: &'a RecordResult,
    task: &'a NewTask,
    accepted: &Accepted,
    claim: Option<&ClaimNext>,
    direct: bool,
) -> Next<'a> {
    let claim = claim.filter(|_| direct);
    Next {
        record: index,
        task,
        ordinal: accepted.ordinal,
        published_at: (direct && claim.is_none()).then_some(record.now.0),
        lease_until: claim.map(|claim| record.now.after(claim.lease).0),
        claimed: claim.map(|claim| ClaimedTask {
            key: task.key.clone(),
            context_hash: task.context_hash,
            owner: record.owner.clone(),
            fence: 1,
            attempt: claim.attempt.clone(),
            generation: accepted.generation,
            failures: 0,
            bad_answers: 0,
            crashes: 0,
            hint: Hint::default(),
        }),
        generation: accepted.generation,
    }
}

/// Writes the follow-up tasks; returns those that were not there yet.
async fn write_next(connection: &mut SqliteConnection, nexts: &[Next<'_>]) -> Result<HashSet<TaskKey>, sqlx::Error> {
    let mut created = HashSet::with_capacity(nexts.len());
    for chunk in chunks(nexts) {
        let mut query = sqlx::query(with_rows(sql!("record_next"), chunk.len()));
        for next in chunk {
            let claimed = next.claimed.as_ref();
            query = bind_key(query, &next.task.key)
                .bind(next.task.context_hash.to_hex())
                .bind(if claimed.is_some() { "claimed" } else { "ready" })
                .bind(next.task.remaining)
                .bind(next.ordinal)
                .bind(next.published_at)
                .bind(claimed.map(|task| task.owner.as_str()))
                .bind(next.lease_until)
                .bind(i64::from(claimed.is_some()))
                .bind(claimed.map(|task| task.attempt.as_str()))
                .bind(next.generation);
        }
        for row in query.fetch_all(&mut *connection).await? {
            created.insert(task_key(&row, 0)?);
        }
    }
    Ok(created)
}

/// Writes the outbox row of a task, or renews the one it has.
pub(super) async fn add_outbox(
    connection: &mut SqliteConnection,
    key: &TaskKey,
    now: i64,
) -> Result<OutboxRow, sqlx::Error> {
    let row = bind_key(sqlx::query(with_rows(sql!("outbox_add"), 1)), key).bind(now).fetch_one(connection).await?;
    Ok(OutboxRow { id: row.try_get(0)?, message: TaskMessage { task: key.clone() } })
}
