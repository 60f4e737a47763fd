//! Words of any language: UAX 29 segments, with characters in place of words where a script writes no spaces.

use unicode_segmentation::UnicodeSegmentation;

/// The number of words in `text`: each UAX 29 segment that holds a letter or a digit, numbers included. Han, kana, Thai,
/// Lao, Khmer and Myanmar text counts its characters instead (without the marks that sit on another character).
pub fn unicode(text: &str) -> usize {
    text.unicode_words().map(words_of_segment).sum()
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
