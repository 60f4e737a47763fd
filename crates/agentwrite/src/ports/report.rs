//! The store as readers see it: status, lists by key, one sample, failures by cause. Snapshots, never locks.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{SampleOutline, StoreError, Verdict};
use crate::failure::ErrorCode;
use crate::ids::{AttemptId, RunId, SampleId, Timestamp};
use crate::sample::{SampleContext, SampleState};

/// Counters of a run, kept in the transactions that change them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Samples by state, in the order of [`SampleState::ALL`].
    pub states: [u64; 9],
    /// Accepted sections of standing and earlier revisions.
    pub sections: u64,
    /// Words in them.
    pub words: u64,
    /// Attempts that sent a request.
    pub calls: u64,
    /// Attempts open now.
    pub in_flight: u64,
    /// Attempts that ended failed.
    pub failed_calls: u64,
    /// Attempts whose answer came too late.
    pub wasted_calls: u64,
    /// Attempts whose worker is gone.
    pub orphaned_calls: u64,
    /// 429s and the like.
    pub throttled_calls: u64,
    /// Prompt tokens.
    pub prompt_tokens: u64,
    /// Of them from the cache.
    pub cached_tokens: u64,
    /// Answer tokens.
    pub completion_tokens: u64,
    /// Settled spend.
    pub settled_nanousd: u64,
    /// Reservations of open and orphaned attempts (suspect spend).
    pub reserved_nanousd: u64,
}

impl Totals {
    /// Samples in this state.
    pub fn state(&self, state: SampleState) -> u64 {
        SampleState::ALL.iter().position(|other| *other == state).map_or(0, |index| self.states[index])
    }

    /// Samples that are in a terminal state.
    pub fn finished(&self) -> u64 {
        SampleState::ALL.iter().zip(self.states).filter(|(state, _)| state.is_terminal()).map(|(_, count)| count).sum()
    }

    /// Whether no model is asked any more: what is left is to pack what is written.
    pub fn only_packing(&self) -> bool {
        let written = self.state(SampleState::Written);
        written > 0 && written + self.finished() == self.states.iter().sum::<u64>()
    }
}

/// Which samples to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SampleFilter {
    /// Only in this state.
    pub state: Option<SampleState>,
    /// Only with this code.
    pub error: Option<ErrorCode>,
    /// Only after this ordinal: lists page by key.
    pub after: Option<u64>,
}

/// A sample in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleRow {
    /// The sample.
    pub sample: SampleId,
    /// Position in the input.
    pub ordinal: u64,
    /// The input's id.
    pub id: Option<String>,
    /// Where it stands.
    pub state: SampleState,
    /// Why it failed or was rejected.
    pub code: Option<String>,
    /// Words for a person.
    pub reason: Option<String>,
    /// Sections written.
    pub sections: u32,
    /// Sections planned.
    pub places: u32,
    /// Words written.
    pub words: u64,
    /// The first 120 characters of the instruction.
    pub title: String,
    /// Operator retries.
    pub generation: u32,
}

/// A page of samples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SamplePage {
    /// Rows in ordinal order.
    pub rows: Vec<SampleRow>,
    /// Pass as `after` for the next page; none at the end.
    pub next: Option<u64>,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptRow {
    /// Its id.
    pub attempt: AttemptId,
    /// `plan`, `section`, ...
    pub kind: String,
    /// Place.
    pub place: u32,
    /// Revision.
    pub revision: u32,
    /// Generation of the sample.
    pub generation: u32,
    /// How it ended.
    pub outcome: String,
    /// Code of a failure.
    pub code: Option<String>,
    /// Words for a person.
    pub message: Option<String>,
    /// Start.
    pub started_at: Timestamp,
    /// End.
    pub ended_at: Option<Timestamp>,
    /// Model asked.
    pub model: Option<String>,
    /// Endpoint asked.
    pub endpoint: Option<String>,
    /// Prompt tokens.
    pub prompt_tokens: u64,
    /// Of them cached.
    pub cached_tokens: u64,
    /// Answer tokens.
    pub completion_tokens: u64,
    /// Settled price.
    pub cost_nanousd: Option<u64>,
    /// Reservation.
    pub reserved_nanousd: Option<u64>,
}

/// A kept answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnswerRow {
    /// The attempt.
    pub attempt: AttemptId,
    /// Place.
    pub place: u32,
    /// The gate that turned it down.
    pub gate: String,
    /// What it saw.
    pub evidence: String,
    /// The answer.
    pub raw: String,
}

/// One sample whole.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleDetail {
    /// As in the list.
    pub row: SampleRow,
    /// Input, plan, sections.
    pub context: SampleContext,
    /// The sample gates' verdict.
    pub verdict: Option<Verdict>,
    /// All tries, oldest first.
    pub attempts: Vec<AttemptRow>,
    /// Kept answers, oldest first.
    pub answers: Vec<AnswerRow>,
    /// Version of the configuration.
    pub config_version: u32,
}

/// Failures with one cause.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailureGroup {
    /// `failed` or `rejected`.
    pub state: SampleState,
    /// The code.
    pub code: String,
    /// How many samples.
    pub samples: u64,
    /// The first of them.
    pub example: SampleId,
    /// Its reason.
    pub reason: String,
    /// The offending answer of the example, if one is kept.
    pub evidence: Option<String>,
}

/// What the run looked like at a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatisticsRow {
    /// Start of the 10 s slot.
    pub at: Timestamp,
    /// The counters.
    pub totals: Totals,
}

/// Something an operator did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperatorAction {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What.
    pub action: String,
    /// Before, JSON.
    pub before: String,
    /// After, JSON.
    pub after: String,
}

/// The store as readers see it.
#[async_trait]
pub trait ReportStore: Send + Sync {
    /// The run's counters.
    async fn totals(&self, run: &RunId) -> Result<Totals, StoreError>;
    /// A page of samples.
    async fn samples(&self, run: &RunId, filter: &SampleFilter, most: u32) -> Result<SamplePage, StoreError>;
    /// One sample whole.
    async fn sample(&self, run: &RunId, sample: &SampleId) -> Result<Option<SampleDetail>, StoreError>;
    /// Samples without their texts, those that are there, in the order given.
    async fn outlines(&self, run: &RunId, samples: &[SampleId]) -> Result<Vec<SampleOutline>, StoreError>;
    /// Failures and rejections by cause, most samples first.
    async fn failures(&self, run: &RunId) -> Result<Vec<FailureGroup>, StoreError>;
    /// Failed attempts by code, and rejected answers by gate: how often each happened.
    async fn attempt_codes(&self, run: &RunId) -> Result<Vec<(String, u64)>, StoreError>;
    /// Statistics rows since a time, oldest first.
    async fn statistics(&self, run: &RunId, since: Timestamp) -> Result<Vec<StatisticsRow>, StoreError>;
    /// Operator actions, oldest first.
    async fn actions(&self, run: &RunId) -> Result<Vec<OperatorAction>, StoreError>;
    /// Violations of the invariants I1 to I8 as far as the store alone can tell, each `(invariant, subject, what)`.
    async fn violations(&self, run: &RunId) -> Result<Vec<(String, String, String)>, StoreError>;
}
