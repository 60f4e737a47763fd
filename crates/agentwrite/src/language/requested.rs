//! The language an instruction asks for.

use super::{Language, detect};

/// English names, used after `in` and `into`.
const ENGLISH: &[(&str, &str)] = &[
    ("arabic", "ar"),
    ("bengali", "bn"),
    ("chinese", "zh"),
    ("czech", "cs"),
    ("danish", "da"),
    ("dutch", "nl"),
    ("english", "en"),
    ("farsi", "fa"),
    ("finnish", "fi"),
    ("french", "fr"),
    ("german", "de"),
    ("greek", "el"),
    ("hebrew", "he"),
    ("hindi", "hi"),
    ("hungarian", "hu"),
    ("indonesian", "id"),
    ("italian", "it"),
    ("japanese", "ja"),
    ("korean", "ko"),
    ("mandarin", "zh"),
    ("norwegian", "no"),
    ("persian", "fa"),
    ("polish", "pl"),
    ("portuguese", "pt"),
    ("romanian", "ro"),
    ("russian", "ru"),
    ("spanish", "es"),
    ("swedish", "sv"),
    ("tamil", "ta"),
    ("telugu", "te"),
    ("thai", "th"),
    ("turkish", "tr"),
    ("ukrainian", "uk"),
    ("urdu", "ur"),
    ("vietnamese", "vi"),
];

/// Words that may stand after a language's name without making it an adjective ("in French history" asks for nothing).
const AFTER_NAME: &[&str] = &[
    "about", "and", "as", "at", "by", "for", "from", "in", "language", "of", "on", "only", "please", "that", "the",
    "to", "using", "which", "with",
];

/// Chinese names, before 文 or 语.
const CHINESE: &[(&str, &str)] = &[
    ("英", "en"),
    ("中", "zh"),
    ("汉", "zh"),
    ("法", "fr"),
    ("德", "de"),
    ("日", "ja"),
    ("韩", "ko"),
    ("俄", "ru"),
    ("西班牙", "es"),
    ("葡萄牙", "pt"),
    ("意大利", "it"),
    ("阿拉伯", "ar"),
    ("波斯", "fa"),
    ("印地", "hi"),
    ("越南", "vi"),
    ("泰", "th"),
];

/// What may stand before a Chinese language name that governs the output.
const BEFORE_CHINESE: &[&str] = &["用", "以", "成", "使用"];
/// What may stand after it.
const AFTER_CHINESE: &[&str] = &[
    "文章", "作文", "论文", "故事", "小说", "信", "邮件", "演讲", "诗", "报告", "版", "写", "撰写", "书写", "散文",
    "剧本", "书",
];

/// Whole phrases in other languages.
const PHRASES: &[(&str, &str)] = &[
    ("en anglais", "en"),
    ("en français", "fr"),
    ("en allemand", "de"),
    ("en espagnol", "es"),
    ("en chinois", "zh"),
    ("auf englisch", "en"),
    ("auf deutsch", "de"),
    ("auf französisch", "fr"),
    ("auf spanisch", "es"),
    ("en inglés", "en"),
    ("en español", "es"),
    ("en francés", "fr"),
    ("на английском", "en"),
    ("на русском", "ru"),
    ("на французском", "fr"),
    ("на немецком", "de"),
    ("英語で", "en"),
    ("日本語で", "ja"),
    ("中国語で", "zh"),
    ("영어로", "en"),
    ("한국어로", "ko"),
    ("중국어로", "zh"),
];

/// The language that `instruction` asks its text to be in: a stated one ("in French", "用英文写"), else its own.
pub fn requested_language(instruction: &str) -> Option<Language> {
    let lower = instruction.to_lowercase();
    stated_in_english(&lower)
        .or_else(|| stated_in_chinese(&lower))
        .or_else(|| PHRASES.iter().find(|(phrase, _)| lower.contains(phrase)).map(|(_, code)| *code))
        .and_then(Language::from_code)
        .or_else(|| detect(instruction))
}

/// The last stated one wins: "this letter in French ... answer in English".
fn stated_in_english(lower: &str) -> Option<&'static str> {
    let words: Vec<&str> = lower.split_whitespace().collect();
    let mut stated = words.windows(2).enumerate().filter_map(|(i, pair)| {
        let preposition = pair[0].trim_start_matches(|c: char| !c.is_alphanumeric());
        if !matches!(preposition, "in" | "into") {
            return None;
        }
        let name = pair[1].trim_end_matches(|c: char| !c.is_alphanumeric());
        let (_, code) = ENGLISH.iter().find(|(english, _)| *english == name)?;
        let ends_a_phrase = name.len() < pair[1].len();
        let next = words.get(i + 2).map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
        let governs = ends_a_phrase || next.is_none_or(|word| word.is_empty() || AFTER_NAME.contains(&word));
        governs.then_some(*code)
    });
    stated.next_back()
}

fn stated_in_chinese(text: &str) -> Option<&'static str> {
    if text.is_ascii() {
        return None;
    }
    CHINESE.iter().find_map(|(name, code)| {
        ["文", "语"].iter().any(|kind| governs_output(text, &format!("{name}{kind}"))).then_some(*code)
    })
}

fn governs_output(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        BEFORE_CHINESE.iter().any(|word| before.ends_with(word))
            || AFTER_CHINESE.iter().any(|word| after.starts_with(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(instruction: &str) -> Option<&'static str> {
        requested_language(instruction).map(Language::code)
    }

    #[test]
    fn a_stated_language_wins_over_the_instruction_s_own() {
        assert_eq!(code("Write a 3,000-word essay about wine in French."), Some("fr"));
        assert_eq!(code("Translate this report into German and add a summary"), Some("de"));
        assert_eq!(code("请用英文写一篇关于罗马帝国的文章，约3000字"), Some("en"));
        assert_eq!(code("写一篇2000字的英语作文，题目是我的家乡"), Some("en"));
        assert_eq!(code("Schreibe auf Englisch einen langen Aufsatz über die Geschichte der Seefahrt"), Some("en"));
    }

    #[test]
    fn an_adjective_is_no_request() {
        assert_eq!(code("Write a long essay about the role of women in French history and society"), Some("en"));
        assert_eq!(code("写一篇关于英语教学的中文综述，分析它在中国的现状"), Some("zh"));
    }

    #[test]
    fn otherwise_the_instruction_s_language() {
        assert_eq!(code("写一篇关于长江的散文，三千字左右"), Some("zh"));
        assert_eq!(code("Tell me a story"), None);
    }
}
