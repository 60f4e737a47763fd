//! Which inputs to make real plans of, and what those teach.

use crate::ids::Hash;
use crate::plan::{Plan, fixed_parts};
use crate::sample::Input;

use super::Assumptions;
use super::tokens::weight;

/// A plan call that was made.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    /// Its input.
    pub input: &'a Input,
    /// Tokens of its prompt, reckoned from its bytes by [`weight`](super::weight).
    pub prompt_weight: f64,
    /// The same as the endpoint counted them; none if it did not.
    pub prompt_tokens: Option<u64>,
    /// The answer's text.
    pub answer: &'a str,
    /// Its tokens without reasoning, as the endpoint counted them; none if it did not.
    pub answer_tokens: Option<u64>,
    /// Reasoning tokens.
    pub reasoning_tokens: u64,
    /// Seconds to the first token.
    pub first_token_seconds: f64,
    /// Seconds to the end.
    pub total_seconds: f64,
    /// The plan, if the answer was one.
    pub plan: Option<&'a Plan>,
}

/// Places of `count` of `inputs`: evenly spread over the inputs by length, so that each band has its share; the seed decides
/// where the first one lies. In ascending order, without repetition.
pub fn positions(inputs: &[&Input], count: usize, seed: u64, assumptions: &Assumptions) -> Vec<usize> {
    let mut by_length: Vec<usize> = (0..inputs.len()).collect();
    let key = |at: &usize| (inputs[*at].length.is_none(), assumptions.words_of(inputs[*at]), inputs[*at].key());
    by_length.sort_by_cached_key(key);
    let count = count.min(inputs.len());
    let offset = Hash::of("estimate sample", &[seed.to_string()]).to_u64() as f64 / 2f64.powi(64);
    let step = inputs.len() as f64 / count.max(1) as f64;
    let mut chosen: Vec<usize> =
        (0..count).map(|nth| by_length[(((nth as f64 + offset) * step) as usize).min(inputs.len() - 1)]).collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// The assumptions, corrected by what was seen. What nothing was seen of stays as it was.
pub fn learned(mut assumptions: Assumptions, seen: &[Seen<'_>]) -> Assumptions {
    let ratio = |pairs: &[(f64, f64)]| {
        let (actual, reckoned) = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        (actual > 0.0 && reckoned > 0.0).then(|| actual / reckoned)
    };
    let prompts: Vec<(f64, f64)> =
        seen.iter().filter_map(|call| Some((call.prompt_tokens? as f64, call.prompt_weight))).collect();
    let answers: Vec<(f64, f64)> =
        seen.iter().filter_map(|call| Some((call.answer_tokens? as f64, weight(call.answer)))).collect();
    assumptions.prompt_scale = ratio(&prompts).unwrap_or(assumptions.prompt_scale);
    assumptions.answer_scale = ratio(&answers).unwrap_or(assumptions.answer_scale);
    let first: Vec<(f64, f64)> = seen.iter().map(|call| (call.first_token_seconds, 1.0)).collect();
    assumptions.first_token_seconds = ratio(&first).unwrap_or(assumptions.first_token_seconds);
    let speed: Vec<(f64, f64)> = seen
        .iter()
        .filter_map(|call| {
            let tokens = (call.answer_tokens? + call.reasoning_tokens) as f64;
            Some((tokens, call.total_seconds - call.first_token_seconds))
        })
        .collect();
    assumptions.tokens_per_second = ratio(&speed).unwrap_or(assumptions.tokens_per_second);
    if !seen.is_empty() {
        let reasoning: u64 = seen.iter().map(|call| call.reasoning_tokens).sum();
        assumptions.reasoning_tokens = reasoning as f64 / seen.len() as f64;
    }
    of_plans(assumptions, seen)
}

/// Words of a step, words where no length is required, the length of main points.
fn of_plans(mut assumptions: Assumptions, seen: &[Seen<'_>]) -> Assumptions {
    let plans: Vec<(&Input, &Plan)> = seen.iter().filter_map(|call| Some((call.input, call.plan?))).collect();
    let steps: Vec<&crate::plan::Step> = plans.iter().flat_map(|(_, plan)| &plan.steps).collect();
    if !steps.is_empty() {
        let points: f64 = steps.iter().map(|step| weight(&step.main_point)).sum();
        assumptions.point_tokens = points / steps.len() as f64;
    }
    let free: Vec<&Plan> =
        plans.iter().filter(|(input, _)| fixed_parts(input.instruction()).is_none()).map(|(_, plan)| *plan).collect();
    let (words, count) =
        free.iter().fold((0.0, 0.0), |sum, plan| (sum.0 + f64::from(plan.total()), sum.1 + plan.steps.len() as f64));
    if count > 0.0 && words > 0.0 {
        assumptions.words_per_step = words / count;
    }
    let open: Vec<u32> =
        plans.iter().filter(|(input, _)| input.length.is_none()).map(|(_, plan)| plan.total()).collect();
    if !open.is_empty() {
        let words: u64 = open.iter().map(|words| u64::from(*words)).sum();
        assumptions.words_without_length = (words / open.len() as u64) as u32;
    }
    assumptions
}
