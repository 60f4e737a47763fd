//! From what happened to spans. Texts, prompts and messages of endpoints are not among what they say.

use agentwrite::call::Finish;
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, RunId, Timestamp};
use agentwrite::ports::{AttemptRow, SampleOutline, Try};
use agentwrite::sample::SampleState;
use agentwrite::task::{Kind, Outcome};
use agentwrite::trace::{SpanId, TraceContext};

use crate::names::{attribute, span};
use crate::wire::{self, Head, Span, Spans};

/// The trace of one sample, as spans are put into it.
pub(crate) struct SampleTrace<'a> {
    context: TraceContext,
    run: &'a RunId,
    sample: &'a str,
    generation: u32,
}

/// A span before it has a place.
struct Draft<'a> {
    id: SpanId,
    parent: Option<SpanId>,
    name: &'a str,
    kind: wire::Kind,
    from: Timestamp,
    to: Timestamp,
    error: Option<&'a str>,
}

/// What is known of a try, live or from the store.
struct Attempt<'a> {
    span: SpanId,
    id: &'a AttemptId,
    kind: &'a Kind,
    place: u32,
    revision: u32,
    outcome: &'a str,
    error: Option<&'a str>,
    words: u32,
    from: Timestamp,
    to: Timestamp,
}

/// What is known of a call, live or from the store.
struct Call<'a> {
    endpoint: &'a str,
    model: &'a str,
    prompt_tokens: u64,
    cached_tokens: u64,
    completion_tokens: u64,
    cost_nanousd: Option<u64>,
    error: Option<&'a str>,
    from: Timestamp,
    to: Timestamp,
}

impl<'a> SampleTrace<'a> {
    /// The trace of a sample in this generation.
    pub(crate) fn new(run: &'a RunId, sample: &'a str, generation: u32) -> Self {
        Self::within(TraceContext::of(run, sample, generation), run, sample, generation)
    }

    /// The same, whose ids are known.
    pub(crate) fn within(context: TraceContext, run: &'a RunId, sample: &'a str, generation: u32) -> Self {
        Self { context, run, sample, generation }
    }

    /// Whether it is among the share that is recorded.
    pub(crate) fn is_sampled(&self, ratio: f64) -> bool {
        self.context.is_sampled(ratio)
    }

    /// The spans of one try: itself, and its call if one was made.
    pub(crate) fn of_try(&self, it: &Try<'_>) -> Spans {
        let (task, end) = (it.task, it.end);
        let error = it.code.map(ErrorCode::as_str);
        let attempt = Attempt {
            span: it.span,
            id: &task.attempt,
            kind: &task.key.kind,
            place: task.key.place,
            revision: task.key.revision,
            outcome: it.outcome.as_str(),
            error,
            words: it.words,
            from: it.from,
            to: it.to,
        };
        let mut spans = Spans::new();
        self.attempt(&mut spans, &attempt);
        if end.called {
            let call = Call {
                endpoint: &end.endpoint,
                model: &end.model,
                prompt_tokens: end.usage.prompt_tokens,
                cached_tokens: end.usage.cached_tokens,
                completion_tokens: end.usage.completion_tokens,
                cost_nanousd: end.cost_nanousd,
                // What a gate turned down was a good call.
                error: error.filter(|_| !it.bad_answer),
                from: Timestamp(it.to.0.saturating_sub(i64::try_from(end.total_ms).unwrap_or(0)).max(it.from.0)),
                to: it.to,
            };
            self.chat(&mut spans, &attempt, &call, |span| {
                if let Some(finish) = end.finish {
                    span.texts(attribute::FINISH_REASONS, &[finish_reason(finish)]);
                }
                if end.first_token_ms > 0 {
                    span.fraction(attribute::FIRST_CHUNK, end.first_token_ms as f64 / 1e3);
                }
                if end.usage.reasoning_tokens > 0 {
                    span.number(attribute::REASONING_TOKENS, end.usage.reasoning_tokens);
                }
                if let Some(status) = end.status {
                    span.number(attribute::HTTP_STATUS, u64::from(status));
                }
            });
        }
        spans
    }

    /// The root, the places between it and the tries, and what a killed process could not send, from what the store holds.
    /// Nothing if no try was made in this generation. `killed`: processes that worked on the run are gone.
    pub(crate) fn of_sample(&self, sample: &SampleOutline, killed: bool) -> Spans {
        let mut spans = Spans::new();
        let tries = &sample.attempts;
        let (Some(from), Some(to)) = (
            tries.iter().map(|it| it.started_at).min(),
            tries.iter().map(|it| it.ended_at.unwrap_or(it.started_at)).max(),
        ) else {
            return spans;
        };
        // Tries whose worker is gone: nobody else tells of them. If processes of the run were killed, all tries: nobody knows
        // which of those before it a killed process had not sent. What was sent comes twice then, under the same id.
        let is_unsent = |it: &&AttemptRow| killed || it.outcome == Outcome::Orphaned.as_str();
        tries.iter().filter(is_unsent).for_each(|it| self.row(&mut spans, it));
        self.places(&mut spans, sample);
        self.root(&mut spans, sample, (from, to));
        spans
    }

    fn row(&self, spans: &mut Spans, row: &AttemptRow) {
        let kind = Kind::new(row.kind.clone());
        let error = match (row.outcome.as_str(), &row.code) {
            ("orphaned", _) => Some("orphaned"),
            (_, Some(code)) => Some(code.as_str()),
            (_, None) => None,
        };
        let (from, to) = (row.started_at, row.ended_at.unwrap_or(row.started_at));
        let attempt = Attempt {
            span: SpanId::of_attempt(&row.attempt),
            id: &row.attempt,
            kind: &kind,
            place: row.place,
            revision: row.revision,
            outcome: &row.outcome,
            error,
            words: 0,
            from,
            to,
        };
        self.attempt(spans, &attempt);
        if let (Some(endpoint), Some(model)) = (&row.endpoint, &row.model)
            && row.prompt_tokens + row.completion_tokens > 0
        {
            let call = Call {
                endpoint,
                model,
                prompt_tokens: row.prompt_tokens,
                cached_tokens: row.cached_tokens,
                completion_tokens: row.completion_tokens,
                cost_nanousd: row.cost_nanousd,
                error: None,
                from,
                to,
            };
            self.chat(spans, &attempt, &call, |_| {});
        }
    }

    fn places(&self, spans: &mut Spans, sample: &SampleOutline) {
        let tries = sample.attempts.iter();
        let mut names: Vec<(&str, u32, u32)> = tries.map(|it| (it.kind.as_str(), it.place, it.revision)).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            self.place(spans, sample, name);
        }
    }

    fn place(&self, spans: &mut Spans, sample: &SampleOutline, name: (&str, u32, u32)) {
        let (kind, place, revision) = name;
        let here = || sample.attempts.iter().filter(|it| (it.kind.as_str(), it.place, it.revision) == name);
        let (Some(from), Some(to)) =
            (here().map(|it| it.started_at).min(), here().map(|it| it.ended_at.unwrap_or(it.started_at)).max())
        else {
            return;
        };
        let stands = here().any(|it| it.outcome == Outcome::Committed.as_str());
        let error = here().filter_map(|it| it.code.as_deref()).next_back().filter(|_| !stands);
        let is_plan = kind == Kind::PLAN.as_str();
        let section = (!is_plan).then(|| format!("{kind} {}", place + 1));
        let draft = Draft {
            id: self.context.place(&Kind::new(kind.to_owned()), place, revision),
            parent: Some(self.context.root()),
            name: section.as_deref().unwrap_or(span::PLAN),
            kind: wire::Kind::Internal,
            from,
            to,
            error,
        };
        self.span(spans, &draft, |span| {
            span.text(attribute::OPENINFERENCE_KIND, "CHAIN");
            span.number(attribute::REVISION, u64::from(revision));
            if is_plan {
                span.text(attribute::OPERATION, "plan");
                return;
            }
            span.number(attribute::SECTION, u64::from(place) + 1);
            if let Some(words) = sample.steps.as_ref().and_then(|steps| steps.get(place as usize)) {
                span.number(attribute::SECTION_TARGET, u64::from(*words));
            }
            let standing = sample.sections.iter().find(|it| it.place == place && revision == sample.revision);
            if let Some(section) = standing {
                span.number(attribute::SECTION_WORDS, u64::from(section.words));
                if !section.flags.is_empty() {
                    span.texts(attribute::SECTION_FLAGS, &section.flags);
                }
            }
        });
    }

    fn root(&self, spans: &mut Spans, sample: &SampleOutline, (from, to): (Timestamp, Timestamp)) {
        let error = match sample.state {
            SampleState::Failed | SampleState::Rejected => Some(sample.code.as_deref().unwrap_or("unknown")),
            _ => None,
        };
        let (id, name, kind) = (self.context.root(), span::ROOT, wire::Kind::Internal);
        self.span(spans, &Draft { id, parent: None, name, kind, from, to, error }, |span| {
            span.text(attribute::OPENINFERENCE_KIND, "CHAIN");
            span.text(attribute::OPERATION, "invoke_workflow");
            span.text(attribute::WORKFLOW, "agentwrite");
            span.text(attribute::CONVERSATION, self.sample);
            span.number(attribute::ORDINAL, sample.ordinal);
            span.text(attribute::SAMPLE_STATE, sample.state.as_str());
            span.number(attribute::SAMPLE_WORDS, sample.words);
            span.number(attribute::SECTIONS, sample.sections.len() as u64);
            if let Some(score) = sample.length_score {
                span.fraction(attribute::LENGTH_SCORE, score);
            }
            let cost: u64 = sample.attempts.iter().filter_map(|it| it.cost_nanousd).sum();
            if cost > 0 {
                span.fraction(attribute::COST, cost as f64 / 1e9);
            }
            if let Some(before) = self.generation.checked_sub(1) {
                // A retry is a new trace, linked to the one before it.
                let before = TraceContext::of(self.run, self.sample, before);
                span.link(before.trace_bytes(), before.root().bytes());
            }
        });
    }

    /// The span of a try.
    fn attempt(&self, spans: &mut Spans, it: &Attempt<'_>) {
        let draft = Draft {
            id: it.span,
            parent: Some(self.context.place(it.kind, it.place, it.revision)),
            name: span::ATTEMPT,
            kind: wire::Kind::Internal,
            from: it.from,
            to: it.to,
            error: it.error,
        };
        self.span(spans, &draft, |span| {
            span.text(attribute::OPENINFERENCE_KIND, "CHAIN");
            span.text(attribute::STAGE, it.kind.as_str());
            span.text(attribute::ATTEMPT, it.id.as_str());
            span.text(attribute::OUTCOME, it.outcome);
            if *it.kind != Kind::PLAN {
                span.number(attribute::SECTION, u64::from(it.place) + 1);
            }
            if let Some(code) = it.error {
                span.text(attribute::ERROR_TYPE, code);
            }
            if it.words > 0 {
                span.number(attribute::SECTION_WORDS, u64::from(it.words));
            }
        });
    }

    /// The span of a try's call; `fill` says more.
    fn chat(&self, spans: &mut Spans, attempt: &Attempt<'_>, call: &Call<'_>, fill: impl FnOnce(&mut Span<'_>)) {
        let draft = Draft {
            id: SpanId::of_chat(attempt.id),
            parent: Some(attempt.span),
            name: &format!("{} {}", span::CHAT, call.model),
            kind: wire::Kind::Client,
            from: call.from,
            to: call.to,
            error: call.error,
        };
        self.span(spans, &draft, |span| {
            span.text(attribute::OPERATION, "chat");
            span.text(attribute::PROVIDER, "openai");
            span.text(attribute::CONVERSATION, self.sample);
            span.text(attribute::REQUEST_MODEL, call.model);
            span.text(attribute::ENDPOINT, call.endpoint);
            span.number(attribute::INPUT_TOKENS, call.prompt_tokens);
            span.number(attribute::CACHED_TOKENS, call.cached_tokens);
            span.number(attribute::OUTPUT_TOKENS, call.completion_tokens);
            if let Some(cost) = call.cost_nanousd {
                span.fraction(attribute::COST, cost as f64 / 1e9);
            }
            if let Some(code) = call.error {
                span.text(attribute::ERROR_TYPE, code);
            }
            fill(span);
        });
    }

    fn span(&self, spans: &mut Spans, draft: &Draft<'_>, fill: impl FnOnce(&mut Span<'_>)) {
        let head = Head {
            trace: self.context.trace_bytes(),
            id: draft.id.bytes(),
            parent: draft.parent.map(SpanId::bytes),
            name: draft.name,
            kind: draft.kind,
            from: nanoseconds(draft.from),
            to: nanoseconds(draft.to.max(draft.from)),
        };
        spans.add(&head, |span| {
            span.text(attribute::RUN, self.run.as_str());
            span.text(attribute::SAMPLE, self.sample);
            span.number(attribute::GENERATION, u64::from(self.generation));
            fill(span);
            if let Some(why) = draft.error {
                span.failed(why);
            }
        });
    }
}

fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ContentFilter => "content_filter",
        Finish::Other => "other",
    }
}

/// Since 1970.
fn nanoseconds(at: Timestamp) -> u64 {
    u64::try_from(at.0).unwrap_or(0).saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use agentwrite::ids::SampleId;
    use agentwrite::ports::SectionOutline;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Said;
    use opentelemetry_proto::tonic::trace::v1::Span as Read;

    use super::*;
    use crate::wire::tests::read;

    fn row(attempt: &str, kind: &str, place: u32, outcome: Outcome, times: (i64, i64)) -> AttemptRow {
        let failed = outcome == Outcome::Failed;
        AttemptRow {
            attempt: AttemptId::new(attempt),
            kind: kind.to_owned(),
            place,
            revision: 0,
            generation: 1,
            outcome: outcome.as_str().to_owned(),
            code: failed.then(|| "refusal".to_owned()),
            message: failed.then(|| "the model said SECRET TEXT".to_owned()),
            started_at: Timestamp(times.0),
            ended_at: (outcome != Outcome::Orphaned).then_some(Timestamp(times.1)),
            model: (outcome != Outcome::Orphaned).then(|| "writer".to_owned()),
            endpoint: (outcome != Outcome::Orphaned).then(|| "default".to_owned()),
            prompt_tokens: 100,
            cached_tokens: 40,
            completion_tokens: 50,
            cost_nanousd: Some(1_000_000),
            reserved_nanousd: None,
        }
    }

    /// A sample whose plan took two tries and whose first section was in work when its worker was killed.
    fn outline() -> SampleOutline {
        SampleOutline {
            sample: SampleId::new("smp_a"),
            ordinal: 3,
            state: SampleState::Written,
            code: None,
            generation: 1,
            revision: 0,
            asked: None,
            steps: Some(vec![300]),
            sections: vec![SectionOutline { place: 0, words: 200, flags: vec!["recap".to_owned()] }],
            words: 200,
            length_score: Some(92.5),
            attempts: vec![
                row("att_1", "plan", 0, Outcome::Failed, (1_000, 2_000)),
                row("att_2", "plan", 0, Outcome::Committed, (60_000, 100_000)),
                row("att_3", "section", 0, Outcome::Orphaned, (100_000, 0)),
                row("att_4", "section", 0, Outcome::Committed, (200_000, 201_000)),
            ],
        }
    }

    fn spans(run: &RunId, killed: bool) -> Vec<Read> {
        read(&SampleTrace::new(run, "smp_a", 1).of_sample(&outline(), killed))
    }

    /// An attribute, as text.
    fn said(span: &Read, name: &str) -> Option<String> {
        let value = span.attributes.iter().find(|it| it.key == name)?.value.clone()?.value?;
        Some(match value {
            Said::StringValue(text) => text,
            Said::IntValue(number) => number.to_string(),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn the_end_of_a_sample_makes_the_tree_whole_root_last() {
        let run = RunId::new("run_a");
        let all = spans(&run, true);
        let names: Vec<&str> = all.iter().map(|span| span.name.as_str()).collect();
        let try_and_call = |name: &&str| ["attempt", "chat writer"].contains(name);
        assert_eq!(names.iter().filter(|name| try_and_call(name)).count(), 7, "a killed process may have sent none");
        assert_eq!(names[7..], ["plan", "section 1", "invoke_workflow agentwrite"]);
        assert_eq!(spans(&run, false).len(), 1 + 3, "the orphan, of which nobody else tells");
        let by_id: BTreeMap<_, _> = all.iter().map(|span| (&span.span_id, span)).collect();
        let root = all.last().unwrap();
        let traces: HashSet<_> = all.iter().map(|span| &span.trace_id).collect();
        assert_eq!(traces.len(), 1);
        for span in &all[..all.len() - 1] {
            let parent = by_id[&span.parent_span_id];
            let within = parent.start_time_unix_nano <= span.start_time_unix_nano
                && span.end_time_unix_nano <= parent.end_time_unix_nano;
            assert!(within, "{} is not within {}", span.name, parent.name);
        }
        assert_eq!((root.start_time_unix_nano, root.end_time_unix_nano), (1_000_000_000, 201_000_000_000));
        assert_eq!(root.links.len(), 1, "a retry is linked to the trace before it");
        assert_eq!(root.links[0].trace_id, TraceContext::of(&run, "smp_a", 0).trace_bytes());
    }

    #[test]
    fn a_section_says_how_long_it_is_and_was_to_be() {
        let all = spans(&RunId::new("run_a"), false);
        let section = all.iter().find(|span| span.name == "section 1").unwrap();
        assert_eq!(said(section, attribute::SECTION_TARGET).as_deref(), Some("300"));
        assert_eq!(said(section, attribute::SECTION_WORDS).as_deref(), Some("200"));
        assert!(said(section, attribute::SECTION_FLAGS).unwrap().contains("recap"));
        let root = all.last().unwrap();
        assert_eq!(said(root, attribute::SECTIONS).as_deref(), Some("1"));
        assert!(said(root, attribute::LENGTH_SCORE).unwrap().contains("92.5"));
    }

    #[test]
    fn the_same_span_has_the_same_id_live_and_from_the_store() {
        let all = spans(&RunId::new("run_a"), true);
        let attempt = AttemptId::new("att_2");
        let chat = all.iter().find(|span| span.span_id == SpanId::of_chat(&attempt).bytes()).unwrap();
        assert_eq!(chat.parent_span_id, SpanId::of_attempt(&attempt).bytes());
        assert_eq!(said(chat, attribute::REQUEST_MODEL).as_deref(), Some("writer"));
        assert_eq!(said(chat, attribute::INPUT_TOKENS).as_deref(), Some("100"));
        assert_eq!(said(chat, attribute::CACHED_TOKENS).as_deref(), Some("40"));
        assert_eq!(said(chat, attribute::OUTPUT_TOKENS).as_deref(), Some("50"));
    }

    #[test]
    fn no_message_of_an_endpoint_is_in_any_span() {
        let all = spans(&RunId::new("run_a"), true);
        assert!(!format!("{all:?}").contains("SECRET"), "{all:?}");
    }
}
