//! An instruction on its way to one training example: its input, its context, its standing text.

use serde::{Deserialize, Serialize};

use crate::call::{Message, Role};
use crate::ids::{AttemptId, Hash, RunId, SampleId};
use crate::length::RequiredLength;
use crate::plan::Plan;

/// A normalised input row. Two rows with equal `messages`, `length`, `language` and `variant` are the same sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// System message and earlier turns if any; the last message is the instruction, from the user.
    pub messages: Vec<Message>,
    /// Required length, from the row or read from the instruction.
    pub length: Option<RequiredLength>,
    /// Language of the answer, from the row.
    pub language: Option<String>,
    /// 0 for the first sample of an instruction, 1.. for further ones (`--samples-per-instruction`).
    pub variant: u32,
    /// The row's own id.
    pub id: Option<String>,
    /// Every other field of the row, as one JSON object text, unread.
    pub meta: Option<String>,
}

impl Input {
    /// The instruction: the last message.
    pub fn instruction(&self) -> &str {
        self.messages.last().map_or("", |message| message.content.as_str())
    }

    /// System message and earlier turns.
    pub fn context(&self) -> &[Message] {
        self.messages.split_last().map_or(&[], |(_, context)| context)
    }

    /// The sample key: a hash of the whole normalised input, `id` and `meta` excluded.
    pub fn key(&self) -> Hash {
        let mut parts: Vec<String> = Vec::with_capacity(self.messages.len() * 2 + 3);
        for message in &self.messages {
            parts.push(
                match message.role {
                    Role::System => "system",
                    Role::User => "user",
                    Role::Assistant => "assistant",
                }
                .to_owned(),
            );
            parts.push(message.content.clone());
        }
        parts.push(
            self.length
                .as_ref()
                .map_or(String::new(), |length| format!("{:?} {} {}", length.bound, length.low, length.high)),
        );
        parts.push(self.language.clone().unwrap_or_default());
        parts.push(self.variant.to_string());
        Hash::of("sample key", &parts)
    }

    /// The sample id, made from the key: the same input has the same id in every run.
    pub fn sample_id(&self) -> SampleId {
        SampleId::new(format!("smp_{}", self.key().short(16)))
    }
}

/// Where a sample stands (DESIGN 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleState {
    /// Not started.
    Pending,
    /// Its plan task is live.
    Planning,
    /// Has a plan, waits to be admitted to writing.
    Planned,
    /// Its section tasks are live.
    Writing,
    /// All places are filled; waits for the sample gates and its shard.
    Written,
    /// In a closed shard: final.
    Packed,
    /// A sample gate turned it down; text and reason are kept.
    Rejected,
    /// A dead task; goes on where it stopped when retried.
    Failed,
    /// Cancelled by an operator.
    Cancelled,
}

impl SampleState {
    /// All states, in the order of a sample's life.
    pub const ALL: [SampleState; 9] = [
        Self::Pending,
        Self::Planning,
        Self::Planned,
        Self::Writing,
        Self::Written,
        Self::Packed,
        Self::Rejected,
        Self::Failed,
        Self::Cancelled,
    ];

    /// As stored and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Planning => "planning",
            Self::Planned => "planned",
            Self::Writing => "writing",
            Self::Written => "written",
            Self::Packed => "packed",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether nothing more happens to it without an operator.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Packed | Self::Rejected | Self::Failed | Self::Cancelled)
    }

    /// Whether it still needs model calls.
    pub fn is_unfinished(self) -> bool {
        matches!(self, Self::Pending | Self::Planning | Self::Planned | Self::Writing)
    }

    /// The state after `event`.
    pub fn apply(self, event: SampleEvent) -> Result<Self, IllegalTransition> {
        use SampleEvent as E;
        match (self, event) {
            (Self::Pending, E::PlanAdmitted) => Ok(Self::Planning),
            (Self::Planning, E::PlanRecorded) => Ok(Self::Planned),
            (Self::Planned, E::WriteAdmitted) | (Self::Writing, E::SectionRecorded { complete: false }) => {
                Ok(Self::Writing)
            }
            (Self::Writing, E::SectionRecorded { complete: true }) => Ok(Self::Written),
            (Self::Planning | Self::Writing, E::TaskDied) => Ok(Self::Failed),
            (Self::Written, E::GateRejected) => Ok(Self::Rejected),
            (Self::Written, E::ShardClosed) => Ok(Self::Packed),
            (from, E::Cancelled) if from.is_unfinished() => Ok(Self::Cancelled),
            (Self::Failed | Self::Rejected | Self::Cancelled, E::Retried { planned, complete }) => {
                Ok(match (planned, complete) {
                    (false, _) => Self::Pending,
                    (true, false) => Self::Planned,
                    (true, true) => Self::Written,
                })
            }
            (from, event) => Err(IllegalTransition { from, event }),
        }
    }
}

/// What happens to a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleEvent {
    /// Its plan task was created.
    PlanAdmitted,
    /// Its plan was recorded.
    PlanRecorded,
    /// Its first open section task was created (parallel mode: all of them).
    WriteAdmitted,
    /// A section was recorded; `complete` when all places are filled now.
    SectionRecorded {
        /// All places of the standing revision are filled.
        complete: bool,
    },
    /// Its task used up its attempts or failed permanently.
    TaskDied,
    /// A sample gate turned it down.
    GateRejected,
    /// Its shard closed over it.
    ShardClosed,
    /// An operator cancelled the run.
    Cancelled,
    /// An operator retried it.
    Retried {
        /// A standing plan is kept.
        planned: bool,
        /// All places are filled (a re-plan of the shard only).
        complete: bool,
    },
}

/// An event that cannot happen to a sample in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sample that is {} cannot take {event:?}", from.as_str())]
pub struct IllegalTransition {
    /// The state it is in.
    pub from: SampleState,
    /// The event.
    pub event: SampleEvent,
}

/// An accepted section of the standing revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Index of the step, from 0.
    pub place: u32,
    /// The accepted text, cleaned.
    pub text: String,
    /// Words by the sample's counter.
    pub words: u32,
    /// Codes of the soft gates that it failed.
    pub flags: Vec<String>,
    /// The attempt whose answer it is.
    pub attempt: AttemptId,
}

/// A complete answer that failed a soft gate and may still be the best there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The attempt whose answer it is.
    pub attempt: AttemptId,
    /// The answer as it came.
    pub raw: String,
}

/// All that a prompt of this sample is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleContext {
    /// The run.
    pub run: RunId,
    /// The sample.
    pub sample: SampleId,
    /// Position in the run's input.
    pub ordinal: u64,
    /// The input row.
    pub input: Input,
    /// The standing revision.
    pub revision: u32,
    /// The version of the run's configuration that it is written under.
    pub config_version: u32,
    /// The model that an operator chose for this revision instead of the run's.
    pub model: Option<String>,
    /// The standing plan.
    pub plan: Option<Plan>,
    /// The accepted sections of the standing revision, by place, gaps possible in parallel mode only.
    pub sections: Vec<Section>,
    /// Answers to the task at hand that failed a soft gate.
    pub candidates: Vec<Candidate>,
    /// Answers to the task at hand that were cut and are to be continued, oldest first; [`crate::task::Hint::parts`] says
    /// which of them stand.
    pub parts: Vec<Candidate>,
    /// The previous call's prompt tokens in this chain, where known: they may not shrink. A continuing call's do not count:
    /// its prompt holds more than the chain.
    pub last_prompt_tokens: Option<u64>,
}
