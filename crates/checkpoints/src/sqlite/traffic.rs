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

/// A quiet endpoint may be asked for this much at once.
const BURST_MS: f64 = 1_000.0;

#[async_trait]
impl TrafficStore for SqliteStore {
    async fn reserve(&self, reserve: Reserve) -> Result<Reservation, StoreError> {
        self.writer
            .write("reserve", move |connection| Box::pin(async move { reserve_call(connection, &reserve).await }))
            .await
    }

    async fn settle(&self, run: &RunId, endpoint: &str, unused_tokens: i64, now: Timestamp) -> Result<(), StoreError> {
        let (run, endpoint) = (run.clone(), endpoint.to_owned());
        self.writer
            .write("settle", move |connection| {
                Box::pin(async move {
                    let (limits, _) = limits_of(connection, &run).await?;
                    let Some(tpm) = limits.tpm else { return Ok(()) };
                    let bucket = format!("tokens {endpoint}");
                    let back = unused_tokens as f64 * 60_000.0 / f64::from(tpm.max(1));
                    let free_at = free_at(connection, &bucket).await?.unwrap_or(now.0 as f64);
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
    if let Some(cap) = limits.max_cost_nanousd {
        let fits = reserve.worst_nanousd.is_some_and(|worst| ledger.max(0) as u64 + worst <= cap);
        if !fits {
            return Ok(Reservation::OverBudget);
        }
    }
    if let Some(worst) = reserve.worst_nanousd {
        let reserved = sqlx::query(sql!("reserve_money"))
            .bind(reserve.attempt.as_str())
            .bind(worst as i64)
            .execute(&mut *connection)
            .await?
            .rows_affected();
        let mut sums = Sums::default();
        sums.of(reserve.run.as_str()).reserved_nanousd = reserved as i64 * worst as i64;
        sums.write(connection).await?;
    }
    let now = reserve.now.0 as f64;
    let mut start = now;
    if let Some(rpm) = limits.rpm {
        start = start.max(take(connection, &format!("requests {}", reserve.endpoint), 1.0, rpm, now).await?);
    }
    if let Some(tpm) = limits.tpm {
        let tokens = reserve.tokens as f64;
        start = start.max(take(connection, &format!("tokens {}", reserve.endpoint), tokens, tpm, now).await?);
    }
    let gate: Option<(i64, String)> =
        sqlx::query_as(sql!("gate_read")).bind(&reserve.endpoint).fetch_optional(connection).await?;
    let open = gate.map_or(reserve.now.0, |(until, _)| until);
    Ok(Reservation::StartAt(Timestamp((start.ceil() as i64).max(open))))
}

/// Takes `amount` from a bucket of `per_minute`; returns when it is there.
async fn take(
    connection: &mut SqliteConnection,
    bucket: &str,
    amount: f64,
    per_minute: u32,
    now: f64,
) -> Result<f64, sqlx::Error> {
    let free = free_at(connection, bucket).await?.unwrap_or(f64::MIN).max(now - BURST_MS);
    let start = free.max(now);
    write_bucket(connection, bucket, free + amount * 60_000.0 / f64::from(per_minute.max(1))).await?;
    Ok(start)
}
