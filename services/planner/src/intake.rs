//! Intake: rows of a file to samples. Pure: bytes in, inputs and row errors out.
//!
//! One bad row is reported with file, line and what mends it, and does not stop the others. What a row may hold:
//! `prompt`, `instruction` or `messages`; optional `id`, `length`, `language`; every other field goes unread into `meta`.
//! To take another file format: make its rows JSON objects and give them to [`take_rows`].

mod append;
mod jsonl;
mod row;

use std::collections::HashMap;
use std::fmt;

use agentwrite::ids::Hash;
use agentwrite::length::LengthSource;
use agentwrite::sample::Input;
use serde_json::{Map, Value};

pub use jsonl::read_instructions;
use row::{Fault, input_of};

/// Words of a section that a plan is expected to give each step.
const WORDS_PER_STEP: u32 = 500;
/// Most steps of a plan.
const MOST_STEPS: u32 = 50;
/// Expected steps where no length is required.
const STEPS_WITHOUT_LENGTH: u32 = 8;
const EXAMPLE: &str = "write one JSON object a line, such as {\"prompt\": \"Write a 3,000-word essay about tea.\"}";

/// How rows are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeSettings {
    /// The field that holds the prompt, instead of `prompt`, `instruction` or `messages`.
    pub prompt_field: Option<String>,
    /// Samples made of each row: variants 0 to N-1, one after another; 0 counts as 1.
    pub samples_per_instruction: u32,
    /// The first bad row ends the reading.
    pub strict: bool,
    /// Take so many rows at most, duplicates and bad ones not counted.
    pub limit: Option<usize>,
    /// Append a length from the column to instructions that state none.
    pub append_length: bool,
    /// The file's name, for messages.
    pub source: String,
}

impl Default for IntakeSettings {
    fn default() -> Self {
        Self {
            prompt_field: None,
            samples_per_instruction: 1,
            strict: false,
            limit: None,
            append_length: false,
            source: "instructions".to_owned(),
        }
    }
}

/// A row, or a whole file, that cannot be used. Prints as `instructions.jsonl:17: what; fix: how`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The file's name.
    pub source: String,
    /// Counted from 1: lines of JSONL, rows of Parquet; 0 where the file as a whole is meant.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What mends it.
    pub fix: String,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}; fix: {}", self.what, self.fix)
    }
}

impl std::error::Error for RowError {}

/// Where the required lengths of the rows came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LengthCounts {
    /// From the column `length`.
    pub column: usize,
    /// Read from the instruction.
    pub read: usize,
    /// No length.
    pub none: usize,
    /// The instruction states lengths that cannot all hold: treated as none.
    pub ambiguous: usize,
}

/// A row whose input came before: it adds no sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicate {
    /// Its line.
    pub line: usize,
    /// The line of the first row with this input.
    pub first: usize,
}

/// An instruction whose length could not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguity {
    /// Its line.
    pub line: usize,
    /// The lengths that it states, ascending.
    pub words: Vec<u32>,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Intake {
    /// The samples in the order of their rows, each with the steps that its plan is expected to have.
    pub inputs: Vec<(Input, u32)>,
    /// Rows that cannot be used.
    pub errors: Vec<RowError>,
    /// Rows looked at, blank lines not counted.
    pub rows: usize,
    /// Rows whose input came before.
    pub duplicates: Vec<Duplicate>,
    /// Rows that state several lengths.
    pub ambiguous: Vec<Ambiguity>,
    /// Where the lengths came from, counted by row.
    pub lengths: LengthCounts,
}

/// Takes rows that are JSON objects already (Parquet). Lines are row numbers from 1.
///
/// # Errors
/// The first bad row if `strict`; or no row can be used.
pub fn take_rows(
    rows: impl IntoIterator<Item = Map<String, Value>>,
    settings: &IntakeSettings,
) -> Result<Intake, RowError> {
    let mut gatherer = Gatherer::new(settings);
    for (row, line) in rows.into_iter().zip(1..) {
        if gatherer.is_full() {
            break;
        }
        gatherer.take(line, Ok(row))?;
    }
    gatherer.finish()
}

/// The steps that the plan of this input is expected to have, 1 to 50: what admission orders by before there is a plan.
pub fn estimate_steps(input: &Input) -> u32 {
    let length = input.length.as_ref();
    length.map_or(STEPS_WITHOUT_LENGTH, |length| length.target().div_ceil(WORDS_PER_STEP).clamp(1, MOST_STEPS))
}

/// What has been read so far.
struct Gatherer<'a> {
    settings: &'a IntakeSettings,
    intake: Intake,
    /// Lines by the key of variant 0.
    seen: HashMap<Hash, usize>,
}

impl<'a> Gatherer<'a> {
    fn new(settings: &'a IntakeSettings) -> Self {
        Self { settings, intake: Intake::default(), seen: HashMap::new() }
    }

    fn is_full(&self) -> bool {
        self.settings.limit.is_some_and(|limit| self.seen.len() >= limit)
    }

    fn take(&mut self, line: usize, row: Result<Map<String, Value>, Fault>) -> Result<(), RowError> {
        self.intake.rows += 1;
        match row.and_then(|row| input_of(row, self.settings)) {
            Ok((input, stated)) => self.accept(line, input, stated),
            Err(fault) => {
                let error = self.error(line, fault);
                if self.settings.strict {
                    return Err(error);
                }
                self.intake.errors.push(error);
            }
        }
        Ok(())
    }

    fn accept(&mut self, line: usize, input: Input, stated: Vec<u32>) {
        let first = *self.seen.entry(input.key()).or_insert(line);
        if first != line {
            self.intake.duplicates.push(Duplicate { line, first });
            return;
        }
        let lengths = &mut self.intake.lengths;
        match input.length.map(|length| length.source) {
            Some(LengthSource::Column) => lengths.column += 1,
            Some(LengthSource::Read) => lengths.read += 1,
            None if stated.is_empty() => lengths.none += 1,
            None => {
                lengths.ambiguous += 1;
                self.intake.ambiguous.push(Ambiguity { line, words: stated });
            }
        }
        let estimate = estimate_steps(&input);
        let variants = self.settings.samples_per_instruction.max(1);
        let copies = (0..variants).map(|variant| (Input { variant, ..input.clone() }, estimate));
        self.intake.inputs.extend(copies);
    }

    fn finish(self) -> Result<Intake, RowError> {
        if !self.intake.inputs.is_empty() || self.settings.limit == Some(0) {
            return Ok(self.intake);
        }
        let Some(first) = self.intake.errors.first() else {
            return Err(self.error(0, Fault::new("the file has no rows", EXAMPLE)));
        };
        let what = match self.intake.rows {
            1 => first.what.clone(),
            rows => format!("{} (none of the {rows} rows can be used)", first.what),
        };
        Err(RowError { what, ..first.clone() })
    }

    fn error(&self, line: usize, fault: Fault) -> RowError {
        RowError { source: self.settings.source.clone(), line, what: fault.what, fix: fault.fix }
    }
}

#[cfg(test)]
mod tests;
