//! `record_result`, second half: the tasks that accepted results set in motion, claimed, published or left to dispatch.

use std::collections::HashSet;

use agentwrite::ids::Timestamp;
use agentwrite::ports::{ClaimNext, FollowUp, OutboxRow, RecordResult, Recorded, TaskMessage};
use agentwrite::task::{ClaimedTask, Hint, NewTask, TaskKey};
use sqlx::{PgConnection, Row};

use super::modes::Modes;
use super::record::Accepted;
use super::rows::{Keys, column, number, task_key};

struct Next<'a> {
    record: usize,
    task: &'a NewTask,
    ordinal: i64,
    published_at: Option<Timestamp>,
    claimed: Option<ClaimedTask>,
    lease_until: Option<i64>,
    generation: u32,
}

/// Follow-up tasks: claimed by the worker that made them, or published, or left for the dispatcher (tail, paused run).
pub(super) async fn follow_up(
    connection: &mut PgConnection,
    records: &[RecordResult],
    verdicts: &[Option<Accepted>],
    modes: &Modes,
) -> Result<Vec<Recorded>, sqlx::Error> {
    let mut recorded: Vec<Recorded> =
        records.iter().map(|_| Recorded::Accepted { next: None, publish: Vec::new() }).collect();
    let mut nexts = collect(records, verdicts, modes);
    if nexts.is_empty() {
        return Ok(recorded);
    }
    // A task that was there already is neither claimed nor published; of two results that make the same one, the first does.
    let mut created = write_next(connection, records, &nexts).await?;
    nexts.retain(|next| created.remove(&next.task.key));
    let published: Vec<(&TaskKey, Timestamp)> =
        nexts.iter().filter_map(|next| next.published_at.map(|at| (&next.task.key, at))).collect();
    let mut rows = add_outbox(connection, &published).await?.into_iter();
    for next in nexts {
        if let Recorded::Accepted { next: claimed, publish } = &mut recorded[next.record] {
            if next.claimed.is_some() {
                *claimed = next.claimed;
            }
            if next.published_at.is_some() {
                publish.extend(rows.next());
            }
        }
    }
    Ok(recorded)
}

fn collect<'a>(records: &'a [RecordResult], verdicts: &[Option<Accepted>], modes: &Modes) -> Vec<Next<'a>> {
    let mut found = Vec::with_capacity(records.len());
    for (index, (record, verdict)) in records.iter().zip(verdicts).enumerate() {
        let Some(accepted) = verdict else { continue };
        let tasks = record.follow_ups.iter().filter_map(|follow_up| match follow_up {
            FollowUp::Task(task) => Some(task),
            FollowUp::SamplePlanned { .. } | FollowUp::PlaceFilled => None,
        });
        found.extend(tasks.enumerate().map(|(position, task)| (index, record, accepted, position, task)));
    }
    let next = |(index, record, accepted, position, task): (usize, &'a RecordResult, &Accepted, usize, &'a NewTask)| {
        // One attempt was offered, so one task is claimed; the others are published.
        let claim = record.claim_next.as_ref().filter(|_| position == 0);
        let direct = modes.go_on(&record.task.run);
        next_task(index, record, task, accepted, claim, direct)
    };
    found.into_iter().map(next).collect()
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
        published_at: (direct && claim.is_none()).then_some(record.now),
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

/// Writes the follow-up tasks with the attempts of those that are claimed; returns those that were not there yet.
async fn write_next(
    connection: &mut PgConnection,
    records: &[RecordResult],
    nexts: &[Next<'_>],
) -> Result<HashSet<TaskKey>, sqlx::Error> {
    let claimed = |next: &Next<'_>| next.claimed.is_some();
    let rows = Keys::of(nexts.iter().map(|next| &next.task.key))
        .bind(sqlx::query(sql!("record_next")))
        .bind(column(nexts, |next| next.task.context_hash.to_hex()))
        .bind(column(nexts, |next| if claimed(next) { "claimed" } else { "ready" }))
        .bind(column(nexts, |next| i64::from(next.task.remaining)))
        .bind(column(nexts, |next| next.ordinal))
        .bind(column(nexts, |next| next.published_at.map(|at| at.0)))
        .bind(column(nexts, |next| next.claimed.as_ref().map(|task| task.owner.as_str())))
        .bind(column(nexts, |next| next.lease_until))
        .bind(column(nexts, |next| i64::from(claimed(next))))
        .bind(column(nexts, |next| next.claimed.as_ref().map(|task| task.attempt.as_str())))
        .bind(column(nexts, |next| i64::from(next.generation)))
        .bind(column(nexts, |next| records[next.record].now.0))
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| task_key(row, 0)).collect()
}

/// Writes the outbox rows of tasks, or renews those they have; in the order given.
pub(super) async fn add_outbox(
    connection: &mut PgConnection,
    tasks: &[(&TaskKey, Timestamp)],
) -> Result<Vec<OutboxRow>, sqlx::Error> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Keys::of(tasks.iter().map(|(key, _)| *key))
        .bind(sqlx::query(sql!("outbox_add")))
        .bind(column(tasks, |(_, now)| now.0))
        .fetch_all(connection)
        .await?;
    let mut written = rows
        .iter()
        .map(|row| {
            Ok(OutboxRow {
                id: row.try_get(0)?,
                message: TaskMessage::traced(task_key(row, 1)?, number(row, "generation")?),
            })
        })
        .collect::<Result<Vec<_>, sqlx::Error>>()?;
    written.sort_unstable_by_key(|row| row.id);
    Ok(written)
}
