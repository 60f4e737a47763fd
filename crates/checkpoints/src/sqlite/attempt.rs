//! Attempt rows: started before the call, ended once.

use agentwrite::task::{AttemptEnd, ClaimedTask, Outcome};
use rusqlite::{Connection, params};

use super::statement::{execute, first};
use crate::added::Added;

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

/// An attempt that may still be settled: open, or taken for lost while its answer was on its way.
pub(super) struct Unsettled {
    orphaned: bool,
    reserved_nanousd: i64,
}

/// Finds an attempt; `None` if it was settled before, or never started.
pub(super) fn unsettled(connection: &Connection, attempt: &str) -> rusqlite::Result<Option<Unsettled>> {
    first(connection, sql!("attempt_unsettled"), [attempt], |row| {
        Ok(Unsettled {
            orphaned: row.get_ref(0)?.as_str()? == Outcome::Orphaned.as_str(),
            reserved_nanousd: row.get::<_, Option<i64>>(1)?.unwrap_or(0),
        })
    })
}

/// How an attempt ended.
pub(super) struct Ending<'a> {
    pub(super) outcome: Outcome,
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    pub(super) counted: Option<&'static str>,
    pub(super) now: i64,
    pub(super) end: &'a AttemptEnd,
}

impl Unsettled {
    /// Ends the attempt and counts it. One that was counted as orphaned is counted so no more (I6).
    pub(super) fn settle(
        &self,
        connection: &Connection,
        attempt: &str,
        ending: &Ending<'_>,
        added: &mut Added,
    ) -> rusqlite::Result<()> {
        let end = ending.end;
        let parameters = params![
            attempt,
            ending.outcome.as_str(),
            ending.code,
            ending.message,
            ending.counted,
            ending.now,
            end.endpoint,
            end.model,
            end.status,
            end.called,
            end.usage.prompt_tokens as i64,
            end.usage.cached_tokens as i64,
            end.usage.completion_tokens as i64,
            end.usage.reasoning_tokens as i64,
            end.first_token_ms as i64,
            end.total_ms as i64,
            end.cost_nanousd.map(|cost| cost as i64)
        ];
        execute(connection, sql!("attempt_end"), parameters)?;
        added.end(ending.outcome, end, self.reserved_nanousd);
        added.orphaned_calls -= i64::from(self.orphaned);
        Ok(())
    }
}
