//! Where the last complete sentence of a cut text ends.

/// What ends a sentence in any script in use.
pub(super) const ENDS: &[char] = &['.', '!', '?', '…', '。', '！', '？', '｡', '؟', '।'];
/// What may stand between a sentence's end and the white space after it.
const CLOSERS: &[char] = &['"', '\'', '”', '’', '»', ')', ']', '*', '_', '」', '』', '）', '】', '》', '〉'];
/// Words before a full stop that ends no sentence.
const ABBREVIATIONS: &[&str] =
    &["mr", "mrs", "ms", "dr", "prof", "st", "vs", "etc", "fig", "no", "vol", "jr", "sr", "cf"];
/// Looking back further than this for the end of a sentence would throw away more than a broken joint costs.
const MOST_DROPPED: usize = 1_200;

/// Cuts a text back to its last complete sentence or line; returns it and the white space that follows it. A script
/// without full stops (Thai), or one endless sentence, is cut at a space; a text without either is kept whole.
pub(super) fn whole_sentences(text: &str) -> (&str, &str) {
    let end = last_sentence_end(text).or_else(|| text.trim_end().rfind(char::is_whitespace)).unwrap_or(text.len());
    let whole = text[..end].trim_end();
    let rest = &text[whole.len()..];
    (whole, &rest[..rest.len() - rest.trim_start().len()])
}

fn last_sentence_end(text: &str) -> Option<usize> {
    let from = text.ceil_char_boundary(text.len().saturating_sub(MOST_DROPPED));
    let tail = &text[from..];
    let mut best = None;
    for (at, char) in tail.char_indices() {
        let after = at + char.len_utf8();
        let ends = match char {
            '\n' => Some(at),
            _ if ENDS.contains(&char) => sentence_end(text, from + after, char).map(|end| end - from),
            _ => None,
        };
        best = ends.or(best);
    }
    best.map(|end| from + end).filter(|&end| !text[..end].trim().is_empty())
}

/// The end of a sentence whose mark ends at `after`, closing quotes taken along; none if the mark ends no sentence.
fn sentence_end(text: &str, after: usize, mark: char) -> Option<usize> {
    let rest = &text[after..];
    let end = after + (rest.len() - rest.trim_start_matches(CLOSERS).len());
    if is_continuous(mark) {
        return Some(end);
    }
    let follows = text[end..].chars().next();
    let apart = follows.is_none_or(|next| next.is_whitespace() || is_continuous(next));
    (apart && !(mark == '.' && is_abbreviation(&text[..after - 1], follows.is_none()))).then_some(end)
}

/// Whether the full stop after `before` belongs to its word: "Dr.", "J.", "e.g.", "3." (a number may go on at the very end).
fn is_abbreviation(before: &str, at_end: bool) -> bool {
    let word = before.rsplit(|char: char| char.is_whitespace() || matches!(char, '(' | '"' | '“')).next().unwrap_or("");
    let number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let starts_line = before[..before.len() - word.len()].rsplit('\n').next().is_none_or(|line| line.trim().is_empty());
    let letters = word.chars().filter(|char| char.is_alphabetic()).count();
    let initials = letters > 0 && word.split('.').all(|piece| piece.chars().count() == 1) && word != "I";
    number && (at_end || starts_line) || initials || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

/// Whether a character belongs to writing without spaces: Han, kana, their punctuation, full-width forms.
pub(super) fn is_continuous(char: char) -> bool {
    matches!(char, '\u{2e80}'..='\u{303f}' | '\u{3040}'..='\u{30ff}' | '\u{3100}'..='\u{312f}' | '\u{31a0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}'
        | '\u{20000}'..='\u{3ffff}')
}
