//! The statements of `schemas/sqlite/`: every file prepares on a migrated database, and what runs while a run is under way
//! finds its rows by index, however many there are.

use std::path::PathBuf;

use checkpoints::sqlite::{SCHEMA_VERSION, SqliteStore};
use rusqlite::Connection;

use crate::{Fixture, SqliteFixture};

/// Statements that may look at a whole run, or at everything that is live: reports, invariants, and what runs once.
const MAY_READ_A_RUN: &[&str] = &["check_", "failure_groups", "attempt_codes", "attempt_outcomes", "run_finish"];

/// Name and text of each file.
fn statements() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/sqlite");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let name = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).expect("a file"))).collect()
}

async fn migrated() -> (SqliteFixture, Connection) {
    let fixture = SqliteFixture::fresh().await;
    let connection = Connection::open(fixture.path()).expect("the database opens");
    (fixture, connection)
}

#[tokio::test]
async fn every_statement_prepares() {
    let (_fixture, connection) = migrated().await;
    let statements = statements();
    assert!(statements.len() > 90, "only {} files", statements.len());
    for (name, sql) in statements {
        connection.prepare(&sql).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// Every statement says in a first comment who calls it, and is one statement.
#[test]
fn every_statement_says_who_calls_it() {
    for (name, sql) in statements() {
        let statement: String = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        assert!(sql.starts_with("-- ") && sql.lines().next().is_some_and(|line| line.contains(':')), "{name}");
        assert!(!statement.trim_end().trim_end_matches(';').contains(';'), "{name} is not one statement");
    }
}

/// The plan of a statement, one step a line.
fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut explain = connection.prepare(&format!("explain query plan {sql}")).expect("a plan");
    let steps = explain
        .query_map(rusqlite::params_from_iter(vec![rusqlite::types::Null; explain.parameter_count()]), |row| {
            row.get(3)
        });
    steps.expect("a plan").collect::<Result<_, _>>().expect("steps")
}

/// What may be read from end to end: rows that the statement itself brings, tables that stay small, and the partial indices,
/// which hold only what is live or open, so that going through them costs what is in flight, not what was ever written.
const SMALL: &[&str] = &[
    "members",
    "o",
    "outbox",
    "r",
    "r USING INDEX sqlite_autoindex_run_1",
    "ranges",
    "training",
    "t USING INDEX task_live",
    "task USING INDEX task_live",
    "attempt USING INDEX attempt_open",
];

fn reads_everything(step: &str) -> bool {
    let brought =
        step.contains("CONSTANT ROW") || step.ends_with("VALUES CLAUSE") || step.starts_with("SCAN json_each");
    let small = step.strip_prefix("SCAN ").is_none_or(|table| brought || SMALL.contains(&table));
    !small || step.contains("AUTOMATIC")
}

#[tokio::test]
async fn no_statement_reads_a_growing_table_through() {
    let (_fixture, connection) = migrated().await;
    let mut found = Vec::new();
    for (name, sql) in statements() {
        if MAY_READ_A_RUN.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        for step in plan(&connection, &sql) {
            if reads_everything(&step) {
                found.push(format!("{name}: {step}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// What runs for every call goes to its rows by key, and what counts live work uses the index that holds nothing else.
#[tokio::test]
async fn the_hot_statements_use_their_index() {
    let (_fixture, connection) = migrated().await;
    let statements = statements();
    for (name, wanted) in [
        ("attempt_find", "SEARCH a USING INDEX sqlite_autoindex_attempt_1 (attempt=?)"),
        ("attempt_end", "SEARCH attempt USING PRIMARY KEY (task=? AND fence=?)"),
        ("record_filled", "SEARCH sample USING INTEGER PRIMARY KEY (rowid=?)"),
        ("record_planned", "SEARCH sample USING INTEGER PRIMARY KEY (rowid=?)"),
        ("claim_find", "SEARCH t USING INDEX sqlite_autoindex_task_1"),
        ("view_counts", "SEARCH task USING COVERING INDEX task_live (run=? AND kind=? AND state=?)"),
        ("view_pending", "SEARCH s USING INDEX sample_unfinished (run=? AND state=? AND ordinal<?)"),
        ("view_planned", "SEARCH s USING INDEX sample_planned (run=?)"),
        ("dispatch_choose", "SEARCH t USING INDEX task_waiting (run=?)"),
        ("dispatch_count", "SEARCH task USING COVERING INDEX task_live (run=?)"),
        ("dispatch_count", "SEARCH task USING COVERING INDEX task_waiting (run=?)"),
        ("dispatch_next_due", "SEARCH task USING COVERING INDEX task_waiting (run=?)"),
        ("closable", "SEARCH s USING INDEX sample_unfinished (run=? AND state=? AND ordinal>? AND ordinal<?)"),
        ("closable", "sample_unjudged"),
        ("unjudged", "sample_unjudged (run=?)"),
        ("renew_leases", "task_live"),
        ("rescue_lapsed", "task_live"),
        ("rescue_messages", "task_live"),
        ("free_attempts", "attempt_open"),
        ("totals_read", "attempt_open"),
    ] {
        let (_, sql) = statements.iter().find(|(file, _)| file == name).expect("the statement is there");
        let steps = plan(&connection, sql);
        assert!(steps.iter().any(|step| step.contains(wanted)), "{name}: {steps:#?}");
    }
}

/// SQLite makes a table in memory for a list of three or more, anew each time: in the test of a partial index that is at every
/// change of a row, and costs more than the change.
#[tokio::test]
async fn no_change_of_a_samples_state_makes_a_table_in_memory() {
    let (_fixture, connection) = migrated().await;
    let changes = ["sample_insert", "admit_sample", "record_planned", "record_written", "verdict_set", "fail_sample"];
    for (name, sql) in statements().iter().filter(|(name, _)| changes.contains(&name.as_str())) {
        let mut explain = connection.prepare(&format!("explain {sql}")).expect("a program");
        let values = vec![rusqlite::types::Null; explain.parameter_count()];
        let steps = explain.query_map(rusqlite::params_from_iter(values), |row| row.get(1)).expect("a program");
        let steps: Vec<String> = steps.collect::<Result<_, _>>().expect("steps");
        assert!(steps.iter().any(|step| step == "IdxInsert"), "{name} changes no index");
        assert!(!steps.iter().any(|step| step == "OpenEphemeral"), "{name}");
    }
}

#[tokio::test]
async fn a_folder_of_the_first_schema_is_read_as_it_is_and_brought_to_this_one_by_its_runner() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("longhand.db");
    let first = include_str!("../../../../schemas/migrations/sqlite/0001_checkpoints.sql");
    let connection = Connection::open(&path).expect("a database");
    connection.execute_batch(&format!("{first}; pragma user_version = 1")).expect("the first schema");
    drop(connection);
    let schema = |connection: &Connection| -> (i64, Vec<String>) {
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version");
        let mut objects = connection.prepare("select sql from sqlite_schema where sql is not null").expect("a query");
        let mut texts: Vec<String> =
            objects.query_map([], |row| row.get(0)).expect("a schema").collect::<Result<_, _>>().expect("texts");
        texts.sort();
        (version, texts)
    };
    let look = || schema(&Connection::open(&path).expect("the database opens"));
    let before = look();
    SqliteStore::open_read_only(&path).await.expect("an older folder can be read").close().await;
    assert_eq!((look(), before.0), (before.clone(), 1));
    SqliteStore::open(&path).await.expect("an older folder goes on").close().await;
    let (_fixture, fresh) = migrated().await;
    assert_eq!(look(), schema(&fresh));
    assert_eq!(look().0, SCHEMA_VERSION);
}
