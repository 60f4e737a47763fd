//! JSON Lines: one row a line, each judged by itself.

use serde_json::{Map, Value};

use super::row::Fault;
use super::{EXAMPLE, Gatherer, Intake, IntakeSettings, RowError};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a JSON Lines file: UTF-8, with or without a byte order mark, `\n` or `\r\n`, blank lines allowed.
///
/// # Errors
/// The first bad row if `strict`; or nothing in the file can be used: it is empty, another format, or all rows are bad.
pub fn read_instructions(bytes: &[u8], settings: &IntakeSettings) -> Result<Intake, RowError> {
    let mut gatherer = Gatherer::new(settings);
    if let Some(fault) = other_format(bytes) {
        return Err(gatherer.error(0, fault));
    }
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        // Files with a mark each, put behind one another, have marks inside.
        let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        if line.trim_ascii().is_empty() {
            continue;
        }
        if gatherer.is_full() {
            break;
        }
        gatherer.take(number, object(line))?;
    }
    gatherer.finish()
}

/// A file that is no JSON Lines by its first bytes.
fn other_format(bytes: &[u8]) -> Option<Fault> {
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).trim_ascii_start();
    let (what, fix) = if bytes.starts_with(b"PAR1") {
        ("this is a Parquet file, not JSON Lines", "give it a name that ends in .parquet")
    } else if bytes.starts_with(b"\x1f\x8b") || bytes.starts_with(b"\x28\xb5\x2f\xfd") {
        ("the file is compressed", "unpack it first, with gunzip or unzstd")
    } else if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        ("the file is UTF-16", "convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW.jsonl")
    } else if text.starts_with(b"[") {
        ("the file is one JSON array, not one object a line", "convert it: jq -c '.[]' FILE > NEW.jsonl")
    } else if !text.is_empty() && lines_are_no_utf8(text) {
        ("the file is not UTF-8 text", EXAMPLE)
    } else {
        return None;
    };
    Some(Fault::new(what, fix))
}

fn lines_are_no_utf8(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').all(|line| line.trim_ascii().is_empty() || std::str::from_utf8(line).is_err())
}

fn object(line: &[u8]) -> Result<Map<String, Value>, Fault> {
    let text = std::str::from_utf8(line).map_err(|error| {
        Fault::new(format!("not UTF-8 from byte {} of the line", error.valid_up_to() + 1), "save the file as UTF-8")
    })?;
    match serde_json::from_str(text) {
        Ok(Value::Object(row)) => Ok(row),
        Ok(_) => Err(Fault::new("the line is JSON but not an object", EXAMPLE)),
        Err(error) => {
            let message = error.to_string();
            // The parser saw one line: its "line 1" would mislead.
            let message = message.split(" at line ").next().unwrap_or(&message);
            Err(Fault::new(format!("not valid JSON: {message} at column {}", error.column()), EXAMPLE))
        }
    }
}
