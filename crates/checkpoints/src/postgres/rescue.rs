//! Rescue: making work ready again whose lease lapsed, whose owner is dead, or whose message was lost.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use agentwrite::config::RunConfig;
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{OwnerId, RunId, Timestamp};
use agentwrite::ports::Rescued;
use agentwrite::task::{Kind, TaskKey};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::fail::{fail_sample, makes_a_sample};
use super::lock;
use super::rows::{number, task_key};
use super::totals::Sums;
use crate::columns::json;

pub(super) async fn stalled(
    connection: &mut PgConnection,
    lost_after: Duration,
    now: Timestamp,
) -> Result<Rescued, sqlx::Error> {
    let lapsed = sqlx::query(sql!("rescue_lapsed")).bind(now.0).fetch_all(&mut *connection).await?;
    let still = |row: &PgRow| Ok(row.try_get::<Option<i64>, _>("lease_until")?.is_some_and(|until| until < now.0));
    let mut rescued = free(connection, &lapsed, still, now).await?;
    let sent_before = now.0.saturating_sub(i64::try_from(lost_after.as_millis()).unwrap_or(i64::MAX));
    rescued.messages =
        sqlx::query(sql!("rescue_messages")).bind(sent_before).execute(connection).await?.rows_affected();
    Ok(rescued)
}

pub(super) async fn dead_owners(
    connection: &mut PgConnection,
    owner: &OwnerId,
    now: Timestamp,
) -> Result<Rescued, sqlx::Error> {
    let held = sqlx::query(sql!("rescue_dead_owners")).bind(owner.as_str()).fetch_all(&mut *connection).await?;
    let still = |row: &PgRow| Ok(row.try_get::<Option<&str>, _>("owner")? != Some(owner.as_str()));
    let mut rescued = free(connection, &held, still, now).await?;
    rescued.messages = send_again(connection, None).await?;
    sqlx::query(sql!("free_outbox")).execute(&mut *connection).await?;
    orphan_the_rest(connection, owner, now).await?;
    Ok(rescued)
}

/// Makes every ready task unpublished, of one run or of all: its message is gone.
pub(super) async fn send_again(connection: &mut PgConnection, run: Option<&str>) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query(sql!("free_messages")).bind(run).execute(connection).await?.rows_affected())
}

/// Attempts may be open without a claim: their task was done by another, or dropped.
async fn orphan_the_rest(connection: &mut PgConnection, owner: &OwnerId, now: Timestamp) -> Result<(), sqlx::Error> {
    let runs: Vec<String> =
        sqlx::query_scalar(sql!("free_attempts")).bind(owner.as_str()).bind(now.0).fetch_all(&mut *connection).await?;
    let mut sums = Sums::default();
    for run in runs {
        sums.of(&run).orphaned_calls += 1;
    }
    sums.write(connection).await
}

/// Frees claims. They were read without a lock; under their locks, taken in the usual order, those are freed that `still`
/// are what they looked like.
async fn free(
    connection: &mut PgConnection,
    seen: &[PgRow],
    still: impl Fn(&PgRow) -> Result<bool, sqlx::Error>,
    now: Timestamp,
) -> Result<Rescued, sqlx::Error> {
    let mut rescued = Rescued::default();
    if seen.is_empty() {
        return Ok(rescued);
    }
    let wanted: HashMap<i64, Option<String>> =
        seen.iter().map(|row| Ok((lock::id(row)?, row.try_get("attempt")?))).collect::<Result<_, sqlx::Error>>()?;
    let rows = lock_all(connection, seen, &wanted).await?;
    let mut limits: HashMap<RunId, u32> = HashMap::new();
    let mut sums = Sums::default();
    for row in &rows {
        let attempt: Option<String> = row.try_get("attempt")?;
        let same = wanted.get(&lock::id(row)?).is_some_and(|seen| *seen == attempt);
        if !same || row.try_get::<&str, _>("state")? != "claimed" || !still(row)? {
            continue;
        }
        let key = task_key(row, 1)?;
        let crashes: u32 = number(row, "crashes")?;
        let dies = crashes + 1 >= crash_limit(connection, &mut limits, &key.run).await?;
        let freed = sqlx::query(sql!("rescue_task"))
            .bind(lock::id(row)?)
            .bind(if dies { "dead" } else { "ready" })
            .execute(&mut *connection)
            .await?
            .rows_affected();
        let orphaned = sqlx::query(sql!("rescue_attempt"))
            .bind(attempt)
            .bind(now.0)
            .execute(&mut *connection)
            .await?
            .rows_affected();
        sums.of(key.run.as_str()).orphaned_calls += orphaned as i64;
        // None is freed where the death of a sibling earlier in this list has dropped the task.
        if dies && freed > 0 {
            rescued.died += 1;
            let reason = format!("work on it ended in a crash {} times", crashes + 1);
            fail_sample(connection, &key, ErrorCode::CrashLoop, &reason).await?;
        }
        rescued.leases += 1;
    }
    sums.write(connection).await?;
    Ok(rescued)
}

/// Locks runs, attempts, samples and tasks of the claims that were seen; returns the tasks as they stand.
async fn lock_all(
    connection: &mut PgConnection,
    seen: &[PgRow],
    wanted: &HashMap<i64, Option<String>>,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let subjects = seen.iter().map(subject).collect::<Result<Vec<TaskKey>, sqlx::Error>>()?;
    lock::runs(connection, subjects.iter().map(|key| &key.run)).await?;
    lock::attempts(connection, wanted.values().flatten().map(String::as_str).collect()).await?;
    let samples: Vec<&TaskKey> = subjects.iter().filter(|key| makes_a_sample(&key.kind)).collect();
    lock::samples(connection, samples.iter().copied()).await?;
    let ids: BTreeSet<i64> = wanted.keys().copied().collect();
    lock::families(connection, &ids.into_iter().collect::<Vec<_>>(), samples).await
}

/// Whom a claim is about; place and revision are not asked for here.
fn subject(row: &PgRow) -> Result<TaskKey, sqlx::Error> {
    Ok(TaskKey {
        run: RunId::new(row.try_get::<String, _>("run")?),
        kind: Kind::new(row.try_get::<String, _>("kind")?),
        subject: row.try_get("subject")?,
        place: 0,
        revision: 0,
    })
}

async fn crash_limit(
    connection: &mut PgConnection,
    limits: &mut HashMap<RunId, u32>,
    run: &RunId,
) -> Result<u32, sqlx::Error> {
    if let Some(limit) = limits.get(run) {
        return Ok(*limit);
    }
    let row = sqlx::query(sql!("run_read")).bind(run.as_str()).fetch_one(connection).await?;
    let config: RunConfig = json(row.try_get("config")?)?;
    limits.insert(run.clone(), config.crash_limit);
    Ok(config.crash_limit)
}
