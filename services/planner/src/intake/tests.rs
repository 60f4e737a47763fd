use agentwrite::call::Role;
use agentwrite::length::{Bound, Reading, read_required_length};
use serde_json::json;

use super::*;

fn settings() -> IntakeSettings {
    IntakeSettings { source: "instructions.jsonl".to_owned(), ..IntakeSettings::default() }
}

fn read(text: impl AsRef<[u8]>) -> Intake {
    read_instructions(text.as_ref(), &settings()).expect("a usable file")
}

fn input(row: &Value) -> Input {
    read(row.to_string()).inputs[0].0.clone()
}

/// The error of a file of one row.
fn error(row: &Value) -> String {
    read_instructions(row.to_string().as_bytes(), &settings()).unwrap_err().to_string()
}

const GOOD: &str = "{\"prompt\": \"Write about tea.\"}\n";

#[test]
fn every_bad_row_is_reported_with_its_line_and_the_others_go_on() {
    let huge = "x".repeat(2_000_000);
    let mut file = b"\xef\xbb\xbf{\"prompt\": \"Line one.\"}\r\n\r\n".to_vec();
    file.extend(
        b"{\"prompt\": \"broken\n{\"text\": \"no prompt\"}\n{\"prompt\": \"\"}\n{\"prompt\": \" \\u3000\\n \"}\n",
    );
    file.extend(format!("{{\"prompt\": \"{huge}\"}}\n").into_bytes());
    file.extend(b"{\"prompt\": \"Line one.\"}\n{\"prompt\": \"caf\xe9\"}\n{\"prompt\": \"Last.\"}");
    let intake = read(&file);
    let prompts: Vec<&str> = intake.inputs.iter().map(|(input, _)| input.instruction()).collect();
    assert_eq!(prompts, ["Line one.", "Last."]);
    assert_eq!(intake.duplicates, [Duplicate { line: 8, first: 1 }]);
    assert_eq!(intake.rows, 9);
    let errors: Vec<String> = intake.errors.iter().map(ToString::to_string).collect();
    let expected = [
        "instructions.jsonl:3: not valid JSON: EOF while parsing a string at column 18; fix: write one JSON object",
        "instructions.jsonl:4: the row has no `prompt`, `instruction` or `messages`; fix: name the field: --prompt-field text",
        "instructions.jsonl:5: the prompt is empty; fix: ",
        "instructions.jsonl:6: the prompt is empty; fix: ",
        "instructions.jsonl:7: the prompt has 2000000 bytes, the limit is 1048576; fix: ",
        "instructions.jsonl:9: not UTF-8 from byte 16 of the line; fix: save the file as UTF-8",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, start) in errors.iter().zip(expected) {
        assert!(error.starts_with(start), "{error}");
    }
}

#[test]
fn strict_stops_at_the_first_bad_row() {
    let file = format!("{GOOD}nonsense\n{{\"id\": 3}}\n");
    let error = read_instructions(file.as_bytes(), &IntakeSettings { strict: true, ..settings() }).unwrap_err();
    assert_eq!(error.line, 2);
    assert_eq!(read(&file).errors.len(), 2);
}

#[test]
fn files_without_a_usable_row_are_refused() {
    let cases: [(&[u8], &str); 10] = [
        (b"", "instructions.jsonl: the file has no rows"),
        (b"\xef\xbb\xbf \r\n\n", "instructions.jsonl: the file has no rows"),
        (b"PAR1\x15\x04", "this is a Parquet file"),
        (b"\x1f\x8b\x08\0", "compressed"),
        (b"\xff\xfe{\0\"\0", "iconv -f UTF-16"),
        (b"\n [{\"prompt\": \"x\"}]", "jq -c '.[]'"),
        (b"\xe9\xe8\n\xfc", "not UTF-8 text"),
        (b"{\n  \"prompt\": \"x\"\n}\n", "none of the 3 rows can be used"),
        (b"\"a text\"", "instructions.jsonl:1: the line is JSON but not an object"),
        (b"prompt,id\nx,1\n", "instructions.jsonl:1: not valid JSON: expected value at column 1"),
    ];
    for (bytes, words) in cases {
        let error = read_instructions(bytes, &settings()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("; fix: "), "{error}");
    }
}

#[test]
fn prompts_by_name() {
    for row in [
        json!({"prompt": "Tea.", "instruction": "Coffee."}),
        json!({"prompt": null, "instruction": "Tea."}),
        json!({"messages": [{"role": "user", "content": "Tea."}]}),
        json!({"prompt": [{"role": "user", "content": "Tea."}]}),
    ] {
        assert_eq!(input(&row).instruction(), "Tea.", "{row}");
    }
    let by_name = IntakeSettings { prompt_field: Some("question".to_owned()), ..settings() };
    let file = json!({"prompt": "No.", "question": "Tea."}).to_string();
    let read = read_instructions(file.as_bytes(), &by_name).unwrap();
    assert_eq!(read.inputs[0].0.instruction(), "Tea.");
    assert_eq!(read.inputs[0].0.meta.as_deref(), Some(r#"{"prompt":"No."}"#));
    let missing = read_instructions(GOOD.as_bytes(), &by_name).unwrap_err();
    assert_eq!(missing.what, "the row has no field `question`");
    assert!(error(&json!({"prompt": 3})).contains("`prompt` is not a text"));
}

#[test]
fn messages_keep_what_came_before_the_prompt() {
    let row = json!({"messages": [
        {"role": "system", "content": " Be brief.\r\n"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "\r\nWrite\r\nabout tea.\n\n"},
    ]});
    let input = input(&row);
    assert_eq!(input.context()[0].content, " Be brief.\r\n");
    assert_eq!(input.context()[2].role, Role::Assistant);
    assert_eq!(input.instruction(), "Write\nabout tea.");
    let last = json!({"role": "user", "content": "x"});
    for (messages, words) in [
        (json!("text"), "`messages` is not a list"),
        (json!([]), "the last message is not the user's"),
        (json!([last, {"role": "assistant", "content": "y"}]), "the last message is not the user's"),
        (json!([{"role": "tool", "content": "y"}, last]), "message 1 has the role `tool`"),
        (json!([{"from": "human", "value": "y"}]), "message 1 has no role"),
        (json!([last, {"role": "user", "content": [{"type": "text"}]}]), "message 2 has no text `content`"),
        (json!([{"role": "user", "content": "  "}]), "the prompt is empty"),
    ] {
        let error = error(&json!({"messages": messages}));
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn optional_fields_and_the_rest_in_its_order() {
    let row =
        "{\"z\": 1, \"prompt\": \"x\", \"id\": 7, \"language\": \"zh-CN\", \"a\": {\"c\": null, \"b\": [1.5, \"茶\"]}}";
    let input = read(row).inputs[0].0.clone();
    assert_eq!((input.id.as_deref(), input.language.as_deref()), (Some("7"), Some("zh")));
    assert_eq!(input.meta.as_deref(), Some(r#"{"z":1,"a":{"c":null,"b":[1.5,"茶"]}}"#));
    let bare = read(GOOD).inputs[0].0.clone();
    assert_eq!((bare.id, bare.length, bare.language, bare.meta), (None, None, None, None));
    for (row, words) in [
        (json!({"prompt": "x", "language": "klingon"}), "`language` \"klingon\" is not a known code"),
        (json!({"prompt": "x", "language": 3}), "`language` 3 is not a known code"),
        (json!({"prompt": "x", "id": [1]}), "`id` is neither a text nor a number"),
        (json!({"prompt": "x", "length": "long"}), "length \"long\" is not a number of words"),
    ] {
        let error = error(&row);
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_column_beats_the_text_and_each_source_is_counted() {
    let rows = [
        json!({"prompt": "Write 2000 words about tea.", "length": {"min": 3000}}),
        json!({"prompt": "Write 2000 words about tea."}),
        json!({"prompt": "Write about tea.", "length": null}),
        json!({"prompt": "Write a 500-word essay of exactly 3,000 words."}),
    ];
    let intake = read(rows.map(|row| row.to_string()).join("\n"));
    assert_eq!(intake.lengths, LengthCounts { column: 1, read: 1, none: 1, ambiguous: 1 });
    let column = intake.inputs[0].0.length.unwrap();
    assert_eq!((column.bound, column.low, column.source), (Bound::AtLeast, 3000, LengthSource::Column));
    assert_eq!(intake.inputs[1].0.length.unwrap().low, 2000);
    assert_eq!(intake.inputs[3].0.length, None);
    assert_eq!(intake.ambiguous, [Ambiguity { line: 4, words: vec![500, 3000] }]);
    let steps: Vec<u32> = intake.inputs.iter().map(|(_, steps)| *steps).collect();
    assert_eq!(steps, [7, 4, 8, 8]);
}

#[test]
fn steps_are_estimated_within_bounds() {
    let steps = |length: u32| estimate_steps(&input(&json!({"prompt": "x", "length": length})));
    assert_eq!((steps(1), steps(500), steps(501), steps(1_000_000)), (1, 1, 2, 50));
}

#[test]
fn an_appended_length_is_read_back_in_either_language() {
    let appending = IntakeSettings { append_length: true, ..settings() };
    for prompt in ["Write an essay about the history of tea in China and beyond.", "写一篇关于茶的文章", "写茶"]
    {
        for length in [json!(3000), json!("at least 3000"), json!("max 3000"), json!("800-1000")] {
            let file = json!({"prompt": prompt, "length": length}).to_string();
            let input = read_instructions(file.as_bytes(), &appending).unwrap().inputs[0].0.clone();
            let Reading::Found(read) = read_required_length(input.instruction()) else {
                panic!("nothing read from {:?}", input.instruction())
            };
            let column = input.length.unwrap();
            assert_eq!((read.bound, read.low, read.high), (column.bound, column.low, column.high), "{read:?}");
            assert_eq!(column.source, LengthSource::Column);
        }
    }
    let stated = json!({"prompt": "Write 2000 words.", "length": 3000}).to_string();
    let read = read_instructions(stated.as_bytes(), &appending).unwrap();
    assert_eq!(read.inputs[0].0.instruction(), "Write 2000 words.");
    let english = json!({"prompt": "Write about tea.", "length": 3000}).to_string();
    let read = read_instructions(english.as_bytes(), &appending).unwrap();
    assert_eq!(read.inputs[0].0.instruction(), "Write about tea.\n\nWrite about 3000 words.");
}

#[test]
fn variants_stand_together_and_the_limit_counts_rows() {
    let file = "{\"prompt\": \"a\"}\n{\"prompt\": \"a\"}\nbad\n{\"prompt\": \"b\"}\n{\"prompt\": \"c\"}\n";
    let twice = IntakeSettings { samples_per_instruction: 2, limit: Some(2), ..settings() };
    let intake = read_instructions(file.as_bytes(), &twice).unwrap();
    let made: Vec<(&str, u32)> = intake.inputs.iter().map(|(input, _)| (input.instruction(), input.variant)).collect();
    assert_eq!(made, [("a", 0), ("a", 1), ("b", 0), ("b", 1)]);
    assert_eq!((intake.rows, intake.duplicates.len(), intake.errors.len()), (4, 1, 1));
    let keys: std::collections::HashSet<_> = intake.inputs.iter().map(|(input, _)| input.key()).collect();
    assert_eq!(keys.len(), 4);
    let none = read_instructions(file.as_bytes(), &IntakeSettings { limit: Some(0), ..settings() }).unwrap();
    assert!(none.inputs.is_empty());
}

#[test]
fn rows_of_other_formats_take_the_same_way() {
    let rows: Vec<Map<String, Value>> = [json!({"prompt": "a", "k": 1}), json!({}), json!({"prompt": "b"})]
        .into_iter()
        .map(|row| row.as_object().unwrap().clone())
        .collect();
    let intake = take_rows(rows, &IntakeSettings { source: "in.parquet".to_owned(), ..settings() }).unwrap();
    assert_eq!(intake.inputs.len(), 2);
    assert!(intake.errors[0].to_string().starts_with("in.parquet:2: the row has no `prompt`"));
    assert!(take_rows([], &settings()).is_err());
}
