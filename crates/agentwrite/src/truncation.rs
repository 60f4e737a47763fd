//! Servers that silently drop the front of a prompt that is too long, found by arithmetic on `usage.prompt_tokens`.
//!
//! A prompt of a chain is the previous one plus a section: its tokens may not fall (but for the fixed tail), and its bytes
//! per token may not jump. A first prompt can only be held against what no tokenizer does.

/// Tokens by which a prompt may be shorter than the previous one: the step's line and the fixed tail.
const TAIL_TOKENS: u64 = 400;
/// No tokenizer in use packs more bytes of prose into a token than this.
const MOST_BYTES_PER_TOKEN: f64 = 7.5;
/// How much the bytes per token may grow from one prompt of a chain to the next.
const MOST_GROWTH: f64 = 1.5;

/// Bytes and tokens of one prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptSize {
    /// Bytes of all messages.
    pub bytes: usize,
    /// `usage.prompt_tokens`.
    pub tokens: u64,
}

/// Why a prompt seems to have been cut, in words; `None` if it seems whole.
pub fn suspicion(previous: Option<PromptSize>, now: PromptSize) -> Option<String> {
    if now.tokens == 0 {
        return None;
    }
    let ratio = |size: PromptSize| size.bytes as f64 / size.tokens as f64;
    if ratio(now) > MOST_BYTES_PER_TOKEN && now.bytes > 1_000 {
        return Some(format!("a prompt of {} bytes was counted as {} tokens", now.bytes, now.tokens));
    }
    let previous = previous.filter(|previous| previous.tokens > 0)?;
    if now.bytes >= previous.bytes && now.tokens + TAIL_TOKENS < previous.tokens {
        return Some(format!("the prompt grew but its tokens fell from {} to {}", previous.tokens, now.tokens));
    }
    (ratio(now) > ratio(previous) * MOST_GROWTH && now.bytes > 2_000).then(|| {
        format!(
            "bytes per token rose from {:.1} to {:.1}: the endpoint counted {} tokens for {} bytes",
            ratio(previous),
            ratio(now),
            now.tokens,
            now.bytes
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(bytes: usize, tokens: u64) -> PromptSize {
        PromptSize { bytes, tokens }
    }

    #[test]
    fn a_growing_prompt_is_whole() {
        assert_eq!(suspicion(Some(size(8_000, 2_000)), size(11_000, 2_750)), None);
        assert_eq!(suspicion(None, size(4_000, 1_000)), None);
        assert_eq!(suspicion(Some(size(8_000, 2_000)), size(11_000, 0)), None, "no usage reported says nothing");
    }

    #[test]
    fn a_dropped_front_is_found_by_falling_or_standing_tokens() {
        assert!(suspicion(Some(size(8_000, 2_000)), size(11_000, 1_375)).is_some());
        assert!(suspicion(Some(size(40_000, 4_096 * 2)), size(80_000, 4_096 * 2)).is_some(), "clipped at the context");
        assert!(suspicion(None, size(9_000, 1_000)).is_some());
    }
}
