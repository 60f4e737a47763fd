//! Prompts as templates: single-pass substitution, versioned by the hash of their bytes.
//!
//! The part of a write prompt before its step tail grows only at its end, byte for byte, from one section to the next,
//! so that an endpoint's prefix cache serves it (LongWriter paper, section 3.1; the order of the released `write.txt`:
//! preamble, instruction, plan, text so far, step). [`WriteTemplate::parse`] refuses a template that would break this.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::call::Message;
use crate::ids::Hash;
use crate::rope::Rope;

/// How the growing text is laid out in a write prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// The paper's: one user message that holds all earlier text.
    #[default]
    Paper,
    /// Earlier sections stand as assistant turns: append-only, for endpoints that cache whole messages.
    Turns,
}

/// The built-in plan prompt, for plans as text.
pub const PLAN: &str = "\
You are preparing a long piece of writing. Read the writing instruction and break the work into parts that will be \
written one after another; each part will become one section of the finished text.

Writing instruction:
{instruction}

List the parts, one per line, with an empty line between them, each in exactly this form:

Paragraph 1 - Main Point: what this part says, concretely and in detail - Word Count: 400 words

Paragraph 2 - Main Point: what the next part says, concretely and in detail - Word Count: 800 words

Make every part clear and specific, and make sure that together they do everything the instruction asks for. Give each \
part between 200 and 1000 words: do not split the work more finely than that.{total} Write the main points in the \
language of the finished text. Answer with the list and nothing else.";

/// The built-in plan prompt, for plans by JSON schema.
pub const PLAN_JSON: &str = "\
You are preparing a long piece of writing. Read the writing instruction and break the work into parts that will be \
written one after another; each part will become one section of the finished text.

Writing instruction:
{instruction}

Answer with one JSON object of the form {\"steps\": [{\"main_point\": \"what this part says, concretely and in \
detail\", \"words\": 400}]}, the steps in the order of writing.

Make every part clear and specific, and make sure that together they do everything the instruction asks for. Give each \
part between 200 and 1000 words: do not split the work more finely than that.{total} Write the main points in the \
language of the finished text. Answer with the JSON object and nothing else.";

/// The built-in write prompt for [`Layout::Paper`].
pub const WRITE: &str = "\
You are an author at work on one long piece of writing, a part at a time. You are given the writing instruction, the \
outline of the whole piece, and the text that has been written so far. Continue it with the next part.

Writing instruction:
{instruction}

Outline:
{plan}

Text so far:
{text}

Write the following part of the outline now:
{step}

Answer with the text of this part only; a short heading before it is fine where the piece has headings. Keep the \
language, the voice and the form of the text so far, and do not say again what it already says. {note}";

/// The built-in write prompt for [`Layout::Turns`].
pub const WRITE_TURNS: &str = "\
You are an author at work on one long piece of writing, a part at a time. You are given the writing instruction and the \
outline of the whole piece; then you are asked for its parts, one after another.

Writing instruction:
{instruction}

Outline:
{plan}

{text}Write the following part of the outline now:
{step}

Answer with the text of this part only; a short heading before it is fine where the piece has headings. Keep the \
language, the voice and the form of the text so far, and do not say again what it already says. {note}";

/// The built-in suffix of a re-ask: stands after the unchanged prompt, for that one call.
pub const REASK: &str = "\n\nAn earlier answer could not be used: {fault} Answer again, and mend this.";

/// The turn that asks for the rest of a cut answer, where the endpoint cannot take the answer's beginning as its own.
pub const GO_ON: &str = "\
Your text stops there only because an answer may not be longer. Go on with it exactly where it stops: begin with the next \
sentence, keep its language, voice and form, do not say again anything that stands there, and bring this part to the end \
that you were asked for. Answer with the rest of the text only.";

/// `{note}` while more parts follow (the paper's authors added such a sentence on 2024-09-27).
pub const NOTE_MORE: &str =
    "More parts follow, so do not end with a summary, a conclusion, or a sentence that announces what comes next.";
/// `{note}` for the last part.
pub const NOTE_LAST: &str = "This is the last part: bring the piece to its end.";

/// A template cut into literal pieces and placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Slot(String),
}

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A placeholder that this prompt does not know.
    #[error("prompt {prompt}: unknown placeholder {{{slot}}}; it may use {allowed}")]
    UnknownSlot {
        /// Which prompt.
        prompt: &'static str,
        /// The placeholder found.
        slot: String,
        /// Those it may use.
        allowed: String,
    },
    /// A placeholder that must stand in the prompt exactly once.
    #[error("prompt {prompt}: {{{slot}}} must stand in it exactly once, found {found}")]
    SlotCount {
        /// Which prompt.
        prompt: &'static str,
        /// The placeholder.
        slot: &'static str,
        /// How often it was found.
        found: usize,
    },
    /// Something that changes per call stands before the growing text.
    #[error(
        "prompt {prompt}: {{{slot}}} changes with every call and must come after {{text}}, or no prefix cache can hit"
    )]
    BeforeText {
        /// Which prompt.
        prompt: &'static str,
        /// The placeholder that comes too early.
        slot: &'static str,
    },
}

impl Template {
    /// Cuts a template at its `{word}` placeholders; braces around anything but a lower-case word are literal text.
    pub fn parse(source: &str) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(open) = rest.find('{') {
            let after = &rest[open + 1..];
            let word = after.find('}').map(|close| &after[..close]);
            match word.filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase())) {
                Some(word) => {
                    literal.push_str(&rest[..open]);
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(Piece::Slot(word.to_owned()));
                    rest = &after[word.len() + 1..];
                }
                None => {
                    literal.push_str(&rest[..=open]);
                    rest = after;
                }
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Self { pieces }
    }

    /// Fills the placeholders in one pass: what is filled in is never read for placeholders again.
    pub fn render(&self, fill: impl Fn(&str) -> String) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Slot(slot) => out.push_str(&fill(slot)),
            }
        }
        out
    }

    /// Reads back what a rendered prompt was filled with: literals up to `pivot` are searched from the front, those after
    /// it from the back, so that the growing text may contain anything. `None` if the prompt is not of this template.
    pub fn extract<'a>(&self, prompt: &'a str, pivot: &str) -> Option<Vec<(&str, &'a str)>> {
        let cut = self.pieces.iter().position(|piece| matches!(piece, Piece::Slot(slot) if slot == pivot));
        let cut = cut.unwrap_or(self.pieces.len());
        let (mut found, mut rest) = (Vec::new(), prompt);
        let mut open: Option<&str> = None;
        for piece in &self.pieces[..cut] {
            match (piece, open.take()) {
                (Piece::Literal(text), None) => rest = rest.strip_prefix(text.as_str())?,
                (Piece::Literal(text), Some(slot)) => {
                    let at = rest.find(text.as_str())?;
                    found.push((slot, &rest[..at]));
                    rest = &rest[at + text.len()..];
                }
                (Piece::Slot(slot), _) => open = Some(slot),
            }
        }
        let mut tail: Option<&str> = None;
        for piece in self.pieces[cut..].iter().rev() {
            match (piece, tail.take()) {
                (Piece::Literal(text), None) => rest = rest.strip_suffix(text.as_str())?,
                (Piece::Literal(text), Some(slot)) => {
                    let at = rest.rfind(text.as_str())?;
                    found.push((slot, &rest[at + text.len()..]));
                    rest = &rest[..at];
                }
                (Piece::Slot(slot), _) => tail = Some(slot),
            }
        }
        if let Some(slot) = tail.or(open) {
            found.push((slot, rest));
        } else if !rest.is_empty() {
            return None;
        }
        Some(found)
    }

    fn count(&self, slot: &str) -> usize {
        self.pieces.iter().filter(|piece| matches!(piece, Piece::Slot(name) if name == slot)).count()
    }

    fn check(&self, prompt: &'static str, once: &[&'static str], allowed: &[&str]) -> Result<(), TemplateError> {
        for piece in &self.pieces {
            if let Piece::Slot(slot) = piece
                && !allowed.contains(&slot.as_str())
            {
                let allowed = allowed.iter().map(|slot| format!("{{{slot}}}")).collect::<Vec<_>>().join(", ");
                return Err(TemplateError::UnknownSlot { prompt, slot: slot.clone(), allowed });
            }
        }
        for &slot in once {
            let found = self.count(slot);
            if found != 1 {
                return Err(TemplateError::SlotCount { prompt, slot, found });
            }
        }
        Ok(())
    }
}

/// The prompts of a run as configured: the texts themselves, frozen with the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptTexts {
    /// For plans as text.
    pub plan: String,
    /// For plans by JSON schema.
    pub plan_json: String,
    /// For sections.
    pub write: String,
    /// The suffix of a re-ask.
    pub reask: String,
    /// A system message before everything; none by default, as in the paper.
    pub system: Option<String>,
}

impl Default for PromptTexts {
    fn default() -> Self {
        Self::built_in(Layout::Paper)
    }
}

impl PromptTexts {
    /// The built-in prompts of a layout.
    pub fn built_in(layout: Layout) -> Self {
        let write = match layout {
            Layout::Paper => WRITE,
            Layout::Turns => WRITE_TURNS,
        };
        Self {
            plan: PLAN.to_owned(),
            plan_json: PLAN_JSON.to_owned(),
            write: write.to_owned(),
            reask: REASK.to_owned(),
            system: None,
        }
    }

    /// The prompt version: a hash of the prompts' bytes.
    pub fn version(&self) -> Hash {
        let system = self.system.as_deref().unwrap_or_default();
        Hash::of("prompts", &[&self.plan, &self.plan_json, &self.write, &self.reask, system])
    }
}

/// The parsed prompts of a run.
#[derive(Debug, Clone)]
pub struct Prompts {
    plan: Template,
    plan_json: Template,
    write: Template,
    reask: Template,
    system: Option<String>,
    layout: Layout,
}

/// What a write prompt is made from.
#[derive(Debug, Clone, Copy)]
pub struct WriteParts<'a> {
    /// Messages of the input before the instruction (system, earlier turns).
    pub context: &'a [Message],
    /// The instruction.
    pub instruction: &'a str,
    /// The plan as rendered text.
    pub plan: &'a str,
    /// The plan's lines, one per step.
    pub lines: &'a [String],
    /// Accepted texts of the earlier sections, in order; empty in parallel mode.
    pub earlier: &'a [Arc<str>],
    /// Index of the step to write now, from 0.
    pub step: usize,
    /// What was wrong with the last answer, for a re-ask.
    pub fault: Option<&'a str>,
}

impl Prompts {
    /// Parses and checks the prompts.
    pub fn parse(texts: &PromptTexts, layout: Layout) -> Result<Self, TemplateError> {
        let prompts = Self {
            plan: Template::parse(&texts.plan),
            plan_json: Template::parse(&texts.plan_json),
            write: Template::parse(&texts.write),
            reask: Template::parse(&texts.reask),
            system: texts.system.clone(),
            layout,
        };
        prompts.plan.check("plan", &["instruction"], &["instruction", "total"])?;
        prompts.plan_json.check("plan_json", &["instruction"], &["instruction", "total"])?;
        prompts.reask.check("reask", &["fault"], &["fault"])?;
        let slots = ["instruction", "plan", "text", "step", "note"];
        prompts.write.check("write", &["instruction", "plan", "text", "step"], &slots)?;
        prompts.check_growth()?;
        Ok(prompts)
    }

    fn check_growth(&self) -> Result<(), TemplateError> {
        for piece in &self.write.pieces {
            match piece {
                Piece::Slot(slot) if slot == "text" => return Ok(()),
                Piece::Slot(slot) if slot == "step" => {
                    return Err(TemplateError::BeforeText { prompt: "write", slot: "step" });
                }
                Piece::Slot(slot) if slot == "note" => {
                    return Err(TemplateError::BeforeText { prompt: "write", slot: "note" });
                }
                Piece::Slot(_) | Piece::Literal(_) => {}
            }
        }
        Ok(())
    }

    /// The messages of a plan call. `total` is the target length with its unit, such as `3000 words`.
    pub fn plan(
        &self,
        context: &[Message],
        instruction: &str,
        total: Option<&str>,
        json: bool,
        fault: Option<&str>,
    ) -> Vec<Message<Rope>> {
        let template = if json { &self.plan_json } else { &self.plan };
        let total = total.map_or(String::new(), |total| {
            format!(" The whole text should have about {total}, so the numbers of the parts should add up to that.")
        });
        let mut prompt = Rope::from(template.render(|slot| match slot {
            "instruction" => instruction.to_owned(),
            _ => total.clone(),
        }));
        self.add_fault(&mut prompt, fault);
        self.with_context(context, vec![Message::user(prompt)])
    }

    /// The messages of a section call.
    pub fn write(&self, parts: &WriteParts<'_>) -> Vec<Message<Rope>> {
        let messages = match self.layout {
            Layout::Paper => {
                let mut prompt = Rope::default();
                write_part(&mut prompt, &self.write.pieces, parts, parts.step, parts.earlier);
                vec![Message::user(prompt)]
            }
            Layout::Turns => self.turns(parts),
        };
        let mut messages = self.with_context(parts.context, messages);
        if let Some(last) = messages.last_mut() {
            self.add_fault(&mut last.content, parts.fault);
        }
        messages
    }

    /// Everything up to the growing text goes into the first message; the ask of each step opens its turn.
    fn turns(&self, parts: &WriteParts<'_>) -> Vec<Message<Rope>> {
        let cut = self.write.pieces.iter().position(|piece| matches!(piece, Piece::Slot(slot) if slot == "text"));
        let (opening, ask) = self.write.pieces.split_at(cut.unwrap_or(0));
        let mut messages = Vec::with_capacity(parts.earlier.len() * 2 + 1);
        for step in 0..=parts.step {
            let mut prompt = Rope::default();
            if step == 0 {
                write_part(&mut prompt, opening, parts, step, &[]);
            }
            write_part(&mut prompt, ask, parts, step, &[]);
            messages.push(Message::user(prompt));
            if step < parts.step {
                let mut said = Rope::default();
                parts.earlier.get(step).into_iter().for_each(|text| said.push_shared(text));
                messages.push(Message::assistant(said));
            }
        }
        messages
    }

    fn add_fault(&self, prompt: &mut Rope, fault: Option<&str>) {
        if let Some(fault) = fault {
            prompt.push_str(&self.reask.render(|_| fault.to_owned()));
        }
    }

    /// The run's system text joins the input's system message: many servers take only one.
    fn with_context(&self, context: &[Message], messages: Vec<Message<Rope>>) -> Vec<Message<Rope>> {
        let mut all = Vec::with_capacity(context.len() + messages.len() + 1);
        let mut context = context.iter();
        if let Some(system) = &self.system {
            let mut words = system.clone();
            if let Some(first) = context.as_slice().first().filter(|first| first.role == crate::call::Role::System) {
                words.push_str("\n\n");
                words.push_str(&first.content);
                context.next();
            }
            all.push(Message { role: crate::call::Role::System, content: words.into() });
        }
        all.extend(context.map(|said| Message { role: said.role, content: said.content.as_str().into() }));
        all.extend(messages);
        all
    }
}

/// Fills the placeholders of these pieces; `earlier` stands where the growing text belongs, shared and not copied.
fn write_part(out: &mut Rope, pieces: &[Piece], parts: &WriteParts<'_>, step: usize, earlier: &[Arc<str>]) {
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => out.push_str(literal),
            Piece::Slot(slot) => match slot.as_str() {
                "instruction" => out.push_str(parts.instruction),
                "plan" => out.push_str(parts.plan),
                "text" => push_joined(out, earlier),
                "step" => out.push_str(parts.lines.get(step).map_or("", String::as_str)),
                _ if step + 1 == parts.lines.len() => out.push_str(NOTE_LAST),
                _ => out.push_str(NOTE_MORE),
            },
        }
    }
}

/// Texts with an empty line between them.
fn push_joined(out: &mut Rope, texts: &[Arc<str>]) {
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.push_str("\n\n");
        }
        out.push_shared(text);
    }
}

#[cfg(test)]
mod tests;
