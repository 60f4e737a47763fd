//! Budgets in the store. Buckets are virtual schedules: a reservation moves `free_at` on and is told when it may start, so
//! that nobody polls and the order of asking is the order of starting.

use agentwrite::config::Limits;
use agentwrite::ids::{RunId, Timestamp};
use agentwrite::ports::{Reservation, Reserve, StoreError, TrafficStore};
use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::SqliteStore;
use super::claim::json;
use super::totals::Sums;

/// Milliseconds per minute, and how much a quiet endpoint may be asked for at once.
const MINUTE_MS: f64 = 60_000.0;
const BURST_MS: f64 = 1_000.0;

#[async_trait]
impl TrafficStore for SqliteStore {
    async fn reserve(&self, reserve: Reserve) -> Result<Reservation, StoreError> {
        self.writer
            .write("reserve", move |connection| Box::pin(async move { reserve_call(connection, &reserve).await }))
            .await
    }

    async fn settle(&self, run: &RunId, endpoint: &str, unused_tokens: i64, _now: Timestamp) -> Result<(), StoreError> {
        let (run, endpoint) = (run.clone(), endpoint.to_owned());
        self.writer
            .write("settle", move |connection| {
                Box::pin(async move {
                    let (limits, _) = limits_of(connection, &run).await?;
                    let Some(tpm) = limits.tpm else { return Ok(()) };
                    let bucket = format!("tokens {endpoint}");
                    let back = unused_tokens as f64 * MINUTE_MS / f64::from(tpm.max(1));
                    let Some(free_at) = free_at(connection, &bucket).await? else { return Ok(()) };
                    write_bucket(connection, &bucket, free_at - back).await
                })
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
            .write("close_gate", move |connection| {
                Box::pin(async move {
                    sqlx::query(sql!("gate_close"))
                        .bind(&endpoint)
                        .bind(until.0)
                        .bind(&reason)
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn gate(&self, endpoint: &str) -> Result<Option<(Timestamp, String)>, StoreError> {
        let row: Option<(i64, String)> = sqlx::query_as(sql!("gate_read"))
            .bind(endpoint)
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| StoreError::new(format!("gate {endpoint}"), error))?;
        Ok(row.map(|(until, reason)| (Timestamp(until), reason)))
    }
}

async fn limits_of(connection: &mut SqliteConnection, run: &RunId) -> Result<(Limits, i64), sqlx::Error> {
    let (limits, ledger): (String, i64) =
        sqlx::query_as(sql!("reserve_limits")).bind(run.as_str()).fetch_one(connection).await?;
    Ok((json(&limits)?, ledger))
}

async fn free_at(connection: &mut SqliteConnection, bucket: &str) -> Result<Option<f64>, sqlx::Error> {
    sqlx::query_scalar(sql!("bucket_read")).bind(bucket).fetch_optional(connection).await
}

async fn write_bucket(connection: &mut SqliteConnection, bucket: &str, free_at: f64) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("bucket_write")).bind(bucket).bind(free_at).execute(connection).await?;
    Ok(())
}

async fn reserve_call(connection: &mut SqliteConnection, reserve: &Reserve) -> Result<Reservation, sqlx::Error> {
    let (limits, ledger) = limits_of(connection, &reserve.run).await?;
    // A repeated wish replaces what the attempt had reserved.
    let own: Option<Option<i64>> =
        sqlx::query_scalar(sql!("reserve_own")).bind(reserve.attempt.as_str()).fetch_optional(&mut *connection).await?;
    let reserved = own.flatten().unwrap_or(0);
    if let Some(cap) = limits.max_cost_nanousd {
        let committed = (ledger - reserved).max(0) as u64;
        if reserve.worst_nanousd.is_none_or(|worst| committed + worst > cap) {
            return Ok(Reservation::OverBudget);
        }
    }
    if let Some(worst) = reserve.worst_nanousd {
        if own.is_none() {
            return Err(sqlx::Error::Protocol(format!("attempt {} is not open", reserve.attempt)));
        }
        sqlx::query(sql!("reserve_money"))
            .bind(reserve.attempt.as_str())
            .bind(worst as i64)
            .execute(&mut *connection)
            .await?;
        let mut sums = Sums::default();
        sums.of(reserve.run.as_str()).reserved_nanousd = worst as i64 - reserved;
        sums.write(connection).await?;
    }
    let start = draw(connection, reserve, &limits).await?;
    Ok(Reservation::StartAt(Timestamp(start.ceil() as i64)))
}

/// Takes the call's units from its buckets. All of them move on from the time at which the call starts: units that fell
/// due while another bucket or the gate held the call back are gone, or the gate would open onto a burst.
async fn draw(connection: &mut SqliteConnection, reserve: &Reserve, limits: &Limits) -> Result<f64, sqlx::Error> {
    let gate: Option<(i64, String)> =
        sqlx::query_as(sql!("gate_read")).bind(&reserve.endpoint).fetch_optional(&mut *connection).await?;
    let mut start = gate.map_or(reserve.now.0, |(until, _)| reserve.now.0.max(until)) as f64;
    let mut draws = Vec::with_capacity(2);
    for (bucket, takes_ms, ahead_ms) in wanted(reserve, limits) {
        let free_at = free_at(connection, &bucket).await?.unwrap_or(f64::MIN);
        start = start.max(free_at - ahead_ms);
        draws.push((bucket, takes_ms, free_at));
    }
    for (bucket, takes_ms, free_at) in draws {
        write_bucket(connection, &bucket, free_at.max(start) + takes_ms).await?;
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
