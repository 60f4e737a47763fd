//! A packed sample as a row of a shard: a pure function of input, accepted texts and frozen configuration (DESIGN 7).

use agentwrite::call::Role;
use agentwrite::config::{Mode, RunConfig};
use agentwrite::length::{Bound, LengthSource, RequiredLength};
use agentwrite::ports::PackedSample;
use agentwrite::prompts::Layout;
use agentwrite::sample::SampleContext;
use agentwrite::words;
use dataset::Row;

use crate::judge::answer_text;

/// The row of a sample. `config` is the version that the sample was written under.
pub fn row_of(sample: &PackedSample, config: &RunConfig) -> Row {
    let PackedSample { context, verdict, .. } = sample;
    let input = &context.input;
    let model = |role: &str| context.model.clone().unwrap_or_else(|| role.to_owned());
    Row {
        id: input.id.clone().unwrap_or_else(|| context.sample.as_str().to_owned()),
        sample_id: context.sample.as_str().to_owned(),
        messages: messages(context),
        plan: plan(context),
        section_words: context.sections.iter().map(|section| words::paper(&section.text) as u32).collect(),
        required_length: input.length.as_ref().map(required_length),
        words: verdict.words,
        words_unicode: verdict.words_unicode,
        length_score: verdict.length_score,
        language: verdict.language.clone(),
        flags: verdict.flags.clone(),
        plan_model: model(&config.text.plan.model),
        write_model: model(&config.text.write.model),
        prompt_version: config.text.prompts.version().to_hex(),
        layout: match config.text.layout {
            Layout::Paper => "paper",
            Layout::Turns => "turns",
        }
        .to_owned(),
        mode: match config.text.mode {
            Mode::Serial => "serial",
            Mode::Parallel => "parallel",
        }
        .to_owned(),
        variant: input.variant,
        meta: input.meta.clone(),
    }
}

/// The input's messages unchanged, then the answer.
fn messages(context: &SampleContext) -> Vec<dataset::Message> {
    let input = context.input.messages.iter().map(|message| (role(message.role), message.content.clone()));
    let answer = (role(Role::Assistant), answer_text(context));
    input.chain([answer]).map(|(role, content)| dataset::Message { role: role.to_owned(), content }).collect()
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

fn plan(context: &SampleContext) -> Vec<dataset::PlanStep> {
    let steps = context.plan.iter().flat_map(|plan| &plan.steps);
    steps.map(|step| dataset::PlanStep { main_point: step.main_point.clone(), words: step.words }).collect()
}

fn required_length(length: &RequiredLength) -> dataset::RequiredLength {
    let (bound, low, high) = match length.bound {
        Bound::About => ("about", Some(length.low), Some(length.high)),
        Bound::AtLeast => ("at_least", Some(length.low), None),
        Bound::AtMost => ("at_most", None, Some(length.high)),
        Bound::Range => ("range", Some(length.low), Some(length.high)),
    };
    let source = match length.source {
        LengthSource::Column => "column",
        LengthSource::Read => "read",
    };
    dataset::RequiredLength { bound: bound.to_owned(), low, high, source: source.to_owned() }
}

#[cfg(test)]
mod tests;
