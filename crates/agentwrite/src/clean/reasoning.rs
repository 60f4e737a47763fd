//! Reasoning blocks (`<think>...</think>` and its relatives).
//!
//! An essay about such models may name the tags, so a tag counts only at the start of a line or right after the end of
//! a sentence, and never inside backticks or a code fence.

/// Opening and closing tags of known models.
const TAGS: &[(&str, &str)] = &[
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("\u{25c1}think\u{25b7}", "\u{25c1}/think\u{25b7}"),
    ("<|channel|>analysis<|message|>", "<|end|>"),
];

/// What may stand between the end of the reasoning and the text.
const FINAL_CHANNEL: [&str; 2] = ["<|start|>assistant", "<|channel|>final<|message|>"];

/// The text without its first reasoning block, or `None`. An unclosed tag makes everything after it reasoning, a
/// closing tag alone on its line without an opening one everything before it.
pub(super) fn remove(text: &str) -> Option<String> {
    let first = TAGS.iter().filter_map(|(open, close)| Some((tag_at(text, open, 0)?, *open, *close))).min();
    if let Some((start, open, close)) = first {
        let inside = start + open.len();
        let end = text[inside..].find(close).map_or(text.len(), |at| inside + at + close.len());
        let mut rest = text[end..].trim_start();
        for marker in FINAL_CHANNEL {
            rest = rest.strip_prefix(marker).unwrap_or(rest);
        }
        let before = text[..start].trim_end();
        let gap = if before.is_empty() || rest.is_empty() { "" } else { "\n\n" };
        return Some([before, gap, rest].concat());
    }
    TAGS.iter().find_map(|(_, close)| {
        let end = closing_alone(text, close)?;
        Some(text[end..].trim_start().to_owned())
    })
}

/// Whether a marker of reasoning or of a chat template is left in the text: then it cannot be trusted.
pub(crate) fn leaves_marker(text: &str) -> Option<&'static str> {
    const MARKERS: [&str; 8] = [
        "</think>",
        "<think>",
        "</thinking>",
        "<|channel|>",
        "<|im_start|>",
        "<|im_end|>",
        "<|eot_id|>",
        "<|endoftext|>",
    ];
    if !text.contains('<') {
        return None;
    }
    MARKERS.iter().copied().find(|marker| {
        // In running prose a tag is a subject, at the edge of a line it is a leak.
        text.match_indices(marker).any(|(at, _)| {
            let after = &text[at + marker.len()..];
            let edge = line_start(text, at).trim().is_empty() || after.is_empty() || after.starts_with('\n');
            edge && !quoted(text, at)
        })
    })
}

fn tag_at(text: &str, tag: &str, from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(found) = text[at..].find(tag).map(|offset| at + offset) {
        if opens_block(text, found) && !quoted(text, found) {
            return Some(found);
        }
        at = found + tag.len();
    }
    None
}

fn opens_block(text: &str, at: usize) -> bool {
    let line = line_start(text, at).trim_end();
    line.is_empty() || line.ends_with(['.', '!', '?', '。', '！', '？', '"', '”', ':', '：'])
}

fn closing_alone(text: &str, close: &str) -> Option<usize> {
    text.match_indices(close).find_map(|(at, _)| {
        let end = at + close.len();
        let rest = &text[end..];
        let ends_line = rest.is_empty() || rest.starts_with('\n');
        let alone = line_start(text, at).trim().is_empty();
        ((ends_line || alone) && !quoted(text, at)).then_some(end)
    })
}

fn line_start(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    &text[start..at]
}

/// Inside a fenced block (an odd number of fence lines before) or inside backticks of the same line.
fn quoted(text: &str, at: usize) -> bool {
    let fences = text[..at].lines().filter(|line| line.trim_start().starts_with("```")).count();
    let ticks = line_start(text, at).matches('`').count();
    fences % 2 == 1 || ticks % 2 == 1
}
