//! Traffic to the endpoint: budgets, gates, money.

use async_trait::async_trait;

use super::StoreError;
use crate::ids::{AttemptId, RunId, Timestamp};

/// A wish to make one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// The run that pays.
    pub run: RunId,
    /// The endpoint's name.
    pub endpoint: String,
    /// The attempt that makes the call.
    pub attempt: AttemptId,
    /// Tokens the call may use, prompt and answer.
    pub tokens: u64,
    /// The most it can cost, in nano-USD; none when the model has no price.
    pub worst_nanousd: Option<u64>,
    /// Now.
    pub now: Timestamp,
}

/// The answer to a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// The call may start at this time (now or later), and no earlier.
    StartAt(Timestamp),
    /// The run's cap would be passed.
    OverBudget,
}

/// One traffic port for the fleet. Every call reserves before it starts and settles when its attempt ends.
#[async_trait]
pub trait TrafficStore: Send + Sync {
    /// Reserves requests, tokens and money under the run's limits and the endpoint's gate.
    async fn reserve(&self, reserve: Reserve) -> Result<Reservation, StoreError>;

    /// Gives back what a call did not use of its token reservation (negative: takes what it used beyond). Money is settled
    /// with the attempt's end, in the same transaction.
    async fn settle(&self, run: &RunId, endpoint: &str, unused_tokens: i64, now: Timestamp) -> Result<(), StoreError>;

    /// Closes the endpoint's gate for everybody until a time. One burst counts once: a gate that is closed already is only
    /// ever prolonged.
    async fn close_gate(
        &self,
        endpoint: &str,
        until: Timestamp,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Until when the endpoint's gate is closed.
    async fn gate(&self, endpoint: &str) -> Result<Option<(Timestamp, String)>, StoreError>;
}
