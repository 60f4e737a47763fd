//! The section task: what its answer means.
//!
//! Hard findings fail the attempt. Soft ones cost at most one re-ask; then the best candidate is accepted and its flags
//! are stored (DESIGN 4). An answer that was cut for its length is a part, which the next call continues, unless the gates
//! already see in it what no continuation mends.

use std::borrow::Cow;

use crate::call::{ChatAnswer, Finish};
use crate::clean::{clean_section, trim_echo};
use crate::config::{Mode, TextConfig};
use crate::continuation::{self, JOINED, PART, SoFar, part_hash};
use crate::failure::ErrorCode;
use crate::gates::section::{self, Hard, SectionInput, Soft, Verdict};
use crate::gates::{Finding, KeptGrams};
use crate::ids::{AttemptId, Hash};
use crate::manuscript::Manuscript;
use crate::prompts::GO_ON;
use crate::task::{ClaimedTask, Hint, KeptAnswer};
use crate::truncation::{PromptSize, suspicion};

/// What an answer to a section task means.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// A text to accept.
    Accept(Accepted),
    /// A part of a text: keep it, and let the next call continue it.
    Continue {
        /// Words for a person: how much there is.
        message: String,
        /// For the next try.
        hint: Hint,
        /// The part.
        kept: KeptAnswer,
    },
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

/// Decides what the answer means. `prompt_bytes` is the size of the request's messages, `attempts` the limit of counted
/// failures.
pub fn judge(
    manuscript: &Manuscript,
    config: &TextConfig,
    task: &ClaimedTask,
    answer: &ChatAnswer,
    prompt_bytes: usize,
    attempts: u32,
) -> Written {
    let case = Case { manuscript, config, task, answer, so_far: manuscript.so_far(&task.hint) };
    if let Some(message) = case.truncated(prompt_bytes) {
        let kept = case.keep(&answer.text, ErrorCode::PromptTruncated.as_str(), &message, false);
        return Written::Refuse { code: ErrorCode::PromptTruncated, message, hint: task.hint.clone(), kept };
    }
    let whole = match case.whole() {
        Ok(whole) => whole,
        Err(hard) => return case.refuse(&hard),
    };
    if let Some(written) = case.part(&whole) {
        return written;
    }
    let judged = case.judge_text(&whole, answer.finish, answer.had_reasoning);
    if let Some(hard) = &judged.verdict.hard {
        return case.refuse(hard);
    }
    if let Some(soft) = judged.verdict.soft.first() {
        let may_ask = !task.hint.asked_again && task.failures + 1 < attempts;
        let kept = case.keep(&whole, soft.kind.code(), &soft.evidence, true);
        if may_ask {
            let fault = fault_text(&judged, manuscript.target(task.key.place));
            let hint = Hint { fault: Some(fault), asked_again: true, ..case.fresh_hint() };
            return Written::Refuse { code: soft.kind.error(), message: soft.evidence.clone(), hint, kept };
        }
        let own = (task.attempt.clone(), judged);
        let (origin, best) = match case.best_candidate() {
            // An earlier answer wins a tie: it was given to the plain prompt.
            Some((origin, earlier)) if earlier.verdict.badness <= own.1.verdict.badness => (origin, earlier),
            _ => own,
        };
        return Written::Accept(case.accept(best, origin, Some(kept)));
    }
    let kept = match &case.so_far {
        Some(_) => Some(case.keep(&answer.text, JOINED, "", false)),
        None => judged.changed.then(|| case.keep(&answer.text, "cleaned", "", false)),
    };
    Written::Accept(case.accept(judged, task.attempt.clone(), kept))
}

/// One answer with all that it is judged by.
struct Case<'a> {
    manuscript: &'a Manuscript,
    config: &'a TextConfig,
    task: &'a ClaimedTask,
    answer: &'a ChatAnswer,
    /// What the answer continues.
    so_far: Option<SoFar>,
}

impl Case<'_> {
    fn truncated(&self, prompt_bytes: usize) -> Option<String> {
        if !self.answer.usage.reported {
            return None;
        }
        let now = PromptSize { bytes: prompt_bytes, tokens: self.answer.usage.prompt_tokens };
        let (manuscript, mode) = (self.manuscript, self.config.mode);
        let in_chain = mode == Mode::Serial && manuscript.last_text_bytes() > 0;
        // What a continuing call adds is no part of the chain.
        let added = self.so_far.as_ref().map_or(0, |so_far| so_far.text.len() + GO_ON.len());
        let less = manuscript.last_text_bytes() + added;
        let previous = manuscript
            .context
            .last_prompt_tokens
            .filter(|_| in_chain)
            .map(|tokens| PromptSize { bytes: prompt_bytes.saturating_sub(less), tokens });
        suspicion(previous, now)
    }

    /// The answer joined to what it continues. A continuing answer must be sound by itself first: a refusal or an error
    /// behind a long text is none that a gate on the whole text would see.
    fn whole(&self) -> Result<Cow<'_, str>, Finding<Hard>> {
        let Some(so_far) = &self.so_far else { return Ok(Cow::Borrowed(&self.answer.text)) };
        let alone = self.judge_text(&self.answer.text, Finish::Stop, self.answer.had_reasoning);
        if let Some(hard) = alone.verdict.hard.filter(|hard| !matches!(hard.kind, Hard::Empty | Hard::Cut)) {
            return Err(hard);
        }
        so_far.join(&self.answer.text).map(Cow::Owned).map_err(|back| {
            Finding::new(Hard::Cut, &format!("its continuation went back instead of on: {}", back.evidence))
        })
    }

    /// What a cut answer means while it may be continued: it is, unless a gate sees in it what no continuation mends. That
    /// costs an attempt, also where the gate is a soft one, since a cut text is no candidate. None if the answer is not cut,
    /// has too little to go on from, or was continued often enough.
    fn part(&self, whole: &str) -> Option<Written> {
        let parts = self.so_far.as_ref().map_or(&[][..], |_| &self.task.hint.parts);
        if self.answer.finish != Finish::Length || parts.len() >= continuation::MOST {
            return None;
        }
        let healed = SoFar::of(&[whole]).ok()?;
        let mut judged = self.judge_text(&healed.text, Finish::Stop, self.answer.had_reasoning);
        let target = self.manuscript.target(self.task.key.place);
        if judged.words == 0 || judged.words.saturating_mul(LEAST) < target {
            return None;
        }
        if let Some(hard) = judged.verdict.hard.as_ref().filter(|hard| hard.kind != Hard::Cut) {
            return Some(self.refuse(hard));
        }
        // What a text lacks, and how it ends, is for the whole to show.
        let may_mend = |kind| kind == Soft::Recap || (kind == Soft::Length && judged.words < target);
        judged.verdict.soft.retain(|finding| !may_mend(finding.kind));
        if let Some(soft) = judged.verdict.soft.first() {
            let hint = Hint { fault: Some(fault_text(&judged, target)), ..self.fresh_hint() };
            return Some(self.give_up(soft.kind.error(), &soft.evidence, hint));
        }
        let message = format!("cut after {} words; the next call goes on", judged.words);
        let raw = &self.answer.text;
        let hint = Hint { parts: [parts, &[part_hash(raw)]].concat(), ..self.task.hint.clone() };
        let kept = self.keep(raw, PART, &message, false);
        Some(Written::Continue { message, hint, kept })
    }

    fn refuse(&self, hard: &Finding<Hard>) -> Written {
        self.give_up(hard.kind.error(), &hard.evidence, hint_after(hard, self.fresh_hint()))
    }

    /// The answer is no good; what a re-ask was made for may still be.
    fn give_up(&self, code: ErrorCode, evidence: &str, hint: Hint) -> Written {
        let kept = self.keep(&self.answer.text, code.as_str(), evidence, false);
        match self.best_candidate() {
            Some((origin, best)) if self.task.hint.asked_again => {
                Written::Accept(self.accept(best, origin, Some(kept)))
            }
            _ => Written::Refuse { code, message: evidence.to_owned(), hint, kept },
        }
    }

    /// The hint of a try that begins anew. An answer that was continued in vain gets more room.
    fn fresh_hint(&self) -> Hint {
        let hint = self.task.hint.clone();
        let doublings = hint.doublings + u32::from(self.so_far.is_some());
        Hint { parts: Vec::new(), doublings, ..hint }
    }

    fn judge_text(&self, raw: &str, finish: Finish, had_reasoning: bool) -> Judged {
        let (manuscript, config, place) = (self.manuscript, self.config, self.task.key.place);
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
    fn best_candidate(&self) -> Option<(AttemptId, Judged)> {
        let judged = self
            .manuscript
            .context
            .candidates
            .iter()
            .map(|candidate| (candidate.attempt.clone(), self.judge_text(&candidate.raw, Finish::Stop, false)));
        judged
            .filter(|(_, judged)| judged.verdict.hard.is_none())
            .min_by(|(_, a), (_, b)| a.verdict.badness.total_cmp(&b.verdict.badness))
    }

    fn accept(&self, judged: Judged, origin: AttemptId, kept: Option<KeptAnswer>) -> Accepted {
        Accepted {
            chain: self.manuscript.head_after(&judged.text, self.config.mode),
            words: judged.words,
            flags: judged.verdict.soft.iter().map(|finding| finding.kind.code().to_owned()).collect(),
            text: judged.text,
            grams: judged.verdict.grams,
            origin,
            kept,
        }
    }

    fn keep(&self, raw: &str, gate: &str, evidence: &str, candidate: bool) -> KeptAnswer {
        KeptAnswer {
            raw: raw.to_owned(),
            gate: gate.to_owned(),
            evidence: evidence.to_owned(),
            candidate,
            reask: self.task.hint.fault.clone(),
        }
    }
}

/// A cut answer gets more room; an echo or a loop is named. Everything else is asked again as it was, with another seed.
fn hint_after(hard: &Finding<Hard>, mut hint: Hint) -> Hint {
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

#[cfg(test)]
mod tests;
