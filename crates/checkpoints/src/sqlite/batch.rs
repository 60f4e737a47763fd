//! What the intents of one transaction work on: the connection, and counters that are written once, before the commit.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Deref;

use rusqlite::{Connection, params};

use super::statement::execute;
use crate::added::Added;

/// A connection, and what the transaction has added to the counters of runs so far.
pub(super) struct Batch {
    connection: Connection,
    added: RefCell<BTreeMap<i64, Added>>,
}

impl Deref for Batch {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Batch {
    /// Of a connection without a transaction.
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, added: RefCell::default() }
    }

    /// Adds to the counters of a run, by its number. Whoever reads counters has them written first.
    pub(super) fn count(&self, run: i64, added: &Added) {
        *self.added.borrow_mut().entry(run).or_default() += *added;
    }

    /// Writes what was added: in the transaction of what it counts (I6).
    pub(super) fn write_totals(&self) -> rusqlite::Result<()> {
        for (run, added) in std::mem::take(&mut *self.added.borrow_mut()) {
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
            execute(self, sql!("totals_add"), parameters)?;
        }
        Ok(())
    }

    /// The transaction was rolled back, and its counters with it.
    pub(super) fn forget_totals(&self) {
        self.added.borrow_mut().clear();
    }
}
