//! Quantities of words in an instruction: a number or a range with a unit (`800-1,000 words`, `2000字到3000字`), or a number
//! behind a label that makes the unit plain (`word count: 500`, `字数要求：2000`).

use super::Bound;
use super::bound::{label_before, suffix_bound};
use super::number::{Number, number_at, numbers, word};

/// A length under this is no required length of a document: "a 10-word slogan", "三个字".
const SHORTEST: u64 = 20;
/// A length over this is a mistake or a boast.
const LONGEST: u64 = 1_000_000;

/// A quantity of words and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quantity {
    /// Byte offset of its first number.
    pub start: usize,
    /// Byte offset behind its unit.
    pub end: usize,
    /// The value or the lower end.
    pub low: u32,
    /// The value or the upper end.
    pub high: u32,
    /// Whether it qualifies a noun ("a 500-word essay", "500字的文章").
    pub adjective: bool,
    /// Whether its unit is a Chinese one.
    pub chinese: bool,
    /// Whether it stands behind a label that speaks of the answer's length.
    pub labelled: bool,
    /// A bound written inside it (`500+ words`, `2000以上字`).
    pub bound: Option<Bound>,
}

/// All quantities of words in `text`, which is [`super::readable`].
pub(super) fn quantities(text: &str) -> Vec<Quantity> {
    let mut found: Vec<Quantity> = Vec::new();
    for number in numbers(text) {
        if found.last().is_some_and(|last| number.start < last.end) || is_vague(text, &number) {
            continue;
        }
        found.extend(quantity_at(text, number));
    }
    found
}

/// `数千字`, `上万字`, `几百字`: a bare multiplier behind a word for "several"; also an ordinal or a price.
fn is_vague(text: &str, number: &Number) -> bool {
    let before = &text[..number.start];
    before.ends_with(['第', '$', '¥', '几'])
        || before.ends_with(['数', '上', '多']) && text[number.start..].starts_with(['十', '百', '千', '万'])
}

fn quantity_at(text: &str, first: Number) -> Option<Quantity> {
    let (low, high, behind) = range(text, first);
    let labelled = label_before(text, first.start);
    let unit = unit(text, behind);
    let (end, hyphen, singular, chinese, bound) = match unit {
        Some(unit) => (unit.end, unit.hyphen, unit.singular, unit.chinese, unit.bound),
        // Behind a label the unit may be missing, but a unit of something else may not be there: "length: 5 pages".
        None if labelled && !has_other_unit(&text[behind..]) => {
            let chinese = !text[..first.start].trim_end_matches([' ', ':']).ends_with(|c: char| c.is_ascii());
            (behind, false, false, chinese, None)
        }
        None => return None,
    };
    if low < SHORTEST || high > LONGEST || low > high || not_a_length(&text[end..], singular && !hyphen) {
        return None;
    }
    let article = text[..first.start].trim_end().rsplit([' ', '\n', '(']).next().unwrap_or_default();
    let named = chinese && names_a_document(&text[end..]);
    Some(Quantity {
        start: first.start,
        end,
        low: u32::try_from(low).ok()?,
        high: u32::try_from(high).ok()?,
        adjective: hyphen || singular || named || ["a", "an", "this", "the", "my"].contains(&article),
        chinese,
        labelled,
        bound: bound.or_else(|| suffix_bound(&text[end..])),
    })
}

fn has_other_unit(rest: &str) -> bool {
    const UNITS: &[&str] =
        &["page", "pages", "minutes", "hours", "paragraphs", "lines", "characters", "tokens", "chapters"];
    let rest = rest.trim_start_matches(' ');
    rest.starts_with(|c| "%页分秒行个篇章节年月日天小时元".contains(c)) || UNITS.contains(&word(rest))
}

/// The range that `first` opens, or the number itself, and where it ends.
fn range(text: &str, first: Number) -> (u64, u64, usize) {
    let single = (first.low, first.high, first.end);
    let behind = unit(text, first.end).filter(|unit| unit.bound.is_none()).map_or(first.end, |unit| unit.end);
    let Some(at) = connector(text, behind) else { return single };
    let Some(second) = number_at(text, at) else { return single };
    let mut low = first.low;
    if first.factor == 1 && second.factor > 1 && low < second.high / second.factor {
        low = low.saturating_mul(second.factor);
    }
    if second.high >= low && first.low == first.high { (low, second.high, second.end) } else { single }
}

fn connector(text: &str, at: usize) -> Option<usize> {
    let rest = text[at..].trim_start_matches(' ');
    let tail = ["--", "-", "to ", "到", "至", "and "].iter().find_map(|sign| Some((sign, rest.strip_prefix(sign)?)));
    let (sign, tail) = tail?;
    if *sign == "and " {
        // "between 800 and 1,000", "no fewer than 800 and no more than 1,000"
        let upper = ["no more than ", "not more than ", "at most ", "up to "]
            .iter()
            .find_map(|phrase| tail.strip_prefix(phrase));
        if let Some(tail) = upper {
            return Some(text.len() - tail.len());
        }
        let gap = text[..at].rfind("between").map(|start| at - start);
        if gap.is_none_or(|gap| gap > 32) {
            return None;
        }
    }
    let tail = tail.trim_start_matches([' ', '约']);
    Some(text.len() - tail.len())
}

struct Unit {
    end: usize,
    hyphen: bool,
    singular: bool,
    chinese: bool,
    bound: Option<Bound>,
}

/// The unit behind a number that ends at `at`, with what may stand between.
fn unit(text: &str, at: usize) -> Option<Unit> {
    let mut rest = &text[at..];
    let (mut hyphen, mut bound, mut chinese_words) = (false, None, false);
    if let Some(close) = rest.trim_start().strip_prefix('(').and_then(|inner| inner.split_once(')'))
        && number_at(close.0, 0).is_some_and(|number| number.end == close.0.trim_end().len())
    {
        rest = close.1;
    }
    loop {
        let before = rest.len();
        rest = rest.trim_start_matches(' ');
        let name = word(rest);
        if let Some(tail) = rest.strip_prefix('+') {
            (rest, bound) = (tail, Some(Bound::AtLeast));
        } else if let Some(tail) = rest.strip_prefix('-') {
            (rest, hyphen) = (tail, true);
        } else if [
            "plus", "or", "so", "more", "english", "chinese", "spanish", "total", "full", "original", "written", "good",
        ]
        .contains(&name)
        {
            bound = if name == "plus" || name == "more" { Some(Bound::AtLeast) } else { bound };
            chinese_words |= name == "chinese";
            rest = &rest[name.len()..];
        } else if let Some(tail) = chinese_filler(rest) {
            rest = tail;
        } else if let Some((inner, tail)) =
            ["左右", "上下", "以上", "以内"].iter().find_map(|s| Some((*s, rest.strip_prefix(s)?)))
        {
            bound = suffix_bound(inner);
            rest = tail;
        }
        if rest.len() == before {
            break;
        }
    }
    let name = word(rest);
    let (length, singular, chinese) = match name {
        "word" => (4, true, false),
        "words" => (5, false, false),
        "characters" if chinese_words => (10, false, true),
        _ => (chinese_unit(rest)?, false, true),
    };
    Some(Unit { end: text.len() - rest.len() + length, hyphen, singular, chinese, bound })
}

fn chinese_filler(rest: &str) -> Option<&str> {
    const FILLERS: &[&str] = &["多", "余", "来", "个汉", "个英文", "英文", "中文", "汉", "个"];
    let (filler, tail) = FILLERS.iter().find_map(|filler| Some((filler, rest.strip_prefix(filler)?)))?;
    // "10个词" is a list; "500个字" is a length
    (*filler != "个" || tail.starts_with('字') || tail.starts_with("单词") || tail.starts_with("words")).then_some(tail)
}

fn chinese_unit(rest: &str) -> Option<usize> {
    const NOT: &[&str] = &[
        "字母",
        "字节",
        "字典",
        "字段",
        "字词",
        "字体",
        "字形",
        "字幕",
        "字号",
        "词汇",
        "词语",
        "词组",
        "词条",
        "字成语",
    ];
    if NOT.iter().any(|word| rest.starts_with(word)) {
        return None;
    }
    ["单词", "字符", "字", "词"].iter().find(|unit| rest.starts_with(**unit)).map(|unit| unit.len())
}

/// Whether what follows the unit shows that the quantity is a rate, or "word" the first half of another noun.
fn not_a_length(after: &str, bare_singular: bool) -> bool {
    const RATES: &[&str] = &[
        "per minute",
        "per hour",
        "per second",
        "per day",
        "a day",
        "an hour",
        "a minute",
        "every day",
        "each day",
        "daily",
        "/min",
    ];
    const NOUNS: &[&str] =
        &["problem", "search", "association", "processor", "puzzle", "game", "list", "family", "families"];
    let after = after.trim_start();
    RATES.iter().any(|rate| after.starts_with(rate))
        || ["to know", "to learn", "to remember"].iter().any(|purpose| after.starts_with(purpose))
        || ["每分钟", "每小时", "每天", "/分钟"].iter().any(|rate| after.starts_with(rate))
        || bare_singular && NOUNS.iter().any(|noun| after.starts_with(noun))
}

/// Whether a Chinese quantity is followed by what it qualifies: `3000字的文章`, `3000字报告`.
pub(super) fn names_a_document(after: &str) -> bool {
    const NOUNS: &[&str] = &[
        "文章", "论文", "报告", "作文", "小说", "短文", "故事", "原文", "长文", "散文", "随笔", "评论", "演讲", "文本",
        "文档", "稿",
    ];
    after.starts_with('的') || NOUNS.iter().any(|noun| after.starts_with(noun))
}

#[cfg(test)]
mod tests {
    use super::super::readable;
    use super::*;

    fn read(text: &str) -> Vec<(u32, u32)> {
        quantities(&readable(text)).iter().map(|quantity| (quantity.low, quantity.high)).collect()
    }

    #[test]
    fn forms_of_quantities() {
        let cases: [(&str, &[(u32, u32)]); 24] = [
            ("5000 words", &[(5000, 5000)]),
            ("5,000-word", &[(5000, 5000)]),
            ("500words", &[(500, 500)]),
            ("6000-words paper", &[(6000, 6000)]),
            ("500 (five hundred) words", &[(500, 500)]),
            ("2-3k words", &[(2000, 3000)]),
            ("two to three thousand words", &[(2000, 3000)]),
            ("between 800 and 1,000 words", &[(800, 1000)]),
            ("800 words to 1000 words", &[(800, 1000)]),
            ("500 English words", &[(500, 500)]),
            ("2000 Chinese characters", &[(2000, 2000)]),
            ("2000字到3000字", &[(2000, 3000)]),
            ("1-2万字", &[(10_000, 20_000)]),
            ("三到五千字", &[(3000, 5000)]),
            ("3000余字", &[(3000, 3000)]),
            ("字数要求:2000左右", &[(2000, 2000)]),
            ("word count: 500", &[(500, 500)]),
            ("2000左右字", &[(2000, 2000)]),
            ("数千字, 上万字, 几百字", &[]),
            ("200 words per minute", &[]),
            ("20 word problems", &[]),
            ("10-word slogan", &[]),
            ("500 characters, 50 pages, 1984", &[]),
            ("背诵3000词汇, 用500字母", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
