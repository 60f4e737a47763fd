//! The statements of `schemas/postgres/`: every file prepares on a migrated database, and what runs while a run is under way
//! finds its rows by index, however many there are.

use std::path::PathBuf;

use sqlx::{Connection, Executor, PgConnection, SqlSafeStr};

use crate::Fixture;
use crate::postgres_fixture::PostgresFixture;

/// Statements that may look at a whole run, or at everything that is live: reports, invariants, and what runs once.
const MAY_READ_A_RUN: &[&str] = &["check_", "closable", "failure_groups", "attempt_codes", "run_finish"];

/// Tables that stay small, or that a statement goes through from one end by design.
const SMALL: &[&str] =
    &["run", "run_config", "run_total", "run_state_total", "run_total_delta", "run_state_delta", "outbox"];

/// Name and text of each file.
fn statements() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/postgres");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let name = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).expect("a file"))).collect()
}

async fn connected() -> (PostgresFixture, PgConnection) {
    let fixture = PostgresFixture::fresh().await;
    let connection = PgConnection::connect(&fixture.database().url()).await.expect("the database opens");
    (fixture, connection)
}

#[tokio::test]
async fn every_statement_prepares() {
    let (_fixture, mut connection) = connected().await;
    let statements = statements();
    assert!(statements.len() > 110, "only {} files", statements.len());
    let mut failed = Vec::new();
    for (name, sql) in statements {
        let sql = sqlx::AssertSqlSafe(sql).into_sql_str();
        if let Err(error) = connection.prepare(sql).await {
            failed.push(format!("{name}: {error}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
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

/// Every file is somebody's: the adapter names it.
#[test]
fn every_statement_is_used() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/postgres");
    let source: String = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).expect("a file"))
        .collect();
    for (name, _) in statements() {
        assert!(source.contains(&format!("sql!(\"{name}\")")), "nobody uses {name}");
    }
}

/// The generic plan of a statement: what it is once its tables have grown and its values are not looked at.
async fn plan(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    let prepared = connection.prepare(sqlx::AssertSqlSafe(sql.to_owned()).into_sql_str()).await.expect("it prepares");
    let parameters = sqlx::Statement::parameters(&prepared).map_or(0, |given| given.either(|types| types.len(), |n| n));
    let nulls = vec!["null"; parameters].join(", ");
    let nulls = if nulls.is_empty() { String::new() } else { format!("({nulls})") };
    for setup in [format!("prepare looked_at as {sql}"), "set plan_cache_mode = force_generic_plan".to_owned()] {
        connection.execute(sqlx::AssertSqlSafe(setup)).await.expect("it prepares by name");
    }
    let rows: Vec<(String,)> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("explain (costs off) execute looked_at{nulls}")))
            .persistent(false)
            .fetch_all(&mut *connection)
            .await
            .expect("a plan");
    connection.execute("deallocate looked_at").await.expect("it is forgotten");
    rows.into_iter().map(|(line,)| line).collect()
}

/// As the store's own connections plan.
async fn as_the_writer(connection: &mut PgConnection) {
    for off in ["enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_material"] {
        connection.execute(sqlx::AssertSqlSafe(format!("set {off} = off"))).await.expect("a setting");
    }
}

#[tokio::test]
async fn no_statement_reads_a_growing_table_through() {
    let (_fixture, mut connection) = connected().await;
    as_the_writer(&mut connection).await;
    let mut found = Vec::new();
    for (name, sql) in statements() {
        if MAY_READ_A_RUN.iter().any(|prefix| name.starts_with(prefix)) || sql.contains("pg_") {
            continue;
        }
        let steps = plan(&mut connection, &sql).await;
        for (index, step) in steps.iter().enumerate() {
            let table =
                |step: &str| step.split(" on ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("").to_owned();
            let small = SMALL.contains(&table(step).as_str());
            let whole = step.contains("Seq Scan on");
            // An index that is gone through without a condition on its key is read as a whole; a partial one holds little.
            let through = step.contains("Index")
                && step.contains("Scan using")
                && !step.contains("task_live")
                && !step.contains("attempt_open")
                && !steps.get(index + 1).is_some_and(|next| next.contains("Index Cond"));
            if (whole || through) && !small {
                found.push(format!("{name}: {}", step.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The set-wise updates go from the few rows that they bring to the target's key, and what counts live work uses the index
/// that holds nothing else.
#[tokio::test]
async fn the_hot_statements_use_their_index() {
    let (_fixture, mut connection) = connected().await;
    as_the_writer(&mut connection).await;
    let statements = statements();
    for (name, wanted) in [
        ("claim_task", "task_run_kind_subject_place_revision_key"),
        ("record_accept", "task_run_kind_subject_place_revision_key"),
        ("record_filled", "sample_pkey"),
        ("record_planned", "sample_pkey"),
        ("record_attempts", "attempt_pkey"),
        ("lock_attempts", "attempt_pkey"),
        ("lock_samples", "sample_pkey"),
        ("lock_family", "task_live"),
        ("renew_leases", "attempt_pkey"),
        ("view_counts", "task_live"),
        ("dispatch_choose", "task_live"),
        ("dispatch_count", "task_live"),
        ("rescue_lapsed", "task_live"),
        ("rescue_messages", "task_live"),
        ("free_attempts", "attempt_open"),
        ("totals_read", "attempt_open"),
    ] {
        let (_, sql) = statements.iter().find(|(file, _)| file == name).expect("the statement is there");
        let steps = plan(&mut connection, sql).await;
        assert!(steps.iter().any(|step| step.contains(wanted)), "{name}: {steps:#?}");
    }
}
