//! The Chinese half of [`super::role`].

use super::bound::bound_before;
use super::mask::sentence_start;
use super::parts::{chinese_kind, part_counts};
use super::quantity::{Quantity, names_a_document};
use super::role::{Role, first_word};

/// The role of a quantity in a Chinese surrounding; `None` where nothing Chinese decides it.
pub(super) fn role(text: &str, quantity: &Quantity) -> Option<Role> {
    let start = sentence_start(text, quantity.start);
    let rest = bound_before(text, quantity.start).1;
    let sentence = text.get(start..rest.len()).unwrap_or_default();
    let after = &text[quantity.end..];
    if !quantity.chinese && !sentence.chars().any(is_ideograph) {
        return None;
    }
    if is_rate(sentence) || is_given(sentence, after, quantity) {
        return Some(Role::Other);
    }
    if let Some(each) = each(text, quantity, sentence, after) {
        return Some(each);
    }
    if is_part(sentence, after, quantity) {
        return Some(Role::Part);
    }
    // "写一篇英文文章, 500 words per section" still needs the English rules.
    (quantity.chinese || !["each", "per", "for", "every"].contains(&first_word(after))).then_some(Role::Whole)
}

fn is_ideograph(character: char) -> bool {
    ('\u{4E00}'..='\u{9FFF}').contains(&character)
}

fn tail(text: &str, characters: usize) -> &str {
    let at = text.char_indices().rev().nth(characters.saturating_sub(1)).map_or(0, |(at, _)| at);
    &text[at..]
}

fn clause(sentence: &str) -> &str {
    sentence.rsplit([',', '、']).next().unwrap_or_default()
}

fn is_rate(sentence: &str) -> bool {
    let near = tail(clause(sentence), 6);
    ["每天", "每日", "每周", "每月", "每小时", "每分钟", "一天", "日更", "词汇量", "每次"]
        .iter()
        .any(|rate| near.contains(rate))
}

/// Whether the quantity describes a text that is there already.
fn is_given(sentence: &str, after: &str, quantity: &Quantity) -> bool {
    const POINTERS: &[&str] = &[
        "这篇", "这份", "这段", "这部", "这个", "该篇", "该文", "上述", "上面", "以下", "下面", "我的", "那篇", "下列",
    ];
    const TAKE: &[&str] = &[
        "总结", "概括", "翻译", "润色", "修改", "阅读", "点评", "批改", "校对", "压缩", "精简", "扩写", "缩写", "改写",
        "写了", "我有",
    ];
    const MAKE: &[&str] = &[
        "写", "创作", "生成", "撰", "编", "成", "到", "至", "输出", "产出", "做", "给我", "需要", "要求", "字数",
        "篇幅", "设计", "完成", "准备", "起草", "拟", "为",
    ];
    if after.starts_with("的原文") || after.starts_with("原文") || sentence.ends_with(['从', '由', '前', '后'])
    {
        return true;
    }
    let near = tail(sentence, 4);
    let pointed = POINTERS.iter().any(|pointer| near.contains(pointer));
    if quantity.adjective && names_a_document(after) {
        let last = |cues: &[&str]| cues.iter().filter_map(|cue| sentence.rfind(cue).map(|at| at + cue.len())).max();
        return pointed || last(TAKE).is_some_and(|take| last(MAKE).is_none_or(|make| take >= make));
    }
    let said = sentence.ends_with("写了") || sentence.ends_with('有') || sentence.ends_with('共');
    let near = clause(sentence);
    said && (sentence.ends_with("写了")
        || POINTERS.iter().chain(&["原文", "文章"]).any(|pointer| near.contains(pointer)))
}

/// `每章2000字`, `各写1000字`, `2000字每章`, `三篇500字的作文`.
fn each(text: &str, quantity: &Quantity, sentence: &str, after: &str) -> Option<Role> {
    let near = tail(sentence.rsplit([',', '、', ')']).next().unwrap_or_default(), 14);
    if let Some(at) = near.rfind('每') {
        let rest = near[at + '每'.len_utf8()..].trim_start_matches(['一', '个', ' ']);
        let kind = chinese_kind(rest).or_else(|| chinese_kind(&near[at + '每'.len_utf8()..])).map(|kind| kind.0);
        return Some(Role::Each { kind, count: None });
    }
    if ["各", "均", "分别"].iter().any(|word| tail(near, 6).contains(word)) {
        return Some(Role::Each { kind: None, count: None });
    }
    let behind = after.trim_start_matches(['左', '右', '以', '上', '内', ' ', ',']);
    for sign in ["每一", "每", "/", "一"] {
        if let Some((kind, _)) = behind.strip_prefix(sign).and_then(chinese_kind) {
            return Some(Role::Each { kind: Some(kind), count: None });
        }
    }
    let counted =
        part_counts(text).into_iter().find(|part| part.end == sentence.len() + sentence_start(text, quantity.start))?;
    ["封", "篇", "首", "则", "段", "故事", "份"]
        .contains(&counted.kind)
        .then_some(Role::Each { kind: Some(counted.kind), count: Some(counted.count) })
}

fn is_part(sentence: &str, after: &str, quantity: &Quantity) -> bool {
    const PARTS: &[&str] = &[
        "摘要", "引言", "前言", "导语", "导言", "结语", "结论", "开头", "结尾", "标题", "序言", "后记", "正文", "简介",
        "引子", "尾声",
    ];
    let before = tail(sentence, 5);
    let noun = after.trim_start_matches('的');
    let ordinal = before.contains('第') && before.contains(['章', '节', '段', '篇', '部']);
    !quantity.labelled && (ordinal || PARTS.iter().any(|part| before.ends_with(part) || noun.starts_with(part)))
}
