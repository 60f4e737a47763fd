//! Traffic to the endpoint: budgets, gates, money.

use async_trait::async_trait;

use super::StoreError;
use crate::ids::{AttemptId, RunId, Timestamp};
use crate::rate::{Claim, Start};

/// Whose gate and rates a call is under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// The endpoint.
    pub endpoint: String,
    /// The pool that it was chosen from; the run's rates are those of the pool. An endpoint alone is a pool of its own name.
    pub pool: String,
    /// Requests per minute of the endpoint itself, whatever run and pool.
    pub rpm: Option<u32>,
    /// Tokens per minute of the endpoint itself.
    pub tpm: Option<u32>,
}

impl Budget {
    /// That of an endpoint alone, without rates of its own.
    pub fn of(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), pool: endpoint.to_owned(), rpm: None, tpm: None }
    }
}

/// A wish to make one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// The run that pays.
    pub run: RunId,
    /// What it draws on.
    pub budget: Budget,
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
#[derive(Debug, Clone, PartialEq)]
pub enum Reservation {
    /// The call may start at this time (now or later), and no earlier unless what others give back moves it.
    StartAt(Start),
    /// The run's cap would be passed.
    OverBudget,
}

/// What is given back of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unused {
    /// Tokens that a call which was made did not use; negative if it used more than it had reserved.
    Tokens(i64),
    /// All of it: the call was not made.
    Call {
        /// Tokens that were reserved.
        tokens: u64,
    },
}

/// One traffic port for the fleet. Every call reserves before it starts and settles when its attempt ends.
#[async_trait]
pub trait TrafficStore: Send + Sync {
    /// Reserves requests, tokens and money under the run's limits, the endpoint's own, and its gate.
    async fn reserve(&self, reserve: Reserve) -> Result<Reservation, StoreError>;

    /// Gives back what a call did not use of its rates. Money is settled with the attempt's end, in the same transaction.
    async fn settle(&self, run: &RunId, budget: &Budget, unused: Unused, now: Timestamp) -> Result<(), StoreError>;

    /// What has come back to these buckets of tokens so far, 0 for one that nobody drew from; see [`crate::rate`].
    async fn returned(&self, claims: &[Claim]) -> Result<Vec<f64>, StoreError>;

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
