//! What the simulator counts, and the picture of it that `GET /stats` gives.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::brain::CallKey;
use crate::cache::{HashedMap, HashedSet};
use crate::faults::FaultKind;

/// Repeated requests that are listed one by one.
const LISTED: usize = 100;

/// A byte-identical request that came again after a sound answer to it was complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepeatedRequest {
    /// Hash of the request.
    pub request: String,
    /// Key of its instruction, see [`crate::brain::instruction_key`].
    pub instruction: String,
    /// `plan`, the step's number, or a hash of the prompt.
    pub step: String,
}

/// The counts of one simulator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// Version of this shape.
    pub schema: u32,
    /// Chat requests, rejected ones included.
    pub requests: u64,
    /// Answers whose last byte was handed to the connection before the client went away.
    pub answered: u64,
    /// Status 429: limits, a full house, planted.
    pub rejected_429: u64,
    /// Status 4xx other than 429.
    pub rejected_other: u64,
    /// Planted faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Prompt tokens of admitted calls.
    pub prompt_tokens: u64,
    /// Those served from the prefix cache.
    pub cached_tokens: u64,
    /// Those that a prefix cache without end would have served.
    pub cacheable_tokens: u64,
    /// Tokens of complete answers.
    pub completion_tokens: u64,
    /// Prompt tokens of complete answers.
    pub answered_prompt_tokens: u64,
    /// Prompt and answer tokens of sound complete answers, each request counted once however often it was answered.
    pub once_prompt_tokens: u64,
    /// See `once_prompt_tokens`.
    pub once_completion_tokens: u64,
    /// Calls open now.
    pub in_flight: u64,
    /// Most calls open at once.
    pub peak_in_flight: u64,
    /// Open calls that wait for a slot now.
    pub queued: u64,
    /// Most calls that waited at once.
    pub peak_queued: u64,
    /// Calls whose client went away before the end.
    pub aborted: u64,
    /// Answer tokens written to those, which a provider would bill.
    pub billed_completion_tokens_of_aborted: u64,
    /// Requests that repeat one whose sound answer was complete.
    pub repeats: u64,
    /// The first of them.
    pub repeated_requests: Vec<RepeatedRequest>,
    /// From the simulator's start to the first request.
    pub first_request_ms: Option<f64>,
    /// From the simulator's start to the end of the last complete answer.
    pub last_answer_ms: Option<f64>,
    /// Complete answers by instruction and step, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<BTreeMap<String, BTreeMap<String, u64>>>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// All of it was handed over; `sound` = nothing was planted in it.
    Complete { sound: bool },
    /// It broke as planted.
    Planted,
    /// It was answered with a status other than 200.
    Refused { status: u16 },
    /// The client went away.
    Aborted { tokens: u64 },
}

/// The running counts.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    requests: u64,
    answered: u64,
    rejected_429: u64,
    rejected_other: u64,
    faults: BTreeMap<FaultKind, u64>,
    prompt_tokens: u64,
    cached_tokens: u64,
    cacheable_tokens: u64,
    completion_tokens: u64,
    answered_prompt_tokens: u64,
    once_prompt_tokens: u64,
    once_completion_tokens: u64,
    in_flight: u64,
    peak_in_flight: u64,
    queued: u64,
    peak_queued: u64,
    aborted: u64,
    aborted_tokens: u64,
    repeats: u64,
    listed: Vec<(u64, CallKey)>,
    first_request: Option<Duration>,
    last_answer: Option<Duration>,
    sound: HashedSet,
    steps: HashedMap<CallKey, u64>,
}

impl Stats {
    /// A request came, `at` after the start.
    pub(crate) fn open(&mut self, fingerprint: u64, key: CallKey, at: Duration) {
        self.requests += 1;
        self.in_flight += 1;
        self.peak_in_flight = self.peak_in_flight.max(self.in_flight);
        self.first_request.get_or_insert(at);
        if self.sound.contains(&fingerprint) {
            self.repeats += 1;
            if self.listed.len() < LISTED {
                self.listed.push((fingerprint, key));
            }
        }
    }

    pub(crate) fn plant(&mut self, kind: FaultKind) {
        *self.faults.entry(kind).or_default() += 1;
    }

    pub(crate) fn queue(&mut self) {
        self.queued += 1;
        self.peak_queued = self.peak_queued.max(self.queued);
    }

    pub(crate) fn leave_queue(&mut self) {
        self.queued = self.queued.saturating_sub(1);
    }

    pub(crate) fn prompt(&mut self, prompt: u64, cached: u64, cacheable: u64) {
        self.prompt_tokens += prompt;
        self.cached_tokens += cached;
        self.cacheable_tokens += cacheable;
    }

    /// A call ended; `tokens` are those of its prompt and of its answer.
    pub(crate) fn close(&mut self, fingerprint: u64, key: CallKey, end: End, tokens: (u64, u64), at: Duration) {
        let (prompt, completion) = tokens;
        self.in_flight = self.in_flight.saturating_sub(1);
        match end {
            End::Complete { sound } => {
                self.answered += 1;
                self.completion_tokens += completion;
                self.answered_prompt_tokens += prompt;
                self.last_answer = Some(at);
                if sound {
                    if self.sound.insert(fingerprint) {
                        self.once_prompt_tokens += prompt;
                        self.once_completion_tokens += completion;
                    }
                    *self.steps.entry(key).or_default() += 1;
                }
            }
            End::Refused { status: 429 } => self.rejected_429 += 1,
            End::Refused { status: 400..500 } => self.rejected_other += 1,
            End::Refused { .. } | End::Planted => {}
            End::Aborted { tokens } => {
                self.aborted += 1;
                self.aborted_tokens += tokens;
            }
        }
    }

    /// Forgets everything but the calls that are open.
    pub(crate) fn reset(&mut self) {
        let (in_flight, queued) = (self.in_flight, self.queued);
        *self = Self { in_flight, peak_in_flight: in_flight, queued, peak_queued: queued, ..Self::default() };
    }

    pub(crate) fn snapshot(&self, steps: bool) -> Snapshot {
        let ms = |at: Duration| at.as_secs_f64() * 1000.0;
        let repeated = |&(fingerprint, key): &(u64, CallKey)| RepeatedRequest {
            request: format!("{fingerprint:016x}"),
            instruction: key.instruction_text(),
            step: key.step_text(),
        };
        Snapshot {
            schema: 1,
            requests: self.requests,
            answered: self.answered,
            rejected_429: self.rejected_429,
            rejected_other: self.rejected_other,
            faults: self.faults.iter().map(|(kind, &count)| (kind.as_str(), count)).collect(),
            prompt_tokens: self.prompt_tokens,
            cached_tokens: self.cached_tokens,
            cacheable_tokens: self.cacheable_tokens,
            completion_tokens: self.completion_tokens,
            answered_prompt_tokens: self.answered_prompt_tokens,
            once_prompt_tokens: self.once_prompt_tokens,
            once_completion_tokens: self.once_completion_tokens,
            in_flight: self.in_flight,
            peak_in_flight: self.peak_in_flight,
            queued: self.queued,
            peak_queued: self.peak_queued,
            aborted: self.aborted,
            billed_completion_tokens_of_aborted: self.aborted_tokens,
            repeats: self.repeats,
            repeated_requests: self.listed.iter().map(repeated).collect(),
            first_request_ms: self.first_request.map(ms),
            last_answer_ms: self.last_answer.map(ms),
            steps: steps.then(|| self.by_step()),
        }
    }

    fn by_step(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut all: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for (key, &count) in &self.steps {
            *all.entry(key.instruction_text()).or_default().entry(key.step_text()).or_default() += count;
        }
        all
    }
}
