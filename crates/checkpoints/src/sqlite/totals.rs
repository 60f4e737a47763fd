//! The counters of a run, written in the transaction of what they count (I6).

use rusqlite::{Connection, params};

use super::statement::execute;
use crate::added::Added;

/// Adds to the run's counters.
pub(super) fn write(connection: &Connection, run: &str, added: &Added) -> rusqlite::Result<()> {
    let parameters = params![
        run,
        added.sections,
        added.words,
        added.calls,
        added.failed_calls,
        added.wasted_calls,
        added.orphaned_calls,
        added.throttled_calls,
        added.prompt_tokens,
        added.cached_tokens,
        added.completion_tokens,
        added.settled_nanousd,
        added.reserved_nanousd
    ];
    execute(connection, sql!("totals_add"), parameters)?;
    Ok(())
}
