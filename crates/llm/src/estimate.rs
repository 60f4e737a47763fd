//! Tokens estimated from text, for answers whose endpoint counted none.

use agentwrite::call::Message;
use agentwrite::rope::Rope;

/// Characters of a chat template around one message, in tokens.
const PER_MESSAGE: u64 = 4;

/// Bytes of a text by how many of them make a token: about four of English, three (one character) of Han (facts C).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TextSize {
    ascii: usize,
    wide: usize,
}

impl TextSize {
    /// The size of one text.
    pub fn of(text: &str) -> Self {
        let mut size = Self::default();
        size.add(text);
        size
    }

    /// Adds a text.
    pub fn add(&mut self, text: &str) {
        let ascii = text.bytes().filter(u8::is_ascii).count();
        self.ascii += ascii;
        self.wide += text.len() - ascii;
    }

    /// Adds another size.
    pub fn join(&mut self, other: Self) {
        self.ascii += other.ascii;
        self.wide += other.wide;
    }

    /// Bytes.
    pub fn bytes(self) -> usize {
        self.ascii + self.wide
    }

    /// Tokens, roughly.
    pub fn tokens(self) -> u64 {
        (self.ascii.div_ceil(4) + self.wide.div_ceil(3)) as u64
    }
}

/// Tokens of a prompt, roughly.
pub(crate) fn prompt_tokens(messages: &[Message<Rope>]) -> u64 {
    let size = |content: &Rope| {
        content.strs().fold(TextSize::default(), |mut size, text| {
            size.add(text);
            size
        })
    };
    messages.iter().map(|message| size(&message.content).tokens() + PER_MESSAGE).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_and_han_are_estimated_apart() {
        assert_eq!(TextSize::of("abcdefgh").tokens(), 2);
        assert_eq!(TextSize::of("写一篇文章").tokens(), 5);
        assert_eq!(prompt_tokens(&[Message::user("abcd"), Message::user("写")]), 10);
    }
}
