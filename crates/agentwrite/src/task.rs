//! Tasks: units of model work, claimed under a lease and a fence.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::call::{Finish, Usage};
use crate::continuation::{JOINED, PART};
use crate::failure::ErrorCode;
use crate::ids::{AttemptId, Hash, OwnerId, RunId, Timestamp};

/// What sort of work a task is. Open: evaluation, judging and selection add kinds without a new engine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(Cow<'static, str>);

impl Kind {
    /// Plan a sample.
    pub const PLAN: Kind = Kind(Cow::Borrowed("plan"));
    /// Write one section of a sample.
    pub const SECTION: Kind = Kind(Cow::Borrowed("section"));

    /// A kind by name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Cow::Owned(name.into()))
    }

    /// The name, as stored and as the queue is called.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names one task: unique on these five.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskKey {
    /// The run.
    pub run: RunId,
    /// What sort of work.
    pub kind: Kind,
    /// What it is about: a sample id, or what the kind says.
    pub subject: String,
    /// Which of the subject's results it makes: 0 for a plan, k for section k.
    pub place: u32,
    /// The subject's revision.
    pub revision: u32,
}

/// A task to be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTask {
    /// Its name.
    pub key: TaskKey,
    /// What its prompt will be made from.
    pub context_hash: Hash,
    /// Calls that the subject still needs, this one included: longest remaining first.
    pub remaining: u32,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// May be claimed once its `due_at` has come.
    Ready,
    /// Somebody works on it under a lease.
    Claimed,
    /// Its result stands.
    Done,
    /// Used up its attempts or failed permanently.
    Dead,
    /// Its run was cancelled or its revision replaced.
    Dropped,
}

impl TaskState {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Claimed => "claimed",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
        }
    }
}

/// How one try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not yet.
    Started,
    /// Its answer stands.
    Committed,
    /// No usable answer.
    Failed,
    /// An answer that was cut for its length, kept, and continued by the next try.
    Part,
    /// A good answer, but the place was filled already.
    Wasted,
    /// Its worker is gone; whether the call was paid for is unknown.
    Orphaned,
}

impl Outcome {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Committed => "committed",
            Self::Failed => "failed",
            Self::Part => "part",
            Self::Wasted => "wasted",
            Self::Orphaned => "orphaned",
        }
    }
}

/// A claim: the exclusive, expiring, fenced right to work on a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedTask {
    /// The task.
    pub key: TaskKey,
    /// What its prompt must be made from.
    pub context_hash: Hash,
    /// Who holds it.
    pub owner: OwnerId,
    /// Grows with every claim; guards leases and failure marks.
    pub fence: i64,
    /// The attempt that was started with the claim.
    pub attempt: AttemptId,
    /// Counts operator retries; names the trace.
    pub generation: u32,
    /// Failures counted against `attempts` so far in this generation.
    pub failures: u32,
    /// Answers that failed a gate so far in this revision: part of the request seed.
    pub bad_answers: u32,
    /// Crashes and interruptions so far in this generation.
    pub crashes: u32,
    /// What the last failure left for the next try.
    pub hint: Hint,
}

#[cfg(test)]
impl ClaimedTask {
    /// A plan task at its first try.
    pub(crate) fn fresh() -> Self {
        Self {
            key: TaskKey { run: RunId::new("r"), kind: Kind::PLAN, subject: "s".into(), place: 0, revision: 0 },
            context_hash: Hash::of("t", &["x"]),
            owner: OwnerId::new("o"),
            fence: 1,
            attempt: AttemptId::new("a"),
            generation: 0,
            failures: 0,
            bad_answers: 0,
            crashes: 0,
            hint: Hint::default(),
        }
    }
}

/// What a failed try leaves for the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hint {
    /// What was wrong with the answer, for the re-ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// How many times the token limit is to be doubled (cut answers).
    #[serde(skip_serializing_if = "is_zero")]
    pub doublings: u32,
    /// A section: the one re-ask for a soft gate is used up. A plan: the second round has begun.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asked_again: bool,
    /// Parts of an answer that the next call continues, by [`crate::continuation::part_hash`], oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Hash>,
    /// The last waiting time, for decorrelated jitter.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub waited_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero_u64(value: &u64) -> bool {
    *value == 0
}

/// What is known at the end of a try.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// Tokens; zero when no call was made.
    pub usage: Usage,
    /// Price in nano-USD; none when the model has no price.
    pub cost_nanousd: Option<u64>,
    /// From sending to the first token.
    pub first_token_ms: u64,
    /// From sending to the end.
    pub total_ms: u64,
    /// The endpoint's name.
    pub endpoint: String,
    /// The model asked for.
    pub model: String,
    /// HTTP status of a failed call.
    pub status: Option<u16>,
    /// Whether a request was sent at all.
    pub called: bool,
    /// Why the model stopped, where it said so.
    #[serde(default)]
    pub finish: Option<Finish>,
}

/// The text of a complete answer that is kept beside the accepted one: rejected answers, parts that were continued, and
/// accepted ones that cleaning or joining changed. Insert-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// The answer as it came; of a candidate that continued parts, all of them joined.
    pub raw: String,
    /// The gate that turned it down; or `cleaned`, [`crate::continuation::PART`], [`crate::continuation::JOINED`].
    pub gate: String,
    /// What the gate saw, at most 200 characters.
    pub evidence: String,
    /// Whether it failed a soft gate only and may still be accepted as the best.
    pub candidate: bool,
    /// The re-ask text that the call carried.
    pub reask: Option<String>,
}

impl KeptAnswer {
    /// Whether it is kept because a gate turned it down.
    pub fn was_turned_down(&self) -> bool {
        !["cleaned", PART, JOINED].contains(&self.gate.as_str())
    }
}

/// What a failure is counted against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountAs {
    /// `attempts`: bad answers and faulty calls.
    Failure,
    /// `crash_limit`: interruptions and orphans.
    Crash,
    /// Nothing: throttling and budget waits.
    Nothing,
    /// Nothing, for nothing failed: the answer is a part, and the next try continues it.
    Part,
}

impl CountAs {
    /// How the attempt ends.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Part => Outcome::Part,
            Self::Failure | Self::Crash | Self::Nothing => Outcome::Failed,
        }
    }

    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Crash => "crash",
            Self::Nothing | Self::Part => "nothing",
        }
    }
}

/// What becomes of a task after a failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AfterFailure {
    /// It may be claimed again from this time on.
    RetryAt(Timestamp),
    /// It is dead.
    Dead,
}

/// How long claims last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTimes {
    /// A claim lapses after this.
    pub lease: Duration,
    /// Claims are renewed this often.
    pub heartbeat: Duration,
    /// Lapsed claims and lost messages are looked for this often.
    pub rescue: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self { lease: Duration::from_secs(90), heartbeat: Duration::from_secs(20), rescue: Duration::from_secs(15) }
    }
}

/// A failure as it goes into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFailure {
    /// The code.
    pub code: ErrorCode,
    /// Words for a person, at most 500 characters.
    pub message: String,
    /// What it counts against.
    pub count: CountAs,
    /// Whether an answer failed a gate (changes the next request's seed).
    pub bad_answer: bool,
    /// What becomes of the task.
    pub after: AfterFailure,
    /// For the next try.
    pub hint: Hint,
    /// The answer, if there was one.
    pub answer: Option<KeptAnswer>,
}

impl TaskFailure {
    /// The code as stored with the attempt; none of a part.
    pub fn stored_code(&self) -> Option<&'static str> {
        (self.count != CountAs::Part).then(|| self.code.as_str())
    }
}
