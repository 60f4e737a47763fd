//! What a run will take before it is started: calls, tokens with and without a prefix cache, money, time. Pure.
//!
//! An estimate follows the real prompts: [`Forecaster`] renders the run's own templates with an expected plan, so that a
//! longer prompt or another layout changes it. What nobody can know beforehand stands in [`Assumptions`], which real plans
//! correct ([`learned`]). A range ends at the good end with a cache that always serves what it can and no call repeated, at
//! the bad end without a cache and with [`Assumptions::retry_share`] of the calls repeated.

mod asking;
mod bands;
mod forecast;
mod learned;
mod tokens;
mod totals;

use serde::Serialize;

use crate::length::RequiredLength;
use crate::plan::{PlanPolicy, fixed_parts};
use crate::sample::Input;

pub use asking::PlanCall;
pub use bands::Band;
pub use forecast::{Forecast, Forecaster};
pub use learned::{Seen, learned, positions};
pub use tokens::{expected_tokens, weight};
pub use totals::{Bounds, Totals};

/// What an estimate takes for granted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Assumptions {
    /// Words that a plan gives a step: the middle of the 200 to 1,000 that plans are asked for.
    pub words_per_step: f64,
    /// Words of a text for which no length is required.
    pub words_without_length: u32,
    /// Tokens of the main point of a step.
    pub point_tokens: f64,
    /// Tokens that the endpoint counts for each token reckoned here from the bytes of a prompt.
    pub prompt_scale: f64,
    /// The same for answers.
    pub answer_scale: f64,
    /// Reasoning tokens of a call.
    pub reasoning_tokens: f64,
    /// An endpoint's cache serves whole blocks of so many tokens (facts: OpenAI 128; vLLM 16 and more).
    pub cache_block_tokens: u64,
    /// Share of the calls that is made again, at the bad end of a range.
    pub retry_share: f64,
    /// Seconds from sending a call to its first token.
    pub first_token_seconds: f64,
    /// Tokens a second of one answer after that.
    pub tokens_per_second: f64,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            words_per_step: 600.0,
            words_without_length: 4_000,
            point_tokens: 30.0,
            prompt_scale: 1.0,
            answer_scale: 1.0,
            reasoning_tokens: 0.0,
            cache_block_tokens: 128,
            retry_share: 0.1,
            first_token_seconds: 1.0,
            tokens_per_second: 50.0,
        }
    }
}

impl Assumptions {
    /// Words that the text of this input is expected to have.
    pub fn words_of(&self, input: &Input) -> u32 {
        input.length.as_ref().map_or(self.words_without_length, RequiredLength::target)
    }

    /// Steps that the plan of this input is expected to have: as many as the instruction fixes, else as the words give,
    /// within what the policy makes of any plan.
    pub fn steps_of(&self, input: &Input, policy: &PlanPolicy) -> u32 {
        let most = u32::try_from(policy.max_steps).unwrap_or(u32::MAX).max(1);
        if let Some(parts) = fixed_parts(input.instruction()) {
            return parts.clamp(1, most);
        }
        let words = self.words_of(input);
        let (least_words, most_words) = (policy.min_words.max(1), policy.max_words.max(policy.min_words).max(1));
        let fewest = words.div_ceil(most_words).clamp(1, most);
        let room = (words / least_words).clamp(fewest, most);
        let expected = f64::from(words) / self.words_per_step.max(1.0);
        (expected.round() as u32).clamp(fewest, room)
    }
}

#[cfg(test)]
mod tests;
