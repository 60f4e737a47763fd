//! The section task: what its answer means.
//!
//! Hard findings fail the attempt. Soft ones cost at most one re-ask; then the best candidate is accepted and its flags
//! are stored (DESIGN 4).

use crate::call::{ChatAnswer, Finish};
use crate::clean::{clean_section, trim_echo};
use crate::config::{Mode, TextConfig};
use crate::failure::ErrorCode;
use crate::gates::section::{self, Hard, SectionInput, Soft, Verdict};
use crate::gates::{Finding, KeptGrams};
use crate::ids::{AttemptId, Hash};
use crate::manuscript::Manuscript;
use crate::task::{ClaimedTask, Hint, KeptAnswer};
use crate::truncation::{PromptSize, suspicion};

/// What an answer to a section task means.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// A text to accept.
    Accept(Accepted),
    /// Ask again, or give up: the retry policy decides.
    Refuse {
        /// The code.
        code: ErrorCode,
        /// Words for a person: the evidence.
        message: String,
        /// For the next try.
        hint: Hint,
        /// The answer, to be kept.
        kept: KeptAnswer,
    },
}

/// An accepted text.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The text, cleaned.
    pub text: String,
    /// Words by the sample's counter.
    pub words: u32,
    /// Codes of the soft gates that it failed.
    pub flags: Vec<String>,
    /// The attempt whose answer it is.
    pub origin: AttemptId,
    /// The chain's head after it.
    pub chain: Hash,
    /// Its n-grams, for [`Manuscript::remember_grams`].
    pub grams: KeptGrams,
    /// The answer of the attempt at hand, where it must be kept.
    pub kept: Option<KeptAnswer>,
}

/// A text that was an echo up to less than this part of its target cannot be mended by trimming.
const LEAST_AFTER_ECHO: u32 = 4;
/// A text of less than this part of its target is none.
const LEAST: u32 = 10;

/// One judged text.
struct Judged {
    text: String,
    words: u32,
    changed: bool,
    verdict: Verdict,
}

/// Decides what the answer means. `prompt_bytes` is the size of the request's messages, `plan_prompt` the size of the plan
/// call's, `attempts` the limit of counted failures.
pub fn judge(
    manuscript: &Manuscript,
    config: &TextConfig,
    task: &ClaimedTask,
    answer: &ChatAnswer,
    prompt_bytes: usize,
    attempts: u32,
) -> Written {
    let reask = task.hint.fault.clone();
    if let Some(message) = truncated(manuscript, config.mode, answer, prompt_bytes) {
        let kept = keep(answer, ErrorCode::PromptTruncated.as_str(), &message, false, reask);
        return Written::Refuse { code: ErrorCode::PromptTruncated, message, hint: task.hint.clone(), kept };
    }
    let judged = judge_text(manuscript, config, task.key.place, &answer.text, answer.finish, answer.had_reasoning);
    if let Some(hard) = &judged.verdict.hard {
        let kept = keep(answer, hard.kind.code(), &hard.evidence, false, reask);
        return match best_candidate(manuscript, config, task) {
            Some((origin, best)) if task.hint.asked_again => {
                Written::Accept(accept(manuscript, config.mode, best, origin, Some(kept)))
            }
            _ => Written::Refuse {
                code: hard.kind.error(),
                message: hard.evidence.clone(),
                hint: hint_after(hard, task),
                kept,
            },
        };
    }
    if let Some(soft) = judged.verdict.soft.first() {
        let may_ask = !task.hint.asked_again && task.failures + 1 < attempts;
        let kept = keep(answer, soft.kind.code(), &soft.evidence, true, reask);
        if may_ask {
            let fault = fault_text(&judged, manuscript.target(task.key.place));
            let hint = Hint { fault: Some(fault), asked_again: true, ..task.hint.clone() };
            return Written::Refuse { code: soft.kind.error(), message: soft.evidence.clone(), hint, kept };
        }
        let own = (task.attempt.clone(), judged);
        let (origin, best) = match best_candidate(manuscript, config, task) {
            // An earlier answer wins a tie: it was given to the plain prompt.
            Some((origin, earlier)) if earlier.verdict.badness <= own.1.verdict.badness => (origin, earlier),
            _ => own,
        };
        return Written::Accept(accept(manuscript, config.mode, best, origin, Some(kept)));
    }
    let kept = judged.changed.then(|| keep(answer, "cleaned", "", false, reask));
    Written::Accept(accept(manuscript, config.mode, judged, task.attempt.clone(), kept))
}

fn truncated(manuscript: &Manuscript, mode: Mode, answer: &ChatAnswer, prompt_bytes: usize) -> Option<String> {
    if !answer.usage.reported {
        return None;
    }
    let now = PromptSize { bytes: prompt_bytes, tokens: answer.usage.prompt_tokens };
    let in_chain = mode == Mode::Serial && manuscript.last_text_bytes() > 0;
    let previous = manuscript
        .context
        .last_prompt_tokens
        .filter(|_| in_chain)
        .map(|tokens| PromptSize { bytes: prompt_bytes.saturating_sub(manuscript.last_text_bytes()), tokens });
    suspicion(previous, now)
}

fn judge_text(
    manuscript: &Manuscript,
    config: &TextConfig,
    place: u32,
    raw: &str,
    finish: Finish,
    had_reasoning: bool,
) -> Judged {
    let cleaned = clean_section(raw);
    let line = manuscript.lines().get(place as usize).map_or("", String::as_str);
    let (text, trimmed) = trim_echo(&cleaned.text, manuscript.tail(config.mode), line);
    let words = u32::try_from(manuscript.counter().count(&text)).unwrap_or(u32::MAX);
    let empty = crate::gates::NgramIndex::new();
    let mut verdict = section::check(
        &SectionInput {
            text: &text,
            words,
            target_words: manuscript.target(place),
            last: place + 1 == manuscript.places(),
            finish,
            plan_lines: manuscript.lines(),
            earlier: if config.mode == Mode::Serial { manuscript.index() } else { &empty },
            earlier_tail: manuscript.tail(config.mode),
            expected_language: manuscript.language(),
            had_reasoning: had_reasoning || cleaned.reasoning,
        },
        &config.section_policy,
    );
    // A few words are no section, and must never be the best of several answers either.
    let least = if trimmed { LEAST_AFTER_ECHO } else { LEAST };
    if config.section_policy.length && words.saturating_mul(least) < manuscript.target(place) {
        let kind = if trimmed { Hard::TextEcho } else { Hard::Empty };
        verdict.hard.get_or_insert_with(|| Finding::new(kind, &text));
    }
    let changed = trimmed || text != raw;
    Judged { text, words, changed, verdict }
}

/// The best of the stored answers that failed a soft gate only, judged again by the same rules.
fn best_candidate(manuscript: &Manuscript, config: &TextConfig, task: &ClaimedTask) -> Option<(AttemptId, Judged)> {
    let judged = manuscript.context.candidates.iter().map(|candidate| {
        let judged = judge_text(manuscript, config, task.key.place, &candidate.raw, Finish::Stop, false);
        (candidate.attempt.clone(), judged)
    });
    judged
        .filter(|(_, judged)| judged.verdict.hard.is_none())
        .min_by(|(_, a), (_, b)| a.verdict.badness.total_cmp(&b.verdict.badness))
}

fn accept(
    manuscript: &Manuscript,
    mode: Mode,
    judged: Judged,
    origin: AttemptId,
    kept: Option<KeptAnswer>,
) -> Accepted {
    Accepted {
        chain: manuscript.head_after(&judged.text, mode),
        words: judged.words,
        flags: judged.verdict.soft.iter().map(|finding| finding.kind.code().to_owned()).collect(),
        text: judged.text,
        grams: judged.verdict.grams,
        origin,
        kept,
    }
}

fn keep(answer: &ChatAnswer, gate: &str, evidence: &str, candidate: bool, reask: Option<String>) -> KeptAnswer {
    KeptAnswer { raw: answer.text.clone(), gate: gate.to_owned(), evidence: evidence.to_owned(), candidate, reask }
}

/// A cut answer gets more room; an echo or a loop is named. Everything else is asked again as it was, with another seed.
fn hint_after(hard: &Finding<Hard>, task: &ClaimedTask) -> Hint {
    let mut hint = task.hint.clone();
    match hard.kind {
        Hard::Cut => hint.doublings += 1,
        Hard::PlanEcho => hint.fault = Some("it repeated the outline instead of writing the part.".to_owned()),
        Hard::TextEcho => hint.fault = Some("it repeated text that was written already.".to_owned()),
        Hard::Loop => hint.fault = Some("it repeated the same sentences again and again.".to_owned()),
        Hard::Empty | Hard::ContentFilter | Hard::Refusal | Hard::ProviderError | Hard::LeakedReasoning => {}
    }
    hint
}

fn fault_text(judged: &Judged, target: u32) -> String {
    let parts: Vec<String> = judged
        .verdict
        .soft
        .iter()
        .map(|finding| match finding.kind {
            Soft::Length => format!("it had {} words where about {target} are asked for.", judged.words),
            Soft::Recap => "it ended with a summary although more parts follow.".to_owned(),
            Soft::Repetition => "it repeated whole phrases.".to_owned(),
            Soft::Language => format!("it was not in the language asked for ({}).", finding.evidence),
            Soft::Chatter => "it spoke to the reader of the request instead of giving the text alone.".to_owned(),
        })
        .collect();
    parts.join(" Also, ")
}
