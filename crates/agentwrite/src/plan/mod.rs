//! The plan of a sample: one line a section, with its main point and its number of words (arXiv 2408.07055, section 3.1).
//!
//! The way of an answer is [`parse`] (tolerant: whatever can be read as a plan is), then [`settle`] (strict: what cannot be
//! written well is a [`PlanFault`], the rest is brought into shape without asking the model again). A fault says by
//! [`PlanFault::reask`] what to ask for. To accept one more way of writing plans, add a case to `text` or `json`.

mod fault;
mod fixed;
mod json;
mod settle;
mod shape;
mod suspect;
mod text;

use serde::{Deserialize, Serialize};

pub use fault::PlanFault;
pub use fixed::fixed_parts;
pub use json::{json_schema, parse_json};
pub use settle::{PlanPolicy, settle};
pub use text::parse_text;

/// What one section is about and how long it should be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// The main point, one line of text.
    pub main_point: String,
    /// The length to write, in words (characters for Chinese).
    pub words: u32,
}

/// The steps of a sample in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Plan {
    /// The steps; their numbers start at 1 and are their places in this list.
    pub steps: Vec<Step>,
}

/// How the model was asked to write its plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanFormat {
    /// Whichever the answer is in.
    #[default]
    Auto,
    /// An object after [`json_schema`].
    Json,
    /// Lines as [`Plan::render`] writes them.
    Text,
}

/// Reads a plan out of a model's answer. `Auto` takes JSON where the answer holds it and text otherwise; `Text` also
/// accepts JSON, which models fall into; `Json` accepts nothing else.
pub fn parse(answer: &str, format: PlanFormat) -> Result<Plan, PlanFault> {
    match format {
        PlanFormat::Json => parse_json(answer),
        PlanFormat::Auto | PlanFormat::Text => parse_text(answer),
    }
}

impl Plan {
    /// The sum of the steps' words.
    pub fn total(&self) -> u32 {
        self.steps.iter().fold(0_u32, |sum, step| sum.saturating_add(step.words))
    }

    /// The bytes that a plan is hashed by: compact JSON with fixed key order.
    pub fn canonical(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// The line of the step at `index` (from 0) as the writer's prompt shows it; empty if there is no such step.
    pub fn line(&self, index: usize) -> String {
        self.steps.get(index).map(|step| step.line(index + 1)).unwrap_or_default()
    }

    /// All lines, with a blank line between.
    pub fn render(&self) -> String {
        let lines: Vec<String> = (0..self.steps.len()).map(|index| self.line(index)).collect();
        lines.join("\n\n")
    }
}

impl Step {
    fn line(&self, number: usize) -> String {
        format!("Paragraph {number} - Main Point: {} - Word Count: {} words", self.main_point, self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn plan(steps: &[(&str, u32)]) -> Plan {
        Plan {
            steps: steps.iter().map(|(point, words)| Step { main_point: (*point).to_owned(), words: *words }).collect(),
        }
    }

    #[test]
    fn a_plan_is_rendered_line_by_line() {
        let plan = plan(&[("Origins", 400), ("Decline", 600)]);
        assert_eq!(
            plan.render(),
            "Paragraph 1 - Main Point: Origins - Word Count: 400 words\n\nParagraph 2 - Main Point: Decline - Word Count: 600 words"
        );
        assert_eq!(plan.line(1), "Paragraph 2 - Main Point: Decline - Word Count: 600 words");
        assert_eq!(plan.line(2), "");
        assert_eq!(plan.total(), 1000);
        assert_eq!(
            plan.canonical(),
            r#"{"steps":[{"main_point":"Origins","words":400},{"main_point":"Decline","words":600}]}"#
        );
    }

    #[test]
    fn the_format_decides_what_is_accepted() {
        let text = "Paragraph 1 - Main Point: Origins - Word Count: 400 words";
        let json = r#"{"steps":[{"main_point":"Origins","words":400}]}"#;
        let expected = plan(&[("Origins", 400)]);
        for format in [PlanFormat::Auto, PlanFormat::Text] {
            assert_eq!(parse(text, format), Ok(expected.clone()));
            assert_eq!(parse(json, format), Ok(expected.clone()));
        }
        assert_eq!(parse(json, PlanFormat::Json), Ok(expected));
        assert_eq!(parse(text, PlanFormat::Json), Err(PlanFault::NoStep));
    }

    /// Main points as models write them: words and ordinary punctuation, no label of the line format.
    fn point() -> impl Strategy<Value = String> {
        "[A-Z][a-z]{1,8}( ([a-z]{1,9}|[0-9]{1,4}|[a-z]{2,5}-[a-z]{2,5}|\\([a-z]{3,6}\\)|茶的历史|– [a-z]{3,5})[,;:]?){1,12} [a-z]{2,7}[.?]?"
    }

    proptest! {
        #[test]
        fn what_is_rendered_is_read_back(steps in prop::collection::vec((point(), 1_u32..5000), 1..12)) {
            let plan = Plan {
                steps: steps.into_iter().map(|(main_point, words)| Step { main_point, words }).collect(),
            };
            prop_assert_eq!(&parse(&plan.render(), PlanFormat::Auto).unwrap(), &plan);
            prop_assert_eq!(&parse(&plan.canonical(), PlanFormat::Auto).unwrap(), &plan);
        }
    }
}
