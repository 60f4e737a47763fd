//! The statements of `schemas/postgres/`: every file prepares on a migrated database, and what runs while a run is under way
//! finds its rows by index, however many there are.

use std::path::PathBuf;

use sqlx::{Connection, Executor, PgConnection, SqlSafeStr};

use crate::Fixture;
use crate::postgres_fixture::PostgresFixture;

/// Statements that may look at a whole run, or at everything that is live: reports, invariants, and what runs once.
const MAY_READ_A_RUN: &[&str] = &["check_", "closable", "failure_groups", "attempt_codes", "run_finish"];

/// Tables that stay small, or that a statement goes through from one end by design.
const SMALL: &[&str] = &[
    "run",
    "run_config",
    "run_total",
    "run_state_total",
    "run_total_delta",
    "run_state_delta",
    "outbox",
    "process",
    "run_slots",
    "training",
];

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

/// Tables as they are some minutes into a run: grown, and known to the planner.
const GROWN: &str = "
insert into run (run, name, limits, created_at) select 'run_' || r, 'a run', '{}', r from generate_series(1, 4) r;
insert into run_config (run, version, config) select run, 1, '{}' from run;
insert into run_total (run) select run from run;
insert into sample (run, sample, ordinal, key, range, config_version, estimate, state)
  select run, 'smp_' || n, n, md5(n::text), n / 100, 1, 5, (array['pending', 'writing', 'packed', 'written'])[n % 4 + 1]
  from run, generate_series(1, 5000) n;
insert into instruction (run, sample, input, own_id, title) select run, sample, '{}', sample, 'title' from sample;
insert into plan (run, sample, revision, plan, chain, attempt) select run, sample, 0, '{}', '', 'att_' || sample from sample;
insert into section (run, sample, revision, place, hash, chain, words, flags, attempt)
  select run, sample, 0, p, md5(run || sample || p), '', 500, '[]', 'att' from sample, generate_series(0, 3) p;
insert into text (hash, body) select hash, 'text' from section on conflict do nothing;
insert into task (run, kind, subject, place, revision, context_hash, remaining, state)
  select run, 'section', sample, place, 0, md5(sample || place), 4 - place, case when random() < 0.01 then 'ready' else 'done' end
  from section;
insert into attempt (attempt, run, kind, subject, place, revision, generation, fence, owner, started_at, outcome)
  select 'att_' || id, run, kind, subject, place, 0, 0, 1, 'o', id, case when random() < 0.01 then 'started' else 'committed' end
  from task;
insert into answer (attempt, run, kind, subject, place, revision, hash, gate, evidence, candidate, context_hash)
  select attempt, run, kind, subject, place, 0, 'hash', 'length', '', true, '' from attempt where random() < 0.1;
insert into shard (run, range, state, rows, first_ordinal, last_ordinal, closed_at)
  select run, r, 'published', 100, 0, 99, 0 from run, generate_series(0, 40) r;
insert into shard_member (run, sample, range, revision) select run, sample, range, 0 from sample where state = 'packed';
insert into operator_action (run, at, who, action, before, after)
  select run, n, 'me', 'pause', '', '' from run, generate_series(1, 500) n;
insert into run_statistics (run, at, totals) select run, n, '{}' from run, generate_series(1, 500) n;
insert into bucket (bucket, free_at) select 'requests ' || n, 0 from generate_series(1, 500) n;
insert into gate (endpoint, closed_until, reason) select 'e' || n, 0, '' from generate_series(1, 500) n;
insert into run_state_total (run, state, count) select run, state, count from run_state_now;
insert into run_total_delta (run) select run from sample;
insert into outbox (run, kind, subject, place, revision, created_at)
  select run, kind, subject, place, revision, id from task where state = 'ready';
analyze;
";

/// A grown database, seen by a connection that plans as the store's writers do.
async fn grown() -> (PostgresFixture, PgConnection) {
    let (fixture, mut connection) = connected().await;
    fixture.database().sql(GROWN);
    for off in ["enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_material"] {
        connection.execute(sqlx::AssertSqlSafe(format!("set {off} = off"))).await.expect("a setting");
    }
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
    let parameters = sqlx::Statement::parameters(&prepared).map_or(0, |given| given.either(<[_]>::len, |n| n));
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

#[tokio::test]
async fn no_statement_reads_a_growing_table_through() {
    let (_fixture, mut connection) = grown().await;
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
    let (_fixture, mut connection) = grown().await;
    let statements = statements();
    for (name, wanted) in [
        ("claim_task", "task_run_kind_subject_place_revision_key"),
        ("record_accept", "task_run_kind_subject_place_revision_key"),
        ("record_batch", "sample_pkey"),
        ("record_batch", "attempt_pkey"),
        ("record_lock", "attempt_pkey"),
        ("record_lock", "sample_pkey"),
        ("admit_sample", "sample_pkey"),
        ("verdict_set", "sample_pkey"),
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
