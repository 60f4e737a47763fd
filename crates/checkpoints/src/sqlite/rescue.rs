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
    rescued.messages = sqlx::query(sql!("free_messages")).execute(&mut *connection).await?.rows_affected();
    sqlx::query(sql!("free_outbox")).execute(connection).await?;
    Ok(rescued)
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
        let limit = match limits.get(&run) {
            Some(limit) => *limit,
            None => {
                let limit = crash_limit(connection, &run).await?;
                limits.insert(run.clone(), limit);
                limit
            }
        };
        let dies = crashes + 1 >= limit;
        sqlx::query(sql!("rescue_task"))
            .bind(row.try_get::<i64, _>(0)?)
            .bind(if dies { "dead" } else { "ready" })
            .execute(&mut *connection)
            .await?;
        let orphaned = sqlx::query(sql!("rescue_attempt"))
            .bind(attempt)
            .bind(now.0)
            .execute(&mut *connection)
            .await?
            .rows_affected();
        sums.of(&run).orphaned_calls += orphaned as i64;
        if dies {
            rescued.died += 1;
            fail_sample(connection, &run, &key.subject, crashes + 1).await?;
        }
        rescued.leases += 1;
    }
    sums.write(connection).await?;
    Ok(rescued)
}

async fn fail_sample(
    connection: &mut SqliteConnection,
    run: &str,
    subject: &str,
    crashes: u32,
) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("fail_sample"))
        .bind(run)
        .bind(subject)
        .bind(ErrorCode::CrashLoop.as_str())
        .bind(format!("work on it ended in a crash {crashes} times"))
        .execute(connection)
        .await?;
    Ok(())
}

async fn crash_limit(connection: &mut SqliteConnection, run: &str) -> Result<u32, sqlx::Error> {
    let row = sqlx::query(sql!("run_read")).bind(run).fetch_one(connection).await?;
    let config: RunConfig = json(row.try_get("config")?)?;
    Ok(config.crash_limit)
}
