//! Words of any language: UAX 29 segments, with characters in place of words where a script writes no spaces.

use unicode_segmentation::UnicodeSegmentation;

/// Bytes that are looked at together, in a form that the compiler turns into vector code.
const BLOCK: usize = 32;

/// The number of words in `text`: each UAX 29 segment that holds a letter or a digit, numbers included. Han, kana, Thai,
/// Lao, Khmer and Myanmar text counts its characters instead (without the marks that sit on another character).
///
/// No word crosses a space or a line end, so only the pieces between such that hold more than plain ASCII are segmented:
/// one curly quote must not make a whole text slow.
pub fn unicode(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_break = |byte: &u8| matches!(byte, b' ' | b'\n');
    let (mut words, mut at) = (0, 0);
    while let Some(hard) = hard_byte(&bytes[at..]).map(|offset| at + offset) {
        let start = bytes[at..hard].iter().rposition(is_break).map_or(at, |offset| at + offset + 1);
        let end = bytes[hard..].iter().position(is_break).map_or(bytes.len(), |offset| hard + offset);
        words += plain(&bytes[at..start]) + text[start..end].unicode_words().map(words_of_segment).sum::<usize>();
        at = end;
    }
    words + plain(&bytes[at..])
}

/// The first byte that [`plain`] cannot count: none of ASCII, or `_`, which joins words but is none by itself.
fn hard_byte(bytes: &[u8]) -> Option<usize> {
    let is_hard = |byte: u8| !byte.is_ascii() || byte == b'_';
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let easy = blocks.iter().take_while(|block| !block.iter().fold(false, |hard, byte| hard | is_hard(*byte))).count();
    let from = easy * BLOCK;
    bytes[from..].iter().position(|byte| is_hard(*byte)).map(|offset| from + offset)
}

/// UAX 29 on ASCII without `_`: the runs of letters and digits, less the marks that join two of them ("don't", "3.14").
fn plain(bytes: &[u8]) -> usize {
    let Some(first) = bytes.first() else { return 0 };
    let mut words = usize::from(first.is_ascii_alphanumeric());
    let mut at = 1;
    while at + BLOCK < bytes.len() {
        let before: &[u8; BLOCK] = block(bytes, at - 1);
        let (here, after) = (block(bytes, at), block(bytes, at + 1));
        let (mut starts, mut joins) = (0_u8, 0_u8);
        for place in 0..BLOCK {
            starts += starts_word(before[place], here[place]);
            joins += joins_words(before[place], here[place], after[place]);
        }
        // A join may stand at the end of a block and the word that it takes back at the start of the next.
        words = words + usize::from(starts) - usize::from(joins);
        at += BLOCK;
    }
    for place in at..bytes.len() {
        let after = bytes.get(place + 1).copied().unwrap_or(b' ');
        words += usize::from(starts_word(bytes[place - 1], bytes[place]));
        words -= usize::from(joins_words(bytes[place - 1], bytes[place], after));
    }
    words
}

/// The block at `at`, which lies within.
fn block(bytes: &[u8], at: usize) -> &[u8; BLOCK] {
    bytes[at..].first_chunk().unwrap_or(&[b' '; BLOCK])
}

const fn letter(byte: u8) -> bool {
    (byte | 0x20).wrapping_sub(b'a') < 26
}

const fn digit(byte: u8) -> bool {
    byte.wrapping_sub(b'0') < 10
}

const fn starts_word(before: u8, here: u8) -> u8 {
    ((letter(here) || digit(here)) && !(letter(before) || digit(before))) as u8
}

/// Rules WB6, WB7, WB11 and WB12.
const fn joins_words(before: u8, here: u8, after: u8) -> u8 {
    let both = here == b'.' || here == b'\'';
    let letters = (both || here == b':') && letter(before) && letter(after);
    let digits = (both || here == b',' || here == b';') && digit(before) && digit(after);
    (letters || digits) as u8
}

fn words_of_segment(segment: &str) -> usize {
    if segment.is_ascii() {
        return 1;
    }
    let (mut characters, mut other) = (0, false);
    for character in segment.chars() {
        match by_character(character) {
            Some(counts) => characters += usize::from(counts),
            None => other |= character.is_alphanumeric(),
        }
    }
    characters + usize::from(other)
}

/// `None` for a script that separates its words; else whether the character stands for itself (true) or only modifies its
/// neighbour (false).
fn by_character(character: char) -> Option<bool> {
    match character {
        // Combining vowels, tones and signs come first: their blocks are listed whole below.
        '\u{0E31}' | '\u{0E34}'..='\u{0E3A}' | '\u{0E47}'..='\u{0E4E}' // Thai
        | '\u{0EB1}' | '\u{0EB4}'..='\u{0EBC}' | '\u{0EC8}'..='\u{0ECE}' // Lao
        | '\u{102B}'..='\u{103E}' | '\u{1056}'..='\u{1059}' | '\u{105E}'..='\u{1060}' // Myanmar
        | '\u{17B4}'..='\u{17D3}' | '\u{17DD}' // Khmer
        | '\u{3099}' | '\u{309A}' | '\u{FF9E}' | '\u{FF9F}' // kana voicing
        => Some(false),
        // Digits of these scripts form numbers as elsewhere.
        '\u{0E50}'..='\u{0E59}' | '\u{0ED0}'..='\u{0ED9}' | '\u{1040}'..='\u{1049}' | '\u{17E0}'..='\u{17E9}' => None,
        '\u{0E01}'..='\u{0E4F}' | '\u{0E81}'..='\u{0EDF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17DC}'
        | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{309F}' | '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}'
        | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9D}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFD}'
        => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, written without regard to speed.
    fn slow(text: &str) -> usize {
        text.unicode_words().map(words_of_segment).sum()
    }

    proptest! {
        #[test]
        fn the_fast_count_of_ascii_equals_the_definition(
            text in "([a-cX-Z0-2.,:;'_ -]{0,50}|[ -~\r\n\t]{0,50}|[a-z]{2,9}){0,6}"
        ) {
            prop_assert_eq!(unicode(&text), slow(&text));
        }

        #[test]
        fn the_fast_count_of_any_text_equals_the_definition(
            text in "([a-z1'. ]{0,40}|[a_1.’é\u{301}\u{200d}\u{ad}\u{5d0}\u{5f4}字かカก\u{e34}🙂\u{1f1e6} \n\r]{0,8}|\\PC{0,6}){0,12}"
        ) {
            prop_assert_eq!(unicode(&text), slow(&text));
        }
    }

    #[test]
    fn a_text_in_pieces_is_counted_as_a_whole() {
        let texts = [
            "",
            "one\n\ntwo’s “three”\nfour—five\r\nsix",
            "茶は\n\n緑 茶\nthé vert 3.14\n1,000",
            "a\n\u{301}b\n. c\n",
            "_ __ a_ _b a_.b",
        ];
        for text in texts {
            assert_eq!(unicode(text), slow(text), "{text:?}");
        }
    }

    #[test]
    fn words_of_many_scripts() {
        let cases = [
            ("", 0),
            ("Hello, world!", 2),
            ("don't stop", 2),
            ("café au lait à 10 heures", 6),
            ("In 2024, 3.14 and 1,000", 5),
            ("Größenwahn über alles", 3),
            ("привет мир", 2),
            ("한국어 시험", 2),
            ("你好，世界！", 4),
            ("我用Python写代码", 6),
            ("日本語テスト", 6),
            ("ひらがなとカタカナ", 9),
            ("スーパー", 4),
            ("𠀀㐀", 2),
            ("ภาษาไทย", 7),
            ("ที่", 1),
            ("ภาษา ๑๒๓", 5),
            ("ພາສາ", 4),
            ("ភាសា", 2),
            ("— … !!", 0),
            ("🙂 ok 🙂", 1),
        ];
        for (text, words) in cases {
            assert_eq!(unicode(text), words, "{text}");
        }
    }
}
