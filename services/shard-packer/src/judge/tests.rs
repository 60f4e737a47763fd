use agentwrite::call::Message;
use agentwrite::gates::sample::SamplePolicy;
use agentwrite::ids::{AttemptId, RunId, SampleId};
use agentwrite::length::{LengthSource, RequiredLength};
use agentwrite::plan::Step;
use agentwrite::sample::{Input, Section};

use super::*;

const INSTRUCTION: &str = "Write a long essay about the history of the tea trade between Asia and Europe.";

/// English words in an order that no two seeds share.
fn prose(seed: u32, words: usize) -> String {
    const WORDS: [&str; 32] = [
        "the",
        "trade",
        "of",
        "tea",
        "began",
        "when",
        "ships",
        "from",
        "distant",
        "ports",
        "carried",
        "chests",
        "that",
        "merchants",
        "had",
        "bought",
        "with",
        "silver",
        "and",
        "sold",
        "again",
        "to",
        "people",
        "who",
        "drank",
        "it",
        "every",
        "morning",
        "before",
        "their",
        "work",
        "started",
    ];
    let mut state = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        WORDS[(state >> 40) as usize % WORDS.len()]
    };
    (0..words).map(|_| next()).collect::<Vec<_>>().join(" ")
}

fn context(texts: &[&str]) -> SampleContext {
    let section = |(place, text): (usize, &&str)| Section {
        place: place as u32,
        text: (*text).to_owned(),
        words: 0,
        flags: Vec::new(),
        attempt: AttemptId::new("att_1"),
    };
    SampleContext {
        run: RunId::new("run_1"),
        sample: SampleId::new("smp_1"),
        ordinal: 0,
        input: Input {
            messages: vec![Message::user(INSTRUCTION)],
            length: None,
            language: None,
            variant: 0,
            id: None,
            meta: None,
        },
        revision: 0,
        config_version: 1,
        model: None,
        plan: Some(Plan { steps: vec![Step { main_point: "Tea".to_owned(), words: 300 }; texts.len()] }),
        sections: texts.iter().enumerate().map(section).collect(),
        candidates: Vec::new(),
        parts: Vec::new(),
        last_prompt_tokens: None,
    }
}

fn judged(context: &SampleContext) -> Verdict {
    judge_sample(context, &RunConfig::default(), Some(&EvalPrompts::new(["A prompt of the benchmark"])))
}

fn code(context: &SampleContext) -> Option<ErrorCode> {
    judged(context).rejected.map(|(code, _)| code)
}

#[test]
fn a_good_sample_passes_with_its_figures() {
    let (one, two) = (prose(1, 300), prose(2, 310));
    let mut sample = context(&[&one, &two]);
    sample.input.length = Some(RequiredLength::about(650, LengthSource::Read));
    let verdict = judged(&sample);
    assert_eq!(verdict.rejected, None);
    assert_eq!((verdict.words, verdict.words_unicode), (610, 610));
    assert_eq!(verdict.language.as_deref(), Some("en"));
    assert!(verdict.length_score.unwrap() > 90.0);
    assert_eq!(verdict.signature, signature(&WordHashes::of(&format!("{one}\n\n{two}"))).to_vec());
    assert_eq!(verdict, judged(&sample), "the same text has the same verdict");
}

#[test]
fn each_gate_has_its_code() {
    let (text, short) = (prose(1, 300), prose(2, 100));
    assert_eq!(code(&context(&[&short])), Some(ErrorCode::TooShort));

    let mut sample = context(&[&text]);
    sample.input.length = Some(RequiredLength::about(3_000, LengthSource::Column));
    assert_eq!(code(&sample), Some(ErrorCode::LengthScore));
    assert!(judged(&sample).flags.contains(&"length_score".to_owned()));

    let mut sample = context(&[&text]);
    sample.sections[0].flags = vec!["recap".to_owned()];
    assert_eq!(code(&sample), Some(ErrorCode::TooManyFlags));

    assert_eq!(code(&context(&[&text, &text])), Some(ErrorCode::SampleRepetition));

    let mut sample = context(&[&text]);
    sample.input.language = Some("zh".to_owned());
    assert_eq!(code(&sample), Some(ErrorCode::SampleLanguage));

    let mut sample = context(&[&text]);
    sample.input.messages = vec![Message::user("A prompt of the benchmark.")];
    assert_eq!(code(&sample), Some(ErrorCode::EvalOverlap));
    assert_eq!(judge_sample(&sample, &RunConfig::default(), None).rejected, None);
}

#[test]
fn thresholds_come_from_the_configuration() {
    let short = prose(2, 100);
    let policy = SamplePolicy { min_plan_share: 0.0, ..SamplePolicy::default() };
    let config = RunConfig { sample_policy: policy, ..RunConfig::default() };
    assert_eq!(judge_sample(&context(&[&short]), &config, None).rejected, None);
}

#[test]
fn flags_of_sections_and_sample_are_one_sorted_list() {
    let texts = [prose(1, 300), prose(2, 300), prose(3, 300)];
    let mut sample = context(&texts.each_ref().map(String::as_str));
    sample.sections[2].flags = vec!["repetition".to_owned(), "chatter".to_owned()];
    sample.input.length = Some(RequiredLength::about(1_300, LengthSource::Read));
    assert_eq!(judged(&sample).flags, ["chatter", "length_score", "repetition"]);
}

#[test]
fn the_counter_follows_the_language() {
    let french = "Élève après élève, la société s'est éprise du thé et de ses cérémonies oubliées. ".repeat(3);
    let mut sample = context(&[&french]);
    sample.input.language = Some("fr".to_owned());
    sample.input.length = Some(RequiredLength::about(words::unicode(&french) as u32, LengthSource::Column));
    let verdict = judged(&sample);
    assert_eq!(verdict.language.as_deref(), Some("fr"));
    assert!(verdict.words < verdict.words_unicode);
    assert!((verdict.length_score.unwrap() - 100.0).abs() < f64::EPSILON);
}

#[test]
fn a_language_without_a_detector_is_believed() {
    let polish =
        "Litwo, ojczyzno moja, ty jesteś jak zdrowie; ile cię trzeba cenić, ten tylko się dowie, kto cię stracił.";
    let mut sample = context(&[polish]);
    sample.input.language = Some("pl".to_owned());
    assert_eq!(judged(&sample).language.as_deref(), Some("pl"));
}
