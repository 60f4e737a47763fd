//! Text that stands where a main point should but is none: placeholders and refusals.

/// Whether a main point repeats the words of the plan format instead of saying something: `[Describe the main point of the
/// paragraph, in detail]`, "The main point of the paragraph is to describe the main point", `...`, `Paragraph 1`.
pub(super) fn is_placeholder(point: &str) -> bool {
    /// Words that the format itself supplies; a point made of nothing else says nothing.
    const FORMAT: &[&str] = &[
        "the",
        "a",
        "an",
        "main",
        "point",
        "points",
        "of",
        "in",
        "to",
        "is",
        "this",
        "that",
        "each",
        "and",
        "for",
        "detail",
        "details",
        "detailed",
        "describe",
        "description",
        "explain",
        "concept",
        "paragraph",
        "paragraphs",
        "section",
        "subtask",
        "step",
        "word",
        "words",
        "count",
        "requirement",
        "here",
        "insert",
        "your",
        "text",
        "topic",
        "content",
        "first",
        "second",
        "third",
        "next",
        "should",
        "be",
        "it",
        "will",
        "todo",
        "tbd",
        "placeholder",
        "example",
        "xxx",
        "xx",
        "x",
        "n",
        "na",
        "etc",
        "title",
        "goes",
    ];
    let lower = point.to_lowercase();
    if lower.matches("main point").count() >= 2 || lower.contains("main point of the paragraph") {
        return true;
    }
    if is_chinese_placeholder(&lower) {
        return true;
    }
    let mut said = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    said.all(|word| FORMAT.contains(&word) || word.chars().all(|c| c.is_ascii_digit()))
}

fn is_chinese_placeholder(point: &str) -> bool {
    const FORMAT: &[&str] = &[
        "段落",
        "主要内容",
        "主要观点",
        "要点",
        "描述",
        "详细",
        "此处",
        "填写",
        "这里",
        "待补充",
        "字数",
        "要求",
        "内容",
        "本段",
        "该段",
        "的",
        "请",
        "在",
    ];
    if !point.chars().any(|c| ('\u{4E00}'..='\u{9FFF}').contains(&c)) {
        return false;
    }
    let rest = FORMAT.iter().fold(point.to_owned(), |rest, word| rest.replace(word, ""));
    !rest.chars().any(char::is_alphanumeric)
}

/// Whether a text opens as a refusal. Only its opening is looked at: a plan may well speak of apologies.
pub(super) fn is_refusal(text: &str) -> bool {
    const SORRY: &[&str] = &[
        "i'm sorry",
        "i am sorry",
        "sorry,",
        "i apologize",
        "my apologies",
        "unfortunately",
        "抱歉",
        "很抱歉",
        "对不起",
        "很遗憾",
    ];
    const CANNOT: &[&str] =
        &["can't", "cannot", "can not", "unable", "not able", "won't", "must decline", "无法", "不能", "不可以"];
    const SELF: &[&str] = &[
        "as an ai language",
        "as an ai assistant",
        "as an ai,",
        "as an ai model",
        "作为一个ai",
        "作为ai",
        "作为一个人工智能",
        "作为人工智能",
    ];
    const I_CANNOT: &[&str] = &[
        "i can't",
        "i cannot",
        "i can not",
        "i'm unable to",
        "i am unable to",
        "i'm not able to",
        "i am not able to",
        "i won't be able to",
        "i must decline",
        "我无法",
        "我不能",
    ];
    const SERVE: &[&str] = &[
        "assist", "help", "fulfill", "fulfil", "comply", "provide", "create", "write", "generate", "continue",
        "engage", "produce", "decline", "complete", "满足", "协助", "提供", "完成", "帮", "写", "生成", "继续",
    ];
    let opening = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let lower = opening.to_lowercase().replace('’', "'");
    let sentence = lower.split(['.', '!', '。', '！', '\n']).next().unwrap_or_default();
    let starts = |phrases: &[&str]| phrases.iter().any(|phrase| sentence.starts_with(phrase));
    let says = |phrases: &[&str], text: &str| phrases.iter().any(|phrase| text.contains(phrase));
    starts(SELF)
        || starts(SORRY) && says(CANNOT, &lower) && says(SERVE, &lower)
        || starts(I_CANNOT) && says(SERVE, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders() {
        let placeholders = [
            "",
            "...",
            "…",
            "[Describe the main point of the paragraph, in detail]",
            "[The main point of the paragraph, in detail]",
            "The main point of the paragraph is to describe the main point of the paragraph.",
            "Paragraph 1",
            "TBD",
            "[insert topic here]",
            "The main point is to provide a story that is relevant to the main point.",
            "[段落的主要内容]",
            "（此处填写主要内容）",
            "主要内容",
        ];
        for text in placeholders {
            assert!(is_placeholder(text), "{text}");
        }
        let points = [
            "Origins",
            "The main point: why fire towers failed",
            "Describe the first lighthouses",
            "引言",
            "描述茶的起源",
            "Introduction",
            "Explain the concept of entropy",
            "Опишите маяк",
            "Conclusion and next steps",
        ];
        for text in points {
            assert!(!is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn refusals() {
        let refusals = [
            "I'm sorry, but I can't help with that request.",
            "I’m sorry, but I cannot assist.",
            "Sorry, I can't. Help with this is not allowed.",
            "I cannot provide an outline for this topic.",
            "As an AI language model, I do not write this.",
            "抱歉，我无法提供这样的内容。",
        ];
        for text in refusals {
            assert!(is_refusal(text), "{text}");
        }
        for text in [
            "Apologies in fiction",
            "I'm sorry for the wait. Here is the plan.",
            "How to say that you cannot help",
            "Life as an AI researcher",
            "The content policy of video sites",
            "I can't sleep: nights of a lighthouse keeper",
            "引言",
            "",
        ] {
            assert!(!is_refusal(text), "{text}");
        }
    }
}
