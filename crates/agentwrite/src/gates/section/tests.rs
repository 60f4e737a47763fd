use super::*;

const PROSE: &str = "Long before the walls stood, people lived along the river in huts of reed and clay. They fished in the \
     shallows, drove their goats up to the seven low hills in spring, and traded salt with whoever came down the valley. \
     Nobody kept a record of those years. What is known of them was dug out of the ground: a hearth, a row of post holes, \
     a child's grave with a clay bird in it.\n\nThe first wall was no more than a bank of earth. It was raised against \
     cattle thieves, and it was raised in a hurry.";

fn input(text: &str) -> SectionInput<'_> {
    static NOTHING: NgramIndex = NgramIndex::new();
    SectionInput {
        text,
        words: 100,
        target_words: 100,
        last: false,
        finish: Finish::Stop,
        plan_lines: &[],
        earlier: &NOTHING,
        earlier_tail: "",
        expected_language: None,
        had_reasoning: false,
    }
}

fn hard(input: &SectionInput<'_>) -> Option<&'static str> {
    check(input, &SectionPolicy::default()).hard.map(|finding| finding.kind.code())
}

fn soft(input: &SectionInput<'_>) -> Vec<&'static str> {
    check(input, &SectionPolicy::default()).soft.iter().map(|finding| finding.kind.code()).collect()
}

#[test]
fn good_prose_passes() {
    let verdict = check(&input(PROSE), &SectionPolicy::default());
    assert_eq!((verdict.hard, verdict.soft), (None, vec![]));
}

#[test]
fn the_endpoint_s_word_counts_first() {
    assert_eq!(hard(&SectionInput { finish: Finish::Length, ..input(PROSE) }), Some("cut"));
    assert_eq!(hard(&SectionInput { finish: Finish::ContentFilter, ..input(PROSE) }), Some("content_filter"));
}

#[test]
fn nothing_and_reasoning_alone_are_no_text() {
    assert_eq!(hard(&input("")), Some("empty"));
    assert_eq!(hard(&input("---\n***")), Some("empty"));
    assert_eq!(hard(&SectionInput { had_reasoning: true, ..input("") }), Some("leaked_reasoning"));
    assert_eq!(hard(&input(&format!("{PROSE}\n</think>"))), Some("leaked_reasoning"));
}

#[test]
fn released_sentinels_are_caught() {
    assert_eq!(hard(&input("Max tries. Failed.")), Some("provider_error"));
    let policy = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.";
    assert_eq!(hard(&input(policy)), Some("content_filter"));
}

#[test]
fn copies_of_earlier_text_and_loops_are_hard() {
    let mut earlier = NgramIndex::new();
    earlier.add(&WordHashes::of(PROSE));
    assert_eq!(hard(&SectionInput { earlier: &earlier, ..input(PROSE) }), Some("text_echo"));
    let stuck = format!("{PROSE} {}", "And so the city went on growing year after year without an end. ".repeat(30));
    assert_eq!(hard(&input(&stuck)), Some("loop"));
    let lenient = SectionPolicy { loop_share: 1.0, ..SectionPolicy::default() };
    assert_eq!(check(&input(&stuck), &lenient).soft[0].kind, Soft::Repetition);
}

#[test]
fn a_sentence_that_stops_in_the_middle_is_cut() {
    assert_eq!(
        hard(&input(&format!("{PROSE} The second wall was built of stone from the quarries near the"))),
        Some("cut")
    );
    assert_eq!(hard(&input("Roses are red and\nviolets are blue and\nnights are for the")), None);
}

#[test]
fn soft_findings() {
    assert_eq!(soft(&SectionInput { words: 59, ..input(PROSE) }), ["length"]);
    assert_eq!(soft(&SectionInput { words: 161, ..input(PROSE) }), ["length"]);
    assert_eq!(soft(&SectionInput { expected_language: Some(Language::ZH), ..input(PROSE) }), ["language"]);
    let recap = format!("{PROSE}\n\nIn conclusion, the walls were old.");
    assert_eq!(soft(&input(&recap)), ["recap"]);
    assert_eq!(soft(&SectionInput { last: true, ..input(&recap) }), Vec::<&str>::new());
    assert_eq!(soft(&input(&format!("{PROSE}\n\nParagraph 4: The kings came later."))), ["chatter"]);
    let twice = format!("{PROSE} {PROSE}");
    assert_eq!(soft(&input(&twice)), ["repetition"]);
}

#[test]
fn switches_switch_off_and_badness_ranks() {
    let off = SectionPolicy { length: false, recap: false, ..SectionPolicy::default() };
    let recap = format!("{PROSE}\n\nOverall, the walls were old.");
    let bad = SectionInput { words: 20, ..input(&recap) };
    assert_eq!(check(&bad, &off).soft, []);
    let policy = SectionPolicy::default();
    let scores =
        [input(PROSE), SectionInput { words: 70, ..input(PROSE) }, bad, input("")].map(|i| check(&i, &policy).badness);
    assert!(scores.is_sorted_by(|a, b| a < b), "{scores:?}");
}

#[test]
fn evidence_is_short_and_from_the_text() {
    let text = "I'm sorry, but I can't assist with that request. ".to_owned() + PROSE;
    let finding = check(&input(&text), &SectionPolicy::default()).hard.unwrap();
    assert_eq!(finding.evidence, "I'm sorry, but I can't assist with that request.");
    assert!(
        check(&SectionInput { finish: Finish::Length, ..input(&"ä".repeat(500)) }, &SectionPolicy::default())
            .hard
            .is_some_and(|finding| finding.evidence.len() <= 200)
    );
}

#[test]
fn policies_read_from_partial_configuration() {
    let policy: SectionPolicy = serde_json::from_str("{\"recap\": false}").unwrap();
    assert_eq!(policy, SectionPolicy { recap: false, ..SectionPolicy::default() });
    assert!(serde_json::from_str::<SectionPolicy>("{\"recaps\": false}").is_err());
}

#[test]
fn paragraphs_are_those_between_blank_lines() {
    for text in ["", "one", "one\ntwo", "\n\n", "one\n\n", "\n\none", "a\n\nb\n\n\nc\n\n\n\nd\n", "段\n\n落\n\n\n"] {
        let found: Vec<&str> = later_paragraphs(text).collect();
        assert_eq!(found, text.split("\n\n").skip(1).collect::<Vec<_>>(), "{text:?}");
    }
}
