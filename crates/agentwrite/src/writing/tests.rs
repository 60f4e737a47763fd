//! What a cut answer leads to: on, anew, or to a failed attempt.

use std::time::Duration;

use super::*;
use crate::call::{Message, Role, StatedLimits, Usage};
use crate::ids::{RunId, SampleId};
use crate::plan::{Plan, Step};
use crate::prompts::Prompts;
use crate::sample::{Candidate, Input, SampleContext};
use crate::task::{Kind, TaskKey};

/// A hundred different words in five sentences: the paper's counter counts letters only.
fn sentences(from: u32) -> String {
    let letters = |number: u32| [b'a' + (number / 26) as u8, b'a' + (number % 26) as u8].map(char::from);
    let word = |sentence: u32, at: u32| [letters(sentence), letters(at)].concat().into_iter().collect::<String>();
    let sentence = |number: u32| {
        let words: Vec<String> = (0..19).map(|at| word(number, at)).collect();
        format!("Then {}.", words.join(" "))
    };
    (from..from + 5).map(sentence).collect::<Vec<_>>().join(" ")
}

fn manuscript(target: u32) -> Manuscript {
    let input = Input {
        messages: vec![Message::user("Write.")],
        length: None,
        language: None,
        variant: 0,
        id: None,
        meta: None,
    };
    let step = |number| Step { main_point: format!("point {number} of the whole"), words: target };
    let context = SampleContext {
        run: RunId::new("run_1"),
        sample: SampleId::new("smp_1"),
        ordinal: 0,
        input,
        revision: 0,
        config_version: 1,
        model: None,
        plan: Some(Plan { steps: vec![step(1), step(2)] }),
        sections: Vec::new(),
        candidates: Vec::new(),
        parts: Vec::new(),
        last_prompt_tokens: None,
    };
    Manuscript::new(context, Hash::of("test", &["head"]))
}

fn task(manuscript: &Manuscript, hint: Hint) -> ClaimedTask {
    let context = &manuscript.context;
    let key = TaskKey {
        run: context.run.clone(),
        kind: Kind::SECTION,
        subject: context.sample.as_str().to_owned(),
        place: 0,
        revision: 0,
    };
    ClaimedTask { key, context_hash: Hash::of("test", &["head"]), hint, ..ClaimedTask::fresh() }
}

fn answer(text: &str, finish: Finish) -> ChatAnswer {
    ChatAnswer {
        text: text.to_owned(),
        finish,
        usage: Usage::default(),
        had_reasoning: false,
        model: None,
        response_id: None,
        first_token: Duration::ZERO,
        total: Duration::ZERO,
        limits: StatedLimits::default(),
    }
}

fn judged(manuscript: &Manuscript, hint: Hint, text: &str, finish: Finish) -> Written {
    judge(manuscript, &TextConfig::default(), &task(manuscript, hint), &answer(text, finish), 5_000, 8)
}

/// Takes a part in, as a handler does; the hint of the next try.
fn take(manuscript: &mut Manuscript, written: Written) -> Hint {
    let Written::Continue { hint, kept, .. } = written else { panic!("no part: {written:?}") };
    assert_eq!((kept.gate.as_str(), kept.candidate), (PART, false));
    manuscript.add_part(AttemptId::new("att_part"), kept.raw);
    hint
}

#[test]
fn a_cut_answer_goes_on_after_the_same_prompt() {
    let mut manuscript = manuscript(200);
    let (config, first) = (TextConfig::default(), sentences(0));
    let prompts = Prompts::parse(&config.prompts, config.layout).unwrap();
    let plain = manuscript.request(&config, &prompts, &task(&manuscript, Hint::default()));
    assert_eq!(plain.go_on, None);

    let cut = format!("{first} And then, half a sent");
    let written = judged(&manuscript, Hint::default(), &cut, Finish::Length);
    let hint = take(&mut manuscript, written);
    assert_eq!(hint, Hint { parts: vec![part_hash(&cut)], ..Hint::default() });

    let request = manuscript.request(&config, &prompts, &task(&manuscript, hint.clone()));
    let (begun, before) = request.messages.split_last().unwrap();
    assert_eq!((begun.role, begun.content.to_string()), (Role::Assistant, first.clone()));
    assert_eq!(before, plain.messages, "the prefix is what the cache holds");
    assert_eq!((request.seed, request.max_tokens), (plain.seed, plain.max_tokens));
    assert!(request.go_on.is_some());

    let rest = sentences(5);
    let Written::Accept(accepted) = judged(&manuscript, hint, &rest, Finish::Stop) else { panic!("not accepted") };
    assert_eq!((accepted.text, accepted.words), (format!("{first} {rest}"), 200));
    let kept = accepted.kept.unwrap();
    assert_eq!((kept.gate.as_str(), kept.raw), (JOINED, rest));
    assert!(accepted.flags.is_empty());
}

#[test]
fn an_answer_is_continued_twice_and_then_failed() {
    let mut manuscript = manuscript(400);
    let mut hint = Hint::default();
    for part in 0..2 {
        let cut = format!("{} And th", sentences(5 * part));
        let written = judged(&manuscript, hint, &cut, Finish::Length);
        hint = take(&mut manuscript, written);
    }
    let cut = format!("{} And th", sentences(10));
    let Written::Refuse { code, hint, .. } = judged(&manuscript, hint, &cut, Finish::Length) else {
        panic!("no refusal")
    };
    assert_eq!((code, hint.parts.len()), (ErrorCode::Cut, 0));
    assert!(hint.doublings > 0);
}

#[test]
fn what_no_continuation_mends_is_asked_anew() {
    let manuscript = manuscript(100);
    let refused = |text: &str| match judged(&manuscript, Hint::default(), text, Finish::Length) {
        Written::Refuse { code, hint, kept, .. } => {
            assert!(hint.parts.is_empty() && !kept.candidate);
            (code, hint.fault.is_some(), hint.doublings)
        }
        other => panic!("{text}: {other:?}"),
    };
    let round = format!("{} ", sentences(0)).repeat(6);
    assert_eq!(refused(&round), (ErrorCode::Loop, true, 0));
    let long = format!("{} {} And", sentences(0), sentences(5));
    assert_eq!(refused(&long), (ErrorCode::Length, true, 0));
    assert_eq!(refused("A few wo"), (ErrorCode::Cut, false, 1), "too little to go on from");
    assert_eq!(refused(""), (ErrorCode::Cut, false, 1));
}

#[test]
fn a_continuation_is_judged_by_itself_and_with_the_whole() {
    let begin = || {
        let mut manuscript = manuscript(200);
        let written = judged(&manuscript, Hint::default(), &format!("{} And th", sentences(0)), Finish::Length);
        let hint = take(&mut manuscript, written);
        (manuscript, hint)
    };
    for (answer, code) in [
        ("I'm sorry, but I can't assist with that request.".to_owned(), ErrorCode::Refusal),
        (format!("{} And now something else.", &sentences(0)[..200]), ErrorCode::Cut),
        ("<think>\nThe text should now".to_owned(), ErrorCode::LeakedReasoning),
    ] {
        let (manuscript, hint) = begin();
        match judged(&manuscript, hint, &answer, Finish::Stop) {
            Written::Refuse { code: found, hint, kept, .. } => {
                assert_eq!((found, hint.parts.len(), kept.raw), (code, 0, answer));
            }
            other => panic!("{answer}: {other:?}"),
        }
    }
    let (manuscript, hint) = begin();
    let short = judged(&manuscript, hint, "", Finish::Stop);
    let Written::Refuse { code, kept, hint, .. } = short else { panic!("{short:?}") };
    assert_eq!((code, kept.candidate, hint.asked_again), (ErrorCode::Length, true, true));
    assert_eq!(kept.raw, sentences(0), "the candidate is the joined text");
}

#[test]
fn a_part_that_is_not_at_hand_is_not_continued() {
    let mut manuscript = manuscript(200);
    let hint = Hint { parts: vec![part_hash("It was here.")], ..Hint::default() };
    manuscript.context.parts.push(Candidate { attempt: AttemptId::new("att_1"), raw: "It was elsewhere.".to_owned() });
    assert_eq!(manuscript.so_far(&hint), None);
    assert!(!manuscript.continues(&task(&manuscript, hint.clone()), Mode::Serial), "it is read from the store again");
    manuscript.add_part(AttemptId::new("att_2"), "It was here.".to_owned());
    assert!(manuscript.continues(&task(&manuscript, hint), Mode::Serial));
}

#[test]
fn a_continuing_prompt_is_no_measure_for_the_next_one() {
    let mut manuscript = manuscript(200);
    let written = judged(&manuscript, Hint::default(), &format!("{} And th", sentences(0)), Finish::Length);
    let hint = take(&mut manuscript, written);
    let Written::Accept(accepted) = judged(&manuscript, hint, &sentences(5), Finish::Stop) else {
        panic!("not accepted")
    };
    let section = crate::sample::Section {
        place: 0,
        text: accepted.text,
        words: accepted.words,
        flags: Vec::new(),
        attempt: accepted.origin,
    };
    manuscript.accept(section, accepted.chain, Some(9_999));
    assert_eq!((manuscript.context.last_prompt_tokens, manuscript.context.parts.len()), (None, 0));
}
