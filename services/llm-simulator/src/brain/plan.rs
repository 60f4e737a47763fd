//! Plans: how many steps of how many words, and how they are written down.

use std::fmt::Write as _;

use serde::Serialize;

use super::dice::Dice;
use super::prompt::first_number;

/// Words that the plan prompt allows a step.
const LEAST: u32 = 200;
const MOST: u32 = 1000;
/// Most steps of a plan.
const STEPS: u32 = 50;

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PlanStep {
    pub(crate) main_point: String,
    pub(crate) words: u32,
}

/// Words of each step: as `[sections=12 words=500]` in the instruction fixes it (words of each section), else such that
/// they add up to the required length, else 4 to 24 steps of 300 to 900.
pub(crate) fn words(instruction: &str, total: Option<u32>, dice: &mut Dice) -> Vec<u32> {
    if let Some((sections, words)) = fixed(instruction) {
        return vec![words; sections as usize];
    }
    let Some(total) = total.or_else(|| stated(instruction)) else {
        return (0..dice.between(4, 24)).map(|_| dice.between(6, 18) * 50).collect();
    };
    let steps = (total / dice.between(400, 700)).clamp(1, STEPS).max(total.div_ceil(MOST)).min(STEPS);
    let mean = (total / steps).max(1);
    let mut all = vec![mean; steps as usize];
    // Pairs trade words, so that the sum stays and no step leaves the bounds.
    for pair in 0..all.len() / 2 {
        let room = mean.saturating_sub(LEAST).min(MOST.saturating_sub(mean)).min(mean / 3);
        let traded = dice.between(0, room);
        all[pair * 2] += traded;
        all[pair * 2 + 1] -= traded;
    }
    if let Some(last) = all.last_mut() {
        *last += total.saturating_sub(mean * steps);
    }
    all
}

/// `[sections=12 words=500]`.
fn fixed(instruction: &str) -> Option<(u32, u32)> {
    let inside = instruction.split_once("[sections=")?.1.split_once(']')?.0;
    let (sections, words) = inside.split_once("words=")?;
    Some((first_number(sections)?.clamp(1, 1000), first_number(words)?.max(1)))
}

/// A number of at least 100 before `word`, `words`, `-word` or the Chinese for characters.
fn stated(instruction: &str) -> Option<u32> {
    let mut rest = instruction;
    while let Some(at) = rest.find(|char: char| char.is_ascii_digit()) {
        rest = &rest[at..];
        let end = rest.find(|char: char| !char.is_ascii_digit() && char != ',').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let unit = after.trim_start_matches([' ', '-', '个', '多', '\u{a0}']);
        if ["word", "character", "字", "汉字"].iter().any(|name| unit.starts_with(name)) {
            return first_number(number).filter(|&number| number >= 100);
        }
        rest = after;
    }
    None
}

/// Gives each step a main point of its own.
pub(crate) fn with_points(words: &[u32], mut point: impl FnMut() -> String) -> Vec<PlanStep> {
    let mut steps: Vec<PlanStep> = Vec::with_capacity(words.len());
    for &words in words {
        let mut main_point = point();
        while steps.iter().any(|step| step.main_point == main_point) {
            main_point = point();
        }
        steps.push(PlanStep { main_point, words });
    }
    steps
}

/// The paper's form: one line per step, an empty line between.
pub(crate) fn as_lines(steps: &[PlanStep]) -> String {
    let mut out = String::with_capacity(steps.len() * 160);
    for (at, PlanStep { main_point, words }) in steps.iter().enumerate() {
        let gap = if at == 0 { "" } else { "\n\n" };
        write!(out, "{gap}Paragraph {} - Main Point: {main_point} - Word Count: {words} words", at + 1)
            .expect("writing to a string cannot fail");
    }
    out
}

/// One JSON object, as the schema of plans wants it.
pub(crate) fn as_json(steps: &[PlanStep]) -> String {
    #[derive(Serialize)]
    struct Plan<'a> {
        steps: &'a [PlanStep],
    }
    serde_json::to_string(&Plan { steps }).expect("strings and numbers always become JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_add_up_to_the_length_and_keep_the_bounds() {
        for total in [100, 450, 1000, 2500, 10_000, 32_000, 50_000] {
            for seed in 0..50 {
                let words = words("Write.", Some(total), &mut Dice::new(seed));
                assert_eq!(words.iter().sum::<u32>(), total, "{words:?}");
                assert!(words.len() <= 50);
                assert!(total < 1000 || words.iter().all(|words| (200..=1050).contains(words)), "{total}: {words:?}");
            }
        }
    }

    #[test]
    fn lengths_are_read_from_the_instruction() {
        assert_eq!(fixed("Tell a story [sections=12 words=500] please"), Some((12, 500)));
        assert_eq!(words("[sections=3 words=40]", Some(9000), &mut Dice::new(1)), [40, 40, 40]);
        assert_eq!(stated("In 1999, write a 10,000-word essay"), Some(10_000));
        assert_eq!(stated("写一篇3000字的文章"), Some(3000));
        assert_eq!(stated("Write 5 chapters of 20 words"), None);
    }
}
