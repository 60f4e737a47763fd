//! Rows for the tests of this crate.

use crate::row::{Message, PlanStep, RequiredLength, Row};

/// Every optional field filled; English, Chinese, emoji, quotes and line separators in the texts.
pub(crate) fn full() -> Row {
    Row {
        id: "row-1".into(),
        sample_id: "s-0001".into(),
        messages: vec![
            message("system", "Write plainly."),
            message(
                "user",
                "写一篇关于茶的长文, 3,000 words.\n\"Quoted\" \\ \t and U+2028: \u{2028} U+0085: \u{85} 🍵",
            ),
            message("assistant", "# Tea\n\nIt began in 云南.\r\nThen it travelled."),
        ],
        plan: vec![
            PlanStep { main_point: "Origins - 起源".into(), words: 1_200 },
            PlanStep { main_point: "Trade".into(), words: 1_800 },
        ],
        section_words: vec![1_180, 1_911],
        required_length: Some(RequiredLength {
            bound: "about".into(),
            low: Some(3_000),
            high: Some(3_000),
            source: "read".into(),
        }),
        words: 3_091,
        words_unicode: 3_120,
        // Not representable in a few digits: the last bit has to survive JSON.
        length_score: Some(100.0 * (1.0 - (3_091.0 / 3_000.0 - 1.0) / 3.0)),
        language: Some("en".into()),
        flags: vec!["length".into(), "recap".into()],
        plan_model: "planner-model".into(),
        write_model: "writer-model".into(),
        prompt_version: "9f2c".into(),
        layout: "paper".into(),
        mode: "serial".into(),
        variant: 0,
        meta: Some(r#"{"topic":"茶","n":1.50}"#.into()),
    }
}

/// Every optional field absent, every list empty.
pub(crate) fn bare() -> Row {
    Row {
        id: "s-0002".into(),
        sample_id: "s-0002".into(),
        messages: Vec::new(),
        plan: Vec::new(),
        section_words: Vec::new(),
        required_length: None,
        words: 0,
        words_unicode: 0,
        length_score: None,
        language: None,
        flags: Vec::new(),
        variant: 3,
        meta: None,
        ..full()
    }
}

/// `count` different rows with open and closed bounds, present and absent values in turn.
pub(crate) fn mixed(count: usize) -> Vec<Row> {
    (0..count)
        .map(|number| {
            let mut row = if number % 3 == 1 { bare() } else { full() };
            row.id = format!("row-{number}");
            row.sample_id = format!("s-{number:04}");
            row.words = (number as u32) * 977;
            if let Some(length) = row.required_length.as_mut().filter(|_| number % 2 == 0) {
                length.bound = "at_least".into();
                length.high = None;
            }
            row
        })
        .collect()
}

/// One answer of 32,000 words in 40 sections.
pub(crate) fn ultra_long() -> Row {
    let words: Vec<String> = (0..32_000).map(|number| format!("word{}", number * 7_919 % 32_000)).collect();
    Row {
        id: "ultra".into(),
        messages: vec![message("user", "Write 32,000 words."), message("assistant", &words.join(" "))],
        plan: (1..=40).map(|number| PlanStep { main_point: format!("Part {number}"), words: 800 }).collect(),
        section_words: vec![800; 40],
        words: 32_000,
        words_unicode: 32_000,
        ..full()
    }
}

fn message(role: &str, content: &str) -> Message {
    Message { role: role.into(), content: content.into() }
}
