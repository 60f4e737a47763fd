//! What the simulator says: a pure function of (seed, model, instruction, step). Earlier text, re-asks, sampling and the
//! order of calls change nothing, so that two runs over the same input can be compared byte for byte.

mod bad;
mod chinese;
mod dice;
mod english;
mod pattern;
mod plan;
mod prompt;
mod rest;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use agentwrite::call::Finish;

use crate::faults::FaultKind;
use crate::simulator::{Broken, Turn};
use chinese::Chinese;
use dice::Dice;
use english::English;
use prompt::Reader;

pub use prompt::Asked;
pub(crate) use rest::Begun;

/// Words of an answer to a prompt that is neither a plan's nor a section's.
const OTHER_WORDS: u32 = 100;
/// Words of a section whose step states none.
const STEP_WORDS: u32 = 400;

/// Which call a request is: the same for every try at the same plan or section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallKey {
    instruction: u64,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Plan,
    Number(u32),
    Other(u64),
}

impl CallKey {
    pub(crate) fn instruction_text(&self) -> String {
        format!("{:016x}", self.instruction)
    }

    pub(crate) fn step_text(&self) -> String {
        match self.step {
            Step::Plan => "plan".to_owned(),
            Step::Number(number) => number.to_string(),
            Step::Other(hash) => format!("{hash:016x}"),
        }
    }

    pub(crate) fn mixed(&self) -> u64 {
        let step = match self.step {
            Step::Plan => u64::MAX,
            Step::Number(number) => u64::from(number),
            Step::Other(hash) => hash,
        };
        xxh3_64_with_seed(&step.to_le_bytes(), self.instruction)
    }
}

/// The name under which `/stats` counts an instruction's calls.
pub fn instruction_key(instruction: &str) -> String {
    format!("{:016x}", hash(instruction.trim(), 0))
}

fn hash(text: &str, seed: u64) -> u64 {
    xxh3_64_with_seed(text.as_bytes(), seed)
}

/// What is said, and how it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) reasoning: Option<String>,
    pub(crate) finish: Finish,
    pub(crate) broken: Option<Broken>,
}

impl Said {
    fn plainly(text: String) -> Self {
        Self { text, reasoning: None, finish: Finish::Stop, broken: None }
    }
}

/// The author behind the endpoint.
#[derive(Debug)]
pub struct Brain {
    seed: u64,
    reader: Reader,
    english: English,
    chinese: Chinese,
}

impl Brain {
    /// A brain whose every text follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, reader: Reader::new(), english: English::new(), chinese: Chinese::new() }
    }

    /// Finds out what a conversation asks for; `schema` = a JSON schema came with it.
    pub fn read<'a>(&self, turns: &'a [Turn<'_>], schema: bool) -> Asked<'a> {
        self.reader.read(turns, schema)
    }

    /// Which call it is.
    pub fn key(&self, asked: &Asked<'_>, model: &str) -> CallKey {
        let model = hash(model, 0);
        match *asked {
            Asked::Plan { instruction, .. } => CallKey { instruction: hash(instruction.trim(), 0), step: Step::Plan },
            Asked::Section { instruction, step, .. } => {
                let number = prompt::first_number(step).filter(|_| step.trim_start().starts_with("Paragraph"));
                let step = number.map_or_else(|| Step::Other(hash(step, model)), Step::Number);
                CallKey { instruction: hash(instruction.trim(), 0), step }
            }
            Asked::Other { prompt } => {
                CallKey { instruction: hash(prompt.trim(), 0), step: Step::Other(hash(prompt, model)) }
            }
        }
    }

    /// The sound answer.
    pub fn answer(&self, asked: &Asked<'_>, model: &str) -> String {
        let seed = self.seed ^ hash(model, 0);
        match *asked {
            Asked::Plan { instruction, total, json } => {
                let steps = self.plan(instruction, total, hash(instruction.trim(), seed));
                if json { plan::as_json(&steps) } else { plan::as_lines(&steps) }
            }
            Asked::Section { instruction, step, .. } => {
                let cast = hash(instruction.trim(), seed);
                let words = prompt::last_number(step).unwrap_or(STEP_WORDS);
                self.prose(prompt::is_chinese(instruction), words, Dice::new(cast), Dice::new(hash(step.trim(), cast)))
            }
            Asked::Other { prompt } => {
                let cast = hash(prompt.trim(), seed);
                self.prose(prompt::is_chinese(prompt), OTHER_WORDS, Dice::new(cast), Dice::new(!cast))
            }
        }
    }

    fn prose(&self, chinese: bool, words: u32, cast: Dice, dice: Dice) -> String {
        if chinese { self.chinese.write(words, cast, dice) } else { self.english.write(words, cast, dice) }
    }

    fn plan(&self, instruction: &str, total: Option<u32>, seed: u64) -> Vec<plan::PlanStep> {
        let mut dice = Dice::new(seed);
        let words = plan::words(instruction, total, &mut dice);
        let chinese = prompt::is_chinese(instruction);
        let point = |dice: &mut Dice| if chinese { self.chinese.point(dice) } else { self.english.point(dice) };
        plan::with_points(&words, || point(&mut dice))
    }

    /// The answer with what a fault makes of it; the number picks the fault's variety.
    pub(crate) fn say(
        &self,
        asked: &Asked<'_>,
        model: &str,
        begun: Option<Begun<'_>>,
        fault: Option<(FaultKind, u64)>,
    ) -> Said {
        let whole = self.answer(asked, model);
        let good = match begun {
            Some(begun) => begun.rest_of(&whole),
            None => whole,
        };
        match fault {
            None => Said::plainly(good),
            Some((kind, variety)) => bad::spoil(asked, good, kind, variety),
        }
    }
}

#[cfg(test)]
mod tests;
