//! Counts of parts in an instruction: "ten letters", "five-chapter", 五封信, 共十章.

use super::mask::sentence_start;
use super::number::{Number, number_at, numbers, word};

/// A number of parts and what the parts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartCount {
    /// How many.
    pub count: u32,
    /// The part in the singular ("chapter", "封").
    pub kind: &'static str,
    /// Byte offset behind the noun.
    pub end: usize,
}

/// English nouns for what an answer can be divided into, with their plurals.
const ENGLISH: [(&str, &str); 40] = [
    ("chapter", "chapters"),
    ("letter", "letters"),
    ("question", "questions"),
    ("part", "parts"),
    ("section", "sections"),
    ("scene", "scenes"),
    ("act", "acts"),
    ("episode", "episodes"),
    ("poem", "poems"),
    ("story", "stories"),
    ("essay", "essays"),
    ("article", "articles"),
    ("entry", "entries"),
    ("email", "emails"),
    ("post", "posts"),
    ("lesson", "lessons"),
    ("volume", "volumes"),
    ("paragraph", "paragraphs"),
    ("dialogue", "dialogues"),
    ("monologue", "monologues"),
    ("speech", "speeches"),
    ("report", "reports"),
    ("review", "reviews"),
    ("exercise", "exercises"),
    ("stanza", "stanzas"),
    ("verse", "verses"),
    ("tale", "tales"),
    ("fable", "fables"),
    ("script", "scripts"),
    ("summary", "summaries"),
    ("module", "modules"),
    ("unit", "units"),
    ("slide", "slides"),
    ("sentence", "sentences"),
    ("line", "lines"),
    ("tweet", "tweets"),
    ("message", "messages"),
    ("description", "descriptions"),
    ("answer", "answers"),
    ("biography", "biographies"),
];

/// Chinese classifiers and nouns that stand directly behind a number (with or without 个).
const CHINESE: &[&str] = &[
    "个部分",
    "部分",
    "个章节",
    "章节",
    "个环节",
    "个教学环节",
    "个段落",
    "个故事",
    "个场景",
    "个问题",
    "个题",
    "个主题",
    "次课",
    "节课",
    "封",
    "篇",
    "章",
    "节",
    "幕",
    "集",
    "首",
    "则",
    "道",
    "段",
    "卷",
    "讲",
    "课",
    "期",
    "回",
    "条",
    "场戏",
    "份",
];

/// The kind that an English word names, and whether the word is a plural.
pub(super) fn english_kind(name: &str) -> Option<(&'static str, bool)> {
    ENGLISH.iter().find_map(
        |(one, many)| {
            if *one == name { Some((*one, false)) } else { (*many == name).then_some((*one, true)) }
        },
    )
}

/// The kind that `text` starts with, and its length in bytes.
pub(super) fn chinese_kind(text: &str) -> Option<(&'static str, usize)> {
    // Other words that begin with a classifier.
    const OTHER: &[&str] =
        &["节日", "节目", "期间", "期末", "课时", "课间", "回事", "首都", "段时间", "集团", "章程", "道路"];
    let found = CHINESE.iter().filter(|kind| text.starts_with(**kind)).max_by_key(|kind| kind.len())?;
    let taken = found.len();
    let other = OTHER.iter().any(|word| text.starts_with(word));
    (!other).then(|| (found.trim_start_matches('个'), taken))
}

/// All counts of parts in `text`, which is [`super::readable`], in order. Ordinals and counts of one do not count.
pub(crate) fn part_counts(text: &str) -> Vec<PartCount> {
    numbers(text).iter().filter_map(|number| part_count(text, number)).collect()
}

fn part_count(text: &str, number: &Number) -> Option<PartCount> {
    if number.low != number.high || !(2..=500).contains(&number.low) || is_ordinal_or_given(text, number.start) {
        return None;
    }
    let (kind, end) = chinese_noun(text, number.end).or_else(|| english_noun(text, number.end))?;
    Some(PartCount { count: u32::try_from(number.low).ok()?, kind, end })
}

fn is_ordinal_or_given(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end();
    let last = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    before.ends_with(['第', '这', '那', '前', '后', '每', '各'])
        || [
            "these", "those", "first", "last", "my", "his", "her", "their", "its", "previous", "past", "all",
            "chapter", "part",
        ]
        .contains(&last)
        || !before.ends_with("each of the")
            && text[sentence_start(text, at)..at].rsplit([',', ':']).next().is_some_and(|clause| {
                clause.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "each" || word == "every")
                    || clause.contains('每')
            })
}

fn chinese_noun(text: &str, at: usize) -> Option<(&'static str, usize)> {
    let rest = text[at..].trim_start_matches(' ');
    let (kind, length) = chinese_kind(rest)?;
    Some((kind, text.len() - rest.len() + length))
}

/// The part noun within the three words behind a number; a singular only in a compound such as "five-chapter".
fn english_noun(text: &str, at: usize) -> Option<(&'static str, usize)> {
    let mut next = at;
    let mut hyphen = true;
    for _ in 0..4 {
        let rest = &text[next..];
        let bare = rest.strip_prefix([' ', '-']).unwrap_or(rest);
        hyphen &= rest.starts_with('-');
        let name = word(bare);
        if name.is_empty() || bare.len() == rest.len() {
            return None;
        }
        let start = text.len() - bare.len();
        next = start + name.len();
        if name == "word"
            || name == "words"
            || ["of", "and", "or", "to", "in", "for", "with", "from", "the"].contains(&name)
        {
            return None;
        }
        // "two 500-word essays" counts essays; the quantity between is skipped
        if number_at(text, start).is_some() {
            let skipped = text[next..].strip_prefix("-word").map(|tail| text.len() - tail.len());
            next = skipped?;
            hyphen = false;
            continue;
        }
        match english_kind(name) {
            Some((kind, plural)) if plural || hyphen => {
                let of_another =
                    ["of the ", "of this ", "of my "].iter().any(|tail| text[next..].trim_start().starts_with(tail));
                return (!of_another).then_some((kind, next));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::readable;
    use super::*;

    fn counts(text: &str) -> Vec<(u32, &'static str)> {
        part_counts(&readable(text)).iter().map(|part| (part.count, part.kind)).collect()
    }

    #[test]
    fn counts_of_parts() {
        let cases: [(&str, &[(u32, &str)]); 20] = [
            ("Write ten letters from the front", &[(10, "letter")]),
            ("a novella in five chapters", &[(5, "chapter")]),
            ("a five-chapter novella", &[(5, "chapter")]),
            ("12 multiple choice questions", &[(12, "question")]),
            ("three 500-word essays", &[(3, "essay")]),
            ("a three-act play", &[(3, "act")]),
            ("20 short diary entries", &[(20, "entry")]),
            ("写五封信", &[(5, "封")]),
            ("分十章", &[(10, "章")]),
            ("分为3个部分", &[(3, "部分")]),
            ("20次课讲解", &[(20, "次课")]),
            ("第三章", &[]),
            ("summarise the first three chapters", &[]),
            ("three chapters of the book", &[]),
            ("these five articles", &[]),
            ("one letter", &[]),
            ("chapter 5 sections", &[]),
            ("12 eggs and a letter", &[]),
            ("five acts, each act with three scenes", &[(5, "act")]),
            ("一篇文章", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(counts(text), expected, "{text}");
        }
    }
}
