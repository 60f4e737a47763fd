//! Plans as text, tolerant of how models dress them up.
//!
//! The answer is cut into blocks at its headers ("Paragraph 3", "第三段", or list numbers where there are none); in each block
//! the number of words is found first, and what stands before it, without the label, is the main point. Anything before
//! the first header and behind the number of words (preambles, notes, totals) is dropped.

use crate::length::number_at;

use super::json::parse_json;
use super::suspect::is_refusal;
use super::{Plan, PlanFault, Step};

/// Labels of the number of words; those in the second list only with a colon.
const COUNT_LABELS: &[&str] =
    &["word count", "wordcount", "word limit", "word target", "number of words", "字数要求", "字数"];
const COUNT_LABELS_WITH_COLON: &[&str] = &["words", "length", "target length", "word length", "篇幅"];
/// Labels of the main point; those in the second list only at the start of the text.
const POINT_LABELS: &[&str] =
    &["main points", "main point(s)", "main point", "main ideas", "main idea", "主要内容", "主要观点", "要点"];
const POINT_LABELS_AT_START: &[&str] =
    &["key points", "key point", "topic", "content", "description", "title", "focus", "内容", "主题", "标题"];
const SEPARATORS: &[char] = &[' ', '-', '–', '—', ':', '：', '|', ',', '，', ';', '；', '*', '_', '\u{A0}'];

/// Reads a plan from lines such as `Paragraph 1 - Main Point: Origins - Word Count: 400 words`, in English or Chinese, on one
/// line or several, with or without markup, list numbers, preamble and notes. A range of words counts as its mean; a step
/// without a number between steps that have one gets their mean. JSON is read too.
pub fn parse_text(answer: &str) -> Result<Plan, PlanFault> {
    let clean: String = answer.chars().filter(|c| !matches!(c, '\r' | '\u{200B}' | '\u{FEFF}')).collect();
    let clean = clean.rsplit("</think>").next().unwrap_or_default();
    let json = if clean.contains(['{', '[']) { parse_json(clean) } else { Err(PlanFault::NoStep) };
    if json.is_ok() {
        return json;
    }
    let lines: Vec<String> = clean.lines().map(plain).filter(|line| !line.is_empty()).collect();
    match steps(&lines) {
        Ok(steps) if !steps.is_empty() => Ok(Plan { steps }),
        Ok(_) if is_refusal(clean) => Err(PlanFault::Refusal),
        Ok(_) => Err(if json == Err(PlanFault::Cut) { PlanFault::Cut } else { PlanFault::NoStep }),
        Err(fault) => Err(fault),
    }
}

/// A line without emphasis, heading marks, quotes and fences.
fn plain(line: &str) -> String {
    let line = line.trim();
    if line.starts_with("```") || line.starts_with("~~~") {
        return String::new();
    }
    line.replace("**", "").replace("__", "").trim_start_matches(['#', '>', '"']).trim().to_owned()
}

/// The steps under the kind of header that yields most of them.
fn steps(lines: &[String]) -> Result<Vec<Step>, PlanFault> {
    let headers: Vec<Option<Header>> = lines.iter().map(|line| header(line)).collect();
    let mut kinds: Vec<&str> = Vec::new();
    for header in headers.iter().flatten() {
        if !kinds.contains(&header.kind) {
            kinds.push(header.kind);
        }
    }
    // List numbers often stand inside a paragraph, so they head a block only where nothing better does.
    kinds.sort_by_key(|kind| *kind == LIST);
    let mut best: Vec<Block> = Vec::new();
    for kind in kinds {
        let blocks = blocks(lines, &headers, kind);
        let counted = |blocks: &[Block]| blocks.iter().filter(|block| block.words.is_some()).count();
        if counted(&blocks) > counted(&best) && (kind != LIST || best.is_empty()) {
            best = blocks;
        }
    }
    if best.is_empty() {
        best =
            lines.iter().filter(|line| find_label(line, POINT_LABELS).is_some()).map(|line| block(&[line])).collect();
        best.retain(|block| block.words.is_some());
    }
    complete(best)
}

/// Fills in missing numbers of words; a last step without one was cut.
fn complete(blocks: Vec<Block>) -> Result<Vec<Step>, PlanFault> {
    if blocks.last().is_some_and(|last| last.words.is_none()) {
        return Err(PlanFault::Cut);
    }
    let known: Vec<u64> = blocks.iter().filter_map(|block| block.words.map(u64::from)).collect();
    let mean = known.iter().sum::<u64>() / (known.len().max(1) as u64);
    let mean = u32::try_from(mean).unwrap_or(u32::MAX);
    Ok(blocks.into_iter().map(|block| Step { main_point: block.point, words: block.words.unwrap_or(mean) }).collect())
}

const LIST: &str = "list";

struct Header<'a> {
    kind: &'static str,
    rest: &'a str,
}

/// The header that a line starts with: `Paragraph 1`, `1. Paragraph 1`, `第一段`, or a list number.
fn header(line: &str) -> Option<Header<'_>> {
    const ENGLISH: &[&str] =
        &["paragraph", "section", "part", "chapter", "step", "subtask", "sub-task", "task", "para"];
    const CHINESE: &[&str] = &["段落", "部分", "章节", "步骤", "小节", "子任务"];
    const ORDINAL: &[&str] = &["段落", "段", "部分", "章节", "章", "节", "步"];
    let bare = line.trim_start_matches([' ', '-', '*', '•', '·', '|', '[', '【']);
    let (listed, inner) = match list_number(bare) {
        Some(rest) => (true, rest.trim_start_matches([' ', '[', '【'])),
        None => (false, bare),
    };
    let lower = inner.to_ascii_lowercase();
    for kind in ENGLISH.iter().chain(CHINESE) {
        if let Some(tail) = lower.strip_prefix(kind) {
            let tail = tail.trim_start_matches([' ', '#']);
            let at = lower.len() - tail.len();
            if let Some(end) = number_end(&lower, at) {
                return Some(Header { kind, rest: &inner[end..] });
            }
        }
    }
    if inner.starts_with('第')
        && let Some(end) = number_end(&lower, '第'.len_utf8())
        && let Some(kind) = ORDINAL.iter().find(|kind| inner[end..].trim_start().starts_with(**kind))
    {
        return Some(Header { kind, rest: &inner[end..].trim_start()[kind.len()..] });
    }
    listed.then_some(Header { kind: LIST, rest: inner })
}

fn list_number(line: &str) -> Option<&str> {
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let rest = line[digits..].strip_prefix(['.', ')', '、', '．', ':', '：'])?;
    ((1..=3).contains(&digits) && !rest.starts_with(|c: char| c.is_ascii_digit())).then(|| rest.trim_start())
}

/// Where the number at `at` ends, if one stands there and no word goes on behind it.
fn number_end(lower: &str, at: usize) -> Option<usize> {
    let digits = lower[at..].len() - lower[at..].trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let end = if digits > 0 { at + digits } else { number_at(lower, at)?.end };
    (!lower[end..].starts_with(|c: char| c.is_ascii_alphanumeric())).then_some(end)
}

struct Block {
    point: String,
    words: Option<u32>,
}

fn blocks(lines: &[String], headers: &[Option<Header>], kind: &str) -> Vec<Block> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for (line, header) in lines.iter().zip(headers) {
        match header {
            Some(header) if header.kind == kind => blocks.push(vec![header.rest]),
            _ => {
                if let Some(open) = blocks.last_mut() {
                    open.push(line);
                }
            }
        }
    }
    blocks.iter().map(|lines| block(lines)).collect()
}

/// The main point and the number of words in the lines of one block.
fn block(lines: &[&str]) -> Block {
    let mut before: Vec<&str> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some((start, end, words)) = find_count(line) else {
            before.push(line);
            continue;
        };
        before.push(&line[..start]);
        let mut point = main_point(&before.join(" "));
        if point.is_empty() {
            // the number of words may stand first
            let rest: Vec<&str> = std::iter::once(&line[end..]).chain(lines[index + 1..].iter().copied()).collect();
            let rest = rest.join(" ");
            if let Some((label, _)) = find_label(&rest, POINT_LABELS) {
                point = main_point(&rest[label..]);
            }
        }
        return Block { point, words: Some(words) };
    }
    Block { point: main_point(&before.join(" ")), words: None }
}

/// Where the number of words is named in `line` (from its label to its end), and the number.
fn find_count(line: &str) -> Option<(usize, usize, u32)> {
    let lower = line.to_ascii_lowercase();
    let mut found: Option<(bool, usize, u32)> = None;
    let labels = COUNT_LABELS
        .iter()
        .map(|label| (label, false))
        .chain(COUNT_LABELS_WITH_COLON.iter().map(|label| (label, true)));
    for (label, needs_colon) in labels {
        for (start, _) in lower.match_indices(label) {
            if lower[..start].ends_with(|c: char| c.is_ascii_alphanumeric()) {
                continue;
            }
            let after = &lower[start + label.len()..];
            let colon =
                after.trim_start_matches([' ', ')', 's', '*', '_']).trim_start_matches("requirement").trim_start();
            let colon = colon.starts_with([':', '：']);
            if needs_colon && !colon {
                continue;
            }
            let gap = after.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
            let speaks_on = after[..gap].contains(['.', '。', ';']) || after[..gap].chars().count() > 40;
            if !speaks_on && let Some(words) = words_of(after) {
                // A label with a colon beats one without; of several the last, since a main point may speak of words too.
                let better = found.is_none_or(|(had_colon, at, _)| (colon, start) > (had_colon, at));
                found = if better { Some((colon, start, words)) } else { found };
            }
        }
    }
    match found {
        Some((_, start, words)) => Some((start, count_end(&lower, start), words)),
        None => unlabelled_count(&lower),
    }
}

/// The offset behind the digits that follow `start`.
fn count_end(lower: &str, start: usize) -> usize {
    let first = lower[start..].find(|c: char| c.is_ascii_digit()).map_or(lower.len(), |at| start + at);
    lower[first..].find(|c: char| !(c.is_ascii_digit() || c == ',')).map_or(lower.len(), |at| first + at)
}

/// "Origins (400 words)", "Origins - 300-500 words", `引言：400字`.
fn unlabelled_count(lower: &str) -> Option<(usize, usize, u32)> {
    let line = lower.trim_end_matches([' ', '.', '。', ')', '）', ']', '】', '*', ';', '；']);
    let number = ["words", "word", "字", "词", "字左右"]
        .iter()
        .find_map(|unit| line.strip_suffix(unit))?
        .trim_end_matches([' ', '-']);
    let start = number
        .rfind(|c: char| !(c.is_ascii_digit() || ", -–—~～至到".contains(c)))
        .map_or(0, |at| at + number[at..].chars().next().map_or(0, char::len_utf8));
    let words = words_of(&number[start..])?;
    let before = line[..start].trim_end_matches([' ', '~', '约']);
    let before = ["about", "around", "approximately", "approx.", "approx", "大约"]
        .iter()
        .find_map(|word| before.strip_suffix(word))
        .unwrap_or(before);
    let opened = before.trim_end().ends_with(['(', '（', '[', ':', '：', '|', '，', ',', '=']);
    let dashed =
        number[start..].starts_with([' ', '-', '–', '—']) && number[start..].trim_start().starts_with(['-', '–', '—']);
    (opened || dashed).then_some((before.len(), lower.len(), words))
}

/// The number of words that `text` names first; the rounded mean of a range.
pub(super) fn words_of(text: &str) -> Option<u32> {
    let lower: String = text
        .chars()
        .map(|c| match c {
            '–' | '—' | '~' | '～' | '至' | '到' => '-',
            _ => c.to_ascii_lowercase(),
        })
        .collect();
    let mut at = 0;
    let first = loop {
        let character = lower[at..].chars().next()?;
        let inside_word = lower[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        match number_at(&lower, at).filter(|_| !inside_word) {
            Some(number) => break number,
            None => at += character.len_utf8(),
        }
    };
    let rest = lower[first.end..].trim_start_matches([' ', '字']);
    let rest = rest.strip_prefix("words").map_or(rest, str::trim_start);
    let second = ["-", "to "].iter().find_map(|sign| rest.strip_prefix(sign)).map(str::trim_start);
    let second = second.and_then(|text| number_at(text, 0)).filter(|second| second.low > first.high);
    let words = second.map_or(first.low.midpoint(first.high), |second| (first.low + second.high).div_ceil(2));
    u32::try_from(words).ok()
}

/// The byte range of the first of `labels` in `text` that has its colon, ending behind the colon.
fn find_label(text: &str, labels: &[&str]) -> Option<(usize, usize)> {
    let lower = text.to_ascii_lowercase();
    let at = |label: &&str| {
        lower.match_indices(*label).find_map(|(start, _)| {
            let after = lower[start + label.len()..].trim_start_matches([' ', ')', 's', '*', '_']);
            let colon = [":", "："].iter().find_map(|colon| after.strip_prefix(colon))?;
            Some((start, text.len() - colon.len()))
        })
    };
    labels.iter().filter_map(at).min()
}

/// The main point in the text of a block: what follows its label, led by the title that may stand before it.
fn main_point(text: &str) -> String {
    let text = trim(text);
    let point = match find_label(text, POINT_LABELS) {
        Some((start, end)) => {
            let (title, point) = (trim(&text[..start]), trim(&text[end..]));
            if title.chars().any(char::is_alphanumeric) && !point.is_empty() {
                format!("{}: {point}", title.trim_end_matches('.'))
            } else {
                point.to_owned()
            }
        }
        None => match find_label(text, POINT_LABELS_AT_START) {
            Some((0, end)) => trim(&text[end..]).to_owned(),
            _ => text.to_owned(),
        },
    };
    let inner =
        point.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|inner| !inner.contains(['[', ']']));
    inner.unwrap_or(&point).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn trim(text: &str) -> &str {
    text.trim_start_matches(SEPARATORS)
        .trim_start_matches(['.', '、'])
        .trim()
        .trim_end_matches(SEPARATORS)
        .trim_end_matches(['(', '（', '[', '【', ' ', '-', '–', '—'])
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
