//! Budgets in the store: the run's cap, gates, buckets as `agentwrite::rate` has them.

use agentwrite::config::Limits;
use agentwrite::ids::{RunId, Timestamp};
use agentwrite::ports::{Budget, Reservation, Reserve, StoreError, TrafficStore, Unused};
use agentwrite::rate::{self, Booking, Claim, Start};
use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::batch::Batch;
use super::statement::{execute, first, json, one};
use crate::added::Added;
use crate::columns::Unsound;

#[async_trait]
impl TrafficStore for SqliteStore {
    async fn reserve(&self, reserve: Reserve) -> Result<Reservation, StoreError> {
        self.writer.run("reserve", move |connection| reserve_call(connection, &reserve)).await
    }

    async fn settle(&self, run: &RunId, budget: &Budget, unused: Unused, _now: Timestamp) -> Result<(), StoreError> {
        let (run, budget) = (run.clone(), budget.clone());
        self.writer
            .run("settle", move |connection| {
                let (limits, _, _) = limits_of(connection, &run)?;
                for (name, change) in rate::give_back(&budget, unused, &limits) {
                    if let Some(number) = read_bucket(connection, &name)? {
                        write_bucket(connection, &name, number + change)?;
                    }
                }
                Ok(())
            })
            .await
    }

    async fn returned(&self, claims: &[Claim]) -> Result<Vec<f64>, StoreError> {
        let claims = claims.to_vec();
        self.writer
            .run("returned", move |connection| claims.iter().map(|claim| returned(connection, claim)).collect())
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

/// The run's limits, what it has spent and reserved, and its number.
fn limits_of(batch: &Batch, run: &RunId) -> rusqlite::Result<(Limits, i64, i64)> {
    batch.write_totals()?;
    one(batch, sql!("reserve_limits"), [run.as_str()], |row| Ok((json(row, 0)?, row.get(1)?, row.get(2)?)))
}

fn read_bucket(connection: &Connection, bucket: &str) -> rusqlite::Result<Option<f64>> {
    first(connection, sql!("bucket_read"), params![bucket], |row| row.get(0))
}

fn write_bucket(connection: &Connection, bucket: &str, number: f64) -> rusqlite::Result<()> {
    execute(connection, sql!("bucket_write"), params![bucket, number])?;
    Ok(())
}

fn reserve_call(batch: &Batch, reserve: &Reserve) -> rusqlite::Result<Reservation> {
    let connection: &Connection = batch;
    let (limits, ledger, run) = limits_of(batch, &reserve.run)?;
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
            return Err(Unsound(format!("attempt {} is not open", reserve.attempt)).into());
        }
        execute(connection, sql!("reserve_money"), params![reserve.attempt.as_str(), worst as i64])?;
        let added = Added { reserved_nanousd: worst as i64 - reserved, ..Added::default() };
        batch.count(run, &added);
    }
    Ok(Reservation::StartAt(draw(connection, reserve, &limits)?))
}

/// Takes the call's units from its buckets; all of them move on from the time at which the call starts.
fn draw(connection: &Connection, reserve: &Reserve, limits: &Limits) -> rusqlite::Result<Start> {
    let gate: Option<(i64, String)> =
        first(connection, sql!("gate_read"), params![&reserve.budget.endpoint], |row| row.try_into())?;
    let mut booking = Booking::from(gate.map_or(reserve.now, |(until, _)| reserve.now.max(Timestamp(until))));
    for draw in rate::draws(reserve, limits) {
        let free_at = read_bucket(connection, &draw.bucket)?;
        let returned = draw.returned.as_ref().map_or(Ok(None), |name| read_bucket(connection, name))?;
        booking.take(draw, free_at, returned);
    }
    for (name, number) in booking.numbers() {
        write_bucket(connection, name, number)?;
    }
    Ok(booking.start())
}

fn returned(connection: &Connection, claim: &Claim) -> rusqlite::Result<f64> {
    let Some(number) = read_bucket(connection, &claim.name)? else { return Ok(0.0) };
    match claim.at_most.filter(|most| *most < number) {
        None => Ok(number),
        Some(most) => write_bucket(connection, &claim.name, most).map(|()| most),
    }
}
