//! Budgets in the store. Buckets are virtual schedules: a reservation moves `free_at` on and is told when it may start, so
//! that nobody polls and the order of asking is the order of starting.

use agentwrite::config::Limits;
use agentwrite::ids::{RunId, Timestamp};
use agentwrite::ports::{Reservation, Reserve, StoreError, TrafficStore};
use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::statement::{broken, execute, first, json, one};
use super::totals::Added;

/// Milliseconds per minute, and how much a quiet endpoint may be asked for at once.
const MINUTE_MS: f64 = 60_000.0;
const BURST_MS: f64 = 1_000.0;

#[async_trait]
impl TrafficStore for SqliteStore {
    async fn reserve(&self, reserve: Reserve) -> Result<Reservation, StoreError> {
        self.writer.run("reserve", move |connection| reserve_call(connection, &reserve)).await
    }

    async fn settle(&self, run: &RunId, endpoint: &str, unused_tokens: i64, _now: Timestamp) -> Result<(), StoreError> {
        let (run, endpoint) = (run.clone(), endpoint.to_owned());
        self.writer
            .run("settle", move |connection| {
                let (limits, _) = limits_of(connection, &run)?;
                let Some(tpm) = limits.tpm else { return Ok(()) };
                let bucket = format!("tokens {endpoint}");
                let back = unused_tokens as f64 * MINUTE_MS / f64::from(tpm.max(1));
                let Some(free_at) = free_at(connection, &bucket)? else { return Ok(()) };
                write_bucket(connection, &bucket, free_at - back)
            })
            .await
    }

    async fn close_gate(
        &self,
        endpoint: &str,
        until: Timestamp,
        reason: &str,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        let (endpoint, reason) = (endpoint.to_owned(), reason.to_owned());
        self.writer
            .run("close_gate", move |connection| {
                execute(connection, sql!("gate_close"), params![&endpoint, until.0, &reason])?;
                Ok(())
            })
            .await
    }

    async fn gate(&self, endpoint: &str) -> Result<Option<(Timestamp, String)>, StoreError> {
        let endpoint = endpoint.to_owned();
        self.writer
            .run("gate", move |connection| {
                first(connection, sql!("gate_read"), [&endpoint], |row| Ok((Timestamp(row.get(0)?), row.get(1)?)))
            })
            .await
    }
}

fn limits_of(connection: &Connection, run: &RunId) -> rusqlite::Result<(Limits, i64)> {
    one(connection, sql!("reserve_limits"), [run.as_str()], |row| Ok((json(row, 0)?, row.get(1)?)))
}

fn free_at(connection: &Connection, bucket: &str) -> rusqlite::Result<Option<f64>> {
    first(connection, sql!("bucket_read"), params![bucket], |row| row.get(0))
}

fn write_bucket(connection: &Connection, bucket: &str, free_at: f64) -> rusqlite::Result<()> {
    execute(connection, sql!("bucket_write"), params![bucket, free_at])?;
    Ok(())
}

fn reserve_call(connection: &Connection, reserve: &Reserve) -> rusqlite::Result<Reservation> {
    let (limits, ledger) = limits_of(connection, &reserve.run)?;
    // A repeated wish replaces what the attempt had reserved.
    let own: Option<Option<i64>> =
        first(connection, sql!("reserve_own"), params![reserve.attempt.as_str()], |row| row.get(0))?;
    let reserved = own.flatten().unwrap_or(0);
    if let Some(cap) = limits.max_cost_nanousd {
        let committed = (ledger - reserved).max(0) as u64;
        if reserve.worst_nanousd.is_none_or(|worst| committed + worst > cap) {
            return Ok(Reservation::OverBudget);
        }
    }
    if let Some(worst) = reserve.worst_nanousd {
        if own.is_none() {
            return Err(broken(format!("attempt {} is not open", reserve.attempt)));
        }
        execute(connection, sql!("reserve_money"), params![reserve.attempt.as_str(), worst as i64])?;
        let added = Added { reserved_nanousd: worst as i64 - reserved, ..Added::default() };
        added.write(connection, reserve.run.as_str())?;
    }
    let start = draw(connection, reserve, &limits)?;
    Ok(Reservation::StartAt(Timestamp(start.ceil() as i64)))
}

/// Takes the call's units from its buckets. All of them move on from the time at which the call starts: units that fell
/// due while another bucket or the gate held the call back are gone, or the gate would open onto a burst.
fn draw(connection: &Connection, reserve: &Reserve, limits: &Limits) -> rusqlite::Result<f64> {
    let gate: Option<(i64, String)> =
        first(connection, sql!("gate_read"), params![&reserve.endpoint], |row| row.try_into())?;
    let mut start = gate.map_or(reserve.now.0, |(until, _)| reserve.now.0.max(until)) as f64;
    let mut draws = Vec::with_capacity(2);
    for (bucket, takes_ms, ahead_ms) in wanted(reserve, limits) {
        let free_at = free_at(connection, &bucket)?.unwrap_or(f64::MIN);
        start = start.max(free_at - ahead_ms);
        draws.push((bucket, takes_ms, free_at));
    }
    for (bucket, takes_ms, free_at) in draws {
        write_bucket(connection, &bucket, free_at.max(start) + takes_ms)?;
    }
    Ok(start)
}

/// What the call takes from which bucket: how long its units take at the bucket's rate, and how far it may run ahead of
/// the schedule, both in milliseconds.
fn wanted(reserve: &Reserve, limits: &Limits) -> Vec<(String, f64, f64)> {
    let mut wanted = Vec::with_capacity(2);
    if let Some(rpm) = limits.rpm {
        let takes_ms = MINUTE_MS / f64::from(rpm.max(1));
        // The request itself is part of the burst, and one request always is.
        wanted.push((format!("requests {}", reserve.endpoint), takes_ms, (BURST_MS - takes_ms).max(0.0)));
    }
    if let Some(tpm) = limits.tpm {
        let takes_ms = reserve.tokens as f64 * MINUTE_MS / f64::from(tpm.max(1));
        wanted.push((format!("tokens {}", reserve.endpoint), takes_ms, BURST_MS));
    }
    wanted
}
