//! Budgets in the store: the run's cap, gates, buckets as `agentwrite::rate` has them.

use agentwrite::config::Limits;
use agentwrite::ids::{RunId, Timestamp};
use agentwrite::ports::{Budget, Reservation, Reserve, StoreError, TrafficStore, Unused};
use agentwrite::rate::{self, Booking, Claim, Start};
use async_trait::async_trait;
use sqlx::PgConnection;

use super::PostgresStore;
use super::rows::{remark, wide};
use super::totals::Sums;
use crate::columns::json;

#[async_trait]
impl TrafficStore for PostgresStore {
    async fn reserve(&self, reserve: Reserve) -> Result<Reservation, StoreError> {
        self.write("reserve", reserve, |connection, reserve| Box::pin(reserve_call(connection, reserve))).await
    }

    async fn settle(&self, run: &RunId, budget: &Budget, unused: Unused, _now: Timestamp) -> Result<(), StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("settle {run}"), error);
        let limits: String =
            sqlx::query_scalar(sql!("run_limits")).bind(run.as_str()).fetch_one(&self.readers).await.map_err(fail)?;
        let limits: Limits = json(&limits).map_err(|error| fail(error.into()))?;
        for (name, change) in rate::give_back(budget, unused, &limits) {
            sqlx::query(sql!("bucket_give_back")).bind(name).bind(change).execute(&self.writers).await.map_err(fail)?;
        }
        Ok(())
    }

    async fn returned(&self, claims: &[Claim]) -> Result<Vec<f64>, StoreError> {
        let mut numbers = Vec::with_capacity(claims.len());
        for Claim { name, at_most } in claims {
            let number: Result<Option<f64>, sqlx::Error> = match at_most {
                None => sqlx::query_scalar(sql!("bucket_read")).bind(name).fetch_optional(&self.readers).await,
                Some(most) => {
                    sqlx::query_scalar(sql!("bucket_claim")).bind(name).bind(most).fetch_optional(&self.writers).await
                }
            };
            let number = number.map_err(|error| StoreError::new(format!("returned {name}"), error))?;
            numbers.push(number.unwrap_or(0.0));
        }
        Ok(numbers)
    }

    async fn close_gate(
        &self,
        endpoint: &str,
        until: Timestamp,
        reason: &str,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(sql!("gate_close"))
            .bind(endpoint)
            .bind(until.0)
            .bind(remark(reason))
            .execute(&self.writers)
            .await
            .map_err(|error| StoreError::new(format!("close_gate {endpoint}"), error))?;
        Ok(())
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

async fn limits_of(connection: &mut PgConnection, run: &RunId) -> Result<(Limits, i64), sqlx::Error> {
    let (limits, ledger): (String, i64) =
        sqlx::query_as(sql!("reserve_limits")).bind(run.as_str()).fetch_one(connection).await?;
    Ok((json(&limits)?, ledger))
}

async fn reserve_call(connection: &mut PgConnection, reserve: &Reserve) -> Result<Reservation, sqlx::Error> {
    let (limits, _) = limits_of(connection, &reserve.run).await?;
    if limits.max_cost_nanousd.is_some() || reserve.worst_nanousd.is_some() {
        if !reserve_money(connection, reserve, &limits).await? {
            return Ok(Reservation::OverBudget);
        }
    } else {
        // Without money only a schedule moves; one that a crash turns back lets a few calls start early.
        sqlx::query("set local synchronous_commit = off").execute(&mut *connection).await?;
    }
    Ok(Reservation::StartAt(draw(connection, reserve, &limits).await?))
}

/// Whether the run's cap allows for the call; its worst case stands on the attempt from then on.
async fn reserve_money(connection: &mut PgConnection, reserve: &Reserve, limits: &Limits) -> Result<bool, sqlx::Error> {
    // A repeated wish replaces what the attempt had reserved.
    let own: Option<Option<i64>> =
        sqlx::query_scalar(sql!("reserve_own")).bind(reserve.attempt.as_str()).fetch_optional(&mut *connection).await?;
    let reserved = own.flatten().unwrap_or(0);
    if let Some(cap) = limits.max_cost_nanousd {
        sqlx::query(sql!("reserve_lock")).bind(reserve.run.as_str()).execute(&mut *connection).await?;
        // Read again under the lock: what others reserved before it is in it.
        let (_, ledger) = limits_of(connection, &reserve.run).await?;
        let committed = (ledger - reserved).max(0) as u64;
        if reserve.worst_nanousd.is_none_or(|worst| committed.saturating_add(worst) > cap) {
            return Ok(false);
        }
    }
    let Some(worst) = reserve.worst_nanousd else { return Ok(true) };
    if own.is_none() {
        return Err(sqlx::Error::Protocol(format!("attempt {} is not open", reserve.attempt)));
    }
    sqlx::query(sql!("reserve_money"))
        .bind(reserve.attempt.as_str())
        .bind(wide(worst))
        .execute(&mut *connection)
        .await?;
    let mut sums = Sums::default();
    sums.of(reserve.run.as_str()).reserved_nanousd = wide(worst) - reserved;
    sums.write(connection).await?;
    Ok(true)
}

/// Takes the call's units from its buckets; all of them move on from the time at which the call starts.
async fn draw(connection: &mut PgConnection, reserve: &Reserve, limits: &Limits) -> Result<Start, sqlx::Error> {
    let gate: Option<(i64, String)> =
        sqlx::query_as(sql!("gate_read")).bind(&reserve.budget.endpoint).fetch_optional(&mut *connection).await?;
    let mut booking = Booking::from(gate.map_or(reserve.now, |(until, _)| reserve.now.max(Timestamp(until))));
    // Always in this order, so that nobody waits in a circle.
    for draw in rate::draws(reserve, limits) {
        let free_at: f64 =
            sqlx::query_scalar(sql!("bucket_lock")).bind(&draw.bucket).fetch_one(&mut *connection).await?;
        let returned: Option<f64> = match &draw.returned {
            Some(name) => sqlx::query_scalar(sql!("bucket_read")).bind(name).fetch_optional(&mut *connection).await?,
            None => None,
        };
        booking.take(draw, Some(free_at), returned);
    }
    for (name, number) in booking.numbers() {
        sqlx::query(sql!("bucket_write")).bind(name).bind(number).execute(&mut *connection).await?;
    }
    Ok(booking.start())
}
