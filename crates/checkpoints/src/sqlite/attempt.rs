//! Attempt rows: started before the call, ended once.

use agentwrite::ids::{AttemptId, Hash};
use agentwrite::task::{AttemptEnd, ClaimedTask, Outcome, TaskKey};
use rusqlite::{Connection, Row, params};

use super::statement::{execute, first, hash};
use crate::added::Added;

/// Writes the attempt row of a claimed task: it stands before the call.
pub(super) fn start_attempt(
    connection: &Connection,
    run: i64,
    id: i64,
    task: &ClaimedTask,
    now: i64,
) -> rusqlite::Result<()> {
    let parameters = params![id, task.fence, task.attempt.as_str(), run, task.generation, task.owner.as_str(), now];
    execute(connection, sql!("attempt_start"), parameters)?;
    Ok(())
}

/// An attempt, and what stands at its task now.
pub(super) struct Tried {
    /// `task.id`, the first half of the attempt's key; `fence` is the other.
    pub(super) task: i64,
    pub(super) fence: i64,
    /// `run.id`
    pub(super) run: i64,
    /// `subject.id`
    pub(super) subject: i64,
    pub(super) generation: u32,
    pub(super) ordinal: i64,
    /// May be settled: it is open, or was taken for lost while its answer was on its way.
    pub(super) unsettled: bool,
    orphaned: bool,
    reserved_nanousd: i64,
    live: bool,
    context_hash: Hash,
    /// What becomes of follow-up tasks.
    pub(super) mode: Mode,
    /// Places of the sample that are empty; 0 if the subject is no sample.
    pub(super) places_left: i64,
}

/// What becomes of follow-up tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Claimed or published at once.
    Direct,
    /// The tail: the best of all that wait goes first.
    Ordered,
    /// The run is not running.
    Waits,
}

/// Finds an attempt; `None` if it was never started. The other value says whether it is one at this task.
pub(super) fn find(
    connection: &Connection,
    attempt: &AttemptId,
    key: &TaskKey,
) -> rusqlite::Result<Option<(Tried, bool)>> {
    first(connection, sql!("attempt_find"), [attempt.as_str()], |row| Ok((Tried::read(row)?, is_at(row, key)?)))
}

/// The columns of `attempt_find` that name the task.
fn is_at(row: &Row<'_>, key: &TaskKey) -> rusqlite::Result<bool> {
    Ok(row.get_ref(13)?.as_str()? == key.run.as_str()
        && row.get_ref(14)?.as_str()? == key.kind.as_str()
        && row.get_ref(15)?.as_str()? == key.subject
        && row.get::<_, u32>(16)? == key.place
        && row.get::<_, u32>(17)? == key.revision)
}

impl Tried {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let outcome = row.get_ref(2)?.as_str()?;
        let orphaned = outcome == Outcome::Orphaned.as_str();
        let state = row.get_ref(8)?.as_str()?;
        let running = row.get_ref(10)?.as_str()? == "running";
        Ok(Self {
            task: row.get(0)?,
            fence: row.get(1)?,
            run: row.get(4)?,
            subject: row.get(5)?,
            generation: row.get(6)?,
            ordinal: row.get(7)?,
            unsettled: orphaned || outcome == Outcome::Started.as_str(),
            orphaned,
            reserved_nanousd: row.get::<_, Option<i64>>(3)?.unwrap_or(0),
            live: state == "ready" || state == "claimed",
            context_hash: hash(row, 9)?,
            mode: match row.get(11)? {
                _ if !running => Mode::Waits,
                true => Mode::Ordered,
                false => Mode::Direct,
            },
            places_left: row.get(12)?,
        })
    }

    /// The one test of acceptance. The context must be the one that stands and the place still empty (I1); who holds the
    /// lease does not matter.
    pub(super) fn accepts(&self, context_hash: Hash) -> bool {
        self.live && self.context_hash == context_hash
    }

    /// What a result must have been made from to be accepted.
    pub(super) fn context_hash(&self) -> &Hash {
        &self.context_hash
    }

    /// Ends the attempt and counts it. One that was counted as orphaned is counted so no more (I6).
    pub(super) fn settle(
        &self,
        connection: &Connection,
        ending: &Ending<'_>,
        added: &mut Added,
    ) -> rusqlite::Result<()> {
        let end = ending.end;
        let parameters = params![
            self.task,
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
            end.cost_nanousd.map(|cost| cost as i64),
            self.fence
        ];
        execute(connection, sql!("attempt_end"), parameters)?;
        added.end(ending.outcome, end, self.reserved_nanousd);
        added.orphaned_calls -= i64::from(self.orphaned);
        Ok(())
    }
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
