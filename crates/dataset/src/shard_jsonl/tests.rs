use super::*;
use crate::samples;

#[test]
fn rows_come_back_as_they_were() {
    for rows in [Vec::new(), vec![samples::full()], vec![samples::bare(), samples::ultra_long()], samples::mixed(150)] {
        assert_eq!(decode_jsonl(&encode_jsonl(&rows).unwrap()).unwrap(), rows);
    }
}

#[test]
fn lines_of_row_schema_1_stay_as_they_are() {
    let golden = include_bytes!("../../tests/golden/shard.v1.jsonl");
    assert_eq!(decode_jsonl(golden).unwrap(), samples::mixed(4));
    assert_eq!(encode_jsonl(&samples::mixed(4)).unwrap(), golden);
}

#[test]
fn scores_keep_their_last_bit() {
    let rows: Vec<Row> =
        (1..2_000u32).map(|number| Row { length_score: Some(100.0 / f64::from(number)), ..samples::bare() }).collect();
    let back = decode_jsonl(&encode_jsonl(&rows).unwrap()).unwrap();
    for (row, back) in rows.iter().zip(&back) {
        assert_eq!(row.length_score.map(f64::to_bits), back.length_score.map(f64::to_bits));
    }
}

#[test]
fn a_row_is_one_line_with_its_text_unescaped() {
    let lines = encode_jsonl(&[samples::full(), samples::bare()]).unwrap();
    assert_eq!(lines.split(|byte| *byte == b'\n').count(), 3, "two lines and nothing after them");
    let text = String::from_utf8(lines).unwrap();
    assert!(text.starts_with(
        r#"{"id":"row-1","sample_id":"s-0001","messages":[{"role":"system","content":"Write plainly."},"#
    ));
    assert!(text.contains("写一篇关于茶的长文") && text.contains('🍵') && text.contains('\u{2028}'));
    assert!(text.ends_with("\"variant\":3,\"meta\":null}\n"));
    assert!(text.lines().last().unwrap().contains(r#""required_length":null,"words":0"#));
}

#[test]
fn the_bad_line_is_named() {
    let mut lines = encode_jsonl(&samples::mixed(2)).unwrap();
    lines.extend_from_slice(b"{\"id\":\"torn");
    let error = decode_jsonl(&lines).unwrap_err();
    assert!(matches!(error, DecodeError::Line { line: 3, .. }), "{error}");
    assert!(matches!(decode_jsonl(b"\n\n"), Err(DecodeError::Line { line: 1, .. })));
}

#[test]
fn a_score_that_json_cannot_hold_is_refused() {
    let row = Row { length_score: Some(f64::INFINITY), ..samples::full() };
    assert!(matches!(encode_jsonl(&[row]), Err(EncodeError::ScoreNotFinite { .. })));
}
