//! A section that starts by repeating what it was given.

use super::label::is_plan_line;

/// Fewer repeated characters than this (white space not counted) are chance or a refrain, not an echo.
const MIN_LATIN: usize = 60;
/// The same where most characters are Han, kana or Hangul.
const MIN_EASTERN: usize = 24;
/// A plan line shorter than this is a title that a section may well open with.
const MIN_PLAN_LINE: usize = 40;
/// How far into the text an echo of its predecessor can reach, in characters.
const WINDOW: usize = 2000;

/// `text` without a repeated plan line and without a repeated end of the earlier text at its head; whether anything
/// was cut. `earlier_tail` is the last 2,000 characters or so before this section, `plan_line` its step's line.
/// A text that is nothing but echo is returned whole: trimming cannot mend it, and the gates name what it is.
pub fn trim_echo(text: &str, earlier_tail: &str, plan_line: &str) -> (String, bool) {
    let mut rest = text.trim();
    loop {
        let shorter = skip_plan_line(rest, plan_line).or_else(|| skip_tail(rest, earlier_tail));
        match shorter {
            Some(shorter) => rest = shorter,
            None if rest.is_empty() => return (text.trim().to_owned(), false),
            None => return (rest.to_owned(), rest.len() < text.trim().len()),
        }
    }
}

/// Lower-case letters and digits only: what is left of a line when its marks and spaces are gone.
pub(crate) fn squashed(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !c.is_ascii() && c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        }
    }
    out
}

/// The same one by one, for a comparison that ends early.
fn squashed_chars(line: &str) -> impl Iterator<Item = char> {
    line.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

fn skip_plan_line<'a>(text: &'a str, plan_line: &str) -> Option<&'a str> {
    let line = text.lines().next()?;
    if line.is_empty() {
        return None;
    }
    let repeats = || {
        // A line that is none differs within a word; only one that repeats the plan's is read to its end.
        let mut own = squashed_chars(line);
        if !squashed_chars(plan_line).all(|c| own.next() == Some(c)) {
            return false;
        }
        let least = if squashed_chars(plan_line).all(|c| c.is_ascii()) { MIN_PLAN_LINE } else { MIN_PLAN_LINE / 3 };
        squashed_chars(plan_line).count() >= least
    };
    (is_plan_line(line) || (!plan_line.is_empty() && repeats())).then(|| text[line.len()..].trim_start())
}

/// Cuts the longest head of `text` that is the end of `tail`, white space aside, if it is long enough to be no chance.
fn skip_tail<'a>(text: &'a str, tail: &str) -> Option<&'a str> {
    // Nearly every section ends here: its first bytes stand nowhere in the tail.
    let start = text.lines().next()?;
    if !tail.contains(&start[..start.floor_char_boundary(16)]) {
        return None;
    }
    let head: Vec<(usize, char)> = text.char_indices().filter(|(_, c)| !c.is_whitespace()).take(WINDOW).collect();
    let tail: Vec<char> = tail.chars().filter(|c| !c.is_whitespace()).collect();
    let tail = &tail[tail.len().saturating_sub(WINDOW)..];
    let matched = longest_border(&head, tail);
    let eastern = head[..matched].iter().filter(|(_, c)| u32::from(*c) >= 0x3040).count();
    let least = if eastern * 2 > matched { MIN_EASTERN } else { MIN_LATIN };
    let (start, end_char) = *head.get(matched.checked_sub(1)?)?;
    (matched >= least).then(|| text[start + end_char.len_utf8()..].trim_start())
}

/// Length of the longest prefix of `head` that is a suffix of `tail` (Knuth-Morris-Pratt).
fn longest_border(head: &[(usize, char)], tail: &[char]) -> usize {
    let mut fail = vec![0; head.len()];
    for i in 1..head.len() {
        let mut length: usize = fail[i - 1];
        while length > 0 && head[length].1 != head[i].1 {
            length = fail[length - 1];
        }
        fail[i] = length + usize::from(head[length].1 == head[i].1);
    }
    let mut length = 0;
    for c in tail {
        if length == head.len() {
            length = fail[length - 1];
        }
        while length > 0 && head[length].1 != *c {
            length = fail[length - 1];
        }
        length += usize::from(head[length].1 == *c);
    }
    length
}
