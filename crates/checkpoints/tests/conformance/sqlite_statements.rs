//! The statements of `schemas/sqlite/`: every file prepares on a migrated database, and what runs while a run is under way
//! finds its rows by index, however many there are.

use std::path::PathBuf;

use sqlx::{Connection, Executor, SqlSafeStr, SqliteConnection};

use crate::{Fixture, SqliteFixture};

/// Statements that may look at a whole run, or at everything that is live: reports, invariants, and what runs once.
const MAY_READ_A_RUN: &[&str] = &["check_", "closable", "failure_groups", "attempt_codes", "run_finish"];

/// Name and text of each file, with this many rows where a statement takes any number.
fn statements(rows: usize) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/sqlite");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let name = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), expand(&std::fs::read_to_string(path).expect("a file"), rows))).collect()
}

/// So many rows for `/*rows:N*/`, one id for `/*ids*/`.
fn expand(sql: &str, rows: usize) -> String {
    let sql = sql.replace("/*ids*/", "1");
    let Some((before, rest)) = sql.split_once("/*rows:") else { return sql };
    let (width, after) = rest.split_once("*/").expect("the place for rows is closed");
    let width = width.parse().expect("the place for rows names its width");
    let row = format!("({})", vec!["?"; width].join(", "));
    format!("{before}{}{after}", vec![row; rows].join(", "))
}

async fn migrated() -> (SqliteFixture, SqliteConnection) {
    let fixture = SqliteFixture::fresh().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(fixture.path());
    let connection = SqliteConnection::connect_with(&options).await.expect("the database opens");
    (fixture, connection)
}

#[tokio::test]
async fn every_statement_prepares() {
    let (_fixture, mut connection) = migrated().await;
    let statements = statements(1);
    assert!(statements.len() > 90, "only {} files", statements.len());
    for (name, sql) in statements {
        let sql = sqlx::AssertSqlSafe(sql).into_sql_str();
        connection.prepare(sql).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// Every statement says in a first comment who calls it, and is one statement.
#[tokio::test]
async fn every_statement_says_who_calls_it() {
    for (name, sql) in statements(1) {
        let statement: String = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        assert!(sql.starts_with("-- ") && sql.lines().next().is_some_and(|line| line.contains(':')), "{name}");
        assert!(!statement.trim_end().trim_end_matches(';').contains(';'), "{name} is not one statement");
    }
}

/// The plan of a statement, one step a line.
async fn plan(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let explain = sqlx::AssertSqlSafe(format!("explain query plan {sql}"));
    let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain).fetch_all(connection).await.expect("a plan");
    rows.into_iter().map(|(_, _, _, step)| step).collect()
}

/// What may be read from end to end: rows that the statement itself brings, tables that stay small, and the partial indices,
/// which hold only what is live or open, so that going through them costs what is in flight, not what was ever written.
const SMALL: &[&str] = &[
    "made",
    "ended",
    "done",
    "planned",
    "members",
    "outbox",
    "r",
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
    let (_fixture, mut connection) = migrated().await;
    let mut found = Vec::new();
    for (name, sql) in statements(1).into_iter().chain(statements(64)) {
        if MAY_READ_A_RUN.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        for step in plan(&mut connection, &sql).await {
            if reads_everything(&step) {
                found.push(format!("{name}: {step}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The set-wise updates go from the few rows that they bring to the target's key, and what counts live work uses the index
/// that holds nothing else.
#[tokio::test]
async fn the_hot_statements_use_their_index() {
    let (_fixture, mut connection) = migrated().await;
    for (name, wanted) in [
        ("record_accept", "SEARCH task USING INDEX sqlite_autoindex_task_1"),
        ("record_filled", "SEARCH sample USING PRIMARY KEY (run=? AND sample=?)"),
        ("record_planned", "SEARCH sample USING PRIMARY KEY (run=? AND sample=?)"),
        ("record_attempts", "SEARCH attempt USING PRIMARY KEY (attempt=?)"),
        ("claim_task", "SEARCH task USING INDEX sqlite_autoindex_task_1"),
        ("view_counts", "SEARCH task USING INDEX task_live (run=? AND kind=?)"),
        ("dispatch_choose", "SEARCH task USING INDEX task_live (run=?)"),
        ("dispatch_count", "SEARCH task USING INDEX task_live (run=?)"),
        ("dispatch_next_due", "SEARCH task USING INDEX task_live (run=?)"),
        ("renew_leases", "task_live"),
        ("rescue_lapsed", "task_live"),
        ("rescue_messages", "task_live"),
        ("free_attempts", "attempt_open"),
        ("totals_read", "attempt_open"),
    ] {
        for rows in [1, 64] {
            let statements = statements(rows);
            let (_, sql) = statements.iter().find(|(file, _)| file == name).expect("the statement is there");
            let steps = plan(&mut connection, sql).await;
            assert!(steps.iter().any(|step| step.contains(wanted)), "{name}, {rows} rows: {steps:#?}");
        }
    }
}
