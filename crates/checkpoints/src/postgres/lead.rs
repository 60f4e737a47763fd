//! Leadership among processes: a lease by name, decided by the database's clock.

use std::time::Duration;

use agentwrite::ids::{OwnerId, Timestamp};
use agentwrite::ports::StoreError;

use super::PostgresStore;
use super::rows::wide;

impl PostgresStore {
    /// Makes `owner` the one leader of `name` for `lease` from now, or prolongs that. The term, which grows whenever the lead
    /// changes hands; `None` while somebody else leads.
    pub async fn lead(&self, name: &str, owner: &OwnerId, lease: Duration) -> Result<Option<i64>, StoreError> {
        sqlx::query_scalar(sql!("lease_take"))
            .bind(name)
            .bind(owner.as_str())
            .bind(wide(lease.as_millis() as u64))
            .fetch_optional(&self.writers)
            .await
            .map_err(|error| StoreError::new(format!("lead {name}"), error))
    }

    /// Gives the lead up, so that the next one need not wait; nothing happens if `owner` does not have it.
    pub async fn step_down(&self, name: &str, owner: &OwnerId) -> Result<(), StoreError> {
        sqlx::query(sql!("lease_give_back"))
            .bind(name)
            .bind(owner.as_str())
            .execute(&self.writers)
            .await
            .map_err(|error| StoreError::new(format!("step_down {name}"), error))?;
        Ok(())
    }

    /// Who leads `name` now; `None` while nobody does.
    pub async fn leader(&self, name: &str) -> Result<Option<OwnerId>, StoreError> {
        let owner: Option<String> = sqlx::query_scalar(sql!("lease_read"))
            .bind(name)
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| StoreError::new(format!("leader {name}"), error))?;
        Ok(owner.map(OwnerId::new))
    }

    /// The database's clock.
    pub async fn time(&self) -> Result<Timestamp, StoreError> {
        let now = sqlx::query_scalar(sql!("time_read")).fetch_one(&self.readers).await;
        now.map(Timestamp).map_err(|error| StoreError::new("time", error))
    }
}
