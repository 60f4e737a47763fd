//! From what happened to spans. Texts, prompts and messages of endpoints are not among what they say.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agentwrite::call::Finish;
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, RunId, Timestamp};
use agentwrite::ports::{AttemptRow, SampleDetail, Try};
use agentwrite::sample::SampleState;
use agentwrite::task::{Kind, Outcome};
use agentwrite::trace::{SpanId as OwnSpanId, TraceContext};
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::names::{attribute, span};

/// The trace of one sample, as spans are put into it.
pub(crate) struct SampleTrace<'a> {
    context: TraceContext,
    run: &'a RunId,
    sample: &'a str,
    generation: u32,
    scope: InstrumentationScope,
}

/// A span before it has a place.
struct Draft {
    id: OwnSpanId,
    parent: Option<OwnSpanId>,
    name: Cow<'static, str>,
    kind: SpanKind,
    from: Timestamp,
    to: Timestamp,
    attributes: Vec<KeyValue>,
    error: Option<String>,
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
}

impl<'a> SampleTrace<'a> {
    /// The trace of a sample in this generation.
    pub(crate) fn new(run: &'a RunId, sample: &'a str, generation: u32, scope: InstrumentationScope) -> Self {
        Self { context: TraceContext::of(run, sample, generation), run, sample, generation, scope }
    }

    /// Whether it is among the share that is recorded.
    pub(crate) fn is_sampled(&self, ratio: f64) -> bool {
        self.context.is_sampled(ratio)
    }

    /// The spans of one try: itself, and its call if one was made.
    pub(crate) fn of_try(&self, it: &Try<'_>) -> Vec<SpanData> {
        let (task, end) = (it.task, it.end);
        let key = &task.key;
        let error = it.code.map(ErrorCode::as_str);
        let mut attributes =
            self.try_attributes(key.kind.as_str(), key.place, task.attempt.as_str(), it.outcome.as_str(), error);
        if it.words > 0 {
            attributes.push(KeyValue::new(attribute::SECTION_WORDS, i64::from(it.words)));
        }
        let mut spans = vec![self.span(Draft {
            id: OwnSpanId::of_attempt(&task.attempt),
            parent: Some(self.context.place(&key.kind, key.place, key.revision)),
            name: span::ATTEMPT.into(),
            kind: SpanKind::Internal,
            from: it.from,
            to: it.to,
            attributes,
            error: error.map(str::to_owned),
        })];
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
            };
            let mut attributes = self.chat_attributes(&call);
            attributes.extend(end.finish.map(|finish| {
                let reasons = Array::String(vec![StringValue::from(finish_reason(finish))]);
                KeyValue::new(attribute::FINISH_REASONS, Value::Array(reasons))
            }));
            if end.first_token_ms > 0 {
                attributes.push(KeyValue::new(attribute::FIRST_CHUNK, end.first_token_ms as f64 / 1e3));
            }
            if end.usage.reasoning_tokens > 0 {
                attributes.push(number(attribute::REASONING_TOKENS, end.usage.reasoning_tokens));
            }
            attributes.extend(end.status.map(|status| KeyValue::new(attribute::HTTP_STATUS, i64::from(status))));
            let from = Timestamp(it.to.0.saturating_sub(i64::try_from(end.total_ms).unwrap_or(0)).max(it.from.0));
            spans.push(self.chat(&task.attempt, from, it.to, &call, attributes));
        }
        spans
    }

    /// The root, the places between it and the tries, and what a killed process could not send, from what the store holds.
    /// Nothing if no try was made in this generation. `killed`: processes that worked on the run are gone.
    pub(crate) fn of_sample(&self, detail: &SampleDetail, killed: bool) -> Vec<SpanData> {
        let tries: Vec<&AttemptRow> =
            detail.attempts.iter().filter(|attempt| attempt.generation == self.generation).collect();
        let (Some(from), Some(to)) = (
            tries.iter().map(|it| it.started_at).min(),
            tries.iter().map(|it| it.ended_at.unwrap_or(it.started_at)).max(),
        ) else {
            return Vec::new();
        };
        let mut spans = self.unsent(&tries, killed);
        spans.extend(self.places(detail, &tries));
        spans.push(self.root(detail, &tries, from, to));
        spans
    }

    /// Tries whose worker is gone: nobody else tells of them. If processes of the run were killed, all tries: nobody knows
    /// which of those before it a killed process had not sent. What was sent comes twice then, under the same id.
    fn unsent(&self, tries: &[&AttemptRow], killed: bool) -> Vec<SpanData> {
        let is_unsent = |it: &AttemptRow| killed || it.outcome == Outcome::Orphaned.as_str();
        tries.iter().filter(|it| is_unsent(it)).flat_map(|it| self.of_row(it)).collect()
    }

    fn of_row(&self, row: &AttemptRow) -> Vec<SpanData> {
        let kind = Kind::new(row.kind.clone());
        let error = match (row.outcome.as_str(), &row.code) {
            ("orphaned", _) => Some("orphaned"),
            (_, Some(code)) => Some(code.as_str()),
            (_, None) => None,
        };
        let (from, to) = (row.started_at, row.ended_at.unwrap_or(row.started_at));
        let attributes = self.try_attributes(&row.kind, row.place, row.attempt.as_str(), &row.outcome, error);
        let mut spans = vec![self.span(Draft {
            id: OwnSpanId::of_attempt(&row.attempt),
            parent: Some(self.context.place(&kind, row.place, row.revision)),
            name: span::ATTEMPT.into(),
            kind: SpanKind::Internal,
            from,
            to,
            attributes,
            error: error.map(str::to_owned),
        })];
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
            };
            spans.push(self.chat(&row.attempt, from, to, &call, self.chat_attributes(&call)));
        }
        spans
    }

    fn places(&self, detail: &SampleDetail, tries: &[&AttemptRow]) -> Vec<SpanData> {
        let mut names: Vec<(&str, u32, u32)> =
            tries.iter().map(|it| (it.kind.as_str(), it.place, it.revision)).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| self.place(detail, tries, name)).collect()
    }

    fn place(&self, detail: &SampleDetail, tries: &[&AttemptRow], name: (&str, u32, u32)) -> Option<SpanData> {
        let (kind, place, revision) = name;
        let here = || tries.iter().filter(|it| (it.kind.as_str(), it.place, it.revision) == name);
        let from = here().map(|it| it.started_at).min()?;
        let to = here().map(|it| it.ended_at.unwrap_or(it.started_at)).max()?;
        let stands = here().any(|it| it.outcome == Outcome::Committed.as_str());
        let error = here().filter_map(|it| it.code.clone()).next_back().filter(|_| !stands);
        let mut attributes = self.common();
        let is_plan = kind == Kind::PLAN.as_str();
        attributes.push(KeyValue::new(attribute::OPENINFERENCE_KIND, "CHAIN"));
        attributes.push(number(attribute::REVISION, u64::from(revision)));
        if is_plan {
            attributes.push(KeyValue::new(attribute::OPERATION, "plan"));
        } else {
            attributes.push(number(attribute::SECTION, u64::from(place) + 1));
            let step = detail.context.plan.as_ref().and_then(|plan| plan.steps.get(place as usize));
            attributes.extend(step.map(|step| number(attribute::SECTION_TARGET, u64::from(step.words))));
            let standing =
                detail.context.sections.iter().find(|it| it.place == place && revision == detail.context.revision);
            if let Some(section) = standing {
                attributes.push(number(attribute::SECTION_WORDS, u64::from(section.words)));
                if !section.flags.is_empty() {
                    let flags = section.flags.iter().cloned().map(StringValue::from).collect();
                    attributes.push(KeyValue::new(attribute::SECTION_FLAGS, Value::Array(Array::String(flags))));
                }
            }
        }
        Some(self.span(Draft {
            id: self.context.place(&Kind::new(kind.to_owned()), place, revision),
            parent: Some(self.context.root()),
            name: if is_plan { span::PLAN.into() } else { format!("{kind} {}", place + 1).into() },
            kind: SpanKind::Internal,
            from,
            to,
            attributes,
            error,
        }))
    }

    fn root(&self, detail: &SampleDetail, tries: &[&AttemptRow], from: Timestamp, to: Timestamp) -> SpanData {
        let row = &detail.row;
        let mut attributes = self.common();
        attributes.extend([
            KeyValue::new(attribute::OPENINFERENCE_KIND, "CHAIN"),
            KeyValue::new(attribute::OPERATION, "invoke_workflow"),
            KeyValue::new(attribute::WORKFLOW, "agentwrite"),
            KeyValue::new(attribute::CONVERSATION, self.sample.to_owned()),
            number(attribute::ORDINAL, row.ordinal),
            KeyValue::new(attribute::SAMPLE_STATE, row.state.as_str()),
            number(attribute::SAMPLE_WORDS, row.words),
            number(attribute::SECTIONS, u64::from(row.sections)),
        ]);
        let score = detail.verdict.as_ref().and_then(|verdict| verdict.length_score);
        attributes.extend(score.map(|score| KeyValue::new(attribute::LENGTH_SCORE, score)));
        let cost: u64 = tries.iter().filter_map(|it| it.cost_nanousd).sum();
        if cost > 0 {
            attributes.push(KeyValue::new(attribute::COST, cost as f64 / 1e9));
        }
        let error = match row.state {
            SampleState::Failed | SampleState::Rejected => row.code.clone().or_else(|| Some("unknown".to_owned())),
            _ => None,
        };
        let mut root = self.span(Draft {
            id: self.context.root(),
            parent: None,
            name: span::ROOT.into(),
            kind: SpanKind::Internal,
            from,
            to,
            attributes,
            error,
        });
        if let Some(before) = self.generation.checked_sub(1) {
            // A retry is a new trace, linked to the one before it.
            let before = TraceContext::of(self.run, self.sample, before);
            let mut links = SpanLinks::default();
            links.links.push(Link::new(span_context(before, before.root()), Vec::new(), 0));
            root.links = links;
        }
        root
    }

    fn common(&self) -> Vec<KeyValue> {
        vec![
            KeyValue::new(attribute::RUN, self.run.as_str().to_owned()),
            KeyValue::new(attribute::SAMPLE, self.sample.to_owned()),
            KeyValue::new(attribute::GENERATION, i64::from(self.generation)),
        ]
    }

    fn try_attributes(
        &self,
        kind: &str,
        place: u32,
        attempt: &str,
        outcome: &str,
        error: Option<&str>,
    ) -> Vec<KeyValue> {
        let mut attributes = self.common();
        attributes.extend([
            KeyValue::new(attribute::OPENINFERENCE_KIND, "CHAIN"),
            KeyValue::new(attribute::STAGE, kind.to_owned()),
            KeyValue::new(attribute::ATTEMPT, attempt.to_owned()),
            KeyValue::new(attribute::OUTCOME, outcome.to_owned()),
        ]);
        if kind != Kind::PLAN.as_str() {
            attributes.push(number(attribute::SECTION, u64::from(place) + 1));
        }
        attributes.extend(error.map(|code| KeyValue::new(attribute::ERROR_TYPE, code.to_owned())));
        attributes
    }

    fn chat_attributes(&self, call: &Call<'_>) -> Vec<KeyValue> {
        let mut attributes = self.common();
        attributes.extend([
            KeyValue::new(attribute::OPERATION, "chat"),
            KeyValue::new(attribute::PROVIDER, "openai"),
            KeyValue::new(attribute::CONVERSATION, self.sample.to_owned()),
            KeyValue::new(attribute::REQUEST_MODEL, call.model.to_owned()),
            KeyValue::new(attribute::ENDPOINT, call.endpoint.to_owned()),
            number(attribute::INPUT_TOKENS, call.prompt_tokens),
            number(attribute::CACHED_TOKENS, call.cached_tokens),
            number(attribute::OUTPUT_TOKENS, call.completion_tokens),
        ]);
        attributes.extend(call.cost_nanousd.map(|cost| KeyValue::new(attribute::COST, cost as f64 / 1e9)));
        attributes.extend(call.error.map(|code| KeyValue::new(attribute::ERROR_TYPE, code.to_owned())));
        attributes
    }

    fn chat(
        &self,
        attempt: &AttemptId,
        from: Timestamp,
        to: Timestamp,
        call: &Call<'_>,
        attributes: Vec<KeyValue>,
    ) -> SpanData {
        self.span(Draft {
            id: OwnSpanId::of_chat(attempt),
            parent: Some(OwnSpanId::of_attempt(attempt)),
            name: format!("{} {}", span::CHAT, call.model).into(),
            kind: SpanKind::Client,
            from,
            to,
            attributes,
            error: call.error.map(str::to_owned),
        })
    }

    fn span(&self, draft: Draft) -> SpanData {
        SpanData {
            span_context: span_context(self.context, draft.id),
            parent_span_id: draft.parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.bytes())),
            parent_span_is_remote: false,
            span_kind: draft.kind,
            name: draft.name,
            start_time: time(draft.from),
            end_time: time(draft.to.max(draft.from)),
            attributes: draft.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: draft.error.map_or(Status::Unset, Status::error),
            instrumentation_scope: self.scope.clone(),
        }
    }
}

fn span_context(trace: TraceContext, span: OwnSpanId) -> SpanContext {
    let (trace, span) = (TraceId::from_bytes(trace.trace_bytes()), SpanId::from_bytes(span.bytes()));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default())
}

fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ContentFilter => "content_filter",
        Finish::Other => "other",
    }
}

fn number(name: &'static str, value: u64) -> KeyValue {
    KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX))
}

fn time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use agentwrite::ids::SampleId;
    use agentwrite::ports::SampleRow;
    use agentwrite::sample::{Input, SampleContext};

    use super::*;

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
    fn detail() -> SampleDetail {
        let sample = SampleId::new("smp_a");
        let old = AttemptRow { generation: 0, ..row("att_old", "plan", 0, Outcome::Failed, (10, 20)) };
        SampleDetail {
            row: SampleRow {
                sample: sample.clone(),
                ordinal: 3,
                id: None,
                state: SampleState::Written,
                code: None,
                reason: None,
                sections: 1,
                places: 1,
                words: 200,
                title: "SECRET TEXT".to_owned(),
                generation: 1,
            },
            context: SampleContext {
                run: RunId::new("run_a"),
                sample,
                ordinal: 3,
                input: Input { messages: Vec::new(), length: None, language: None, variant: 0, id: None, meta: None },
                revision: 0,
                config_version: 1,
                model: None,
                plan: None,
                sections: Vec::new(),
                candidates: Vec::new(),
                parts: Vec::new(),
                last_prompt_tokens: None,
            },
            verdict: None,
            attempts: vec![
                old,
                row("att_1", "plan", 0, Outcome::Failed, (1_000, 2_000)),
                row("att_2", "plan", 0, Outcome::Committed, (60_000, 100_000)),
                row("att_3", "section", 0, Outcome::Orphaned, (100_000, 0)),
                row("att_4", "section", 0, Outcome::Committed, (200_000, 201_000)),
            ],
            answers: Vec::new(),
            config_version: 1,
        }
    }

    fn trace(run: &RunId) -> SampleTrace<'_> {
        SampleTrace::new(run, "smp_a", 1, InstrumentationScope::builder("test").build())
    }

    #[test]
    fn the_end_of_a_sample_makes_the_tree_whole_root_last() {
        let run = RunId::new("run_a");
        let spans = trace(&run).of_sample(&detail(), true);
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_ref()).collect();
        let try_and_call = |name: &&str| ["attempt", "chat writer"].contains(name);
        assert_eq!(names.iter().filter(|name| try_and_call(name)).count(), 7, "a killed process may have sent none");
        assert_eq!(names[7..], ["plan", "section 1", "invoke_workflow agentwrite"]);
        let calm = trace(&run).of_sample(&detail(), false);
        assert_eq!(calm.len(), 1 + 3, "the orphan, of which nobody else tells");
        let by_id: BTreeMap<_, _> = spans.iter().map(|span| (span.span_context.span_id().to_string(), span)).collect();
        let root = spans.last().unwrap();
        let traces: HashSet<_> = spans.iter().map(|span| span.span_context.trace_id()).collect();
        assert_eq!(traces.len(), 1);
        for span in &spans[..spans.len() - 1] {
            let parent = by_id[&span.parent_span_id.to_string()];
            let within = parent.start_time <= span.start_time && span.end_time <= parent.end_time;
            assert!(within, "{} is not within {}", span.name, parent.name);
        }
        assert_eq!((root.start_time, root.end_time), (time(Timestamp(1_000)), time(Timestamp(201_000))));
        assert_eq!(root.links.len(), 1, "a retry is linked to the trace before it");
        let before = TraceContext::of(&run, "smp_a", 0);
        assert_eq!(root.links[0].span_context.trace_id().to_string(), before.trace_hex());
    }

    #[test]
    fn the_same_span_has_the_same_id_live_and_from_the_store() {
        let run = RunId::new("run_a");
        let spans = trace(&run).of_sample(&detail(), true);
        let attempt = AttemptId::new("att_2");
        let id = |of: OwnSpanId| SpanId::from_bytes(of.bytes());
        let chat = spans.iter().find(|span| span.span_context.span_id() == id(OwnSpanId::of_chat(&attempt))).unwrap();
        assert_eq!(chat.parent_span_id, id(OwnSpanId::of_attempt(&attempt)));
        let said =
            |name: &str| chat.attributes.iter().find(|it| it.key.as_str() == name).map(|it| it.value.to_string());
        assert_eq!(said(attribute::REQUEST_MODEL).as_deref(), Some("writer"));
        assert_eq!(said(attribute::INPUT_TOKENS).as_deref(), Some("100"));
        assert_eq!(said(attribute::CACHED_TOKENS).as_deref(), Some("40"));
        assert_eq!(said(attribute::OUTPUT_TOKENS).as_deref(), Some("50"));
    }

    #[test]
    fn no_text_is_in_any_span() {
        let run = RunId::new("run_a");
        let spans = trace(&run).of_sample(&detail(), true);
        assert!(!format!("{spans:?}").contains("SECRET"), "{spans:?}");
    }
}
