//! "Paragraph 3:" at the head of a section: the released data is full of them (facts 2.2).

use super::strip_prefix_folded;

/// In lower case; [`after_label`] knows their first letters.
const WORDS: &[&str] = &["paragraph", "para", "paragraphe", "párrafo", "absatz", "абзац", "段落", "第"];
/// What a copied plan line has after its label.
const COUNT_FIELDS: &[&str] = &["word count", "wordcount", "字数", "字數", "nombre de mots", "wortanzahl"];

/// The text after a leading label, or `None`. A label is "Paragraph N" before a colon, a dash or the end of its line,
/// bare, bold or as a heading. "### Paragraph 3: The Rise" becomes "### The Rise"; a whole plan line goes entirely.
pub(super) fn skip(text: &str) -> Option<&str> {
    let line = text.lines().next()?;
    let (markup, label) = split_markup(line);
    let rest = after_label(label)?;
    if is_plan_line(line) {
        // Alone it stays, so that the gates see a plan and not an empty answer.
        return Some(text[line.len()..].trim_start()).filter(|rest| !rest.is_empty());
    }
    let rest = rest.trim_start();
    let bare = rest.trim_matches(['*', '_', ' ']).is_empty();
    if bare || markup.is_empty() {
        let from = if bare { line.len() } else { offset(text, rest) };
        return Some(text[from..].trim_start());
    }
    // Keeping a heading's marks in front of its title would need a copy; the title alone reads as well.
    let title = rest.trim_start_matches(['*', '_', ' ']);
    Some(&text[offset(text, title)..])
}

/// Whether some later line opens with a label: stripping cannot mend that.
pub(crate) fn has_label(text: &str) -> Option<&str> {
    text.lines().skip(1).find(|line| {
        let (_, label) = split_markup(line);
        !label.is_empty() && after_label(label).is_some()
    })
}

/// Whether a line is an entry of a plan: a label and a word count field.
pub(crate) fn is_plan_line(line: &str) -> bool {
    let (_, label) = split_markup(line);
    if after_label(label).is_none() {
        return false;
    }
    let lower = line.to_lowercase();
    COUNT_FIELDS.iter().any(|field| lower.contains(field))
}

/// The marks before a label (heading, bold, list, bracket) and the rest of the line.
fn split_markup(line: &str) -> (&str, &str) {
    let rest = line.trim_start_matches(['#', '*', '_', ' ', '[', '【', '>', '-']);
    line.split_at(line.len() - rest.len())
}

/// What follows "Paragraph 12:".
fn after_label(line: &str) -> Option<&str> {
    // Most lines open with none of these letters.
    if !line.starts_with(|c: char| !c.is_ascii() || matches!(c, 'a' | 'A' | 'p' | 'P')) {
        return None;
    }
    let (word, rest) = WORDS.iter().find_map(|word| Some((*word, strip_prefix_folded(line, word)?)))?;
    let rest = rest.trim_start().trim_start_matches('#');
    let number = rest.trim_start_matches(|c: char| c.is_ascii_digit() || "一二三四五六七八九十百".contains(c));
    let digits = rest.len() - number.len();
    if digits == 0 || digits > 12 {
        return None;
    }
    let after =
        if word == "第" { number.strip_prefix("段落").or_else(|| number.strip_prefix('段'))? } else { number };
    let after = after.trim_start_matches(['*', '_', ']', '】']).trim_start_matches(' ');
    if after.is_empty() {
        return Some(after);
    }
    let mut chars = after.chars();
    let separator = chars.next()?;
    matches!(separator, ':' | '：' | '-' | '–' | '—').then(|| chars.as_str())
}

fn offset(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}
