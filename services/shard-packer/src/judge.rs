//! The sample gates on one finished text. Pure: the same text and configuration give the same verdict.

use std::collections::BTreeSet;

use agentwrite::clean;
use agentwrite::config::RunConfig;
use agentwrite::failure::ErrorCode;
use agentwrite::gates::sample::{self, EvalPrompts, Gate, SampleInput};
use agentwrite::gates::{WordHashes, signature};
use agentwrite::language::{Language, detect};
use agentwrite::manuscript::expected_language;
use agentwrite::plan::Plan;
use agentwrite::ports::Verdict;
use agentwrite::sample::SampleContext;
use agentwrite::words::{self, WordCounter};

/// Judges a written sample by itself. `eval` holds the prompts of evaluations that training text must keep clear of.
pub fn judge_sample(context: &SampleContext, config: &RunConfig, eval: Option<&EvalPrompts>) -> Verdict {
    let text = answer_text(context);
    let expected = expected_language(context);
    // A language that the detector cannot tell from its neighbours is believed if the text does not contradict it.
    let language = expected.filter(|code| code.contradicted_by(&text).is_none()).or_else(|| detect(&text));
    let paper = words::paper(&text) as u32;
    let unicode = words::unicode(&text) as u32;
    let counted = match WordCounter::for_language(language.map_or("en", Language::code)) {
        WordCounter::Paper => paper,
        WordCounter::Unicode => unicode,
    };
    let length_score = context.input.length.as_ref().map(|length| length.score(counted));
    let section_flags: Vec<Vec<String>> = context.sections.iter().map(|section| section.flags.clone()).collect();
    let input = SampleInput {
        instruction: context.input.instruction(),
        text: &text,
        words: counted,
        length_score,
        plan_total: context.plan.as_ref().map_or(0, Plan::total),
        section_flags: &section_flags,
        expected_language: expected,
    };
    let hashes = WordHashes::of(&text);
    let said = sample::check(&input, &hashes, &config.sample_policy, eval);
    let mut flags: BTreeSet<String> = section_flags.iter().flatten().cloned().collect();
    flags.extend(said.flags.iter().map(|finding| code_of(finding.kind).as_str().to_owned()));
    Verdict {
        rejected: said.rejected.map(|finding| (code_of(finding.kind), finding.evidence)),
        flags: flags.into_iter().collect(),
        length_score,
        words: paper,
        words_unicode: unicode,
        language: language.map(|language| language.code().to_owned()),
        signature: signature(&hashes).to_vec(),
    }
}

/// The answer of the training row: the sections with a blank line between each two.
pub(crate) fn answer_text(context: &SampleContext) -> String {
    let sections: Vec<&str> = context.sections.iter().map(|section| section.text.as_str()).collect();
    clean::join(&sections)
}

/// The code under which a gate's rejection and flag are stored.
pub(crate) fn code_of(gate: Gate) -> ErrorCode {
    match gate {
        Gate::LengthScore => ErrorCode::LengthScore,
        Gate::TooShort => ErrorCode::TooShort,
        Gate::TooManyFlags => ErrorCode::TooManyFlags,
        Gate::Repetition => ErrorCode::SampleRepetition,
        Gate::Language => ErrorCode::SampleLanguage,
        Gate::EvalOverlap => ErrorCode::EvalOverlap,
        Gate::Duplicate => ErrorCode::Duplicate,
    }
}

#[cfg(test)]
mod tests;
