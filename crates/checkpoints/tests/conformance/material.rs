//! What runs are made of in this suite: inputs, plans, texts, ends of calls, failures, verdicts, configurations.

use std::time::Duration;

use agentwrite::call::{Message, Usage};
use agentwrite::config::{Mode, RunConfig, TextConfig};
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{Hash, SampleId, Timestamp};
use agentwrite::plan::{Plan, Step};
use agentwrite::ports::Verdict;
use agentwrite::sample::Input;
use agentwrite::task::{AfterFailure, AttemptEnd, CountAs, Hint, KeptAnswer, TaskFailure};

/// How long claims last unless a behaviour says otherwise.
pub const LEASE: Duration = Duration::from_secs(90);
/// What one call costs in this suite, in nano-USD.
pub const COST: u64 = 1_000;

/// The input row of sample `index`; the index is its ordinal.
pub fn input(index: u64) -> Input {
    Input {
        messages: vec![Message::user(format!("Write about subject {index}."))],
        length: None,
        language: None,
        variant: 0,
        id: Some(format!("row-{index}")),
        meta: None,
    }
}

/// The id of sample `index`.
pub fn sample(index: u64) -> SampleId {
    input(index).sample_id()
}

/// A plan of so many steps.
pub fn plan(steps: u32) -> Plan {
    Plan { steps: (1..=steps).map(|step| Step { main_point: format!("Point {step}"), words: 300 }).collect() }
}

/// The text of section `place` of sample `index`.
pub fn text(index: u64, place: u32) -> String {
    format!("What there is to say about subject {index} in part {place}.")
}

/// The end of a call that was paid for.
pub fn paid() -> AttemptEnd {
    AttemptEnd {
        usage: Usage {
            prompt_tokens: 100,
            cached_tokens: 60,
            completion_tokens: 40,
            reasoning_tokens: 0,
            reported: true,
        },
        cost_nanousd: Some(COST),
        first_token_ms: 5,
        total_ms: 50,
        endpoint: "default".to_owned(),
        model: "writer".to_owned(),
        status: None,
        called: true,
        finish: None,
    }
}

/// A kept answer.
pub fn kept(raw: &str, gate: &str, candidate: bool) -> KeptAnswer {
    KeptAnswer { raw: raw.to_owned(), gate: gate.to_owned(), evidence: "seen".to_owned(), candidate, reask: None }
}

/// A verdict that lets a sample pass.
pub fn passes() -> Verdict {
    Verdict {
        rejected: None,
        flags: vec!["short".to_owned()],
        length_score: Some(92.5),
        words: 22,
        words_unicode: 23,
        language: Some("en".to_owned()),
        signature: vec![1, u64::MAX],
    }
}

/// A verdict that turns a sample down.
pub fn rejects(code: ErrorCode) -> Verdict {
    Verdict { rejected: Some((code, "too little".to_owned())), ..passes() }
}

/// A failure that is tried again at once, counted against `attempts`.
pub fn again(code: ErrorCode, now: Timestamp) -> TaskFailure {
    TaskFailure {
        code,
        message: format!("it was {code}"),
        count: CountAs::Failure,
        bad_answer: false,
        after: AfterFailure::RetryAt(now),
        hint: Hint::default(),
        answer: None,
    }
}

/// A failure that kills the task.
pub fn fatal(code: ErrorCode) -> TaskFailure {
    TaskFailure { after: AfterFailure::Dead, ..again(code, Timestamp(0)) }
}

/// A configuration for parallel mode.
pub fn parallel() -> RunConfig {
    RunConfig { text: TextConfig { mode: Mode::Parallel, ..TextConfig::default() }, ..RunConfig::default() }
}

/// A configuration with so many ordinals per shard.
pub fn sharded(size: u32) -> RunConfig {
    RunConfig { shard_size: size, ..RunConfig::default() }
}

/// A hash that no chain has.
pub fn strange() -> Hash {
    Hash::of("strange", &["context"])
}
