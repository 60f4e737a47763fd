//! Gates on a finished sample. They need no call and can be applied again to stored text with other thresholds.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::ngrams::{WORDS, gram_hashes, repeated_share};
use super::{Finding, Signature, WordHashes, similarity};
use crate::language::Language;

/// Why a sample is rejected or flagged: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gate {
    /// Too far from the required length.
    LengthScore,
    /// Without a required length: far shorter than its plan.
    TooShort,
    /// Too many sections kept a soft finding.
    TooManyFlags,
    /// Too many 13-grams occur twice.
    Repetition,
    /// Another language than asked for.
    Language,
    /// Shares a 13-gram with a prompt of an evaluation.
    EvalOverlap,
    /// Nearly the same as a sample of a lower ordinal.
    Duplicate,
}

impl Gate {
    /// The code in the store, on spans and in reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::LengthScore => "length_score",
            Self::TooShort => "too_short",
            Self::TooManyFlags => "too_many_flags",
            Self::Repetition => "repetition",
            Self::Language => "language",
            Self::EvalOverlap => "eval_overlap",
            Self::Duplicate => "duplicate",
        }
    }
}

/// What a sample is judged by.
#[derive(Debug, Clone, Copy)]
pub struct SampleInput<'a> {
    /// The instruction as the user wrote it.
    pub instruction: &'a str,
    /// The whole text.
    pub text: &'a str,
    /// Its length, by the counter of its language.
    pub words: u32,
    /// S_l (0 to 100) against the required length; `None` if the instruction requires none.
    pub length_score: Option<f64>,
    /// Sum of the plan's word targets.
    pub plan_total: u32,
    /// For each section the codes of the soft findings it was accepted with.
    pub section_flags: &'a [Vec<String>],
    /// The language asked for, if known.
    pub expected_language: Option<Language>,
}

/// Thresholds. Each rejection can be switched off with the value named in its description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplePolicy {
    /// S_l below this is rejected; 0 rejects none.
    pub reject_length_score: f64,
    /// S_l below this is flagged.
    pub flag_length_score: f64,
    /// Without a required length: words over the plan's total, below which a sample is rejected; 0 rejects none.
    pub min_plan_share: f64,
    /// Share of sections with a soft finding above which a sample is rejected; 1 rejects none.
    pub max_flagged_share: f64,
    /// Share of repeated 13-grams above which a sample is rejected; 1 rejects none.
    pub reject_repetition: f64,
    /// Share of repeated 13-grams above which a sample is flagged.
    pub flag_repetition: f64,
    /// Reject a sample in another language than asked for.
    pub language: bool,
    /// Reject a sample whose instruction or text shares 13 words in a row with an evaluation prompt.
    pub eval_overlap: bool,
    /// Similarity to a sample of a lower ordinal above which a sample is rejected; 1 rejects none.
    pub max_similarity: f64,
}

impl Default for SamplePolicy {
    fn default() -> Self {
        Self {
            reject_length_score: 60.0,
            flag_length_score: 80.0,
            min_plan_share: 0.5,
            max_flagged_share: 0.5,
            reject_repetition: 0.3,
            flag_repetition: 0.05,
            language: true,
            eval_overlap: true,
            max_similarity: 0.8,
        }
    }
}

/// What the gates say of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleVerdict {
    /// Why it may not be packed, if so: the first reason.
    pub rejected: Option<Finding<Gate>>,
    /// What is worth knowing about a sample that may.
    pub flags: Vec<Finding<Gate>>,
}

/// The prompts of evaluations, which training text must not contain.
#[derive(Debug, Clone, Default)]
pub struct EvalPrompts {
    grams: HashSet<u64>,
    /// Prompts of fewer than 13 words, whole.
    short: HashSet<WordHashes>,
}

impl EvalPrompts {
    /// Builds the set; every 13-gram is kept, a shorter prompt as a whole.
    pub fn new<'a>(prompts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut set = Self::default();
        for words in prompts.into_iter().map(WordHashes::of).filter(|words| !words.is_empty()) {
            set.grams.extend(gram_hashes(&words, WORDS));
            if words.len() < WORDS {
                set.short.insert(words);
            }
        }
        set
    }

    /// Whether a text is one of the prompts or shares 13 words in a row with one.
    pub fn overlaps(&self, text: &WordHashes) -> bool {
        self.short.contains(text) || self.share_a_gram(&gram_hashes(text, WORDS))
    }

    fn share_a_gram(&self, grams: &[u64]) -> bool {
        !self.grams.is_empty() && grams.iter().any(|gram| self.grams.contains(gram))
    }
}

/// Judges one sample by itself. `words` are those of its text, `eval` holds the prompts to keep clear of.
pub fn check(
    input: &SampleInput<'_>,
    words: &WordHashes,
    policy: &SamplePolicy,
    eval: Option<&EvalPrompts>,
) -> SampleVerdict {
    let grams = gram_hashes(words, WORDS);
    let repeated = repeated_share(&grams);
    let mut flags = Vec::new();
    if let Some(score) = input.length_score.filter(|score| *score < policy.flag_length_score) {
        flags.push(Finding::new(Gate::LengthScore, &format!("S_l {score:.1}")));
    }
    if repeated > policy.flag_repetition {
        flags.push(Finding::new(Gate::Repetition, &format!("{:.1} % of 13-grams occur twice", repeated * 100.0)));
    }
    let rejected = length(input, policy)
        .or_else(|| flagged_sections(input, policy))
        .or_else(|| {
            let share = format!("{:.1} % of 13-grams occur twice", repeated * 100.0);
            (repeated > policy.reject_repetition).then(|| Finding::new(Gate::Repetition, &share))
        })
        .or_else(|| language(input, policy))
        .or_else(|| overlap(input, words, &grams, policy, eval));
    SampleVerdict { rejected, flags }
}

/// Compares a sample with those of lower ordinals in its shard; the first near-duplicate rejects it.
pub fn check_duplicate(own: &Signature, lower: &[(u64, Signature)], policy: &SamplePolicy) -> Option<Finding<Gate>> {
    let (ordinal, share) = lower
        .iter()
        .map(|(ordinal, other)| (ordinal, similarity(own, other)))
        .find(|(_, share)| *share > policy.max_similarity)?;
    Some(Finding::new(Gate::Duplicate, &format!("{:.0} % like sample {ordinal}", share * 100.0)))
}

fn length(input: &SampleInput<'_>, policy: &SamplePolicy) -> Option<Finding<Gate>> {
    if let Some(score) = input.length_score {
        let low = score < policy.reject_length_score;
        return low.then(|| Finding::new(Gate::LengthScore, &format!("S_l {score:.1}, {} words", input.words)));
    }
    let short = f64::from(input.words) < f64::from(input.plan_total) * policy.min_plan_share;
    short.then(|| Finding::new(Gate::TooShort, &format!("{} words of {} planned", input.words, input.plan_total)))
}

fn flagged_sections(input: &SampleInput<'_>, policy: &SamplePolicy) -> Option<Finding<Gate>> {
    let sections = input.section_flags.len();
    let flagged = input.section_flags.iter().filter(|flags| !flags.is_empty()).count();
    (flagged as f64 > sections as f64 * policy.max_flagged_share)
        .then(|| Finding::new(Gate::TooManyFlags, &format!("{flagged} of {sections} sections")))
}

fn language(input: &SampleInput<'_>, policy: &SamplePolicy) -> Option<Finding<Gate>> {
    let expected = input.expected_language.filter(|_| policy.language)?;
    let found = expected.contradicted_by(input.text)?;
    Some(Finding::new(Gate::Language, &format!("{found} instead of {expected}")))
}

fn overlap(
    input: &SampleInput<'_>,
    words: &WordHashes,
    grams: &[u64],
    policy: &SamplePolicy,
    eval: Option<&EvalPrompts>,
) -> Option<Finding<Gate>> {
    let eval = eval.filter(|_| policy.eval_overlap)?;
    if eval.overlaps(&WordHashes::of(input.instruction)) {
        return Some(Finding::new(Gate::EvalOverlap, input.instruction));
    }
    let overlaps = eval.short.contains(words) || eval.share_a_gram(grams);
    overlaps.then(|| Finding::new(Gate::EvalOverlap, "13 words in a row of the text"))
}

#[cfg(test)]
mod tests {
    use super::super::signature;
    use super::*;

    fn prose(words: usize) -> String {
        (0..words).map(|i| format!("word{}", (i * 7919) % 100_003)).collect::<Vec<_>>().join(" ")
    }

    fn input(text: &str) -> SampleInput<'_> {
        SampleInput {
            instruction: "Write about Rome.",
            text,
            words: 1000,
            length_score: None,
            plan_total: 1000,
            section_flags: &[],
            expected_language: None,
        }
    }

    fn judged(input: &SampleInput<'_>, eval: Option<&EvalPrompts>) -> SampleVerdict {
        check(input, &WordHashes::of(input.text), &SamplePolicy::default(), eval)
    }

    fn signed(text: &str) -> Signature {
        signature(&WordHashes::of(text))
    }

    fn rejected(input: &SampleInput<'_>) -> Option<&'static str> {
        judged(input, None).rejected.map(|finding| finding.kind.code())
    }

    #[test]
    fn length_by_score_or_by_plan() {
        let text = prose(300);
        assert_eq!(rejected(&input(&text)), None);
        assert_eq!(rejected(&SampleInput { words: 499, ..input(&text) }), Some("too_short"));
        assert_eq!(rejected(&SampleInput { words: 499, length_score: Some(70.0), ..input(&text) }), None);
        assert_eq!(rejected(&SampleInput { length_score: Some(59.9), ..input(&text) }), Some("length_score"));
        let verdict = judged(&SampleInput { length_score: Some(70.0), ..input(&text) }, None);
        assert_eq!(verdict.flags[0].kind, Gate::LengthScore);
    }

    #[test]
    fn repetition_is_flagged_then_rejected() {
        let (text, other) = (prose(1000), prose(120));
        let some = format!("{text} {other}");
        let verdict = judged(&input(&some), None);
        assert_eq!((verdict.rejected, verdict.flags[0].kind), (None, Gate::Repetition));
        assert_eq!(rejected(&input(&format!("{text} {text}"))), Some("repetition"));
    }

    #[test]
    fn flags_of_more_than_half_of_the_sections_reject() {
        let text = prose(100);
        let flags = |flagged: usize| -> Vec<Vec<String>> {
            (0..4).map(|i| if i < flagged { vec!["recap".to_owned()] } else { vec![] }).collect()
        };
        let (two, three) = (flags(2), flags(3));
        assert_eq!(rejected(&SampleInput { section_flags: &two, ..input(&text) }), None);
        assert_eq!(rejected(&SampleInput { section_flags: &three, ..input(&text) }), Some("too_many_flags"));
    }

    #[test]
    fn language_and_evaluation_prompts() {
        let english = "The rise of Rome was slow, and its fall was slower than most people think it was.";
        let wanted = SampleInput { expected_language: Some(Language::ZH), ..input(english) };
        assert_eq!(rejected(&wanted), Some("language"));
        let eval = EvalPrompts::new(["write about rome", english]);
        let code = |input: &SampleInput<'_>| judged(input, Some(&eval)).rejected.map(|finding| finding.kind.code());
        let text = prose(100);
        assert_eq!(code(&input(&text)), Some("eval_overlap"));
        assert_eq!(code(&SampleInput { instruction: "Write about Carthage.", ..input(&text) }), None);
        let contains = format!("{text} {english}");
        assert_eq!(code(&SampleInput { instruction: "Write.", ..input(&contains) }), Some("eval_overlap"));
    }

    #[test]
    fn duplicates_of_lower_ordinals() {
        let policy = SamplePolicy::default();
        let lower = [(3, signed(&prose(1000)))];
        let finding = check_duplicate(&signed(&prose(990)), &lower, &policy).unwrap();
        assert_eq!(finding.kind.code(), "duplicate");
        assert!(finding.evidence.contains("sample 3"));
        assert_eq!(check_duplicate(&signed("another text of a few more words than five"), &lower, &policy), None);
    }
}
