//! What services say about their work while they do it, for whoever watches. Nothing depends on being heard: a method returns
//! at once, whatever becomes of what it was told. Without an observer nothing is said, and it costs nothing.

use std::time::Duration;

use super::{Rescued, RunState, Totals};
use crate::config::Limits;
use crate::failure::ErrorCode;
use crate::ids::{RunId, SampleId, Timestamp};
use crate::task::{AttemptEnd, ClaimedTask, Outcome};
use crate::trace::{SpanId, TraceContext};

/// One try at a task, ended and recorded.
#[derive(Debug, Clone, Copy)]
pub struct Try<'a> {
    /// The task, as it was claimed.
    pub task: &'a ClaimedTask,
    /// The trace that it belongs to.
    pub trace: TraceContext,
    /// Its own span there.
    pub span: SpanId,
    /// When the work began.
    pub from: Timestamp,
    /// When it ended; the record came after it.
    pub to: Timestamp,
    /// How long the record took.
    pub recording: Duration,
    /// Endpoint, tokens, price, times of its call.
    pub end: &'a AttemptEnd,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where it failed.
    pub code: Option<ErrorCode>,
    /// Whether the endpoint answered and a gate turned the answer down.
    pub bad_answer: bool,
    /// Words of an accepted section.
    pub words: u32,
}

/// How the work on a sample ended: no model is asked for it any more, unless an operator says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleEnd {
    /// Its text is whole and passed the sample gates.
    Accepted,
    /// A sample gate turned it down.
    Rejected(ErrorCode),
    /// One of its tasks died.
    Failed(ErrorCode),
}

/// A run as its planner saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    /// Where it stands.
    pub state: RunState,
    /// Why it is paused.
    pub reason: Option<String>,
    /// Its counters.
    pub totals: Totals,
    /// Its limits.
    pub limits: Limits,
}

/// Hears of the work.
pub trait Observer: Send + Sync {
    /// A try begins; it is in work for as long as what is returned lives.
    fn begin(&self, task: &ClaimedTask, now: Timestamp) -> Box<dyn Send>;
    /// A try has ended.
    fn ended(&self, it: &Try<'_>);
    /// A sample's work has ended.
    fn sample_ended(&self, run: &RunId, sample: &SampleId, end: SampleEnd);
    /// The end of a sample's work may not have been heard, for the process that said so is gone.
    fn sample_ended_before(&self, run: &RunId, sample: &SampleId);
    /// This process plans a run, for as long as what is returned lives.
    fn plans(&self, run: &RunId) -> Box<dyn Send>;
    /// A run that this process plans, or one that is paused and that nobody plans, was counted.
    fn counted(&self, run: &RunId, view: RunView);
    /// Messages that their own process did not send within a second.
    fn relayed(&self, messages: u64);
    /// Stalled work of a run was freed.
    fn rescued(&self, run: &RunId, rescued: &Rescued);
    /// A shard was published.
    fn shard_published(&self, rows: u64);
    /// The range from the first to the last of these ordinals is closed: its samples that were cancelled have ended too.
    fn range_closed(&self, run: &RunId, ordinals: (u64, u64));
}
