//! The rows: what the tables of `schemas/migrations` hold, as plain values.

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, Hash, OwnerId, Timestamp};
use agentwrite::plan::Plan;
use agentwrite::ports::{Range, ShardFile, Verdict};
use agentwrite::sample::{Input, SampleState};
use agentwrite::task::{AttemptEnd, ClaimedTask, Hint, KeptAnswer, Outcome, TaskKey, TaskState};

#[derive(Debug)]
pub(super) struct Sample {
    pub input: Input,
    pub ordinal: u64,
    pub state: SampleState,
    pub range: Range,
    pub revision: u32,
    pub generation: u32,
    /// As of planning.
    pub config_version: u32,
    /// Expected steps before there is a plan.
    pub estimate: u32,
    pub places: u32,
    pub filled: u32,
    pub words: u64,
    /// Head of the hash chain; none before there is a plan.
    pub chain: Option<Hash>,
    pub model: Option<String>,
    pub code: Option<ErrorCode>,
    pub reason: Option<String>,
    /// Of the standing revision.
    pub verdict: Option<Verdict>,
}

impl Sample {
    /// Calls that the sample still needs.
    pub fn remaining(&self) -> u32 {
        if self.chain.is_some() { self.places.saturating_sub(self.filled) } else { self.estimate + 1 }
    }
}

#[derive(Debug, Clone)]
pub(super) struct StandingPlan {
    pub plan: Plan,
    pub chain: Hash,
    pub attempt: AttemptId,
}

#[derive(Debug, Clone)]
pub(super) struct StandingSection {
    pub text: String,
    pub words: u32,
    pub flags: Vec<String>,
    pub chain: Hash,
    pub attempt: AttemptId,
}

#[derive(Debug)]
pub(super) struct Claim {
    pub owner: OwnerId,
    pub lease_until: Timestamp,
    pub attempt: AttemptId,
}

#[derive(Debug)]
pub(super) struct Task {
    pub context_hash: Hash,
    pub state: TaskState,
    pub remaining: u32,
    pub ordinal: u64,
    pub due_at: Timestamp,
    pub published_at: Option<Timestamp>,
    /// Who works on it; only while it is claimed.
    pub claim: Option<Claim>,
    pub fence: i64,
    pub generation: u32,
    pub failures: u32,
    pub bad_answers: u32,
    pub crashes: u32,
    pub hint: Hint,
}

impl Task {
    pub fn is_live(&self) -> bool {
        matches!(self.state, TaskState::Ready | TaskState::Claimed)
    }

    /// Gives up claim and message, whatever comes next.
    pub fn leave(&mut self, state: TaskState) {
        self.state = state;
        self.claim = None;
        self.published_at = None;
    }

    /// The claim as its holder sees it.
    pub fn claimed(&self, key: &TaskKey, owner: &OwnerId, attempt: &AttemptId) -> ClaimedTask {
        ClaimedTask {
            key: key.clone(),
            context_hash: self.context_hash,
            owner: owner.clone(),
            fence: self.fence,
            attempt: attempt.clone(),
            generation: self.generation,
            failures: self.failures,
            bad_answers: self.bad_answers,
            crashes: self.crashes,
            hint: self.hint.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub key: TaskKey,
    pub generation: u32,
    pub owner: OwnerId,
    pub outcome: Outcome,
    pub code: Option<String>,
    pub message: Option<String>,
    /// Whether the failure was the endpoint's being busy.
    pub throttled: bool,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Known once it ended by itself; an orphaned one has none.
    pub end: Option<AttemptEnd>,
    pub reserved_nanousd: Option<u64>,
}

impl Attempt {
    /// Whether its answer may still come: its reservation counts until then.
    pub fn is_open(&self) -> bool {
        matches!(self.outcome, Outcome::Started | Outcome::Orphaned)
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub attempt: AttemptId,
    pub key: TaskKey,
    pub context_hash: Hash,
    pub kept: KeptAnswer,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub published: bool,
    pub fence: i64,
    pub rows: u64,
    pub ordinals: (u64, u64),
    pub files: Vec<ShardFile>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Membership {
    pub range: Range,
    pub revision: u32,
}
