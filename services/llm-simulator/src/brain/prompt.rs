//! Recognises what a prompt asks for: the built-in prompts exactly, others by the plan lines that stand in them.

use agentwrite::prompts::{PLAN, PLAN_JSON, REASK, Template, WRITE, WRITE_TURNS};

use crate::simulator::Turn;

/// What a conversation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// A plan.
    Plan {
        /// What is to be written.
        instruction: &'a str,
        /// Words or characters of the whole, if the prompt states them.
        total: Option<u32>,
        /// As one JSON object.
        json: bool,
    },
    /// One section.
    Section {
        /// What is to be written.
        instruction: &'a str,
        /// The plan's line for this section.
        step: &'a str,
        /// What stands before it: plan and earlier text, or the answer before this turn.
        earlier: &'a str,
    },
    /// Neither.
    Other {
        /// The last user message.
        prompt: &'a str,
    },
}

impl Asked<'_> {
    /// Whether it is a plan.
    pub fn is_plan(&self) -> bool {
        matches!(self, Self::Plan { .. })
    }
}

/// The known prompts, parsed once.
#[derive(Debug)]
pub(crate) struct Reader {
    plan: Template,
    plan_json: Template,
    write: Template,
    opening: Template,
    turn: Template,
    reask: (&'static str, &'static str),
}

impl Reader {
    pub(crate) fn new() -> Self {
        let turn = WRITE_TURNS.find("{text}").map_or(WRITE_TURNS, |at| &WRITE_TURNS[at + "{text}".len()..]);
        Self {
            plan: Template::parse(PLAN),
            plan_json: Template::parse(PLAN_JSON),
            write: Template::parse(WRITE),
            opening: Template::parse(WRITE_TURNS),
            turn: Template::parse(turn),
            reask: REASK.split_once("{fault}").unwrap_or((REASK, "")),
        }
    }

    pub(crate) fn read<'a>(&self, turns: &'a [Turn<'_>], schema: bool) -> Asked<'a> {
        let last = turns.iter().rev().find(|turn| turn.role == "user").or(turns.last());
        let prompt = self.without_reask(last.map_or("", |turn| &turn.content));
        for (template, json) in [(&self.plan, schema), (&self.plan_json, true)] {
            if let Some(found) = template.extract(prompt, "total") {
                let total = slot(&found, "total").and_then(first_number);
                return Asked::Plan { instruction: slot(&found, "instruction").unwrap_or_default(), total, json };
            }
        }
        if let Some(found) = self.write.extract(prompt, "text") {
            let plan = slot(&found, "plan").unwrap_or_default();
            let text = slot(&found, "text").filter(|text| !text.trim().is_empty());
            return Asked::Section {
                instruction: slot(&found, "instruction").unwrap_or_default(),
                step: slot(&found, "step").unwrap_or_default(),
                earlier: text.unwrap_or(plan),
            };
        }
        self.read_turns(turns, prompt).unwrap_or_else(|| read_unknown(prompt, schema))
    }

    fn without_reask<'a>(&self, prompt: &'a str) -> &'a str {
        let (before, after) = self.reask;
        prompt.strip_suffix(after).and_then(|rest| rest.rfind(before)).map_or(prompt, |at| &prompt[..at])
    }

    fn read_turns<'a>(&self, turns: &'a [Turn<'_>], prompt: &'a str) -> Option<Asked<'a>> {
        if let Some(found) = self.opening.extract(prompt, "text") {
            let (instruction, step) = (slot(&found, "instruction")?, slot(&found, "step")?);
            return Some(Asked::Section { instruction, step, earlier: slot(&found, "plan")? });
        }
        let step = slot(&self.turn.extract(prompt, "")?, "step")?;
        let opening = turns.iter().find_map(|turn| self.opening.extract(&turn.content, "text"))?;
        let instruction = slot(&opening, "instruction")?;
        let earlier = turns.iter().rev().find(|turn| turn.role == "assistant").map_or("", |turn| &turn.content);
        Some(Asked::Section { instruction, step, earlier })
    }
}

fn slot<'a>(found: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    found.iter().find(|(slot, _)| *slot == name).map(|&(_, text)| text)
}

/// Prompts of other programs that use the paper's plan lines: a prompt that holds its last plan line twice asks for that
/// section (once in the plan, once as the step); one that holds none twice shows the form and asks for a plan.
fn read_unknown(prompt: &str, schema: bool) -> Asked<'_> {
    let is_step = |line: &&str| line.starts_with("Paragraph ") && line.contains("Word Count");
    let Some(step) = prompt.lines().rev().map(str::trim).find(is_step) else { return Asked::Other { prompt } };
    let at = prompt.find(step).unwrap_or_default();
    if prompt[at + step.len()..].contains(step) {
        return Asked::Section { instruction: &prompt[..at], step, earlier: &prompt[at..] };
    }
    Asked::Plan { instruction: prompt, total: None, json: schema }
}

/// The first number of a text; commas between its digits are passed over.
pub(crate) fn first_number(text: &str) -> Option<u32> {
    let start = text.find(|char: char| char.is_ascii_digit())?;
    let end = text[start..].find(|char: char| !char.is_ascii_digit() && char != ',').unwrap_or(text.len() - start);
    text[start..start + end].replace(',', "").parse().ok()
}

/// The last number of a text.
pub(crate) fn last_number(text: &str) -> Option<u32> {
    let end = text.rfind(|char: char| char.is_ascii_digit())? + 1;
    let start = text[..end]
        .rfind(|char: char| !char.is_ascii_digit())
        .map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    text[start..end].parse().ok()
}

/// What the paper counts as Chinese.
pub(crate) fn is_han(char: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&char)
}

/// Whether a text has more Han characters than half its Latin letters; only its first 2,000 bytes are looked at.
pub(crate) fn is_chinese(text: &str) -> bool {
    let (mut han, mut latin) = (0_u32, 0_u32);
    for char in text.chars().take(2000) {
        han += u32::from(is_han(char));
        latin += u32::from(char.is_ascii_alphabetic());
    }
    han * 2 > latin
}
