//! An answer that lists the plan instead of writing a section of it.

use std::cell::OnceCell;

use crate::clean::{is_plan_line, squashed};

/// Lines shorter than this, marks and spaces aside, are titles and prove nothing.
const MIN_LINE: usize = 24;
const MIN_EASTERN_LINE: usize = 10;
/// Only so many bytes are read to see whether an answer begins as a list of steps.
const JSON_HEAD: usize = 300;

/// The first repeated line, if repeated plan lines make up more than half of the answer.
pub(super) fn find<'a>(text: &'a str, plan_lines: &[String]) -> Option<&'a str> {
    if is_json_plan(text) {
        return Some(text);
    }
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let plan = Plan { lines: plan_lines, squashed: OnceCell::new() };
    // A plan comes at once: prose whose first lines are its own is let go.
    let first = lines().take(3).find(|line| plan.has(line))?;
    let repeated: usize = lines().filter(|line| plan.has(line)).map(str::len).sum();
    let total: usize = lines().map(str::len).sum();
    (repeated * 2 > total).then_some(first)
}

/// The plan, squashed when a line first comes near it: most texts never do.
struct Plan<'a> {
    lines: &'a [String],
    squashed: OnceCell<Vec<String>>,
}

impl Plan<'_> {
    /// Whether a line is shaped like a plan's, equals one of its lines, or is most of one.
    fn has(&self, line: &str) -> bool {
        let longest = self.lines.iter().map(String::len).max().unwrap_or(0);
        if is_plan_line(line) {
            return true;
        }
        if line.len() > 2 * longest + 60 {
            return false;
        }
        let own = squashed(line);
        let own = own.trim_start_matches(|c: char| c.is_ascii_digit());
        let least = if own.is_ascii() { MIN_LINE } else { MIN_EASTERN_LINE };
        own.chars().count() >= least && self.squashed().iter().any(|step| repeats(own, step))
    }

    fn squashed(&self) -> &[String] {
        self.squashed.get_or_init(|| self.lines.iter().map(|line| squashed(line)).collect())
    }
}

fn repeats(own: &str, step: &str) -> bool {
    !step.is_empty() && (own.contains(step) || (step.contains(own) && own.len() * 2 > step.len()))
}

fn is_json_plan(text: &str) -> bool {
    let head = &text[..text.floor_char_boundary(JSON_HEAD)];
    text.starts_with(['{', '['])
        && text.ends_with(['}', ']'])
        && ["\"word_count\"", "\"words\"", "\"main_point\"", "\"point\""]
            .iter()
            .filter(|key| head.contains(*key))
            .count()
            >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Vec<String> {
        ["the early river settlements of the Tiber valley", "the kings and the first walls of the city"]
            .iter()
            .zip(1..)
            .map(|(point, n)| format!("Paragraph {n} - Main Point: {point} - Word Count: 400 words"))
            .collect()
    }

    #[test]
    fn the_plan_again_is_an_echo() {
        let plan = plan();
        assert!(find(&plan.join("\n\n"), &plan).is_some());
        assert!(
            find(
                "1. The early river settlements of the Tiber valley\n2. The kings and the first walls of the city",
                &plan
            )
            .is_some()
        );
        assert!(find("[{\"point\": \"the rise\", \"words\": 300}]", &[]).is_some());
    }

    #[test]
    fn prose_that_shares_the_topic_is_none() {
        let text = "The early river settlements\n\nLong before the walls, people lived along the Tiber valley in huts of reed.";
        assert!(find(text, &plan()).is_none());
    }
}
