//! A length from the column, said in the instruction.

use agentwrite::language::{Language, detect};
use agentwrite::length::{Bound, RequiredLength};

/// Appends the length as a sentence of its own, in Chinese to a Chinese instruction, else in English.
pub(super) fn append_length(instruction: &mut String, length: &RequiredLength) {
    let sentence = if is_chinese(instruction) { in_chinese(length) } else { in_english(length) };
    instruction.push_str("\n\n");
    instruction.push_str(&sentence);
}

fn in_english(length: &RequiredLength) -> String {
    let RequiredLength { low, high, .. } = length;
    match length.bound {
        Bound::About => format!("Write about {low} words."),
        Bound::AtLeast => format!("Write at least {low} words."),
        Bound::AtMost => format!("Write at most {high} words."),
        Bound::Range => format!("Write {low} to {high} words."),
    }
}

fn in_chinese(length: &RequiredLength) -> String {
    let RequiredLength { low, high, .. } = length;
    match length.bound {
        Bound::About => format!("请写约{low}字。"),
        Bound::AtLeast => format!("请写至少{low}字。"),
        Bound::AtMost => format!("请写最多{high}字。"),
        Bound::Range => format!("请写{low}到{high}字。"),
    }
}

/// A few characters are too short for the detector, but Han without kana is Chinese here.
fn is_chinese(text: &str) -> bool {
    let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    let is_kana = |c: char| ('\u{3041}'..='\u{30fa}').contains(&c);
    detect(text).map_or_else(|| text.contains(is_han) && !text.contains(is_kana), |language| language == Language::ZH)
}
