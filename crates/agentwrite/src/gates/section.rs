//! Gates on one section, as it comes from the model and after [`crate::clean::clean_section`].

use serde::{Deserialize, Serialize};

use super::ngrams::{KeptGrams, WORDS, distances, gram_hashes, share_of_repeats};
use super::patterns::{Probe, error_document};
use super::phrases::{CONTENT_FILTER, PROVIDER_ERROR, REASONING, REFUSAL};
use super::{Finding, NgramIndex, WordHashes, loops, plan_echo, recap};
use crate::call::Finish;
use crate::clean;
use crate::failure::ErrorCode;
use crate::language::Language;

/// What a section is judged by.
#[derive(Debug, Clone, Copy)]
pub struct SectionInput<'a> {
    /// The cleaned and trimmed text.
    pub text: &'a str,
    /// Its length, by the counter of its language.
    pub words: u32,
    /// The plan's target for this step; 0 if it has none.
    pub target_words: u32,
    /// Whether it is the last one, which may sum up.
    pub last: bool,
    /// How the answer ended.
    pub finish: Finish,
    /// All lines of the plan.
    pub plan_lines: &'a [String],
    /// All accepted earlier sections.
    pub earlier: &'a NgramIndex,
    /// The last 2,000 characters or so of the earlier text.
    pub earlier_tail: &'a str,
    /// The language asked for, if known.
    pub expected_language: Option<Language>,
    /// Whether the answer had reasoning that was taken off.
    pub had_reasoning: bool,
}

/// Findings that make the attempt a failed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hard {
    /// No letter and no digit.
    Empty,
    /// Ended by the token limit, or in the middle of a sentence.
    Cut,
    /// Ended or replaced by the provider's filter.
    ContentFilter,
    /// The model declines, disclaims or asks back.
    Refusal,
    /// An error message in place of text.
    ProviderError,
    /// Thinking aloud, or markers of a chat template.
    LeakedReasoning,
    /// The plan in place of text.
    PlanEcho,
    /// More than half of it stands in earlier sections.
    TextEcho,
    /// More than half of it runs in circles.
    Loop,
}

impl Hard {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Self; 9] = [
        Self::ContentFilter,
        Self::Cut,
        Self::Empty,
        Self::LeakedReasoning,
        Self::ProviderError,
        Self::Refusal,
        Self::PlanEcho,
        Self::TextEcho,
        Self::Loop,
    ];

    /// The code in the store, on spans and in reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Cut => "cut",
            Self::ContentFilter => "content_filter",
            Self::Refusal => "refusal",
            Self::ProviderError => "provider_error",
            Self::LeakedReasoning => "leaked_reasoning",
            Self::PlanEcho => "plan_echo",
            Self::TextEcho => "text_echo",
            Self::Loop => "loop",
        }
    }

    /// The same as an error code.
    pub const fn error(self) -> ErrorCode {
        match self {
            Self::Empty => ErrorCode::Empty,
            Self::Cut => ErrorCode::Cut,
            Self::ContentFilter => ErrorCode::ContentFilter,
            Self::Refusal => ErrorCode::Refusal,
            Self::ProviderError => ErrorCode::ProviderError,
            Self::LeakedReasoning => ErrorCode::LeakedReasoning,
            Self::PlanEcho => ErrorCode::PlanEcho,
            Self::TextEcho => ErrorCode::TextEcho,
            Self::Loop => ErrorCode::Loop,
        }
    }
}

/// Findings that cost a re-ask and are then kept as flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Soft {
    /// Too far from the target.
    Length,
    /// A summing-up last paragraph before the last section.
    Recap,
    /// Too many n-grams of it occur twice, inside it or earlier.
    Repetition,
    /// Another language than asked for.
    Language,
    /// Talk to the person who asked, that stripping cannot mend.
    Chatter,
}

impl Soft {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Length, Self::Recap, Self::Repetition, Self::Language, Self::Chatter];

    /// The code in the store, on spans and in reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Recap => "recap",
            Self::Repetition => "repetition",
            Self::Language => "language",
            Self::Chatter => "chatter",
        }
    }

    /// The same as an error code.
    pub const fn error(self) -> ErrorCode {
        match self {
            Self::Length => ErrorCode::Length,
            Self::Recap => ErrorCode::Recap,
            Self::Repetition => ErrorCode::Repetition,
            Self::Language => ErrorCode::Language,
            Self::Chatter => ErrorCode::Chatter,
        }
    }
}

/// Thresholds and switches. Part of what shapes text: a change makes another run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SectionPolicy {
    /// Judge the length against the target.
    pub length: bool,
    /// Words over target, lower bound.
    pub length_min_ratio: f64,
    /// Words over target, upper bound.
    pub length_max_ratio: f64,
    /// Judge summing-up endings.
    pub recap: bool,
    /// Judge repetition.
    pub repetition: bool,
    /// Share of 13-grams that may occur twice.
    pub repetition_max_share: f64,
    /// Judge the language.
    pub language: bool,
    /// Judge leftover chatter.
    pub chatter: bool,
    /// Share of 13-grams in earlier sections above which a section is a hard echo.
    pub text_echo_share: f64,
    /// Share of circling 13-grams above which a section is a hard loop; 1 switches that off.
    pub loop_share: f64,
}

impl Default for SectionPolicy {
    fn default() -> Self {
        Self {
            length: true,
            length_min_ratio: 0.6,
            length_max_ratio: 1.6,
            recap: true,
            repetition: true,
            repetition_max_share: 0.1,
            language: true,
            chatter: true,
            text_echo_share: 0.5,
            loop_share: 0.5,
        }
    }
}

/// What the gates say of a section.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The first hard finding, if any.
    pub hard: Option<Finding<Hard>>,
    /// All soft findings; empty if there is a hard one.
    pub soft: Vec<Finding<Soft>>,
    /// Ranks candidates for the same place: the lowest is accepted. Hard findings lie above 1,000.
    pub badness: f64,
    /// What an index of earlier text needs to know of this one, should it be accepted.
    pub grams: KeptGrams,
}

/// Judges one section.
pub fn check(input: &SectionInput<'_>, policy: &SectionPolicy) -> Verdict {
    let words = WordHashes::of(input.text);
    let grams = gram_hashes(&words, WORDS);
    let distances = distances(&grams);
    let kept = KeptGrams::of(&grams);
    let overlap = input.earlier.overlap_of(&kept);
    if let Some(hard) = hard(input, policy, &words, &distances, overlap) {
        return Verdict { hard: Some(hard), soft: Vec::new(), badness: 1000.0, grams: kept };
    }
    let repeated = share_of_repeats(&distances).max(overlap);
    let soft = soft(input, policy, repeated);
    let badness = soft.iter().map(|finding| weight(finding.kind)).sum::<f64>()
        + stretch(input).map_or(0.0, |ratio| ratio.ln().abs())
        + repeated;
    Verdict { hard: None, soft, badness, grams: kept }
}

/// What a soft finding costs in the ranking, beside the length's distance and the repeated share.
const fn weight(kind: Soft) -> f64 {
    match kind {
        Soft::Language => 4.0,
        Soft::Repetition | Soft::Chatter => 1.0,
        Soft::Length => 0.5,
        Soft::Recap => 0.3,
    }
}

/// Words over target, never 0; `None` without a target.
fn stretch(input: &SectionInput<'_>) -> Option<f64> {
    (input.target_words > 0).then(|| f64::from(input.words.max(1)) / f64::from(input.target_words))
}

fn hard(
    input: &SectionInput<'_>,
    policy: &SectionPolicy,
    words: &[u64],
    distances: &[u32],
    overlap: f64,
) -> Option<Finding<Hard>> {
    let text = input.text;
    let found = |kind, evidence: &str| Some(Finding::new(kind, evidence));
    match input.finish {
        Finish::ContentFilter => return found(Hard::ContentFilter, tail(text)),
        Finish::Length => return found(Hard::Cut, tail(text)),
        Finish::Stop | Finish::Other => {}
    }
    if words.is_empty() {
        let kind = if input.had_reasoning { Hard::LeakedReasoning } else { Hard::Empty };
        return found(kind, text);
    }
    if let Some(marker) = clean::leaves_marker(text) {
        return found(Hard::LeakedReasoning, marker);
    }
    if error_document(text) {
        return found(Hard::ProviderError, text);
    }
    let probe = Probe::new(text, words.len());
    let spoken = [
        (Hard::ContentFilter, &CONTENT_FILTER),
        (Hard::ProviderError, &PROVIDER_ERROR),
        (Hard::Refusal, &REFUSAL),
        (Hard::LeakedReasoning, &REASONING),
    ];
    if let Some((kind, evidence)) = spoken.iter().find_map(|(kind, set)| Some((*kind, probe.find(set)?))) {
        return found(kind, evidence);
    }
    if let Some(line) = plan_echo::find(text, input.plan_lines) {
        return found(Hard::PlanEcho, line);
    }
    let copied_short = distances.is_empty() && words.len() >= 6 && input.earlier_tail.contains(text);
    if overlap > policy.text_echo_share || copied_short {
        return found(Hard::TextEcho, text);
    }
    let circling = loops::circling(distances);
    if circling.share > policy.loop_share {
        return found(Hard::Loop, tail(text));
    }
    ends_mid_sentence(text).and_then(|line| found(Hard::Cut, tail(line)))
}

fn soft(input: &SectionInput<'_>, policy: &SectionPolicy, repeated: f64) -> Vec<Finding<Soft>> {
    let mut soft = Vec::new();
    let mut note = |kind, evidence: &str| soft.push(Finding::new(kind, evidence));
    if policy.length
        && let Some(ratio) = stretch(input)
        && !(policy.length_min_ratio..=policy.length_max_ratio).contains(&ratio)
    {
        note(Soft::Length, &format!("{} words of {}", input.words, input.target_words));
    }
    if policy.recap
        && !input.last
        && let Some(paragraph) = recap::find(input.text)
    {
        note(Soft::Recap, paragraph);
    }
    if policy.repetition && repeated > policy.repetition_max_share {
        note(Soft::Repetition, &format!("{:.0} % of 13-grams occur twice", repeated * 100.0));
    }
    if policy.language
        && let Some(expected) = input.expected_language
        && let Some(found) = expected.contradicted_by(input.text)
    {
        note(Soft::Language, &format!("{found} instead of {expected}"));
    }
    if policy.chatter
        && let Some(talk) = chatter(input.text)
    {
        note(Soft::Chatter, talk);
    }
    soft
}

/// Talk that [`clean::clean_section`] left because it does not stand alone at an end of the text.
pub(super) fn chatter(text: &str) -> Option<&str> {
    clean::opens_with_chatter(text)
        .or_else(|| clean::has_label(text))
        .or_else(|| later_paragraphs(text).find(|paragraph| clean::is_offer(paragraph)))
}

/// What stands between blank lines, but for the first: by single bytes, which is several times faster than `split("\n\n")`.
fn later_paragraphs(text: &str) -> impl Iterator<Item = &str> {
    fn halves(text: &str) -> Option<(&str, &str)> {
        let mut breaks = text.match_indices('\n');
        let (at, _) = breaks.find(|(at, _)| text.as_bytes().get(at + 1) == Some(&b'\n'))?;
        Some((&text[..at], &text[at + 2..]))
    }
    let mut rest = halves(text).map(|(_, rest)| rest);
    std::iter::from_fn(move || {
        let (paragraph, next) = halves(rest?).map_or((rest?, None), |(paragraph, next)| (paragraph, Some(next)));
        rest = next;
        Some(paragraph)
    })
}

/// The last line, if it is long prose that stops at a word no sentence ends with.
pub(super) fn ends_mid_sentence(text: &str) -> Option<&str> {
    const NEVER_LAST: &[&str] = &[
        "the", "a", "an", "and", "or", "but", "of", "to", "in", "with", "for", "from", "by", "as", "at", "that",
        "which", "their", "its", "his", "was", "were", "is", "are", "le", "la", "les", "de", "et", "der", "die", "das",
        "und", "el", "los", "y",
    ];
    const MIN_WORDS: usize = 25;
    let line = text.rsplit('\n').next()?;
    let last = line.split_whitespace().next_back()?;
    let stops = last.ends_with([',', '，', '、']) || NEVER_LAST.contains(&last);
    (stops && WordHashes::of(line).len() >= MIN_WORDS && !line.contains('|')).then_some(line)
}

/// The end of a text, where it was cut.
fn tail(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(super::EVIDENCE_BYTES))..]
}

#[cfg(test)]
mod tests;
