//! One sample: its calls and their tokens, from the run's own prompts and an expected or a real plan.

use std::sync::Arc;

use crate::call::Message;
use crate::config::{Mode, TextConfig};
use crate::language::Language;
use crate::manuscript::expected_language_of;
use crate::plan::{Plan, PlanFormat, Step};
use crate::planning::total_text;
use crate::prompts::{Layout, Prompts, TemplateError, WriteParts};
use crate::rope::Rope;
use crate::sample::Input;

use super::Assumptions;
use super::tokens::{expected_tokens, is_wide, weight};

/// What one sample is expected to take, without a repeated call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Words of its text.
    pub words: u32,
    /// Steps of its plan.
    pub steps: u32,
    /// Prompt tokens of all calls.
    pub prompt_tokens: f64,
    /// Those that a prefix cache can serve.
    pub cached_tokens: f64,
    /// Answer tokens of all calls.
    pub answer_tokens: f64,
    /// Seconds that its calls take one after another.
    pub work_seconds: f64,
    /// Seconds from its first call to the end of its last, if it never waits.
    pub chain_seconds: f64,
}

/// Makes forecasts for one configuration.
#[derive(Debug, Clone)]
pub struct Forecaster<'a> {
    config: &'a TextConfig,
    prompts: Prompts,
    assumptions: Assumptions,
}

/// The write prompts of a sample in tokens, whatever the words of its text.
struct WritePrompts {
    /// The first, and the second without the text so far.
    first: f64,
    second: f64,
    /// What each further prompt has more, the text aside.
    growth: f64,
    /// What the second and the third share with the one before, the text aside.
    shared_by_second: f64,
    shared_by_third: f64,
}

impl<'a> Forecaster<'a> {
    /// Fails where a prompt of the configuration cannot be used.
    pub fn new(config: &'a TextConfig, assumptions: Assumptions) -> Result<Self, TemplateError> {
        Ok(Self { config, prompts: Prompts::parse(&config.prompts, config.layout)?, assumptions })
    }

    /// The forecast of a sample, with its plan where it is known already.
    pub fn sample(&self, input: &Input, plan: Option<&Plan>) -> Forecast {
        let language = expected_language_of(input);
        let expected;
        let plan = match plan {
            Some(plan) => plan,
            None => {
                expected = self.expected_plan(input, language);
                &expected
            }
        };
        let texts: Vec<f64> = plan.steps.iter().map(|step| expected_tokens(step.words, language)).collect();
        let (prompt, cached) = self.sections(&self.write_prompts(input, plan), &texts);
        self.forecast(input, plan, &texts, prompt, cached)
    }

    fn forecast(&self, input: &Input, plan: &Plan, texts: &[f64], prompt: f64, cached: f64) -> Forecast {
        let Assumptions { answer_scale, reasoning_tokens, first_token_seconds, tokens_per_second, .. } =
            self.assumptions;
        let answer = |tokens: f64| tokens * answer_scale + reasoning_tokens;
        let seconds = |tokens: f64| first_token_seconds + tokens / tokens_per_second.max(0.001);
        let plan_answer = answer(self.plan_answer(plan));
        let sections: Vec<f64> = texts.iter().map(|tokens| answer(*tokens)).collect();
        let plan_seconds = seconds(plan_answer);
        let one_by_one: f64 = sections.iter().map(|tokens| seconds(*tokens)).sum();
        let longest = sections.iter().map(|tokens| seconds(*tokens)).fold(0.0, f64::max);
        Forecast {
            words: plan.total(),
            steps: plan.steps.len() as u32,
            prompt_tokens: prompt + self.plan_prompt(input),
            cached_tokens: cached,
            answer_tokens: plan_answer + sections.iter().sum::<f64>(),
            work_seconds: plan_seconds + one_by_one,
            chain_seconds: plan_seconds + if self.config.mode == Mode::Serial { one_by_one } else { longest },
        }
    }

    /// A plan of the expected number of equal steps, with main points of the expected length.
    fn expected_plan(&self, input: &Input, language: Option<Language>) -> Plan {
        let steps = self.assumptions.steps_of(input, &self.config.plan_policy);
        let words = self.assumptions.words_of(input);
        let point = if is_wide(language) {
            "\u{4E00}".repeat(self.assumptions.point_tokens.round() as usize)
        } else {
            "a".repeat((self.assumptions.point_tokens * 4.0).round() as usize)
        };
        let step = |index: u32| {
            let (share, rest) = (words / steps, words % steps);
            Step { main_point: point.clone(), words: share + u32::from(index < rest) }
        };
        Plan { steps: (0..steps).map(step).collect() }
    }

    fn plan_prompt(&self, input: &Input) -> f64 {
        let total = input.length.as_ref().map(|length| total_text(length.target(), input));
        let json = self.config.plan_format != PlanFormat::Text;
        let messages = self.prompts.plan(input.context(), input.instruction(), total.as_deref(), json, None);
        weight(&flat(&messages)) * self.assumptions.prompt_scale
    }

    fn plan_answer(&self, plan: &Plan) -> f64 {
        if self.config.plan_format == PlanFormat::Text { weight(&plan.render()) } else { weight(&plan.canonical()) }
    }

    /// Renders the first three write prompts with empty texts: from these all others follow.
    fn write_prompts(&self, input: &Input, plan: &Plan) -> WritePrompts {
        let text = plan.render();
        let mut padded = plan.clone();
        // A line more than three, so that none of the three is the last.
        while padded.steps.len() < 4 {
            let last = padded.steps.last().cloned();
            padded.steps.push(last.unwrap_or(Step { main_point: String::new(), words: 0 }));
        }
        let lines: Vec<String> = (0..padded.steps.len()).map(|index| padded.line(index)).collect();
        let nothing: Arc<str> = Arc::from("");
        let prompt = |step: usize| {
            let earlier = vec![Arc::clone(&nothing); if self.config.mode == Mode::Serial { step } else { 0 }];
            let parts = WriteParts {
                context: input.context(),
                instruction: input.instruction(),
                plan: &text,
                lines: &lines,
                earlier: &earlier,
                step,
                fault: None,
            };
            flat(&self.prompts.write(&parts))
        };
        let (first, second, third) = (prompt(0), prompt(1), prompt(2));
        WritePrompts {
            first: weight(&first),
            second: weight(&second),
            growth: weight(&third) - weight(&second),
            shared_by_second: weight(shared(&first, &second)),
            shared_by_third: weight(shared(&second, &third)),
        }
    }

    /// Prompt tokens of all section calls, and those of them that a prefix cache can serve.
    fn sections(&self, prompts: &WritePrompts, texts: &[f64]) -> (f64, f64) {
        let Assumptions { prompt_scale, answer_scale, cache_block_tokens, .. } = self.assumptions;
        let serial = self.config.mode == Mode::Serial;
        let block = cache_block_tokens.max(1) as f64;
        let (mut all, mut cached, mut before, mut earlier) = (0.0, 0.0, 0.0, 0.0);
        for (index, text) in texts.iter().enumerate() {
            let later = index.saturating_sub(1) as f64;
            let (fixed, mut known) = match index {
                0 => (prompts.first, 0.0),
                1 => (prompts.second, prompts.shared_by_second),
                _ => {
                    (prompts.second + prompts.growth * later, prompts.shared_by_third + prompts.growth * (later - 1.0))
                }
            };
            if !serial && self.config.layout == Layout::Paper {
                known = if index == 0 { 0.0 } else { prompts.shared_by_second };
            }
            known *= prompt_scale;
            if serial && index > 0 {
                // As turns the last answer continues the last prompt, so engines that keep answers serve it too.
                known += if self.config.layout == Layout::Turns { earlier } else { before };
            }
            all += fixed * prompt_scale + if serial { earlier } else { 0.0 };
            cached += (known / block).floor() * block;
            before = earlier;
            earlier += text * answer_scale;
        }
        (all, cached)
    }
}

/// A conversation as one text.
fn flat(messages: &[Message<Rope>]) -> String {
    let mut out = String::new();
    for message in messages {
        let role = match message.role {
            crate::call::Role::System => "system",
            crate::call::Role::User => "user",
            crate::call::Role::Assistant => "assistant",
        };
        out.push('\0');
        out.push_str(role);
        out.push('\0');
        message.content.strs().for_each(|piece| out.push_str(piece));
    }
    out
}

/// The longest beginning that two texts have in common.
fn shared<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    &one[..one.floor_char_boundary(same)]
}
