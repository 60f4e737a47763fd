//! `record_result`, second half: the tasks that an accepted result sets in motion, claimed, published or left to dispatch.

use agentwrite::ports::{ClaimNext, ClaimTask, FollowUp, OutboxRow, RecordResult, Recorded, TaskMessage};
use agentwrite::task::{ClaimedTask, Hint, NewTask, TaskKey};
use rusqlite::{Connection, params};

use super::attempt::{Mode, Tried, start_attempt};
use super::claim::claim_task;
use super::dispatch::waiting_task;
use super::statement::{execute, first};
use super::subject::subject_number;

/// Follow-up tasks: claimed by the worker that made them, or published, or left for the dispatcher (tail, paused run).
pub(super) fn follow_up(connection: &Connection, record: &RecordResult, tried: &Tried) -> rusqlite::Result<Recorded> {
    let tasks = record.follow_ups.iter().filter_map(|follow_up| match follow_up {
        FollowUp::Task(task) => Some(task),
        FollowUp::SamplePlanned { .. } | FollowUp::PlaceFilled => None,
    });
    let (mut next, mut publish) = (None, Vec::new());
    let direct = tried.mode == Mode::Direct;
    // One attempt was offered, so one task is claimed; the others are published.
    let mut offered = record.claim_next.as_ref().filter(|_| direct);
    for task in tasks {
        let claimed = offered.take().map(|claim| claim_of(record, task, tried, claim));
        let lease = record.claim_next.as_ref().map(|claim| record.now.after(claim.lease).0);
        let written = write_task(connection, record, task, tried, claimed.as_ref().zip(lease))?;
        // A task that was there already is neither claimed nor published.
        let Some(id) = written else { continue };
        match claimed {
            Some(claimed) => {
                start_attempt(connection, tried.run, id, &claimed, record.now.0)?;
                next = Some(claimed);
            }
            None if direct => publish.push(add_outbox(connection, id, &task.key, record.now.0)?),
            None => {}
        }
    }
    if let (Mode::Ordered, Some(claim)) = (tried.mode, &record.claim_next) {
        next = claim_best(connection, record, claim)?;
    }
    Ok(Recorded::Accepted { next, publish })
}

/// Claims what dispatch would choose, if it is of the kind that the caller works on: the slot that this commit frees is
/// taken again without another transaction.
fn claim_best(
    connection: &Connection,
    record: &RecordResult,
    claim: &ClaimNext,
) -> rusqlite::Result<Option<ClaimedTask>> {
    let run = &record.task.run;
    let waiting = params![run.as_str(), record.now.0, 1];
    let best = first(connection, sql!("dispatch_choose"), waiting, |row| waiting_task(run, row))?;
    let Some((_, best)) = best.filter(|(_, best)| best.kind == record.task.kind) else { return Ok(None) };
    let claim = ClaimTask {
        task: best,
        owner: record.owner.clone(),
        attempt: claim.attempt.clone(),
        lease: claim.lease,
        now: record.now,
    };
    claim_task(connection, &claim)
}

fn claim_of(record: &RecordResult, task: &NewTask, tried: &Tried, claim: &ClaimNext) -> ClaimedTask {
    ClaimedTask {
        key: task.key.clone(),
        context_hash: task.context_hash,
        owner: record.owner.clone(),
        fence: 1,
        attempt: claim.attempt.clone(),
        generation: tried.generation,
        failures: 0,
        bad_answers: 0,
        crashes: 0,
        hint: Hint::default(),
    }
}

/// Writes a follow-up task and returns its id; `None` if it was there already.
fn write_task(
    connection: &Connection,
    record: &RecordResult,
    task: &NewTask,
    tried: &Tried,
    claimed: Option<(&ClaimedTask, i64)>,
) -> rusqlite::Result<Option<i64>> {
    let key = &task.key;
    let subject = if key.subject == record.task.subject {
        tried.subject
    } else {
        subject_number(connection, tried.run, &key.subject)?
    };
    let parameters = params![
        tried.run,
        key.kind.as_str(),
        subject,
        key.place,
        key.revision,
        task.context_hash.as_bytes(),
        if claimed.is_some() { "claimed" } else { "ready" },
        task.remaining,
        tried.ordinal,
        (tried.mode == Mode::Direct && claimed.is_none()).then_some(record.now.0),
        claimed.map(|(_, lease)| lease),
        claimed.map_or(0, |(task, _)| task.fence),
        tried.generation
    ];
    let written = execute(connection, sql!("record_next"), parameters)? > 0;
    Ok(written.then(|| connection.last_insert_rowid()))
}

/// Writes the outbox row of a task, or renews the one it has.
pub(super) fn add_outbox(connection: &Connection, task: i64, key: &TaskKey, now: i64) -> rusqlite::Result<OutboxRow> {
    execute(connection, sql!("outbox_add"), [task, now])?;
    Ok(OutboxRow { id: connection.last_insert_rowid(), message: TaskMessage::about(key.clone()) })
}
