//! What of an instruction is read: the request itself, not the text that came with it.
//!
//! [`readable`] folds widths, cases and dashes and hides quotations, code fences and pasted passages, so that the readers
//! see only what the author of the instruction says. Nothing here keeps offsets of the original text.

/// Stands for hidden text. Not a letter, a digit or a space, so that nothing joins across it.
pub(super) const HIDDEN: char = '\u{FFFC}';

/// `instruction` in half width and ASCII lower case with quoted and pasted text hidden.
pub(crate) fn readable(instruction: &str) -> String {
    let folded: String = instruction.chars().filter_map(fold).collect();
    hide_pasted(&hide_quoted(&hide_fenced(&folded)))
}

fn fold(character: char) -> Option<char> {
    Some(match character {
        '\r' | '\u{200B}' | '\u{FEFF}' => return None,
        // Full-width forms are the ASCII block moved up as a whole.
        '\u{FF01}'..='\u{FF5D}' => {
            char::from_u32(u32::from(character) - 0xFEE0).unwrap_or(character).to_ascii_lowercase()
        }
        '\u{3000}' | '\u{A0}' | '\t' => ' ',
        '‐' | '‑' | '‒' | '–' | '—' | '−' | '~' | '〜' | '～' => '-',
        '’' | '‘' => '\'',
        _ => character.to_ascii_lowercase(),
    })
}

fn hide_fenced(text: &str) -> String {
    let mut inside = false;
    let lines = text.split('\n').map(|line| {
        let fence = line.trim_start().starts_with("```") || line.trim_start().starts_with("---begin");
        let hidden =
            inside || fence || (line.starts_with("> ") && !line[2..].starts_with(|c: char| c.is_ascii_digit()));
        inside ^= fence;
        if hidden { HIDDEN.to_string() } else { line.to_owned() }
    });
    let lines: Vec<String> = lines.collect();
    // A fence that is never closed hides nothing: better to read too much than to miss the request behind it.
    if inside { text.to_owned() } else { lines.join("\n") }
}

fn hide_quoted(text: &str) -> String {
    let straight = text.matches('"').count().is_multiple_of(2);
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut hidden) = (text, 0);
    while let Some(open) = rest.find(|c| closing(c, straight).is_some()) {
        let Some((mark, close)) = rest[open..].chars().next().and_then(|c| Some((c, closing(c, straight)?))) else {
            break;
        };
        let inner_start = open + mark.len_utf8();
        out.push_str(&rest[..open]);
        let Some(length) = rest[inner_start..].find(close) else {
            out.push(' ');
            rest = &rest[inner_start..];
            continue;
        };
        let inner = &rest[inner_start..inner_start + length];
        if inner.chars().count() <= 12 && inner.starts_with(|c: char| c.is_ascii_digit()) {
            // an emphasised number, not a quotation
            out.push_str(inner);
        } else {
            out.push(HIDDEN);
            hidden += inner.len();
        }
        rest = &rest[inner_start + length + close.len_utf8()..];
    }
    out.push_str(rest);
    // An instruction that stands in quotes as a whole is still the instruction.
    if hidden * 10 > text.len() * 9 { text.replace(['"', '“', '”', '「', '」'], " ") } else { out }
}

fn closing(open: char, straight: bool) -> Option<char> {
    match open {
        '"' if straight => Some('"'),
        '“' => Some('”'),
        '「' => Some('」'),
        '『' => Some('』'),
        '《' => Some('》'),
        _ => None,
    }
}

/// Hides what follows a header such as "here is the report:" up to the next line that asks for something.
fn hide_pasted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        if inside && !asks(line) {
            out.push(HIDDEN);
            continue;
        }
        inside = false;
        match header_end(line) {
            Some(end) => {
                out.push_str(&line[..end]);
                out.push(HIDDEN);
                inside = true;
            }
            None => out.push_str(line),
        }
    }
    out
}

/// Whether a line of a pasted passage is the instruction again.
fn asks(line: &str) -> bool {
    const OPENINGS: &[&str] = &[
        "write",
        "please",
        "summari",
        "translate",
        "compose",
        "create",
        "draft",
        "expand",
        "rewrite",
        "continue",
        "now ",
        "based on",
        "using ",
        "word count",
        "length",
        "i want",
        "i need",
        "can you",
        "could you",
        "make ",
        "generate",
        "请",
        "把",
        "将",
        "根据",
        "按",
        "扩写",
        "字数",
        "要求",
        "写",
        "帮",
        "以上",
        "篇幅",
        "requirements",
        "注意",
        "用",
    ];
    let line = line.trim_start_matches([
        ' ', '-', '*', '#', '(', '[', '【', '1', '2', '3', '4', '5', '6', '7', '8', '9', '.', '、',
    ]);
    OPENINGS.iter().any(|opening| line.starts_with(opening)) && !line.is_empty()
}

/// The offset behind the colon of a header that announces pasted text.
fn header_end(line: &str) -> Option<usize> {
    const NOUNS: &[&str] = &[
        "text",
        "article",
        "report",
        "essay",
        "passage",
        "transcript",
        "draft",
        "notes",
        "document",
        "excerpt",
        "email",
        "paper",
        "story",
        "原文",
        "文章",
        "全文",
        "材料",
        "文本",
        "报告",
        "文字",
    ];
    const POINTERS: &[&str] = &[
        "following",
        "below",
        "here is",
        "here's",
        "this ",
        "these ",
        "attached",
        "以下",
        "下面",
        "如下",
        "这篇",
        "这段",
    ];
    const NOT: &[&str] =
        &["requirement", "outline", "structure", "information", "include", "topic", "要求", "提纲", "大纲", "主题"];
    let colon = line.match_indices(':').find(|(at, _)| {
        let clause = line[..*at].rsplit(['.', '。', '?', '!', ';']).next().unwrap_or_default().trim();
        let noun = NOUNS.iter().any(|noun| clause.contains(noun));
        let label = NOUNS.contains(&clause.trim_start_matches("the ").trim_start_matches(['#', '*', ' ', '【']));
        let writes = ["write", "写", "create", "compose", "生成", "创作"].iter().any(|verb| clause.contains(verb));
        label
            || (noun && !NOT.iter().any(|word| clause.contains(word)))
                && POINTERS.iter().any(|pointer| clause.contains(pointer))
                // "write this article: 500 words on tea" asks; "based on the following text:" announces
                && (!writes || ["following", "below", "以下", "下面"].iter().any(|word| clause.contains(word)))
    });
    colon.map(|(at, _)| at + 1)
}

/// Where the sentence around byte `at` starts.
pub(super) fn sentence_start(text: &str, at: usize) -> usize {
    let before = text[..at].char_indices().rev();
    before
        .map(|(index, character)| (index, character, index + character.len_utf8()))
        .find(|(index, character, _)| ends_sentence(text, *index, *character))
        .map_or(0, |(_, _, end)| end)
}

/// Where the sentence around byte `at` ends (exclusive).
pub(super) fn sentence_end(text: &str, at: usize) -> usize {
    text[at..]
        .char_indices()
        .map(|(offset, character)| (at + offset, character))
        .find(|(index, character)| ends_sentence(text, *index, *character))
        .map_or(text.len(), |(index, _)| index)
}

fn ends_sentence(text: &str, at: usize, character: char) -> bool {
    match character {
        '\n' | '。' | '!' | '?' | ';' | HIDDEN => true,
        '.' => {
            let before = text[..at].rsplit([' ', '(', '\n']).next().unwrap_or_default();
            let abbreviation = ["approx", "min", "max", "e.g", "i.e", "ca", "no", "vs", "etc", "dr", "mr", "mrs", "ms"]
                .contains(&before);
            !abbreviation && text[at + 1..].chars().next().is_none_or(|next| next.is_whitespace() || next == '"')
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn widths_cases_and_dashes_fold() {
        assert_eq!(readable("写２０００～３０００字，Ａ Word"), "写2000-3000字,a word");
        assert_eq!(readable("5,000–6,000\u{A0}Words"), "5,000-6,000 words");
    }

    #[test]
    fn quotations_and_fences_are_hidden() {
        let hidden = [
            "she said “I wrote 5,000 words that day” and left",
            "the title is \"How to write 5,000 words a day\"",
            "《5,000字的秘密与其他故事》读后感",
            "fix this\n```\nwrite 5,000 words\n```\nthanks",
            "reply to\n> please write 5,000 words",
        ];
        for text in hidden {
            assert!(!readable(text).contains("5,000"), "{text}");
        }
        assert!(readable("\"Write 5,000 words on tea.\"").contains("5,000"));
        assert!(readable("a “3000字” essay").contains("3000字"));
        assert!(readable("a 6\" pipe, 5,000 words").contains("5,000"));
    }

    #[test]
    fn pasted_text_is_hidden_up_to_the_next_request() {
        let text = "Summarise the following report:\nIn 2019 they wrote 5,000 words.\n\nWrite 300 words.";
        let text = readable(text);
        assert!(!text.contains("5,000") && text.contains("300 words"), "{text}");
        assert!(!readable("总结以下文章：公司有5000字的章程").contains("5000"));
        assert!(readable("请根据以下要求撰写文章：3000字").contains("3000"));
        assert!(readable("Write this article: 500 words on tea").contains("500"));
    }

    #[test]
    fn sentences_end_where_they_should() {
        let text = "write 2.5k words, approx. 3. then stop";
        assert_eq!(&text[..sentence_end(text, 0)], "write 2.5k words, approx. 3");
        assert_eq!(&text[sentence_start(text, text.len())..], " then stop");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\"|“|”|```|\n|:|article|following|> |《|》|\\PC|[a-z ]{1,5}){0,40}") {
            let _ = readable(&text);
        }
    }
}
