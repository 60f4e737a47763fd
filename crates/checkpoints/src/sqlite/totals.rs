//! The counters of a run, added in the transaction of what they count (I6).

use rusqlite::{Connection, params};

use super::statement::execute;

/// What an intent adds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Added {
    pub(super) sections: i64,
    pub(super) words: i64,
    pub(super) calls: i64,
    pub(super) failed_calls: i64,
    pub(super) wasted_calls: i64,
    pub(super) orphaned_calls: i64,
    pub(super) throttled_calls: i64,
    pub(super) prompt_tokens: i64,
    pub(super) cached_tokens: i64,
    pub(super) completion_tokens: i64,
    pub(super) settled_nanousd: i64,
    pub(super) reserved_nanousd: i64,
}

impl Added {
    /// Counts the end of an attempt.
    pub(super) fn end(&mut self, end: &agentwrite::task::AttemptEnd) {
        self.calls += i64::from(end.called);
        self.prompt_tokens += end.usage.prompt_tokens as i64;
        self.cached_tokens += end.usage.cached_tokens as i64;
        self.completion_tokens += end.usage.completion_tokens as i64;
        self.settled_nanousd += end.cost_nanousd.unwrap_or(0) as i64;
    }

    /// Adds to the run's counters.
    pub(super) fn write(&self, connection: &Connection, run: &str) -> rusqlite::Result<()> {
        let parameters = params![
            run,
            self.sections,
            self.words,
            self.calls,
            self.failed_calls,
            self.wasted_calls,
            self.orphaned_calls,
            self.throttled_calls,
            self.prompt_tokens,
            self.cached_tokens,
            self.completion_tokens,
            self.settled_nanousd,
            self.reserved_nanousd
        ];
        execute(connection, sql!("totals_add"), parameters)?;
        Ok(())
    }
}
