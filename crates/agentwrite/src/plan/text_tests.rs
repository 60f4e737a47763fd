//! Answers and the plans in them.

use super::super::tests::plan;
use super::super::{PlanPolicy, settle};
use super::*;
use serde_json::Value;

#[test]
fn the_shared_vectors_agree() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../../tests-data/plans.json")).unwrap();
    assert!(vectors.len() >= 19);
    for vector in vectors {
        let (name, text) = (&vector["name"], vector["text"].as_str().unwrap());
        let parsed = parse_text(text);
        if vector.get("error").is_some() {
            let settled = parsed.and_then(|plan| settle(plan, None, None, &PlanPolicy::default()));
            assert!(settled.is_err(), "{name}: {settled:?}");
            continue;
        }
        let steps = parsed.unwrap_or_else(|fault| panic!("{name}: {fault}")).steps;
        if let Some(count) = vector["count"].as_u64() {
            assert_eq!(steps.len() as u64, count, "{name}");
            continue;
        }
        let expected = vector["steps"].as_array().unwrap();
        assert_eq!(steps.len(), expected.len(), "{name}");
        for (step, expected) in steps.iter().zip(expected) {
            assert_eq!(step.main_point, expected["main_point"].as_str().unwrap(), "{name}");
            let words = match expected["words_range"].as_array() {
                Some(range) => range.iter().filter_map(Value::as_u64).sum::<u64>() / 2,
                None => expected["words"].as_u64().unwrap(),
            };
            assert_eq!(u64::from(step.words), words, "{name}");
        }
    }
}

#[test]
fn other_dresses_of_the_same_plan() {
    let expected = plan(&[("Origins of the city", 400), ("Its rise", 600)]);
    let answers = [
        "Paragraph 1:\nMain Point: Origins of the city\nWord Count: 400 words\n\nParagraph 2:\nMain Point: Its rise\nWord Count: 600",
        "### Paragraph 1\n- **Main Point:** Origins of the city\n- **Word Count:** 400 words\n### Paragraph 2\n- **Main Point:** Its rise\n- **Word Count:** 600 words",
        "1. Paragraph 1 — Main Point: Origins of the city — Word Count: ~400 words\n2. Paragraph 2 — Main Point: Its rise — Word Count: about 600 words",
        "1. Origins of the city (400 words)\n2. Its rise (600 words)",
        "Section 1: Origins of the city - 400 words\nSection 2: Its rise – 600 words.\nTotal: 1000 words",
        "Paragraph One - Main Points: Origins of the city - Word Count Requirement: 400\nParagraph Two - Main Points: Its rise - Word Count Requirement: 500 to 700 words",
        "Paragraph 1 - Word Count: 400 words - Main Point: Origins of the city\nParagraph 2 - Word Count: 600 words - Main Point: Its rise",
        "Main Point: Origins of the city - Word Count: 400 words\nMain Point: Its rise - Word Count: 600 words",
        "Paragraph 1 - Main Point: [Origins of the city] - Word Count: [400 words]\n\nParagraph 2 - Main Point: [Its rise] - Word Count: [600 words]",
        "<think>Paragraph 1 - Main Point: X - Word Count: 9 words</think>\nParagraph 1 - Main Point: Origins of the city - Word Count: 400 words\nParagraph 2 - Main Point: Its rise - Word Count: 600 words",
        "```json\n{\"steps\":[{\"main_point\":\"Origins of the city\",\"words\":400},{\"main_point\":\"Its rise\",\"words\":\"600\"}]}\n```",
    ];
    for answer in answers {
        assert_eq!(parse_text(answer), Ok(expected.clone()), "{answer}");
    }
}

#[test]
fn chinese_dresses() {
    let expected = plan(&[("引言，介绍茶的起源", 400), ("正文", 1000)]);
    let answers = [
        "段落1 - 主要内容：引言，介绍茶的起源 - 字数：400字\n\n段落2 - 主要内容：正文 - 字数：1000字",
        "第一段：主要内容：引言，介绍茶的起源；字数要求：约400字\n第二段：主要内容：正文；字数要求：约1000字",
        "以下是计划：\n**段落一**\n要点：引言，介绍茶的起源\n字数：300-500字\n**段落二**\n要点：正文\n字数：一千字\n以上共1400字。",
        "1、引言，介绍茶的起源（400字）\n2、正文（1,000字）",
        "第1部分：引言，介绍茶的起源：400字\n第2部分：正文：1000字",
    ];
    for answer in answers {
        assert_eq!(parse_text(answer), Ok(expected.clone()), "{answer}");
    }
}

#[test]
fn a_main_point_may_speak_of_words_and_parts() {
    let answer = "Paragraph 1 - Main Point: Explain why a word count of 500 matters; part 2 follows - Word Count: 400 words (the total word count is 3000)\n\
                  Paragraph 2 - Main Point: Sections:\n1. fire towers\n2. lamps\n- Word Count: 300 words";
    let plan = parse_text(answer).unwrap();
    assert_eq!(plan.steps[0].words, 400);
    assert_eq!(plan.steps[0].main_point, "Explain why a word count of 500 matters; part 2 follows");
    assert_eq!(plan.steps[1].main_point, "Sections: 1. fire towers 2. lamps");
}

#[test]
fn a_title_before_the_label_is_kept() {
    let answer = "Paragraph 1: The Tower\nMain Point: fires on hills\nWord Count: 300 words";
    assert_eq!(parse_text(answer), Ok(plan(&[("The Tower: fires on hills", 300)])));
}

#[test]
fn a_missing_number_is_filled_and_a_cut_is_seen() {
    let middle = "Paragraph 1 - Main Point: A fire - Word Count: 300 words\nParagraph 2 - Main Point: A lamp\nParagraph 3 - Main Point: A lens - Word Count: 500 words";
    assert_eq!(parse_text(middle), Ok(plan(&[("A fire", 300), ("A lamp", 400), ("A lens", 500)])));
    let cut = "Paragraph 1 - Main Point: A fire - Word Count: 300 words\nParagraph 2 - Main Point: A la";
    assert_eq!(parse_text(cut), Err(PlanFault::Cut));
    let json = r#"{"steps":[{"main_point":"A fire","words":300},{"main_point":"A la"#;
    assert_eq!(parse_text(json), Err(PlanFault::Cut));
}

#[test]
fn answers_that_are_no_plan() {
    for text in [
        "",
        " \n ",
        "Max tries. Failed.",
        "Here is an essay about paragraphs. It has 500 words.",
        "Paragraph 1: Origins\nParagraph 2: Rise",
    ] {
        assert_eq!(parse_text(text), Err(PlanFault::NoStep), "{text}");
    }
    for text in ["I'm sorry, but I can't help with that request.", "抱歉，我无法协助完成该请求。"] {
        assert_eq!(parse_text(text), Err(PlanFault::Refusal), "{text}");
    }
}

/// What becomes of every recorded plan of small models, none of which could hold the format.
#[test]
fn recorded_plans_of_small_models() {
    use crate::length::{Reading, read_required_length};
    let outcomes: Vec<String> = include_str!("../../tests-data/real_plans.jsonl")
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let required = match read_required_length(row["instruction"].as_str().unwrap()) {
                Reading::Found(length) => Some(length),
                _ => None,
            };
            let parsed = parse_text(row["content"].as_str().unwrap());
            match parsed.and_then(|plan| settle(plan, required.as_ref(), None, &PlanPolicy::default())) {
                Ok(plan) => format!("{} steps, {} words", plan.steps.len(), plan.total()),
                Err(fault) => fault.to_string(),
            }
        })
        .collect();
    let expected = [
        "the answer holds no step",   // titles without numbers of words
        "step 1 is placeholder text", // "The main point of the paragraph is to describe the main point of the paragraph."
        "the answer holds no step",   // one endless sentence about what it will do
        "the answer holds no step",   // one endless sentence
        "the answer holds no step",   // placeholders without numbers of words
        "step 1 is placeholder text", // "... is to describe the main point of the paragraph, which is"
        "the answer holds no step",   // the request, repeated
        "step 1 is placeholder text", // "Paragraph 1: **Paragraph 1**"
        "the answer holds no step",   // one sentence, repeated
        "step 1 is placeholder text", // the instruction and the format, repeated
        "step 1 is placeholder text", // "[Describe the main point of the paragraph, in detail]"
        "step 1 is placeholder text",
        "step 1 is placeholder text",
        "step 1 is placeholder text",
        "step 3 repeats step 2",
        // Passes: forced into the format by a grammar, its three points are poor but different and about the subject.
        "3 steps, 3000 words",
        "step 1 is placeholder text",
        "step 2 repeats step 1",
    ];
    assert_eq!(outcomes, expected);
}

proptest::proptest! {
    #[test]
    fn no_answer_panics(text in "(\\PC|\n|Paragraph [0-9]|第[一二]段|Word Count:?|Main Point:?| - |[0-9,]{1,12}|words|字数：|\\*\\*|[{}\\[\\]\"]|\\(|至|千){0,40}") {
        if let Ok(plan) = parse_text(&text) {
            proptest::prop_assert!(!plan.steps.is_empty());
            let _ = settle(plan, None, None, &PlanPolicy::default());
        }
    }
}
