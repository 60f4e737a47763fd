use std::borrow::Cow;
use std::collections::HashSet;

use agentwrite::prompts::{Layout, PromptTexts, Prompts, WriteParts};

use super::prompt::{is_han, last_number};
use super::*;
use crate::faults::MARKER;

fn turns(messages: &[agentwrite::call::Message<agentwrite::rope::Rope>]) -> Vec<Turn<'_>> {
    let role = |role| match role {
        agentwrite::call::Role::System => "system",
        agentwrite::call::Role::User => "user",
        agentwrite::call::Role::Assistant => "assistant",
    };
    let owned = messages.iter().map(|message| (role(message.role), message.content.to_string()));
    owned.map(|(role, content)| Turn { role: Cow::Borrowed(role), content: Cow::Owned(content) }).collect()
}

/// The paper's count: Han characters plus runs of Latin letters between word boundaries.
fn count(text: &str) -> usize {
    let mut all = text.chars().filter(|&char| is_han(char)).count();
    for word in text.split(|char: char| !(char.is_alphanumeric() || char == '_')) {
        all += usize::from(!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic()));
    }
    all
}

fn prompts(layout: Layout) -> Prompts {
    Prompts::parse(&PromptTexts::built_in(layout), layout).unwrap()
}

fn section(brain: &Brain, instruction: &str, step: &str) -> String {
    brain.answer(&Asked::Section { instruction, step, earlier: "" }, "m")
}

#[test]
fn every_sentence_length_is_there() {
    assert_eq!(English::new().gaps(), Vec::<u32>::new());
    assert_eq!(Chinese::new().gaps(), Vec::<u32>::new());
    for slot in b"nsavidpltg" {
        for word in Chinese::new().lists().list(*slot) {
            assert_eq!(word.chars().filter(|&char| is_han(char)).count(), 2, "{word}");
        }
    }
}

#[test]
fn sections_have_exactly_the_words_asked_for() {
    for seed in 0..50 {
        let brain = Brain::new(seed);
        for words in [1, 2, 3, 4, 5, 24, 25, 26, 28, 200, 500, 999 + seed as usize] {
            let step = format!("Paragraph 3 - Main Point: tea - Word Count: {words} words");
            assert_eq!(count(&section(&brain, "Write about tea.", &step)), words);
            let step = format!("Paragraph 3 - Main Point: 茶 - Word Count: {words} words");
            assert_eq!(count(&section(&brain, "写一篇关于茶的文章", &step)), words);
        }
    }
}

#[test]
fn sections_share_no_run_of_thirteen() {
    let brain = Brain::new(1);
    for (instruction, chinese) in [("Write about tea.", false), ("写一篇关于茶的文章", true)] {
        let (mut seen, mut repeated) = (HashSet::new(), 0_usize);
        for number in 1..=40 {
            let step = format!("Paragraph {number} - Main Point: tea - Word Count: 700 words");
            let text = section(&brain, instruction, &step);
            assert!(!text.contains(MARKER));
            let units: Vec<String> = if chinese {
                text.chars().filter(|&char| is_han(char)).map(String::from).collect()
            } else {
                text.split_whitespace().map(str::to_owned).collect()
            };
            repeated += units.windows(13).filter(|run| !seen.insert(run.concat())).count();
        }
        assert!(repeated <= if chinese { 8 } else { 0 }, "{repeated} of {}", seen.len());
    }
}

#[test]
fn paragraphs_are_of_a_readable_length() {
    let text = section(&Brain::new(3), "Write.", "Paragraph 1 - Main Point: x - Word Count: 900 words");
    let lengths: Vec<usize> = text.split("\n\n").map(count).collect();
    assert!(lengths.len() >= 6 && lengths.iter().all(|length| (35..=215).contains(length)), "{lengths:?}");
}

#[test]
fn both_layouts_and_their_reasks_get_the_same_section() {
    let brain = Brain::new(42);
    let lines: Vec<String> =
        (1..=3).map(|n| format!("Paragraph {n} - Main Point: part {n} - Word Count: {n}00 words")).collect();
    let plan = lines.join("\n\n");
    let earlier = ["First text.\n\nOutline:\nfoo".into(), "Second text.".into()];
    for step in 0..3 {
        let mut texts = HashSet::new();
        for layout in [Layout::Paper, Layout::Turns] {
            for fault in [None, Some("it was empty.")] {
                let parts = WriteParts {
                    context: &[],
                    instruction: "Tell of tea",
                    plan: &plan,
                    lines: &lines,
                    earlier: &earlier[..step.min(2)],
                    step,
                    fault,
                };
                let messages = prompts(layout).write(&parts);
                let turns = turns(&messages);
                let asked = brain.read(&turns, false);
                let Asked::Section { instruction, step: line, .. } = asked else { panic!("{asked:?}") };
                assert_eq!((instruction, line), ("Tell of tea", lines[step].as_str()));
                texts.insert(brain.answer(&asked, "m"));
            }
        }
        assert_eq!(texts.len(), 1);
        assert_eq!(count(texts.iter().next().unwrap()), (step + 1) * 100);
    }
}

#[test]
fn plans_come_in_the_form_asked_for() {
    let brain = Brain::new(42);
    for (json, fault) in [(false, None), (true, None), (false, Some("no step.")), (true, Some("no step."))] {
        let messages = prompts(Layout::Paper).plan(&[], "Tell of tea", Some("6,000 words"), json, fault);
        let turns = turns(&messages);
        let asked = brain.read(&turns, false);
        assert_eq!(asked, Asked::Plan { instruction: "Tell of tea", total: Some(6000), json });
        let plan = brain.answer(&asked, "m");
        let words: Vec<u32> = if json {
            let value: serde_json::Value = serde_json::from_str(&plan).unwrap();
            let steps = value["steps"].as_array().unwrap();
            steps.iter().map(|step| step["words"].as_u64().unwrap() as u32).collect()
        } else {
            plan.split("\n\n").map(|line| last_number(line).unwrap()).collect()
        };
        assert_eq!(words.iter().sum::<u32>(), 6000);
    }
}

#[test]
fn main_points_differ_and_keep_the_language() {
    let brain = Brain::new(7);
    for instruction in ["Tell of tea [sections=50 words=300]", "讲一个茶的故事 [sections=50 words=300]"] {
        let plan = brain.answer(&Asked::Plan { instruction, total: None, json: false }, "m");
        let points: HashSet<&str> = plan.lines().filter_map(|line| line.split(" - ").nth(1)).collect();
        assert_eq!(points.len(), 50);
        let han = points.iter().all(|point| point.chars().any(is_han));
        assert_eq!(han, prompt::is_chinese(instruction));
    }
}

#[test]
fn prompts_of_other_programs_with_plan_lines_are_understood() {
    let brain = Brain::new(1);
    let ask = |content: &'static str| vec![Turn { role: Cow::Borrowed("user"), content: Cow::Borrowed(content) }];
    let plan = ask("Break down: write of tea. Format:\nParagraph 1 - Main Point: [a] - Word Count: [400 words]\n");
    assert!(brain.read(&plan, false).is_plan());
    let write = ask("Do: tea\nPlan:\nParagraph 1 - Main Point: a - Word Count: 40 words\n\
        Paragraph 2 - Main Point: b - Word Count: 50 words\nText:\n\nNow:\nParagraph 1 - Main Point: a - Word Count: 40 words\nGo.");
    let asked = brain.read(&write, false);
    assert_eq!(count(&brain.answer(&asked, "m")), 40);
    let other = ask("Hello there");
    assert_eq!(count(&brain.answer(&brain.read(&other, false), "m")), 100);
}

#[test]
fn texts_depend_on_seed_model_instruction_and_step_alone() {
    let step = "Paragraph 1 - Main Point: x - Word Count: 90 words";
    let text = section(&Brain::new(1), "Tea", step);
    assert_eq!(text, section(&Brain::new(1), "Tea", step));
    assert_ne!(text, section(&Brain::new(2), "Tea", step));
    assert_ne!(text, section(&Brain::new(1), "Coffee", step));
    assert_ne!(text, section(&Brain::new(1), "Tea", "Paragraph 2 - Main Point: x - Word Count: 90 words"));
    assert_ne!(text, Brain::new(1).answer(&Asked::Section { instruction: "Tea", step, earlier: "" }, "other"));
}

#[test]
fn every_bad_text_carries_its_marker() {
    let brain = Brain::new(1);
    let step = "Paragraph 1 - Main Point: x - Word Count: 90 words";
    let section = Asked::Section { instruction: "Tea", step, earlier: "Earlier text." };
    let plan = Asked::Plan { instruction: "Tea", total: None, json: true };
    let spoilt = [FaultKind::Cut, FaultKind::Reset, FaultKind::BrokenJson, FaultKind::Refusal, FaultKind::ErrorText];
    for kind in spoilt.into_iter().chain([FaultKind::Think, FaultKind::Echo, FaultKind::GarbagePlan]) {
        for variety in 0..12 {
            for asked in [&section, &plan] {
                let said = brain.say(asked, "m", None, Some((kind, variety)));
                let all = format!("{}{}", said.text, said.reasoning.unwrap_or_default());
                assert!(all.contains(kind.marker()), "{kind:?} {variety}: {all}");
            }
        }
    }
}
