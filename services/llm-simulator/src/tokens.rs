//! How many tokens a text has: a quarter of its ASCII bytes plus one per other character, about right for English and
//! Chinese in current tokenizers.

/// Bytes of a text by kind; adds up over pieces of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    ascii: u64,
    wide: u64,
}

impl Weight {
    /// Adds a piece, which may end inside a character.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        // Two counts in one loop over 255 bytes or fewer each: they fit a byte, so the loop becomes vector code.
        for piece in bytes.chunks(255) {
            let (mut ascii, mut wide) = (0_u8, 0_u8);
            for &byte in piece {
                ascii += u8::from(byte < 0x80);
                wide += u8::from(byte >= 0xc0);
            }
            self.ascii += u64::from(ascii);
            self.wide += u64::from(wide);
        }
    }

    pub(crate) fn tokens(self) -> u64 {
        self.ascii / 4 + self.wide
    }
}

/// The tokens of a text; at least 1 unless it is empty.
pub fn estimate(text: &str) -> u64 {
    let mut weight = Weight::default();
    weight.add(text.as_bytes());
    weight.tokens().max(u64::from(!text.is_empty()))
}

/// The longest beginning of `text` that has at most `tokens` tokens.
pub(crate) fn cut(text: &str, tokens: u64) -> &str {
    let mut weight = Weight::default();
    for (at, char) in text.char_indices() {
        if char.is_ascii() {
            weight.ascii += 1;
        } else {
            weight.wide += 1;
        }
        if weight.tokens() > tokens {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_counts_four_bytes_and_chinese_one_character_a_token() {
        assert_eq!(estimate(""), 0);
        assert_eq!(estimate("a"), 1);
        assert_eq!(estimate(&"word ".repeat(800)), 1000);
        assert_eq!(estimate(&"山水".repeat(300)), 600);
    }

    #[test]
    fn a_cut_keeps_to_its_tokens() {
        let text = "The river ran. 山水之间".repeat(20);
        for tokens in 1..80 {
            let kept = cut(&text, tokens);
            assert!(estimate(kept) <= tokens && text.starts_with(kept));
        }
        assert_eq!(cut(&text, 10_000), text);
    }
}
