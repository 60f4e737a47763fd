//! Tokens without a tokenizer: four bytes of ASCII or one wide character a token, which is about right for current
//! tokenizers; the letters of Cyrillic, Greek, Arabic and the accented ones count half.

use crate::language::Language;
use crate::manuscript::tokens_for;

/// About how many tokens a text has.
pub fn weight(text: &str) -> f64 {
    let quarters: u64 = text
        .chars()
        .map(|char| match char.len_utf8() {
            1 => 1,
            2 => 2,
            _ => 4,
        })
        .sum();
    quarters as f64 / 4.0
}

/// About how many tokens a text of so many words has. Where [`tokens_for`] is generous, because it bounds answers, this is
/// in the middle: a Chinese character is one token, and every tenth is followed by a mark.
pub fn expected_tokens(words: u32, language: Option<Language>) -> f64 {
    if is_wide(language) { f64::from(words) * 1.1 } else { tokens_for(words, language) as f64 }
}

/// Whether a language is written in characters that are a token each.
pub(super) fn is_wide(language: Option<Language>) -> bool {
    matches!(language.map(Language::code), Some("zh" | "ja" | "ko" | "th"))
}
