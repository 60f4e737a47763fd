use super::*;

const EN: &str = "The harbour was built before the town. In winter the boats lay on the slip, and nobody went out.\n\n\
                  By March the ice had gone. The first boats went out at da";

fn joined(parts: &[&str], last: &str) -> String {
    SoFar::of(parts).unwrap().join(last).unwrap()
}

#[test]
fn a_cut_text_is_shown_up_to_its_last_complete_sentence() {
    for (text, whole, gap) in [
        (EN, EN.strip_suffix(" The first boats went out at da").unwrap(), " "),
        ("One. Two.\n\nThr", "One. Two.", "\n\n"),
        ("She said: \"Go.\" He we", "She said: \"Go.\"", " "),
        ("They met Dr. Smith and J. R. Ha", "They met Dr. Smith and J. R.", " "),
        ("It rose by 3.", "It rose by", " "),
        ("All is said.", "All is said.", ""),
        ("One is done. A list:\n\n1. Fi", "One is done. A list:", "\n\n"),
        ("冬天的港口很安静。春天来了，船", "冬天的港口很安静。", ""),
        ("他说：“走吧。”然后", "他说：“走吧。”", ""),
        ("ฤดูหนาว เรือ จอ", "ฤดูหนาว เรือ", " "),
        ("unbroken", "unbroken", ""),
    ] {
        let so_far = SoFar::of(&[text]).unwrap();
        assert_eq!((so_far.text.as_str(), so_far.gap.as_str()), (whole, gap), "{text}");
    }
}

#[test]
fn a_text_goes_on_after_the_sentence_that_was_cut_away() {
    let whole = EN.replace("went out at da", "left at dawn, and came back full.");
    assert_eq!(joined(&[EN], "The first boats left at dawn, and came back full."), whole);
    assert_eq!(joined(&[EN], " The first boats left at dawn, and came back full."), whole);
    assert_eq!(joined(&[EN], "... The first boats left at dawn, and came back full."), whole);
    assert_eq!(
        joined(&["One is here. Two is there.\n\nThr"], "Three is new."),
        "One is here. Two is there.\n\nThree is new."
    );
    assert_eq!(joined(&["One is here. Tw"], "\n\nTwo is new."), "One is here.\n\nTwo is new.");
    assert_eq!(
        joined(&["冬天的港口很安静。春天来了，船"], "春天来了，渔船出海。"),
        "冬天的港口很安静。春天来了，渔船出海。"
    );
}

#[test]
fn a_repeated_end_falls_away_whatever_its_marks() {
    let whole = EN.replace("The first boats went out at da", "Then they left.");
    for answer in [
        "By March the ice had gone. Then they left.",
        "by march the ice had gone, then they left.",
        "In winter the boats lay on the slip, and nobody went out.\n\nBy March the ice had gone.\n Then they left.",
        "March the ice had gone. Then they left.",
    ] {
        let text = joined(&[EN], answer);
        assert_eq!(text.matches("ice had gone").count(), 1, "{text}");
        assert_eq!(text.to_lowercase().split_whitespace().count(), whole.split_whitespace().count(), "{text}");
    }
    assert_eq!(
        joined(&["冬天的港口很安静。渔民们都在家里。春"], "渔民们都在家里。春天来了。"),
        "冬天的港口很安静。渔民们都在家里。春天来了。"
    );
    assert_eq!(
        joined(&["He waited for the tide. “Ready?” she asked. The"], "“Ready?” she asked him twice."),
        "He waited for the tide. “Ready?” she asked. “Ready?” she asked him twice.",
        "a few words are chance unless a sentence ends with them"
    );
}

#[test]
fn an_answer_that_is_all_repetition_adds_nothing() {
    let whole = SoFar::of(&[EN]).unwrap().text;
    assert_eq!(joined(&[EN], "By March the ice had gone."), whole);
    assert_eq!(joined(&[EN], ""), whole);
    assert_eq!(joined(&[EN], &format!("{whole} Then they left.")), format!("{whole} Then they left."));
}

#[test]
fn an_answer_that_starts_over_is_not_joined() {
    let so_far = SoFar::of(&[EN]).unwrap();
    assert!(so_far.join("The harbour was built before the town. In summer it was loud.").is_err());
    assert!(so_far.join("In winter the boats lay on the slip, but some men walked.").is_err());
    let titled = SoFar::of(&["## The Old Harbour\n\nIt was built early. Then"]).unwrap();
    assert!(titled.join("**The old harbour**\n\nNobody knows who built it.").is_err());
    let zh = SoFar::of(&["冬天的港口很安静，渔民们都在家里修补渔网。春天来了。船"]).unwrap();
    assert!(zh.join("冬天的港口很安静，渔民们都在家里修鞋。").is_err());
    assert!(so_far.join("The harbour was loud again by May.").is_ok(), "the same first words are no new start");
}

#[test]
fn several_parts_are_joined_in_their_order() {
    let parts = [
        "One is the first of all. Two is",
        "Two is the second one here.\n\nThree",
        "Two is the second one here. Three",
    ];
    let so_far = SoFar::of(&parts[..2]).unwrap();
    assert_eq!(so_far.text, "One is the first of all. Two is the second one here.");
    assert_eq!(
        joined(&parts[..2], "Three is last."),
        "One is the first of all. Two is the second one here.\n\nThree is last."
    );
    assert_eq!(SoFar::of(&parts).unwrap().text, so_far.text, "a part may bring nothing");
}
