//! An answer that lists the plan instead of writing a section of it.

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
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    // A plan comes at once: prose whose first lines are its own is let go without squashing the rest.
    let plan: Vec<String> = plan_lines.iter().map(|line| squashed(line)).collect();
    let repeats = |line: &str| is_plan_line(line) || repeats_plan(line, &plan);
    let first = lines.iter().take(3).copied().find(|line| repeats(line))?;
    let repeated: usize = lines.iter().filter(|line| repeats(line)).map(|line| line.len()).sum();
    let total: usize = lines.iter().map(|line| line.len()).sum();
    (repeated * 2 > total).then_some(first)
}

/// Equal to a plan line, or most of one.
fn repeats_plan(line: &str, plan: &[String]) -> bool {
    let longest = plan.iter().map(String::len).max().unwrap_or(0);
    if line.len() > 3 * longest + 60 {
        return false;
    }
    let own = squashed(line);
    let own = own.trim_start_matches(|c: char| c.is_ascii_digit());
    let least = if own.is_ascii() { MIN_LINE } else { MIN_EASTERN_LINE };
    own.chars().count() >= least
        && plan.iter().any(|step| {
            own.contains(step.as_str()) && !step.is_empty() || (step.contains(own) && own.len() * 2 > step.len())
        })
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
