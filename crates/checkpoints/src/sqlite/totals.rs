//! The counters of a run, gathered over a batch and added in the same transaction.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

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
}

/// Sums by run.
#[derive(Debug, Default)]
pub(super) struct Sums(BTreeMap<String, Added>);

impl Sums {
    pub(super) fn of(&mut self, run: &str) -> &mut Added {
        if !self.0.contains_key(run) {
            self.0.insert(run.to_owned(), Added::default());
        }
        self.0.get_mut(run).expect("inserted above")
    }

    pub(super) async fn write(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for (run, added) in &self.0 {
            sqlx::query(sql!("totals_add"))
                .bind(run)
                .bind(added.sections)
                .bind(added.words)
                .bind(added.calls)
                .bind(added.failed_calls)
                .bind(added.wasted_calls)
                .bind(added.orphaned_calls)
                .bind(added.throttled_calls)
                .bind(added.prompt_tokens)
                .bind(added.cached_tokens)
                .bind(added.completion_tokens)
                .bind(added.settled_nanousd)
                .bind(added.reserved_nanousd)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}
