//! What the simulated endpoint is like.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::faults::Faults;

/// What happens to a call that comes while all slots are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// It waits its turn, first come first served (vLLM, llama.cpp).
    #[default]
    Queue,
    /// It gets status 429 (hosted providers).
    Reject,
}

/// The whole configuration; the default is an endpoint without latency, limits, cache or faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulatorConfig {
    /// Decides every text and every fault.
    pub seed: u64,
    /// Model names that are known; empty = any.
    pub models: Vec<String>,
    /// Milliseconds from a call's admission to its first token.
    pub first_token_ms: u64,
    /// Microseconds per answer token after that.
    pub per_token_us: u64,
    /// Milliseconds of a whole answer, written at once at the end; replaces `first_token_ms` and `per_token_us`.
    pub latency_ms: Option<u64>,
    /// Calls served at once.
    pub concurrency: Option<usize>,
    /// What happens beyond `concurrency`.
    pub when_full: WhenFull,
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Tokens per minute; a call is charged its prompt and `max_tokens` at first, what it used at the end.
    pub tpm: Option<u64>,
    /// Milliseconds of `rpm` and `tpm` that may be used in one burst.
    pub burst_ms: u64,
    /// Longest prompt in tokens.
    pub context_tokens: Option<u64>,
    /// Whether a prompt beyond `context_tokens` silently loses its front; otherwise it gets status 400.
    pub drop_front: bool,
    /// Tokens that the prefix cache holds; 0 = no cache.
    pub cache_tokens: u64,
    /// Tokens of one cache block (a token counts as 4 bytes here).
    pub cache_block_tokens: u64,
    /// Content deltas of a streamed answer; the usage chunk and `[DONE]` come on top.
    pub events: usize,
    /// Whether answers state their usage.
    pub report_usage: bool,
    /// Whether `response_format` with a JSON schema is taken; otherwise it gets status 400.
    pub json_schema: bool,
    /// Top-level request fields that get status 400, such as `max_tokens`.
    pub refused_fields: Vec<String>,
    /// The key that calls must carry; others get status 401.
    pub api_key: Option<String>,
    /// Milliseconds that a planted 429, and one for a full house, asks to wait.
    pub retry_after_ms: u64,
    /// Milliseconds between the comments of an endless keep-alive.
    pub keep_alive_ms: u64,
    /// Rates of the planted faults.
    pub faults: Faults,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            seed: 42,
            models: Vec::new(),
            first_token_ms: 0,
            per_token_us: 0,
            latency_ms: None,
            concurrency: None,
            when_full: WhenFull::Queue,
            rpm: None,
            tpm: None,
            burst_ms: 1_000,
            context_tokens: None,
            drop_front: false,
            cache_tokens: 0,
            cache_block_tokens: 128,
            events: 2,
            report_usage: true,
            json_schema: true,
            refused_fields: Vec::new(),
            api_key: None,
            retry_after_ms: 1_000,
            keep_alive_ms: 1_000,
            faults: Faults::default(),
        }
    }
}

impl SimulatorConfig {
    /// When each content delta of an answer of `tokens` tokens is due, as waits after the one before.
    pub(crate) fn waits(&self, tokens: u64, deltas: usize) -> Vec<Duration> {
        let mut waits = vec![Duration::ZERO; deltas];
        if let Some(latency) = self.latency_ms {
            waits[0] = Duration::from_millis(latency);
            return waits;
        }
        waits[0] = Duration::from_millis(self.first_token_ms);
        let all = Duration::from_micros(self.per_token_us.saturating_mul(tokens));
        let gaps = u32::try_from(deltas.saturating_sub(1)).unwrap_or(u32::MAX);
        if gaps == 0 {
            waits[0] += all;
        } else {
            waits[1..].fill(all / gaps);
        }
        waits
    }
}
