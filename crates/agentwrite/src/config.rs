//! The configuration of a run: frozen when it is submitted, hashed where it shapes text.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::gates::sample::SamplePolicy;
use crate::gates::section::SectionPolicy;
use crate::ids::Hash;
use crate::plan::{PlanFormat, PlanPolicy};
use crate::prompts::{Layout, PromptTexts};

/// Whether a sample's sections are written one after another or all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Section k sees all earlier text (the paper's default).
    #[default]
    Serial,
    /// All sections at once, none sees another (the paper's ablation "+Parallel").
    Parallel,
}

/// One role: which model, how it samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoleConfig {
    /// The model's name.
    pub model: String,
    /// Sampling temperature; the paper's is 1.0.
    pub temperature: f64,
    /// Nucleus sampling; not sent when absent, as in the paper.
    pub top_p: Option<f64>,
    /// Largest answer in tokens.
    pub max_tokens: u32,
    /// Tokens allowed for reasoning on top of `max_tokens`.
    pub reasoning_tokens: u32,
    /// Fields passed through to the endpoint unread.
    pub extra_body: Map<String, Value>,
}

impl Default for RoleConfig {
    fn default() -> Self {
        Self {
            model: String::new(),
            temperature: 1.0,
            top_p: None,
            max_tokens: 8192,
            reasoning_tokens: 0,
            extra_body: Map::new(),
        }
    }
}

/// Everything that shapes text; its hash goes into every sample's root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextConfig {
    /// The planner.
    pub plan: RoleConfig,
    /// The section writer; its `max_tokens` bounds the limit that follows from a section's target.
    pub write: RoleConfig,
    /// Layout of the write prompt.
    pub layout: Layout,
    /// Serial or parallel.
    pub mode: Mode,
    /// Plans as JSON or as text.
    pub plan_format: PlanFormat,
    /// The prompts.
    pub prompts: PromptTexts,
    /// Seed of the run.
    pub seed: u64,
    /// Whether a required length from a column is appended to instructions that state none.
    pub append_length: bool,
    /// What a plan must be like.
    pub plan_policy: PlanPolicy,
    /// The section gates.
    pub section_policy: SectionPolicy,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            plan: RoleConfig::default(),
            write: RoleConfig { max_tokens: 4096, ..RoleConfig::default() },
            layout: Layout::default(),
            mode: Mode::default(),
            plan_format: PlanFormat::default(),
            prompts: PromptTexts::default(),
            seed: 42,
            append_length: false,
            plan_policy: PlanPolicy::default(),
            section_policy: SectionPolicy::default(),
        }
    }
}

impl TextConfig {
    /// The hash of everything that shapes text.
    pub fn hash(&self) -> Hash {
        let bytes = serde_json::to_vec(self).expect("a configuration is made of plain values");
        Hash::of("text configuration", &[bytes])
    }
}

/// The whole frozen configuration of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// What shapes text.
    pub text: TextConfig,
    /// The sample gates.
    pub sample_policy: SamplePolicy,
    /// Ordinals per shard.
    pub shard_size: u32,
    /// Counted failures after which a task dies.
    pub attempts: u32,
    /// Crashes and interruptions after which a task dies.
    pub crash_limit: u32,
    /// Whether the text is synthetic (the built-in simulator), for the dataset card.
    pub synthetic: bool,
    /// The endpoints that make it, by name, in the processes that know them; empty = those processes' own pools. Shapes no
    /// text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            text: TextConfig::default(),
            sample_policy: SamplePolicy::default(),
            shard_size: 256,
            attempts: 8,
            crash_limit: 20,
            synthetic: false,
            endpoints: Vec::new(),
        }
    }
}

/// Limits of a run: may change while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most calls in flight.
    pub concurrency: u32,
    /// Requests per minute.
    pub rpm: Option<u32>,
    /// Tokens per minute, prompt and answer together.
    pub tpm: Option<u32>,
    /// Hard cap in nano-USD.
    pub max_cost_nanousd: Option<u64>,
    /// Prices; a cap on a model without a price is refused.
    pub price: Option<Price>,
    /// The run's share of the slots of an endpoint, against the other runs at work on it; 1 to [`Limits::MOST_WEIGHT`].
    pub weight: u32,
}

impl Limits {
    /// The largest weight.
    pub const MOST_WEIGHT: u32 = 100;
}

impl Default for Limits {
    fn default() -> Self {
        Self { concurrency: 16, rpm: None, tpm: None, max_cost_nanousd: None, price: None, weight: 1 }
    }
}

/// Prices in nano-USD per token (USD per million times 1,000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// An uncached prompt token.
    pub input: u64,
    /// A cached prompt token.
    pub cached: u64,
    /// An answer token.
    pub output: u64,
}

impl Price {
    /// Reads USD per million tokens.
    pub fn from_usd_per_million(input: f64, cached: f64, output: f64) -> Self {
        let nano = |usd: f64| (usd * 1_000.0).round().max(0.0) as u64;
        Self { input: nano(input), cached: nano(cached), output: nano(output) }
    }

    /// What a call cost.
    pub fn of(&self, usage: &crate::call::Usage) -> u64 {
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        (usage.prompt_tokens - cached) * self.input + cached * self.cached + usage.completion_tokens * self.output
    }

    /// The most that a call can cost.
    pub fn worst(&self, prompt_tokens: u64, max_tokens: u64) -> u64 {
        prompt_tokens * self.input.max(self.cached) + max_tokens * self.output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_were_stored_without_a_weight_have_one() {
        let stored = r#"{"concurrency":4,"rpm":null,"tpm":null,"max_cost_nanousd":null,"price":null}"#;
        let limits: Limits = serde_json::from_str(stored).expect("limits of an earlier build");
        assert_eq!((limits.concurrency, limits.weight), (4, 1));
    }
}
