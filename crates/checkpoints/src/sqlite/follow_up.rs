//! `record_result`, second half: the tasks that an accepted result sets in motion, claimed, published or left to dispatch.

use agentwrite::ports::{ClaimNext, FollowUp, OutboxRow, RecordResult, Recorded, TaskMessage};
use agentwrite::task::{ClaimedTask, Hint, NewTask, TaskKey};
use rusqlite::{Connection, params};

use super::attempt::start_attempt;
use super::record::Accepted;
use super::statement::{execute, first};

/// Follow-up tasks: claimed by the worker that made them, or published, or left for the dispatcher (tail, paused run).
pub(super) fn follow_up(
    connection: &Connection,
    record: &RecordResult,
    accepted: &Accepted,
) -> rusqlite::Result<Recorded> {
    let tasks: Vec<&NewTask> = record
        .follow_ups
        .iter()
        .filter_map(|follow_up| match follow_up {
            FollowUp::Task(task) => Some(task),
            FollowUp::SamplePlanned { .. } | FollowUp::PlaceFilled => None,
        })
        .collect();
    let (mut next, mut publish) = (None, Vec::new());
    let direct = !tasks.is_empty() && follows_at_once(connection, record.task.run.as_str())?;
    // One attempt was offered, so one task is claimed; the others are published.
    let mut offered = record.claim_next.as_ref().filter(|_| direct);
    for task in tasks {
        let claimed = offered.take().map(|claim| claim_of(record, task, accepted, claim));
        let lease = record.claim_next.as_ref().map(|claim| record.now.after(claim.lease).0);
        // A task that was there already is neither claimed nor published.
        if !write_task(connection, record, task, accepted, claimed.as_ref().zip(lease), direct)? {
            continue;
        }
        match claimed {
            Some(claimed) => {
                start_attempt(connection, &claimed, record.now.0)?;
                next = Some(claimed);
            }
            None if direct => publish.push(add_outbox(connection, &task.key, record.now.0)?),
            None => {}
        }
    }
    Ok(Recorded::Accepted { next, publish })
}

/// Whether the run is running and not in its tail, where the dispatcher chooses.
fn follows_at_once(connection: &Connection, run: &str) -> rusqlite::Result<bool> {
    let mode: Option<(String, bool)> = first(connection, sql!("run_modes"), [run], |row| row.try_into())?;
    Ok(mode.is_some_and(|(state, ordered)| state == "running" && !ordered))
}

fn claim_of(record: &RecordResult, task: &NewTask, accepted: &Accepted, claim: &ClaimNext) -> ClaimedTask {
    ClaimedTask {
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
    }
}

/// Writes a follow-up task; false if it was there already.
fn write_task(
    connection: &Connection,
    record: &RecordResult,
    task: &NewTask,
    accepted: &Accepted,
    claimed: Option<(&ClaimedTask, i64)>,
    direct: bool,
) -> rusqlite::Result<bool> {
    let key = &task.key;
    let parameters = params![
        key.run.as_str(),
        key.kind.as_str(),
        key.subject,
        key.place,
        key.revision,
        task.context_hash.to_hex(),
        if claimed.is_some() { "claimed" } else { "ready" },
        task.remaining,
        accepted.ordinal,
        (direct && claimed.is_none()).then_some(record.now.0),
        claimed.map(|(task, _)| task.owner.as_str()),
        claimed.map(|(_, lease)| lease),
        i64::from(claimed.is_some()),
        claimed.map(|(task, _)| task.attempt.as_str()),
        accepted.generation
    ];
    Ok(execute(connection, sql!("record_next"), parameters)? > 0)
}

/// Writes the outbox row of a task, or renews the one it has.
pub(super) fn add_outbox(connection: &Connection, key: &TaskKey, now: i64) -> rusqlite::Result<OutboxRow> {
    let parameters =
        params![key.run.as_str(), key.kind.as_str(), key.subject, key.place, key.revision, now];
    execute(connection, sql!("outbox_add"), parameters)?;
    Ok(OutboxRow { id: connection.last_insert_rowid(), message: TaskMessage { task: key.clone() } })
}
