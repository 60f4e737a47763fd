//! `claim_task`: a conditional update and the attempt row, in one transaction.

use agentwrite::ports::ClaimTask;
use agentwrite::task::ClaimedTask;
use rusqlite::{Connection, params};

use super::statement::{execute, first, hash, json};

pub(super) fn claim_task(connection: &Connection, claim: &ClaimTask) -> rusqlite::Result<Option<ClaimedTask>> {
    let key = &claim.task;
    let parameters = params![
        key.run.as_str(),
        key.kind.as_str(),
        key.subject,
        key.place,
        key.revision,
        claim.now.0,
        claim.owner.as_str(),
        claim.now.after(claim.lease).0,
        claim.attempt.as_str()
    ];
    let claimed = first(connection, sql!("claim_task"), parameters, |row| {
        Ok(ClaimedTask {
            key: key.clone(),
            context_hash: hash(row, "context_hash")?,
            owner: claim.owner.clone(),
            fence: row.get("fence")?,
            attempt: claim.attempt.clone(),
            generation: row.get("generation")?,
            failures: row.get("failures")?,
            bad_answers: row.get("bad_answers")?,
            crashes: row.get("crashes")?,
            hint: json(row, "hint")?,
        })
    })?;
    if let Some(task) = &claimed {
        start_attempt(connection, task, claim.now.0)?;
    }
    Ok(claimed)
}

/// Writes the attempt row of a claimed task: it stands before the call.
pub(super) fn start_attempt(connection: &Connection, task: &ClaimedTask, now: i64) -> rusqlite::Result<()> {
    let key = &task.key;
    let parameters = params![
        task.attempt.as_str(),
        key.run.as_str(),
        key.kind.as_str(),
        key.subject,
        key.place,
        key.revision,
        task.generation,
        task.fence,
        task.owner.as_str(),
        now
    ];
    execute(connection, sql!("attempt_start"), parameters)?;
    Ok(())
}
