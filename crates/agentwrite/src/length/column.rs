//! The `length` column of an input row.

use serde_json::Value;

use super::bound::{bound_before, suffix_bound};
use super::mask::readable;
use super::quantity::quantities;
use super::{Bound, LengthSource, RequiredLength};

/// Reads a `length` field: a number, a string such as `"3000"`, `"800-1000"`, `"at least 2k words"` or `"约2000字"`, or an
/// object `{"min": .., "max": ..}` of which one may be missing. The error says what is wrong with the value, for a report
/// with file and line.
pub fn parse_column(value: &Value) -> Result<RequiredLength, String> {
    match value {
        Value::Number(_) => number(value).map(|words| RequiredLength::about(words, LengthSource::Column)),
        Value::String(text) => string(text),
        Value::Object(object) => {
            if let Some(unknown) = object.keys().find(|key| *key != "min" && *key != "max") {
                return Err(format!("length has the unknown key `{unknown}`; known are `min` and `max`"));
            }
            let end = |key: &str| object.get(key).filter(|end| !end.is_null()).map(number).transpose();
            match (end("min")?, end("max")?) {
                (None, None) => Err("length has neither `min` nor `max`".to_owned()),
                (Some(low), None) => Ok(column(Bound::AtLeast, low, low)),
                (None, Some(high)) => Ok(column(Bound::AtMost, high, high)),
                (Some(low), Some(high)) if low > high => Err(format!("length has min {low} above max {high}")),
                (Some(low), Some(high)) if low == high => Ok(column(Bound::About, low, high)),
                (Some(low), Some(high)) => Ok(column(Bound::Range, low, high)),
            }
        }
        _ => Err(format!("length is {value}, not a number of words")),
    }
}

fn column(bound: Bound, low: u32, high: u32) -> RequiredLength {
    RequiredLength { bound, low, high, source: LengthSource::Column }
}

fn number(value: &Value) -> Result<u32, String> {
    let words = match value {
        Value::String(text) => text.trim().replace(',', "").parse().ok(),
        // 2000.0 is what a column of floats holds.
        _ => value.as_f64().filter(|words| words.fract() == 0.0),
    };
    match words {
        Some(words) if (1.0..=1_000_000.0).contains(&words) => Ok(words as u32),
        Some(words) => Err(format!("length {words} is not between 1 and 1000000")),
        None => Err(format!("length {value} is not a whole number")),
    }
}

fn string(text: &str) -> Result<RequiredLength, String> {
    if let Ok(words) = number(&Value::String(text.to_owned())) {
        return Ok(RequiredLength::about(words, LengthSource::Column));
    }
    let plain = readable(text.trim());
    let given = quantities(&plain);
    // A bare number gets its unit, so that "at least 2000" and "800-1000" need no grammar of their own.
    let (plain, given) = if given.is_empty() {
        let with_unit = with_unit(&plain);
        let given = quantities(&with_unit);
        (with_unit, given)
    } else {
        (plain, given)
    };
    let [quantity] = given[..] else { return Err(format!("length {text:?} is not a number of words")) };
    let (before, rest) = bound_before(&plain, quantity.start);
    let after = suffix_bound(&plain[quantity.end..]);
    let leftover = rest.trim_matches(|c: char| !c.is_alphanumeric());
    if !leftover.is_empty() && !["from", "字数", "word count", "length", "words"].contains(&leftover) {
        return Err(format!("length {text:?} is not a number of words"));
    }
    if quantity.low < quantity.high {
        return Ok(column(Bound::Range, quantity.low, quantity.high));
    }
    let bound = [quantity.bound, after, before].into_iter().flatten().find(|bound| *bound != Bound::About);
    Ok(column(bound.unwrap_or(Bound::About), quantity.low, quantity.high))
}

/// `text` with "words" behind its last number.
fn with_unit(text: &str) -> String {
    let end = super::number::numbers(text).last().map_or(text.len(), |number| number.end);
    format!("{} words{}", &text[..end], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_that_hold_a_length() {
        let cases = [
            (json!(3000), Bound::About, 3000, 3000),
            (json!(3000.0), Bound::About, 3000, 3000),
            (json!("3000"), Bound::About, 3000, 3000),
            (json!(" 3,000 "), Bound::About, 3000, 3000),
            (json!("2k"), Bound::About, 2000, 2000),
            (json!("3000 words"), Bound::About, 3000, 3000),
            (json!("about 3000"), Bound::About, 3000, 3000),
            (json!("800-1000"), Bound::Range, 800, 1000),
            (json!("800 – 1,000 words"), Bound::Range, 800, 1000),
            (json!("between 800 and 1000"), Bound::Range, 800, 1000),
            (json!("at least 2000"), Bound::AtLeast, 2000, 2000),
            (json!("2000+"), Bound::AtLeast, 2000, 2000),
            (json!(">= 2000"), Bound::AtLeast, 2000, 2000),
            (json!("max 500"), Bound::AtMost, 500, 500),
            (json!("500 words or less"), Bound::AtMost, 500, 500),
            (json!("约2000字"), Bound::About, 2000, 2000),
            (json!("不少于2000字"), Bound::AtLeast, 2000, 2000),
            (json!("2000字以上"), Bound::AtLeast, 2000, 2000),
            (json!("2000-3000字"), Bound::Range, 2000, 3000),
            (json!("一万字"), Bound::About, 10_000, 10_000),
            (json!({"min": 800, "max": 1000}), Bound::Range, 800, 1000),
            (json!({"min": 800}), Bound::AtLeast, 800, 800),
            (json!({"min": null, "max": "1,000"}), Bound::AtMost, 1000, 1000),
            (json!({"min": 5, "max": 5}), Bound::About, 5, 5),
        ];
        for (value, bound, low, high) in cases {
            assert_eq!(parse_column(&value), Ok(column(bound, low, high)), "{value}");
        }
    }

    #[test]
    fn columns_that_do_not() {
        let cases = [
            json!(null),
            json!(true),
            json!(0),
            json!(-5),
            json!(1.5),
            json!(2_000_000),
            json!(""),
            json!("long"),
            json!("five pages"),
            json!("1000 or 2000 or 3000"),
            json!({"min": 10, "max": 5}),
            json!({}),
            json!({"low": 5}),
            json!([800, 1000]),
            json!("see chapter 300"),
        ];
        for value in cases {
            assert!(parse_column(&value).is_err(), "{value}: {:?}", parse_column(&value));
        }
    }
}
