//! What stands after the text: word counts and offers.

/// An offer is at most this long; a longer last paragraph is text.
const MAX_OFFER_BYTES: usize = 400;
const MAX_COUNT_BYTES: usize = 120;

/// The text before a trailing "(Word count: 512)", "Word Count: ~400 words", "（字数：512）", or `None`.
pub(super) fn drop_word_count(text: &str) -> Option<&str> {
    let line = last_line(text);
    if is_word_count(line.trim_matches(['*', '_', ' ']), false) {
        return Some(drop_rule(text[..text.len() - line.len()].trim_end()));
    }
    let plain = text.trim_end_matches(['*', '_', ' ']);
    let (open, inside) = trailing_bracket(plain)?;
    is_word_count(inside, true).then(|| text[..open].trim_end_matches(['*', '_', ' ', '\n']))
}

/// The text before a last paragraph that offers to continue or to revise, or `None`.
pub(super) fn drop_offer(text: &str) -> Option<&str> {
    let paragraph = last_paragraph(text);
    if paragraph.len() == text.len() || !is_offer(paragraph) {
        return None;
    }
    Some(drop_rule(text[..text.len() - paragraph.len()].trim_end()))
}

/// Whether a paragraph speaks to the person who asked: it opens as an offer and names what would be done.
pub(crate) fn is_offer(paragraph: &str) -> bool {
    const OPENERS: &[&str] = &[
        "let me know",
        "please let me know",
        "would you like",
        "shall i",
        "should i",
        "do you want me",
        "feel free to",
        "i hope this",
        "if you'd like",
        "if you would like",
        "if you want me",
        "if you need",
        "i can continue",
        "i'll continue",
        "i will continue",
        "ready for the next",
        "to be continued",
        "continued in the next",
        "end of paragraph",
        "end of section",
        "note: this paragraph",
        "note: this section",
        "如果您",
        "如果你",
        "如需",
        "请告诉我",
        "请问",
        "需要我",
        "希望这",
        "是否需要",
        "是否继续",
        "未完待续",
        "待续",
        "以上是",
        "以上就是",
        "如有",
        "n'hésitez pas",
        "souhaitez-vous",
        "voulez-vous que je",
        "möchten sie",
        "soll ich",
        "lass mich wissen",
        "¿quieres que",
        "¿te gustaría",
        "si deseas",
        "хотите",
        "если хотите",
        "дайте знать",
        "ご希望",
        "必要であれば",
        "続きを",
        "원하시면",
        "계속",
    ];
    const SERVICES: &[&str] = &[
        "continue",
        "next paragraph",
        "next section",
        "next part",
        "revise",
        "revision",
        "expand",
        "adjust",
        "rewrite",
        "any changes",
        "further sections",
        "to be continued",
        "end of paragraph",
        "end of section",
        "meets your",
        "meet your",
        "helps!",
        "other paragraphs",
        "word count",
        "继续",
        "下一段",
        "下一部分",
        "修改",
        "调整",
        "扩展",
        "续写",
        "符合您",
        "符合你",
        "满足您",
        "待续",
        "字数",
        "continuer",
        "prochain paragraphe",
        "modifi",
        "fortsetzen",
        "fortfahre",
        "anpass",
        "überarbeit",
        "continúe",
        "continuar",
        "modific",
        "продолж",
        "измен",
        "続け",
        "続き",
        "修正",
        "계속",
        "수정",
    ];
    if paragraph.len() > MAX_OFFER_BYTES {
        return false;
    }
    let plain = paragraph.trim_start_matches(['*', '_', '(', '[', '（', '【', '-', ' ', '\n']);
    // Only the opening needs the words: lower-casing every last paragraph would be the dearest part of a clean text.
    let head = plain[..plain.floor_char_boundary(48)].to_lowercase().replace('’', "'");
    if !OPENERS.iter().any(|opener| head.starts_with(opener)) {
        return false;
    }
    let serial = ["to be continued", "未完待续", "待续"].iter().any(|mark| head.starts_with(mark));
    let lower = paragraph.to_lowercase();
    SERVICES.iter().any(|service| lower.contains(service)) && (!serial || plain.len() < paragraph.len())
}

fn is_word_count(inside: &str, bracketed: bool) -> bool {
    if inside.is_empty() || inside.len() > MAX_COUNT_BYTES || !inside.contains(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let lower = inside.trim_matches(['(', ')', '[', ']', '（', '）', '【', '】', '*', ' ']).to_lowercase();
    let named =
        ["word count", "wordcount", "total words", "total word count", "words:", "字数", "字數", "全文约", "本段约"];
    let units = ["words", "字", "mots", "wörter", "palabras", "слов", "文字"];
    let brackets = bracketed || inside.starts_with(['(', '[', '（', '【']);
    let short = lower.chars().filter(|c| c.is_alphabetic()).count() <= 24;
    named.iter().any(|name| lower.starts_with(name)) && short
        || brackets && short && units.iter().any(|unit| lower.ends_with(unit)) && starts_with_amount(&lower)
}

/// "512 words", "about 400 words", "共512字", "约400字".
fn starts_with_amount(lower: &str) -> bool {
    let amount = ["about ", "approximately ", "approx. ", "total: ", "~", "≈", "共", "约", "本段", "全文"]
        .iter()
        .fold(lower, |rest, word| rest.strip_prefix(word).unwrap_or(rest));
    amount.starts_with(|c: char| c.is_ascii_digit())
}

/// Start and inside of a bracket that ends the text.
fn trailing_bracket(text: &str) -> Option<(usize, &str)> {
    let close = text.chars().next_back()?;
    let open = match close {
        ')' => '(',
        ']' => '[',
        '）' => '（',
        '】' => '【',
        _ => return None,
    };
    let start = text.rfind(open)?;
    Some((start, &text[start + open.len_utf8()..text.len() - close.len_utf8()]))
}

fn last_line(text: &str) -> &str {
    text.rsplit('\n').next().unwrap_or(text)
}

fn last_paragraph(text: &str) -> &str {
    text.rsplit("\n\n").next().unwrap_or(text)
}

/// A rule line that set the removed part apart goes with it.
fn drop_rule(text: &str) -> &str {
    let line = last_line(text).trim();
    let is_rule = line.len() >= 3 && ["-", "*", "_"].iter().any(|mark| line.replace(mark, "").is_empty());
    if is_rule { text[..text.len() - last_line(text).len()].trim_end() } else { text }
}
