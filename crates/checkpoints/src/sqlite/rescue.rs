//! Rescue: making work ready again whose lease lapsed, whose owner is dead, or whose message was lost.

use std::collections::HashMap;
use std::time::Duration;

use agentwrite::config::RunConfig;
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{OwnerId, Timestamp};
use agentwrite::ports::Rescued;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::claim::json;
use super::fail::fail_sample;
use super::tasks::task_key;
use super::totals::Sums;

pub(super) async fn stalled(
    connection: &mut SqliteConnection,
    lost_after: Duration,
    now: Timestamp,
) -> Result<Rescued, sqlx::Error> {
    let lapsed = sqlx::query(sql!("rescue_lapsed")).bind(now.0).fetch_all(&mut *connection).await?;
    let mut rescued = free(connection, &lapsed, now).await?;
    let sent_before = now.0.saturating_sub(i64::try_from(lost_after.as_millis()).unwrap_or(i64::MAX));
    rescued.messages =
        sqlx::query(sql!("rescue_messages")).bind(sent_before).execute(connection).await?.rows_affected();
    Ok(rescued)
}

pub(super) async fn dead_owners(
    connection: &mut SqliteConnection,
    owner: &OwnerId,
    now: Timestamp,
) -> Result<Rescued, sqlx::Error> {
    let held = sqlx::query(sql!("rescue_dead_owners")).bind(owner.as_str()).fetch_all(&mut *connection).await?;
    let mut rescued = free(connection, &held, now).await?;
    rescued.messages = send_again(connection, None).await?;
    sqlx::query(sql!("free_outbox")).execute(&mut *connection).await?;
    orphan_the_rest(connection, owner, now).await?;
    Ok(rescued)
}

/// Makes every ready task unpublished, of one run or of all: its message is gone.
pub(super) async fn send_again(connection: &mut SqliteConnection, run: Option<&str>) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query(sql!("free_messages")).bind(run).execute(connection).await?.rows_affected())
}

/// Attempts may be open without a claim: their task was done by another, or dropped.
async fn orphan_the_rest(
    connection: &mut SqliteConnection,
    owner: &OwnerId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let runs: Vec<String> =
        sqlx::query_scalar(sql!("free_attempts")).bind(owner.as_str()).bind(now.0).fetch_all(&mut *connection).await?;
    let mut sums = Sums::default();
    for run in runs {
        sums.of(&run).orphaned_calls += 1;
    }
    sums.write(connection).await
}

async fn free(connection: &mut SqliteConnection, rows: &[SqliteRow], now: Timestamp) -> Result<Rescued, sqlx::Error> {
    let mut rescued = Rescued::default();
    let mut limits: HashMap<String, u32> = HashMap::new();
    let mut sums = Sums::default();
    for row in rows {
        let key = task_key(row, 1)?;
        let attempt: Option<String> = row.try_get(6)?;
        let crashes: u32 = row.try_get(7)?;
        let run = key.run.as_str().to_owned();
        let limit = if let Some(limit) = limits.get(&run) {
            *limit
        } else {
            let limit = crash_limit(connection, &run).await?;
            limits.insert(run.clone(), limit);
            limit
        };
        let dies = crashes + 1 >= limit;
        let freed = sqlx::query(sql!("rescue_task"))
            .bind(row.try_get::<i64, _>(0)?)
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
        sums.of(&run).orphaned_calls += orphaned as i64;
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

async fn crash_limit(connection: &mut SqliteConnection, run: &str) -> Result<u32, sqlx::Error> {
    let row = sqlx::query(sql!("run_read")).bind(run).fetch_one(connection).await?;
    let config: RunConfig = json(row.try_get("config")?)?;
    Ok(config.crash_limit)
}
