//! "Sure, here is the next paragraph:" before the text.

use super::strip_prefix_folded;

/// Words of assent that open an answer to a person, not a text.
const ASSENT: &[&str] = &[
    "sure",
    "certainly",
    "of course",
    "absolutely",
    "okay",
    "ok",
    "got it",
    "understood",
    "great",
    "no problem",
    "gladly",
    "好的",
    "好",
    "当然",
    "没问题",
    "明白",
    "收到",
    "bien sûr",
    "d'accord",
    "certainement",
    "natürlich",
    "gerne",
    "klar",
    "claro",
    "por supuesto",
    "конечно",
    "хорошо",
    "もちろん",
    "承知しました",
    "はい",
    "물론",
    "네",
];
/// Words that hand something over.
const HAND_OVER: &[&str] = &[
    "here is",
    "here's",
    "here are",
    "below is",
    "below you'll find",
    "following is",
    "i'll",
    "i will",
    "let me",
    "let's",
    "i have written",
    "i've written",
    "以下是",
    "下面是",
    "以下为",
    "这是",
    "我将",
    "我会",
    "下面我",
    "voici",
    "hier ist",
    "hier kommt",
    "aquí está",
    "aquí tienes",
    "вот",
    "以下は",
    "以下に",
    "다음은",
    "여기",
];
/// What is handed over.
const OBJECTS: &[&str] = &[
    "paragraph",
    "section",
    "continuation",
    "draft",
    "next part",
    "requested",
    "written text",
    "rewritten",
    "revised",
    "version",
    "word count",
    "words)",
    "outline above",
    "段落",
    "部分",
    "正文",
    "续写",
    "下一段",
    "内容",
    "文章",
    "段的",
    "paragraphe",
    "section",
    "suite",
    "absatz",
    "abschnitt",
    "fortsetzung",
    "párrafo",
    "sección",
    "continuación",
    "абзац",
    "раздел",
    "продолжение",
    "段落",
    "続き",
    "단락",
    "문단",
    "이어",
];
/// Objects that are unmistakable without a word of assent before.
const NEXT_OBJECTS: &[&str] = &[
    "next paragraph",
    "next section",
    "following paragraph",
    "requested paragraph",
    "requested section",
    "paragraph for",
    "section for",
    "the paragraph",
    "the section",
    "continuation of",
    "paragraph 1",
    "paragraph 2",
    "paragraph 3",
    "下一段",
    "下一部分",
    "续写",
    "段落",
    "正文",
    "第一段",
    "第二段",
    "第三段",
    "paragraphe suivant",
    "nächste absatz",
    "siguiente párrafo",
    "следующий абзац",
    "次の段落",
    "다음 문단",
    "다음 단락",
];
/// A lead-in is a line, not a paragraph: longer openings are text.
const MAX_BYTES: usize = 240;

/// The text after a lead-in, or `None`.
///
/// A lead-in is the first line, or its part up to a colon. It hands over a paragraph, a section or the like; a story
/// that opens with "Sure, here is where the road ends" or a letter's "Here is the list:" does not.
pub(super) fn skip_lead_in(text: &str) -> Option<&str> {
    let line = text.lines().next()?;
    let (lead, rest) = if let Some(colon) = lead_colon(line) {
        (&line[..colon], text[colon..].trim_start_matches([':', '：', '*', ' ']))
    } else if line.len() <= MAX_BYTES && text[line.len()..].starts_with("\n\n") {
        (line, &text[line.len()..])
    } else {
        return None;
    };
    is_lead_in(lead).then(|| skip_rule(rest.trim_start()))
}

/// The first sentence, if it still sounds like a lead-in that could not be cut off: a soft finding.
pub(crate) fn opens_with_chatter(text: &str) -> Option<&str> {
    let end = text.find(['.', '\n', '。', '：', ':']).unwrap_or(text.len()).min(text.floor_char_boundary(MAX_BYTES));
    let sentence = &text[..end];
    is_lead_in(sentence).then_some(sentence)
}

/// Where the colon of a lead-in stands: inside the first line, near its start.
fn lead_colon(line: &str) -> Option<usize> {
    let at = line.find([':', '：'])?;
    (at <= MAX_BYTES).then_some(at)
}

fn is_lead_in(lead: &str) -> bool {
    let plain = lead.trim_start_matches(['*', '_', '#', ' ']);
    // Every lead-in opens with one of a few words: most texts are let go here, without a copy.
    let assent = ASSENT.iter().filter_map(|word| strip_prefix_folded(plain, word)).find(|rest| starts_boundary(rest));
    let opener = assent.unwrap_or(plain).trim_start_matches(['!', ',', '.', '，', '！', '。', ' ', '、']);
    if assent.is_none() && !HAND_OVER.iter().any(|words| strip_prefix_folded(opener, words).is_some()) {
        return false;
    }
    let lower = opener.to_lowercase().replace('’', "'");
    let head = &lower[..lower.floor_char_boundary(60)];
    let hands_over = HAND_OVER.iter().any(|words| head.contains(words));
    let objects = if assent.is_some() { OBJECTS } else { NEXT_OBJECTS };
    hands_over && objects.iter().any(|object| lower.contains(object))
}

fn starts_boundary(rest: &str) -> bool {
    rest.chars().next().is_none_or(|c| !c.is_alphanumeric() || !c.is_ascii())
}

/// A rule line that set the lead-in apart goes with it.
fn skip_rule(text: &str) -> &str {
    let line = text.lines().next().unwrap_or("");
    let is_rule = line.len() >= 3 && ["-", "*", "_"].iter().any(|mark| line.trim().replace(mark, "").is_empty());
    if is_rule { text[line.len()..].trim_start() } else { text }
}
