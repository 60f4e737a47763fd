//! Rescue: making work ready again whose lease lapsed, whose owner is dead, or whose message was lost.

use std::collections::HashMap;
use std::time::Duration;

use agentwrite::config::RunConfig;
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{OwnerId, Timestamp};
use agentwrite::ports::Rescued;
use agentwrite::task::TaskKey;
use rusqlite::{Connection, Row, params};

use super::batch::Batch;
use super::fail::fail_sample;
use super::statement::{all, execute, json, one};
use super::tasks::task_key;
use crate::added::Added;

/// A claimed task whose claim is to be freed.
struct Held {
    id: i64,
    key: TaskKey,
    fence: i64,
    crashes: u32,
    /// `subject.id`
    subject: i64,
    /// `run.id`
    run: i64,
}

impl Held {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            key: task_key(row, 1)?,
            fence: row.get(6)?,
            crashes: row.get(7)?,
            subject: row.get(8)?,
            run: row.get(9)?,
        })
    }
}

pub(super) fn stalled(batch: &Batch, lost_after: Duration, now: Timestamp) -> rusqlite::Result<Rescued> {
    let lapsed = all(batch, sql!("rescue_lapsed"), [now.0], Held::read)?;
    let mut rescued = free(batch, &lapsed, now)?;
    let sent_before = now.0.saturating_sub(i64::try_from(lost_after.as_millis()).unwrap_or(i64::MAX));
    rescued.messages = execute(batch, sql!("rescue_messages"), [sent_before])? as u64;
    Ok(rescued)
}

pub(super) fn dead_owners(batch: &Batch, owner: &OwnerId, now: Timestamp) -> rusqlite::Result<Rescued> {
    let held = all(batch, sql!("rescue_dead_owners"), [owner.as_str()], Held::read)?;
    let mut rescued = free(batch, &held, now)?;
    rescued.messages = send_again(batch, None)?;
    execute(batch, sql!("free_outbox"), [])?;
    orphan_the_rest(batch, owner, now)?;
    Ok(rescued)
}

/// Makes every ready task unpublished, of one run or of all: its message is gone.
pub(super) fn send_again(connection: &Connection, run: Option<&str>) -> rusqlite::Result<u64> {
    Ok(execute(connection, sql!("free_messages"), [run])? as u64)
}

/// Attempts may be open without a claim: their task was done by another, or dropped.
fn orphan_the_rest(batch: &Batch, owner: &OwnerId, now: Timestamp) -> rusqlite::Result<()> {
    let runs: Vec<i64> = all(batch, sql!("free_attempts"), params![owner.as_str(), now.0], |row| row.get(0))?;
    let orphaned = Added { orphaned_calls: 1, ..Added::default() };
    for run in &runs {
        batch.count(*run, &orphaned);
    }
    Ok(())
}

fn free(batch: &Batch, claims: &[Held], now: Timestamp) -> rusqlite::Result<Rescued> {
    let mut rescued = Rescued::default();
    let mut limits: HashMap<&str, u32> = HashMap::new();
    for held in claims {
        let run = held.key.run.as_str();
        let limit = match limits.get(run) {
            Some(limit) => *limit,
            None => crash_limit(batch, run)?,
        };
        limits.insert(run, limit);
        let dies = held.crashes + 1 >= limit;
        let freed = execute(batch, sql!("rescue_task"), params![held.id, if dies { "dead" } else { "ready" }])?;
        let orphaned = execute(batch, sql!("rescue_attempt"), params![held.id, held.fence, now.0])? as i64;
        batch.count(held.run, &Added { orphaned_calls: orphaned, ..Added::default() });
        // None is freed where the death of a sibling earlier in this list has dropped the task.
        if dies && freed > 0 {
            rescued.died += 1;
            let reason = format!("work on it ended in a crash {} times", held.crashes + 1);
            fail_sample(batch, &held.key, held.subject, ErrorCode::CrashLoop, &reason)?;
        }
        rescued.leases += 1;
    }
    Ok(rescued)
}

fn crash_limit(connection: &Connection, run: &str) -> rusqlite::Result<u32> {
    let config: RunConfig = one(connection, sql!("run_read"), [run], |row| json(row, "config"))?;
    Ok(config.crash_limit)
}
