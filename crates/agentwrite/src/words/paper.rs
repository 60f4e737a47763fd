//! The word count of the paper's evaluation: ideographs U+4E00 to U+9FFF plus the matches of `\b[a-zA-Z]+\b`.
//!
//! A match of that expression is a whole run of word characters (alphanumerics and `_`) that consists of ASCII letters
//! alone, so a Latin run that touches a digit, an accented letter or an ideograph counts 0. `char::is_alphanumeric` stands
//! for Python's `\w`: it agrees on every character of ordinary text, which the `\w` of Rust's `regex` does not.
//!
//! Every section is counted, often more than once, hence the block loop: it skips over plain English 32 bytes at a time in
//! a form that the compiler turns into vector code.

const BLOCK: usize = 32;

/// Where the scanner stands. A word is counted when it starts and taken back when it turns out to be impure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    /// Outside any run of word characters.
    Outside,
    /// In a run of ASCII letters only, already counted.
    Latin,
    /// In a run that holds something else, not counted.
    Mixed,
}

/// The number of words in `text` as the paper counts them: Chinese characters plus Latin words. Numbers, accented words,
/// kana and hangul count 0; `don't` counts 2.
pub fn paper(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut words, mut run, mut at) = (0_usize, Run::Outside, 0);
    while at < bytes.len() {
        if run != Run::Mixed
            && let Some((starts, ends_in_word)) = plain_block(bytes, at, run == Run::Latin)
        {
            words += starts;
            run = if ends_in_word { Run::Latin } else { Run::Outside };
            at += BLOCK;
            continue;
        }
        // A block that failed is walked to its end, so that it is not tried again at each of its characters.
        let stop = bytes.len().min(at + BLOCK);
        while at < stop {
            at += step(text, at, &mut run, &mut words);
        }
    }
    words
}

/// Counts the words that start in the block at `at` if it is whole and holds only ASCII letters and ASCII characters that
/// end a word; also says whether its last byte is a letter.
fn plain_block(bytes: &[u8], at: usize, in_word: bool) -> Option<(usize, bool)> {
    let block: &[u8; BLOCK] = bytes.get(at..at + BLOCK)?.try_into().ok()?;
    let mut letters = [0_u8; BLOCK];
    let mut impure = 0_u8;
    for (letter, &byte) in letters.iter_mut().zip(block) {
        *letter = u8::from((byte | 0x20).wrapping_sub(b'a') < 26);
        impure |= u8::from(byte.wrapping_sub(b'0') < 10) | u8::from(byte == b'_') | (byte >> 7);
    }
    if impure != 0 {
        return None;
    }
    let mut starts = letters[0] & !u8::from(in_word);
    for next in 1..BLOCK {
        starts += letters[next] & !letters[next - 1];
    }
    Some((usize::from(starts), letters[BLOCK - 1] == 1))
}

/// Takes one character at `at` and returns its length in bytes.
fn step(text: &str, at: usize, run: &mut Run, words: &mut usize) -> usize {
    let byte = text.as_bytes()[at];
    if byte.is_ascii_alphabetic() {
        if *run == Run::Outside {
            *words += 1;
            *run = Run::Latin;
        }
        return 1;
    }
    let (is_word, is_ideograph, length) = if byte.is_ascii() {
        (byte.is_ascii_digit() || byte == b'_', false, 1)
    } else {
        let character = text[at..].chars().next().unwrap_or_default();
        let is_ideograph = matches!(character, '\u{4E00}'..='\u{9FFF}');
        (is_ideograph || character.is_alphanumeric(), is_ideograph, character.len_utf8())
    };
    if *run == Run::Latin && is_word {
        *words -= 1;
    }
    *words += usize::from(is_ideograph);
    *run = if is_word { Run::Mixed } else { Run::Outside };
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(serde::Deserialize)]
    struct Vector {
        text: String,
        words: usize,
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str(include_str!("../../tests-data/word_counts.json")).unwrap()
    }

    /// The definition, written without regard to speed.
    fn slow(text: &str) -> usize {
        let ideographs = text.chars().filter(|c| ('\u{4E00}'..='\u{9FFF}').contains(c)).count();
        let runs = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        ideographs + runs.filter(|run| !run.is_empty() && run.chars().all(|c| c.is_ascii_alphabetic())).count()
    }

    #[test]
    fn the_vectors_of_the_released_counter_agree() {
        let vectors = vectors();
        assert!(vectors.len() >= 58);
        for vector in vectors {
            assert_eq!(paper(&vector.text), vector.words, "{:?}", vector.text);
        }
    }

    #[test]
    fn the_vectors_agree_at_every_offset_of_a_block() {
        for vector in vectors() {
            for pad in 0..=2 * BLOCK {
                let text = format!("{} {} {}", "ab ".repeat(pad), vector.text, "c".repeat(pad));
                assert_eq!(paper(&text), slow(&text), "{text:?}");
            }
        }
    }

    #[test]
    fn a_word_longer_than_a_block_counts_once() {
        assert_eq!(paper(&"a".repeat(1000)), 1);
        assert_eq!(paper(&format!("{}1", "a".repeat(1000))), 0);
        assert_eq!(paper(&format!("1{} b", "a".repeat(1000))), 1);
    }

    proptest! {
        #[test]
        fn the_fast_scanner_equals_the_definition(text in "([a-zA-Z0-9_ ,.]{0,40}|[字文é\u{200b}½ΑαＡ]{0,3}|\\PC{0,8}){0,12}") {
            prop_assert_eq!(paper(&text), slow(&text));
        }
    }
}
