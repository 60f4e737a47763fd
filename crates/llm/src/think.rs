//! Takes `<think>` blocks out of streamed text: some servers send a model's reasoning as part of the content.
//!
//! An unclosed block is reasoning to its end. A closing tag without an opening one is left alone: whether the text
//! before it was reasoning cannot be known here, and the gate for leaked reasoning looks at it.

use crate::estimate::TextSize;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// The filter's state between deltas.
#[derive(Debug, Default)]
pub(crate) struct ThinkFilter {
    inside: bool,
    /// The start of what may become a tag.
    held: String,
    /// A block has ended and no text has come since: the blank lines between belong to the block.
    trim: bool,
    /// Whether a block was seen.
    pub seen: bool,
    /// Size of what was taken out.
    pub removed: TextSize,
}

impl ThinkFilter {
    /// Appends to `text` what of `delta` is text.
    pub fn push(&mut self, delta: &str, text: &mut String) {
        if !self.inside && !self.trim && self.held.is_empty() && !delta.contains('<') {
            text.push_str(delta);
            return;
        }
        let joined;
        let mut rest = if self.held.is_empty() {
            delta
        } else {
            self.held.push_str(delta);
            joined = std::mem::take(&mut self.held);
            &joined
        };
        loop {
            let tag = if self.inside { CLOSE } else { OPEN };
            let Some(at) = rest.find(tag) else { break };
            self.emit(&rest[..at], text);
            self.inside = !self.inside;
            self.seen = true;
            self.trim = !self.inside && text.is_empty();
            rest = &rest[at + tag.len()..];
        }
        let tag = if self.inside { CLOSE } else { OPEN };
        let keep = (1..tag.len()).rev().find(|len| rest.ends_with(&tag[..*len])).unwrap_or(0);
        self.emit(&rest[..rest.len() - keep], text);
        self.held.push_str(&rest[rest.len() - keep..]);
    }

    /// The stream is over: what looked like the start of a tag was none.
    pub fn finish(&mut self, text: &mut String) {
        let held = std::mem::take(&mut self.held);
        self.emit(&held, text);
    }

    fn emit(&mut self, part: &str, text: &mut String) {
        if self.inside {
            self.removed.add(part);
            return;
        }
        let part = if self.trim { part.trim_start() } else { part };
        self.trim &= part.is_empty();
        text.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(deltas: &[&str]) -> (String, bool) {
        let (mut filter, mut text) = (ThinkFilter::default(), String::new());
        for delta in deltas {
            filter.push(delta, &mut text);
        }
        filter.finish(&mut text);
        (text, filter.seen)
    }

    #[test]
    fn blocks_are_taken_out_wherever_the_chunks_split() {
        assert_eq!(filter(&["<think>hm</think>\n\nText"]), ("Text".to_owned(), true));
        assert_eq!(filter(&["<th", "ink>hm</", "think>", "\n", "\nText"]), ("Text".to_owned(), true));
        assert_eq!(filter(&["a <think>b</think> c<think>d</think>e"]), ("a  ce".to_owned(), true));
    }

    #[test]
    fn an_unclosed_block_is_all_reasoning() {
        assert_eq!(filter(&["<think>never", " ends </thin"]), (String::new(), true));
    }

    #[test]
    fn what_only_looks_like_a_tag_is_text() {
        assert_eq!(filter(&["1 <", " 2 <thin", " air <"]), ("1 < 2 <thin air <".to_owned(), false));
        assert_eq!(filter(&["x </think> y"]), ("x </think> y".to_owned(), false));
        assert_eq!(filter(&["\n leading space stays"]), ("\n leading space stays".to_owned(), false));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_text(
            pieces in prop::collection::vec(prop_oneof![
                Just("<think>".to_owned()), Just("</think>".to_owned()), Just("<".to_owned()), Just("<th".to_owned()),
                Just("\n".to_owned()), "[a-z字 ]{0,4}",
            ], 0..20),
        ) {
            let text = pieces.concat();
            let single: Vec<String> = text.chars().map(String::from).collect();
            let single: Vec<&str> = single.iter().map(String::as_str).collect();
            prop_assert_eq!(filter(&single), filter(&[&text]));
        }
    }
}
