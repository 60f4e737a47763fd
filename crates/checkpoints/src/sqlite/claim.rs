//! `claim_task`: the task is marked and the attempt row written, in one transaction.

use agentwrite::ports::ClaimTask;
use agentwrite::task::ClaimedTask;
use rusqlite::{Connection, params};

use super::attempt::start_attempt;
use super::statement::{execute, first, hash, json};

pub(super) fn claim_task(connection: &Connection, claim: &ClaimTask) -> rusqlite::Result<Option<ClaimedTask>> {
    let key = &claim.task;
    let place = params![key.run.as_str(), key.kind.as_str(), key.subject, key.place, key.revision, claim.now.0];
    let found = first(connection, sql!("claim_find"), place, |row| {
        let task = ClaimedTask {
            key: key.clone(),
            context_hash: hash(row, "context_hash")?,
            owner: claim.owner.clone(),
            fence: row.get::<_, i64>("fence")? + 1,
            attempt: claim.attempt.clone(),
            generation: row.get("generation")?,
            failures: row.get("failures")?,
            bad_answers: row.get("bad_answers")?,
            crashes: row.get("crashes")?,
            hint: json(row, "hint")?,
        };
        Ok((row.get::<_, i64>("id")?, row.get::<_, i64>("run")?, task))
    })?;
    let Some((id, run, task)) = found else { return Ok(None) };
    let lease = claim.now.after(claim.lease).0;
    let parameters = params![id, lease, task.fence];
    execute(connection, sql!("claim_task"), parameters)?;
    start_attempt(connection, run, id, &task, claim.now.0)?;
    Ok(Some(task))
}
