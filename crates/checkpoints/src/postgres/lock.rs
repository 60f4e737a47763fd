//! The order of locks, which every intent keeps to, so that no two processes wait for each other in a circle:
//! runs, attempts, samples, tasks, then what is inserted; within each sort in the order of the keys.

use std::collections::{BTreeSet, HashMap};

use agentwrite::ids::{Hash, RunId};
use agentwrite::task::TaskKey;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

fn key(what: &str, run: &str) -> i64 {
    Hash::of(what, &[run]).to_u64().cast_signed()
}

/// The keys of runs' locks, in the order in which they are taken.
pub(super) fn run_keys<'a>(runs: impl IntoIterator<Item = &'a RunId>) -> BTreeSet<i64> {
    // One set of intents is about few runs, often one, and each key is a hash.
    let runs: BTreeSet<&RunId> = runs.into_iter().collect();
    runs.into_iter().map(|run| key("run", run.as_str())).collect()
}

/// Many may be at work on a run at once; while they are, nobody changes it as a whole.
pub(super) async fn runs<'a>(
    connection: &mut PgConnection,
    runs: impl IntoIterator<Item = &'a RunId>,
) -> Result<(), sqlx::Error> {
    let keys = run_keys(runs);
    sqlx::query(sql!("lock_runs")).bind(keys.into_iter().collect::<Vec<_>>()).execute(connection).await?;
    Ok(())
}

/// Nobody else is at work on the run.
pub(super) async fn run_alone(connection: &mut PgConnection, run: &RunId) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("lock_run_alone")).bind(key("run", run.as_str())).execute(connection).await?;
    Ok(())
}

/// Nobody else dispatches this run.
pub(super) async fn dispatch(connection: &mut PgConnection, run: &RunId) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("dispatch_lock")).bind(key("dispatch", run.as_str())).execute(connection).await?;
    Ok(())
}

/// Locks attempts and returns how those that exist stand.
pub(super) async fn attempts(
    connection: &mut PgConnection,
    attempts: Vec<&str>,
) -> Result<HashMap<String, String>, sqlx::Error> {
    let rows: Vec<(String, String)> =
        sqlx::query_as(sql!("lock_attempts")).bind(attempts).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

/// How a locked attempt stands.
pub(super) struct Attempt {
    pub(super) outcome: String,
    /// What is reserved for its call; 0 if nothing is.
    pub(super) reserved_nanousd: i64,
}

/// Locks attempts and then the samples that tasks are about; returns how the attempts that exist stand.
pub(super) async fn attempts_and_samples<'a>(
    connection: &mut PgConnection,
    attempts: Vec<&str>,
    tasks: impl IntoIterator<Item = &'a TaskKey>,
) -> Result<HashMap<String, Attempt>, sqlx::Error> {
    let (runs, samples) = pairs(tasks);
    let rows: Vec<(String, String, i64)> =
        sqlx::query_as(sql!("record_lock")).bind(attempts).bind(runs).bind(samples).fetch_all(connection).await?;
    let attempt = |(id, outcome, reserved_nanousd)| (id, Attempt { outcome, reserved_nanousd });
    Ok(rows.into_iter().map(attempt).collect())
}

/// Locks the samples that tasks are about.
pub(super) async fn samples<'a>(
    connection: &mut PgConnection,
    tasks: impl IntoIterator<Item = &'a TaskKey>,
) -> Result<(), sqlx::Error> {
    let (runs, samples) = pairs(tasks);
    sqlx::query(sql!("lock_samples")).bind(runs).bind(samples).execute(connection).await?;
    Ok(())
}

/// Locks tasks, with the live tasks of the samples that some are about, and returns them as they stand.
pub(super) async fn families<'a>(
    connection: &mut PgConnection,
    ids: &[i64],
    tasks: impl IntoIterator<Item = &'a TaskKey>,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let (runs, subjects) = pairs(tasks);
    let family: Vec<i64> =
        sqlx::query_scalar(sql!("lock_family")).bind(runs).bind(subjects).fetch_all(&mut *connection).await?;
    let all: BTreeSet<i64> = ids.iter().copied().chain(family).collect();
    let rows = sqlx::query(sql!("lock_tasks")).bind(all.into_iter().collect::<Vec<_>>()).fetch_all(connection).await?;
    Ok(rows)
}

/// The id of a locked task's row.
pub(super) fn id(row: &PgRow) -> Result<i64, sqlx::Error> {
    row.try_get("id")
}

fn pairs<'a>(tasks: impl IntoIterator<Item = &'a TaskKey>) -> (Vec<&'a str>, Vec<&'a str>) {
    let pairs: BTreeSet<(&str, &str)> =
        tasks.into_iter().map(|task| (task.run.as_str(), task.subject.as_str())).collect();
    pairs.into_iter().unzip()
}
