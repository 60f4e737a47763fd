//! What a chain says to whoever watches, and what its log lines carry. Without an observer nothing is read, made or said.

use std::sync::Arc;

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{SampleId, Timestamp};
use agentwrite::ports::{Observer, RecordFailure, RecordResult, Recorded, SampleEnd, TaskResult, Try};
use agentwrite::task::{AfterFailure, AttemptEnd, ClaimedTask, Kind, Outcome};
use agentwrite::trace::{SpanId, TraceContext};
use tracing::Span;

use crate::chain::Shared;

/// Built without what telemetry hooks into: what that costs while nobody watches is measured against such a build (`make
/// bench-telemetry-off`).
pub(crate) const UNWATCHED: bool = cfg!(feature = "unwatched");

/// A try that is watched, from its beginning to its end.
pub(crate) struct Watched {
    from: Timestamp,
    trace: TraceContext,
    span: SpanId,
    /// The observer's own: it counts as in work while this lives.
    _in_work: Box<dyn Send>,
}

impl Shared {
    /// Begins to watch a try, if anybody does.
    pub(crate) fn watch(&self, task: &ClaimedTask) -> Option<Watched> {
        let (observer, from) = (self.observer()?, self.clock.now());
        let (trace, span) = (TraceContext::of_task(&task.key, task.generation), SpanId::of_attempt(&task.attempt));
        Some(Watched { from, trace, span, _in_work: observer.begin(task, from) })
    }

    fn observer(&self) -> Option<&Arc<dyn Observer>> {
        self.observer.as_ref().filter(|_| !UNWATCHED)
    }

    /// What log lines about a try stand under: the ids of its trace and its span.
    pub(crate) fn log_span(watched: Option<&Watched>, task: &ClaimedTask) -> Span {
        let Some(watched) = watched else { return Span::none() };
        let (trace_id, span_id) = (watched.trace.trace_hex(), watched.span.to_hex());
        let (run, kind, place) = (task.key.run.as_str(), task.key.kind.as_str(), task.key.place);
        // The level of errors: no filter may keep the ids from a line that is shown.
        tracing::error_span!("task", trace_id, span_id, run, sample = task.key.subject, kind, place)
    }

    /// A result was recorded, or was not wanted any more.
    pub(crate) fn tell_recorded(
        &self,
        watched: Option<Watched>,
        task: &ClaimedTask,
        record: &RecordResult,
        recorded: &Recorded,
    ) {
        let words = match &record.result {
            TaskResult::Section { words, .. } => *words,
            TaskResult::Plan { .. } | TaskResult::Other(_) => 0,
        };
        match recorded {
            Recorded::Accepted { .. } => {
                self.tell(watched, task, &record.end, record.now, |it| Try { words, ..it });
            }
            Recorded::Wasted => {
                self.tell(watched, task, &record.end, record.now, |it| Try { outcome: Outcome::Wasted, ..it });
            }
            // It was told of when it was accepted, or stands for one that was.
            Recorded::Repeated => {}
        }
    }

    /// A try ended without a result. `held`: the task's fate is what the failure says.
    pub(crate) fn tell_failed(&self, watched: Option<Watched>, task: &ClaimedTask, record: &RecordFailure, held: bool) {
        let failure = &record.failure;
        let outcome = failure.count.outcome();
        let code = (outcome == Outcome::Failed).then_some(failure.code);
        let bad_answer = failure.bad_answer;
        self.tell(watched, task, &record.end, record.now, |it| Try { outcome, code, bad_answer, ..it });
        let is_of_a_sample = [Kind::PLAN, Kind::SECTION].contains(&task.key.kind);
        if held && failure.after == AfterFailure::Dead && is_of_a_sample {
            self.tell_sample_failed(task, failure.code);
        }
    }

    fn tell_sample_failed(&self, task: &ClaimedTask, code: ErrorCode) {
        if let Some(observer) = self.observer() {
            let sample = SampleId::new(task.key.subject.clone());
            observer.sample_ended(&task.key.run, &sample, SampleEnd::Failed(code));
        }
    }

    fn tell<'a>(
        &self,
        watched: Option<Watched>,
        task: &'a ClaimedTask,
        end: &'a AttemptEnd,
        to: Timestamp,
        with: impl FnOnce(Try<'a>) -> Try<'a>,
    ) {
        let (Some(observer), Some(watched)) = (self.observer(), watched) else { return };
        let recording = self.clock.now().since(to);
        let (Watched { from, trace, span, .. }, outcome) = (watched, Outcome::Committed);
        let it = Try { task, trace, span, from, to, recording, end, outcome, code: None, bad_answer: false, words: 0 };
        observer.ended(&with(it));
    }
}
