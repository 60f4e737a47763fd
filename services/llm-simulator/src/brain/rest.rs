//! The rest of an answer whose beginning stands in the conversation: as an assistant's message at its end, or before the
//! turn that asks to go on.

use agentwrite::prompts::GO_ON;

use super::hash;
use crate::simulator::Turn;

/// One turn in so many says the last sentence again before it goes on, as models do.
const EAGER: u64 = 3;

/// The beginning of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begun<'a> {
    text: &'a str,
    /// The answer goes on inside the same message.
    prefix: bool,
}

impl<'a> Begun<'a> {
    /// Splits a conversation into what was asked first and the beginning of the answer, if there is one.
    pub(crate) fn find<'t>(turns: &'t [Turn<'a>]) -> (&'t [Turn<'a>], Option<Begun<'t>>) {
        match turns {
            [first @ .., said] if said.role == "assistant" && !first.is_empty() => {
                (first, Some(Begun { text: &said.content, prefix: true }))
            }
            [first @ .., said, turn] if said.role == "assistant" && turn.content == GO_ON && !first.is_empty() => {
                (first, Some(Begun { text: &said.content, prefix: false }))
            }
            _ => (turns, None),
        }
    }

    /// What is left to say; all of it if something else was begun.
    pub(super) fn rest_of(self, whole: &str) -> String {
        let Some(rest) = whole.strip_prefix(self.text) else { return whole.to_owned() };
        if self.prefix {
            return rest.to_owned();
        }
        if hash(self.text, 0).is_multiple_of(EAGER) {
            return format!("{}{rest}", last_sentence(self.text));
        }
        rest.trim_start_matches(' ').to_owned()
    }
}

fn last_sentence(text: &str) -> &str {
    let ends = |char: char| matches!(char, '.' | '!' | '?' | '。' | '！' | '？' | '\n');
    let inner = text.trim_end_matches(|char: char| !char.is_alphanumeric());
    inner.rfind(ends).map_or(text, |at| text[at..].trim_start_matches(|char: char| !char.is_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn turn(role: &'static str, content: &'static str) -> Turn<'static> {
        Turn { role: Cow::Borrowed(role), content: Cow::Borrowed(content) }
    }

    #[test]
    fn a_begun_answer_is_found_in_both_forms() {
        let ask = turn("user", "Write.");
        let prefix = [ask.clone(), turn("assistant", "One. Two.")];
        let (asked, begun) = Begun::find(&prefix);
        assert_eq!((asked, begun), (&prefix[..1], Some(Begun { text: "One. Two.", prefix: true })));
        let turns = [ask.clone(), turn("assistant", "One. Two."), turn("user", GO_ON)];
        assert_eq!(Begun::find(&turns), (&turns[..1], Some(Begun { text: "One. Two.", prefix: false })));
        let other = [ask.clone(), turn("assistant", "One."), turn("user", "Write the next.")];
        assert_eq!(Begun::find(&other), (&other[..], None));
    }

    #[test]
    fn the_rest_is_what_the_whole_has_left() {
        let whole = "One is first. Two is second.\n\nThree is third.";
        let begun = |text, prefix| Begun { text, prefix };
        assert_eq!(begun("One is first.", true).rest_of(whole), " Two is second.\n\nThree is third.");
        assert_eq!(begun("One is last.", true).rest_of(whole), whole);
        assert_eq!(last_sentence("One is first. Two is second."), "Two is second.");
        assert_eq!(last_sentence("一是第一。二是第二。"), "二是第二。");
        assert_eq!(last_sentence("One"), "One");
    }
}
