//! `record_result`, second half: the tasks that an accepted result sets in motion, claimed, published or left to dispatch.

use agentwrite::ports::{ClaimNext, ClaimTask, FollowUp, OutboxRow, RecordResult, Recorded, TaskMessage};
use agentwrite::task::{ClaimedTask, Hint, NewTask, TaskKey};
use rusqlite::{Connection, params};

use super::attempt::start_attempt;
use super::claim::claim_task;
use super::dispatch::waiting_task;
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
    let mode = if tasks.is_empty() && record.claim_next.is_none() {
        Mode::Waits
    } else {
        mode(connection, record.task.run.as_str())?
    };
    let direct = mode == Mode::Direct;
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
    if let (Mode::Ordered, Some(claim)) = (mode, &record.claim_next) {
        next = claim_best(connection, record, claim)?;
    }
    Ok(Recorded::Accepted { next, publish })
}

/// What becomes of follow-up tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Claimed or published at once.
    Direct,
    /// The tail: the best of all that wait goes first.
    Ordered,
    /// The run is not running.
    Waits,
}

fn mode(connection: &Connection, run: &str) -> rusqlite::Result<Mode> {
    let mode: Option<(String, bool)> = first(connection, sql!("run_modes"), [run], |row| row.try_into())?;
    Ok(match mode {
        Some((state, ordered)) if state == "running" => {
            if ordered {
                Mode::Ordered
            } else {
                Mode::Direct
            }
        }
        _ => Mode::Waits,
    })
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
    let parameters = params![key.run.as_str(), key.kind.as_str(), key.subject, key.place, key.revision, now];
    execute(connection, sql!("outbox_add"), parameters)?;
    Ok(OutboxRow { id: connection.last_insert_rowid(), message: TaskMessage { task: key.clone() } })
}
