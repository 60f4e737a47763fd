//! Subjects and runs by their numbers, which everything else is keyed by.

use rusqlite::Connection;

use super::statement::{execute, first, one};

/// The number of a run that is there.
pub(super) fn run_number(connection: &Connection, run: &str) -> rusqlite::Result<i64> {
    one(connection, sql!("run_number"), [run], |row| row.get(0))
}

/// The number of a subject; one that nobody has named before gets the next.
pub(super) fn subject_number(connection: &Connection, run: i64, name: &str) -> rusqlite::Result<i64> {
    let found = first(connection, sql!("subject_find"), (run, name), |row| row.get(0))?;
    if let Some(found) = found {
        return Ok(found);
    }
    execute(connection, sql!("subject_add"), (run, name))?;
    Ok(connection.last_insert_rowid())
}
