use super::*;
use proptest::prelude::*;

fn text(raw: &str) -> String {
    clean_section(raw).text
}

#[test]
fn reasoning_never_becomes_text() {
    assert_eq!(text("<think>plan the\n\nparagraph</think>\n\nRome rose."), "Rome rose.");
    assert_eq!(text("Rome rose.\n<think>now what, no end"), "Rome rose.");
    assert_eq!(text("I should be brief.\n</think>\n\nRome rose."), "Rome rose.");
    assert_eq!(text("\u{25c1}think\u{25b7}hm\u{25c1}/think\u{25b7}Rome rose."), "Rome rose.");
    assert_eq!(
        text("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Rome."),
        "Rome."
    );
    assert_eq!(text("<think>only this"), "");
    assert!(clean_section("<think>a</think>b").reasoning);
}

#[test]
fn tags_as_a_subject_stay() {
    let essay =
        "Such models write `<think>` first. Between <think> and </think> stands the reasoning.\n\n```\n<think>\n```";
    assert_eq!(text(essay), essay);
}

#[test]
fn labels_go_and_titles_stay() {
    assert_eq!(text("Paragraph 3: Rome rose."), "Rome rose.");
    assert_eq!(text("**Paragraph 3:** Rome rose."), "Rome rose.");
    assert_eq!(text("### Paragraph 12\n\nRome rose."), "Rome rose.");
    assert_eq!(text("段落3：罗马兴起。"), "罗马兴起。");
    assert_eq!(text("第三段：罗马兴起。"), "罗马兴起。");
    assert_eq!(text("Абзац 3: Рим рос."), "Рим рос.");
    let line = "Paragraph 2 - Main Point: the rise - Word Count: 400 words\n\nRome rose.";
    assert_eq!(text(line), "Rome rose.");
    for good in
        ["Section 3: Termination", "Paragraph 3. The tenant pays.", "第三段路最难走。", "Paragraphs matter: they do."]
    {
        assert_eq!(text(good), good);
    }
}

#[test]
fn lead_ins_go_and_stories_stay() {
    assert_eq!(text("Sure, here is the next paragraph:\n\nRome rose."), "Rome rose.");
    assert_eq!(text("Certainly! Here's the third section of the essay: Rome rose."), "Rome rose.");
    assert_eq!(text("Here is the next section for your article.\n\n---\n\nRome rose."), "Rome rose.");
    assert_eq!(text("好的，以下是第三段的内容：\n\n罗马兴起。"), "罗马兴起。");
    assert_eq!(text("Конечно, вот следующий абзац:\n\nРим рос."), "Рим рос.");
    assert_eq!(text("Natürlich! Hier ist der nächste Absatz:\n\nRom wuchs."), "Rom wuchs.");
    for good in [
        "Sure, here is where the road ends, he thought: in the sand.",
        "Here is the text of the letter:\n\nDear Ann,",
        "Of course: nobody came.\n\nThen the rain set in.",
        "Certainly the king was dead.\n\nNobody wept.",
        "Here's what you need:\n\n- flour",
    ] {
        assert_eq!(text(good), good);
    }
}

#[test]
fn word_counts_and_offers_go() {
    assert_eq!(text("Rome rose.\n\n(Word count: 512)"), "Rome rose.");
    assert_eq!(text("Rome rose. [Word Count: ~400 words]"), "Rome rose.");
    assert_eq!(text("Rome rose.\n\n---\n**Word Count:** 400"), "Rome rose.");
    assert_eq!(text("罗马兴起。（字数：512字）"), "罗马兴起。");
    assert_eq!(text("Rome rose. (512 words)"), "Rome rose.");
    assert_eq!(text("Rome rose.\n\nWould you like me to continue with the next section?"), "Rome rose.");
    assert_eq!(text("罗马兴起。\n\n如果您需要，我可以继续写下一段。"), "罗马兴起。");
    assert_eq!(text("Rome rose.\n\n(To be continued in the next section)"), "Rome rose.");
    for good in [
        "Dear Ann,\n\nPlease let me know if you can come on Friday.",
        "Rome fell (476 AD)",
        "He wrote 512 words.\n\nWould you like some tea?",
        "The speech was short (only some 300 words survive)",
    ] {
        assert_eq!(text(good), good);
    }
}

#[test]
fn a_fence_around_everything_goes_and_code_stays() {
    assert_eq!(text("```markdown\n# Rome\n\nIt rose.\n```"), "# Rome\n\nIt rose.");
    assert_eq!(text("```md\nRun:\n```sh\nls\n```\nDone.\n```"), "Run:\n```sh\nls\n```\nDone.");
    for good in ["```rust\nfn main() {}\n```", "```\na\n```\n\ntext\n\n```\nb\n```"] {
        assert_eq!(text(good), good);
    }
}

#[test]
fn zero_width_characters_by_script() {
    assert_eq!(text("a\u{200b}b\u{feff}c\u{200d}d 你\u{200c}好"), "abcd 你好");
    for good in ["می\u{200c}خواهم", "क्\u{200d}ष", "👩\u{200d}👩\u{200d}👧"] {
        assert_eq!(text(good), good);
    }
}

#[test]
fn line_ends_and_outer_white_space() {
    let cleaned = clean_section("\r\n a\r\nb \r\n");
    assert_eq!(cleaned.text, "a\nb");
    assert_eq!(cleaned.stripped, [Stripped::LineEnds]);
}

#[test]
fn what_one_removal_uncovers_is_removed_too() {
    for raw in ["a\r\u{200b}\nb", "a\r<think>hm</think>\nb", "\u{628}\u{200c}<think>hm</think>b"] {
        let cleaned = text(raw);
        assert_eq!(text(&cleaned), cleaned, "{raw:?}");
    }
    assert_eq!(text("a\r\u{200b}\nb"), "a\nb");
}

#[test]
fn sections_are_joined_by_blank_lines() {
    assert_eq!(join(&["a", " ", "b\n"]), "a\n\nb");
}

#[test]
fn echoes_are_trimmed() {
    let tail = "The legions marched north. By winter they had reached the river, and the bridge was already burning.";
    let answer = "By winter they had reached the river, and the bridge was already burning.\n\nNobody crossed it.";
    assert_eq!(trim_echo(answer, tail, ""), ("Nobody crossed it.".to_owned(), true));
    let plan = "Paragraph 4 - Main Point: how the legions crossed the river - Word Count: 300 words";
    let labelled = format!("{plan}\n\nNobody crossed it.");
    assert_eq!(trim_echo(&labelled, "", plan), ("Nobody crossed it.".to_owned(), true));
    assert!(!trim_echo("The bridge was already burning.", tail, plan).1);
}

proptest! {
    #[test]
    fn cleaning_twice_changes_nothing(parts in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..12)) {
        let once = text(&parts.concat());
        prop_assert_eq!(text(&once), once);
    }

    #[test]
    fn any_text_survives_cleaning_twice(raw in any::<String>()) {
        let once = text(&raw);
        prop_assert_eq!(text(&once), once);
    }
}

const PIECES: &[&str] = &[
    "<think>",
    "</think>",
    "Paragraph 3: ",
    "Sure, here is the next paragraph:",
    "\n\n",
    "\n",
    "\r\n",
    "\r",
    "```",
    "```md\n",
    "(Word count: 12)",
    "Would you like me to continue?",
    "Rome rose. ",
    "---\n",
    "**",
    "\u{200d}",
    "\u{200b}",
    "你",
    "👩",
    " ",
    "Word Count: 40",
    "### ",
    "- Word Count: 3",
    "`",
    "第三段：",
];

#[test]
fn nothing_but_echo_stays_for_the_gates() {
    let plan = "Paragraph 4 - Main Point: how the legions crossed the river - Word Count: 300 words";
    assert_eq!(text(plan), plan);
    assert_eq!(trim_echo(plan, "", plan), (plan.to_owned(), false));
}

#[test]
fn a_plan_keeps_its_labels_and_loses_what_stands_around_it() {
    let plan = "Paragraph 1 - Main Point: Boats - Word Count: 400 words\n\n\
                Paragraph 2 - Main Point: Nets - Word Count: 300 words";
    let cleaned = clean_plan(&format!("<think>\nhm\n</think>\r\n{plan}\u{FEFF}"));
    assert_eq!(cleaned.text, plan);
    assert!(cleaned.reasoning);
    assert_eq!(clean_plan(&cleaned.text).text, cleaned.text);
}
