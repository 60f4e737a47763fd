//! Who offers slots, and which run may use how many: see `agentwrite::shares`.

use std::time::Duration;

use agentwrite::config::Limits;
use agentwrite::ids::{OwnerId, RunId, Timestamp};
use agentwrite::ports::StoreError;
use agentwrite::shares::{Demand, share, turn};
use agentwrite::task::Kind;

use super::PostgresStore;
use super::rows::wide;
use crate::columns::json;

impl PostgresStore {
    /// Says that a process has so many slots for tasks of these kinds, for `lease` from now.
    pub async fn announce(
        &self,
        owner: &OwnerId,
        kinds: &[Kind],
        slots: u32,
        lease: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query(sql!("process_announce"))
            .bind(owner.as_str())
            .bind(kinds.iter().map(Kind::as_str).collect::<Vec<_>>())
            .bind(i64::from(slots))
            .bind(wide(lease.as_millis() as u64))
            .execute(&self.writers)
            .await
            .map_err(|error| StoreError::new("announce", error))?;
        Ok(())
    }

    /// Says that a process has no slots any more.
    pub async fn withdraw(&self, owner: &OwnerId) -> Result<(), StoreError> {
        sqlx::query(sql!("process_withdraw"))
            .bind(owner.as_str())
            .execute(&self.writers)
            .await
            .map_err(|error| StoreError::new("withdraw", error))?;
        Ok(())
    }

    /// How many slots each running run may use in this turn, by weight, never more than its concurrency; from now on its commits keep to
    /// that too. Empty while no process offers slots: nothing is known then.
    pub async fn share_slots(&self) -> Result<Vec<(RunId, u32)>, StoreError> {
        let (slots, now) = self.offered_slots().await.map_err(|error| StoreError::new("share_slots", error))?;
        if slots == 0 {
            return Ok(Vec::new());
        }
        self.share_among_runs(slots, turn(now)).await
    }

    /// How many calls the fleet can make at once, and the database's time, which all planners share.
    pub async fn offered_slots(&self) -> Result<(u32, Timestamp), sqlx::Error> {
        let (slots, now): (i64, i64) = sqlx::query_as(sql!("process_slots")).fetch_one(&self.readers).await?;
        Ok((u32::try_from(slots).unwrap_or(u32::MAX), Timestamp(now)))
    }

    /// Shares so many slots in this turn.
    pub async fn share_among_runs(&self, slots: u32, turn: u64) -> Result<Vec<(RunId, u32)>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new("share_slots", error);
        let rows: Vec<(String, String, i64, bool, Option<i64>)> =
            sqlx::query_as(sql!("run_demands")).fetch_all(&self.readers).await.map_err(fail)?;
        let mut runs = Vec::with_capacity(rows.len());
        let mut demands = Vec::with_capacity(rows.len());
        let mut before = Vec::with_capacity(rows.len());
        for (run, limits, unfinished, serial, had) in rows {
            before.push(had);
            let limits: Limits = json(&limits).map_err(|error| fail(error.into()))?;
            let unfinished = u32::try_from(unfinished).unwrap_or(u32::MAX);
            // A sample whose sections are written one after another has one call at a time.
            let most = if serial || unfinished == 0 { unfinished } else { u32::MAX };
            demands.push(Demand { weight: limits.weight, most: most.min(limits.concurrency) });
            runs.push(RunId::new(run));
        }
        let shares: Vec<(RunId, u32)> = runs.into_iter().zip(share(slots, &demands, turn)).collect();
        // Every planner process comes to the same shares, so it does not matter who writes them; those who look on both sides
        // of a turn agree at the next look.
        for ((run, slots), had) in shares.iter().zip(before) {
            if had != Some(i64::from(*slots)) {
                sqlx::query(sql!("run_slots_write"))
                    .bind(run.as_str())
                    .bind(i64::from(*slots))
                    .execute(&self.writers)
                    .await
                    .map_err(fail)?;
            }
        }
        Ok(shares)
    }
}
