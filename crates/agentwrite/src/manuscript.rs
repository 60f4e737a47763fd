//! A sample as its writer holds it: the context with everything that is derived from it once and grows with each section.

use std::sync::Arc;

use crate::call::{ChatRequest, Message};
use crate::chain;
use crate::clean;
use crate::config::{Mode, TextConfig};
use crate::continuation::{SoFar, part_hash};
use crate::gates::{KeptGrams, NgramIndex, WordHashes};
use crate::ids::{AttemptId, Hash};
use crate::language::{Language, requested_language};
use crate::plan::Plan;
use crate::prompts::{GO_ON, Prompts, WriteParts};
use crate::sample::{Candidate, Input, SampleContext, Section};
use crate::task::{ClaimedTask, Hint, TaskKey};
use crate::words::WordCounter;

/// How many bytes of the earlier text gates look at for a repeated ending.
const TAIL_BYTES: usize = 2_000;

/// A sample in work.
#[derive(Debug, Clone)]
pub struct Manuscript {
    /// Input, plan, accepted sections.
    pub context: SampleContext,
    plan_text: String,
    lines: Vec<String>,
    /// The accepted texts, held once: requests share them, and a writer with a thousand samples in work has no room for
    /// two copies.
    texts: Vec<Arc<str>>,
    index: NgramIndex,
    /// N-grams of the text that was judged last, under the chain's head that it would make.
    judged: Option<(Hash, KeptGrams)>,
    head: Hash,
    language: Option<Language>,
    counter: WordCounter,
}

/// The language that the input asks for.
pub fn expected_language(context: &SampleContext) -> Option<Language> {
    expected_language_of(&context.input)
}

/// The language that an input asks for.
pub fn expected_language_of(input: &Input) -> Option<Language> {
    match &input.language {
        Some(code) => Language::from_code(code),
        None => requested_language(input.instruction()),
    }
}

impl Manuscript {
    /// Derives everything from a context. `head` is the chain's head that the context stands for.
    pub fn new(mut context: SampleContext, head: Hash) -> Self {
        let language = expected_language(&context);
        let counter = WordCounter::for_language(language.map_or("en", Language::code));
        let plan = context.plan.clone();
        let mut manuscript = Self {
            plan_text: plan.as_ref().map_or(String::new(), Plan::render),
            lines: plan
                .as_ref()
                .map_or(Vec::new(), |plan| (0..plan.steps.len()).map(|index| plan.line(index)).collect()),
            texts: context.sections.iter_mut().map(|section| std::mem::take(&mut section.text).into()).collect(),
            index: NgramIndex::new(),
            judged: None,
            head,
            language,
            counter,
            context,
        };
        for text in &manuscript.texts {
            manuscript.index.add(&WordHashes::of(text));
        }
        manuscript
    }

    /// Whether a claimed task continues exactly this manuscript: same sample, same revision, same standing text, and the
    /// parts that the task's next call goes on with.
    pub fn continues(&self, task: &ClaimedTask, mode: Mode) -> bool {
        self.stands_for(&task.key)
            && task.context_hash == self.head
            && mode == Mode::Serial
            && (task.hint.parts.is_empty() || self.so_far(&task.hint).is_some())
    }

    /// The answer that the next call goes on with. None if there is none, or if a part that the hint names is not at hand.
    pub fn so_far(&self, hint: &Hint) -> Option<SoFar> {
        let at_hand: Vec<(Hash, &str)> =
            self.context.parts.iter().map(|part| (part_hash(&part.raw), part.raw.as_str())).collect();
        let named =
            hint.parts.iter().map(|hash| at_hand.iter().find(|(at_hand, _)| at_hand == hash).map(|(_, raw)| *raw));
        let parts = named.collect::<Option<Vec<&str>>>().filter(|parts| !parts.is_empty())?;
        SoFar::of(&parts).ok()
    }

    /// Takes in a part, so that the slot which got it can go on with it.
    pub fn add_part(&mut self, attempt: AttemptId, raw: String) {
        self.context.parts.push(Candidate { attempt, raw });
    }

    fn stands_for(&self, key: &TaskKey) -> bool {
        self.context.run == key.run
            && self.context.sample.as_str() == key.subject
            && self.context.revision == key.revision
            && self.texts.len() == key.place as usize
    }

    /// Keeps the n-grams of a text that is about to be accepted, so that [`accept`](Self::accept) need not make them again.
    /// `chain` is the head after that text.
    pub fn remember_grams(&mut self, chain: Hash, grams: KeptGrams) {
        self.judged = Some((chain, grams));
    }

    /// Takes in a section that was accepted, and the tokens of the prompt that it answered.
    pub fn accept(&mut self, section: Section, chain: Hash, prompt_tokens: Option<u64>) {
        match self.judged.take() {
            Some((judged, grams)) if judged == chain => self.index.add_grams(&grams),
            _ => self.index.add(&WordHashes::of(&section.text)),
        }
        self.texts.push(section.text.into());
        self.context.candidates.clear();
        if self.context.parts.is_empty() {
            self.context.last_prompt_tokens = prompt_tokens;
        }
        self.context.parts.clear();
        self.head = chain;
    }

    /// The chain's head after one more section.
    pub fn head_after(&self, text: &str, mode: Mode) -> Hash {
        match mode {
            Mode::Serial => chain::with_section(self.head, text),
            Mode::Parallel => self.head,
        }
    }

    /// The words of the plan's step.
    pub fn target(&self, place: u32) -> u32 {
        let step = self.context.plan.as_ref().and_then(|plan| plan.steps.get(place as usize));
        step.map_or(0, |step| step.words)
    }

    /// Number of steps.
    pub fn places(&self) -> u32 {
        self.lines.len() as u32
    }

    /// The word counter of the sample's language.
    pub fn counter(&self) -> WordCounter {
        self.counter
    }

    /// The language asked for.
    pub fn language(&self) -> Option<Language> {
        self.language
    }

    /// The plan's lines.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// N-grams of the earlier text (serial mode).
    pub fn index(&self) -> &NgramIndex {
        &self.index
    }

    /// The end of the text before `place`; empty in parallel mode, where no section sees another.
    pub fn tail(&self, mode: Mode) -> &str {
        let text = match mode {
            Mode::Serial => self.texts.last().map_or("", |text| &**text),
            Mode::Parallel => "",
        };
        &text[text.floor_char_boundary(text.len().saturating_sub(TAIL_BYTES))..]
    }

    /// Bytes of the accepted text before the last section: what the previous prompt held.
    pub fn last_text_bytes(&self) -> usize {
        self.texts.last().map_or(0, |text| text.len())
    }

    /// The request for the section at `place`.
    pub fn request(&self, config: &TextConfig, prompts: &Prompts, task: &ClaimedTask) -> ChatRequest {
        let place = task.key.place as usize;
        let earlier: &[Arc<str>] = match config.mode {
            Mode::Serial => &self.texts,
            Mode::Parallel => &[],
        };
        let mut messages = prompts.write(&WriteParts {
            context: self.context.input.context(),
            instruction: self.context.input.instruction(),
            plan: &self.plan_text,
            lines: &self.lines,
            earlier,
            step: place,
            fault: task.hint.fault.as_deref(),
        });
        let go_on = self.so_far(&task.hint).map(|so_far| {
            messages.push(Message::assistant(so_far.text));
            GO_ON.to_owned()
        });
        let role = &config.write;
        ChatRequest {
            model: self.context.model.clone().unwrap_or_else(|| role.model.clone()),
            messages,
            go_on,
            temperature: role.temperature,
            top_p: role.top_p,
            max_tokens: token_limit(self.target(task.key.place), self.language, role.max_tokens, task.hint.doublings)
                + role.reasoning_tokens,
            seed: request_seed(config.seed, task),
            schema: None,
            extra_body: role.extra_body.clone(),
            affinity: self.context.sample.as_str().to_owned(),
        }
    }

    /// The whole text as it stands.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.texts.iter().map(|text| &**text).collect();
        clean::join(&texts)
    }
}

/// Tokens that a text of so many words needs, generously: 1.4 a word, 1.6 a character of Chinese and its neighbours.
pub fn tokens_for(words: u32, language: Option<Language>) -> u64 {
    let per_hundred = match language.map(Language::code) {
        Some("zh" | "ja" | "ko" | "th") => 160,
        Some("en") | None => 140,
        Some(_) => 250,
    };
    u64::from(words) * per_hundred / 100
}

/// Three times the target in tokens, at least 1,024, at most the role's limit; doubled after each cut answer, up to 8 times.
fn token_limit(words: u32, language: Option<Language>, most: u32, doublings: u32) -> u32 {
    let wanted = (3 * tokens_for(words, language)).clamp(1_024.min(u64::from(most)), u64::from(most)) as u32;
    wanted.saturating_mul(1 << doublings.min(3))
}

/// The request seed: another one after each answer that failed a gate, the same one after a crash. 31 bits, which every
/// server takes.
pub fn request_seed(seed: u64, task: &ClaimedTask) -> u64 {
    let key = &task.key;
    let parts = [
        seed.to_string(),
        key.kind.as_str().to_owned(),
        key.subject.clone(),
        key.place.to_string(),
        key.revision.to_string(),
        task.bad_answers.to_string(),
    ];
    Hash::of("request seed", &parts).to_u64() & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::section::{SectionInput, SectionPolicy, check};
    use crate::ids::{AttemptId, RunId, SampleId};

    const TEXT: &str = "The harbour was built before the town, and the town grew around it for a hundred years, street by \
                        street, until nobody could say where the one ended and the other began, or which had been first. ";

    fn manuscript() -> Manuscript {
        let input = Input { messages: Vec::new(), length: None, language: None, variant: 0, id: None, meta: None };
        let context = SampleContext {
            run: RunId::new("run_1"),
            sample: SampleId::new("smp_1"),
            ordinal: 0,
            input,
            revision: 0,
            config_version: 1,
            model: None,
            plan: None,
            sections: Vec::new(),
            candidates: Vec::new(),
            parts: Vec::new(),
            last_prompt_tokens: None,
        };
        Manuscript::new(context, Hash::of("test", &["head"]))
    }

    fn grams(text: &str) -> KeptGrams {
        let input = SectionInput {
            text,
            words: 0,
            target_words: 0,
            last: true,
            finish: crate::call::Finish::Stop,
            plan_lines: &[],
            earlier: &NgramIndex::new(),
            earlier_tail: "",
            expected_language: None,
            had_reasoning: false,
        };
        check(&input, &SectionPolicy::default()).grams
    }

    fn accept(manuscript: &mut Manuscript, text: &str) {
        let section =
            Section { place: 0, text: text.to_owned(), words: 0, flags: Vec::new(), attempt: AttemptId::new("att_1") };
        let chain = manuscript.head_after(text, Mode::Serial);
        manuscript.accept(section, chain, None);
    }

    #[test]
    fn remembered_grams_are_those_of_the_text_and_never_of_another() {
        let (text, other) = (TEXT.to_owned(), TEXT.replace(' ', " x "));
        let mut plain = manuscript();
        accept(&mut plain, &text);
        assert!(!plain.index().is_empty());

        let mut remembering = manuscript();
        remembering.remember_grams(remembering.head_after(&text, Mode::Serial), grams(&text));
        accept(&mut remembering, &text);
        assert_eq!(remembering.index(), plain.index());

        let mut mistaken = manuscript();
        mistaken.remember_grams(mistaken.head_after(&other, Mode::Serial), grams(&other));
        accept(&mut mistaken, &text);
        assert_eq!(mistaken.index(), plain.index());
    }
}
