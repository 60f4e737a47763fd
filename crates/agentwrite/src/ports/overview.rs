//! The store as the command line sees it: what people ask and no service needs. Snapshots, never locks.

use async_trait::async_trait;

use super::{RunState, StoreError};
use crate::config::Limits;
use crate::ids::{RunId, SampleId, Timestamp};
use crate::length::RequiredLength;
use crate::sample::SampleState;

/// A run in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// The run.
    pub run: RunId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: RunState,
    /// Why it is paused or failed.
    pub reason: Option<String>,
    /// Its limits.
    pub limits: Limits,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its samples by state, in the order of [`SampleState::ALL`].
    pub states: [u64; 9],
}

/// The length of a whole text.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeLength {
    /// Written, packed or rejected.
    pub state: SampleState,
    /// Words by the sample's counter.
    pub words: u64,
    /// What was asked for.
    pub required: Option<RequiredLength>,
    /// S_l, where a length is required and the sample is judged.
    pub score: Option<f64>,
}

/// Attempts that ended alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeTotals {
    /// How they ended.
    pub outcome: String,
    /// How many there are.
    pub attempts: u64,
    /// Those that sent a request.
    pub called: u64,
    /// Settled price in nano-USD.
    pub cost_nanousd: u64,
    /// Reservations that still stand, in nano-USD.
    pub reserved_nanousd: u64,
    /// Prompt tokens.
    pub prompt_tokens: u64,
    /// Answer tokens.
    pub completion_tokens: u64,
}

/// The store as the command line sees it.
#[async_trait]
pub trait OverviewStore: Send + Sync {
    /// Runs, newest first; with a name only those whose id starts with it or that are named so.
    async fn run_list(&self, name: Option<&str>) -> Result<Vec<RunRow>, StoreError>;
    /// Sections that samples with a plan still lack.
    async fn open_sections(&self, run: &RunId) -> Result<u64, StoreError>;
    /// Samples whose id starts with `name`, or else whose input row has the id `name`; at most `most`.
    async fn samples_named(&self, run: &RunId, name: &str, most: u32) -> Result<Vec<SampleId>, StoreError>;
    /// Lengths of all whole texts, in input order.
    async fn whole_lengths(&self, run: &RunId) -> Result<Vec<WholeLength>, StoreError>;
    /// Attempts by how they ended.
    async fn attempt_outcomes(&self, run: &RunId) -> Result<Vec<OutcomeTotals>, StoreError>;
    /// Violations of I2 as far as the store shows it: `(subject, what)`.
    async fn unbacked(&self, run: &RunId) -> Result<Vec<(String, String)>, StoreError>;
}
