//! Which parts of a text are somebody's speech or quoted, and so say nothing about the answer itself.

/// `text` with everything inside quotes, backticks, code fences and script dialogue replaced by spaces.
///
/// Lengths are kept, so a place found in the result is the same place in `text`.
pub(crate) fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut state = Lines::default();
    for line in text.split_inclusive('\n') {
        if state.is_spoken(line) {
            blank(&mut out, line);
        } else {
            mask_quotes(&mut out, line);
        }
    }
    out
}

/// What earlier lines say about the next one.
#[derive(Default)]
struct Lines {
    fenced: bool,
    /// A screenplay's name line was seen; the lines until the next blank one are its speech.
    cued: bool,
}

impl Lines {
    fn is_spoken(&mut self, line: &str) -> bool {
        let trimmed = line.trim();
        if trimmed.starts_with("```") {
            self.fenced = !self.fenced;
            return true;
        }
        if self.fenced {
            return true;
        }
        if trimmed.is_empty() {
            self.cued = false;
            return false;
        }
        let spoken = self.cued;
        if is_name_line(trimmed) {
            self.cued = true;
        }
        spoken || has_cue(trimmed) || trimmed.starts_with(['—', '–', '>']) || trimmed.starts_with("- \"")
    }
}

/// "ALEX" or "ALEX (whispering)" alone on a line.
fn is_name_line(line: &str) -> bool {
    let name = line.split('(').next().unwrap_or(line).trim_matches([' ', '*', '_']);
    name.len() <= 40
        && name.chars().filter(|c| c.is_alphabetic()).count() >= 2
        && name.chars().all(|c| c.is_uppercase() || matches!(c, ' ' | '.' | '\'' | '’' | '-') || c.is_ascii_digit())
        && !name.ends_with('.')
        && !is_machine(name)
}

/// "ALEX: ...", "Mrs. Bennet: ...", "Q: ...", "**Alex:** ...", "阿力：...".
fn has_cue(line: &str) -> bool {
    let plain = line.trim_start_matches(['*', '_', '-', ' ', '#']);
    let Some(at) = plain.find([':', '：']) else { return false };
    let name = plain[..at].split(['(', '（']).next().unwrap_or("").trim_matches([' ', '*', '_']);
    let words = name.split_whitespace().count();
    let named = name.chars().next().is_some_and(|c| c.is_uppercase() || (c.is_alphabetic() && !c.is_lowercase()));
    let short = name.chars().count() <= if name.is_ascii() { 30 } else { 14 };
    named && short && words <= 4 && !name.contains([',', '，', '。', ';']) && !is_machine(name)
}

/// Names under which software speaks: what follows is no dialogue.
fn is_machine(name: &str) -> bool {
    const MACHINES: &[&str] = &[
        "error",
        "warning",
        "exception",
        "assistant",
        "system",
        "response",
        "output",
        "answer:",
        "http",
        "status",
        "message",
        "api",
        "openai",
        "failed",
        "fatal",
        "note",
        "ai",
        "traceback",
        "detail",
        "code",
        "reason",
        "refusal",
        "disclaimer",
        "错误",
        "提示",
        "回答",
        "助手",
        "警告",
        "异常",
        "注意",
        "系统",
        "说明",
    ];
    let lower = name.to_lowercase();
    MACHINES.iter().any(|word| if *word == "ai" { lower == "ai" } else { lower.contains(word) })
}

/// Blanks what stands between quotation marks; an unclosed one reaches to the end of its line.
fn mask_quotes(out: &mut String, line: &str) {
    let mut rest = line;
    while let Some((at, open, close)) = rest.char_indices().find_map(|(at, c)| Some((at, c, closing(c)?))) {
        out.push_str(&rest[..at]);
        let inside = at + open.len_utf8();
        let end = rest[inside..].find(close).map_or(rest.len(), |offset| inside + offset + close.len_utf8());
        blank(out, &rest[at..end]);
        rest = &rest[end..];
    }
    out.push_str(rest);
}

/// The mark that closes what `open` opens, if it opens anything.
const fn closing(open: char) -> Option<char> {
    match open {
        '"' => Some('"'),
        '“' | '„' => Some('”'),
        '‘' => Some('’'),
        '«' => Some('»'),
        '「' => Some('」'),
        '『' => Some('』'),
        '《' => Some('》'),
        '`' => Some('`'),
        _ => None,
    }
}

fn blank(out: &mut String, text: &str) {
    for c in text.chars() {
        push_blank(out, c);
    }
}

fn push_blank(out: &mut String, c: char) {
    if c == '\n' {
        out.push(c);
    } else {
        out.extend(std::iter::repeat_n(' ', c.len_utf8()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaks(text: &str) -> bool {
        let masked = mask(text);
        assert_eq!(masked.len(), text.len());
        !masked.contains("can't help")
    }

    #[test]
    fn dialogue_is_masked() {
        assert!(speaks("ALEX: I'm sorry, I can't help you."));
        assert!(speaks("INT. HOUSE\n\nALEX (tired)\nI'm sorry.\nI can't help you.\n\nShe leaves."));
        assert!(speaks("\"I can't help you,\" she said."));
        assert!(speaks("“I can't help you,” she said."));
        assert!(speaks("— I can't help you, said Ann."));
        assert!(speaks("Q: Can you?\nA: We can't help you."));
        assert!(speaks("```\nsay I can't help\n```"));
    }

    #[test]
    fn plain_words_and_machines_are_not() {
        assert!(!speaks("I'm sorry, but I can't help with that."));
        assert!(!speaks("Error: we can't help with that."));
        assert!(!speaks("Assistant: I can't help with that."));
        assert!(!speaks("She said it was late. I can't help it, he thought."));
    }
}
