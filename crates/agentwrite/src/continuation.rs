//! A cut answer that goes on: what a continuing call is shown, and how its answer is joined to the parts before it.
//!
//! An answer that ends with `finish_reason=length` is a part: it is kept as it came, and the next call is the same prompt
//! followed by the part, cut back to its last complete sentence, so that the endpoint's prefix cache serves all of it. What
//! comes back is joined without what it repeats. Models do three things here: they go on, they say the last sentence again
//! first, or they start over; the last cannot be joined ([`GoesBack`]).

mod overlap;
mod sentences;

use crate::clean::clean_section;
use crate::ids::Hash;
use sentences::{is_continuous, whole_sentences};

/// So many times is one answer continued. A model that is cut again after that needs a higher limit, not more calls.
pub const MOST: usize = 2;

/// The gate under which a part is kept.
pub const PART: &str = "part";
/// The gate under which the last part of an accepted text is kept.
pub const JOINED: &str = "joined";

/// Names a part by its content: the next try's hint holds it, and is worth nothing without this very text.
pub fn part_hash(raw: &str) -> Hash {
    Hash::of("part", &[raw])
}

/// A text that cannot be joined because it starts over, or says again what lies further back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoesBack {
    /// Its first words.
    pub evidence: String,
}

/// As much of an answer as stands after its parts so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SoFar {
    /// Complete sentences, without white space at the end.
    pub text: String,
    /// The white space that stood after them.
    gap: String,
}

impl SoFar {
    /// Joins parts in their order and cuts the end back to the last complete sentence.
    pub fn of(parts: &[&str]) -> Result<Self, GoesBack> {
        let mut so_far = Self::default();
        for part in parts {
            so_far = Self::healed(&so_far.join(part)?);
        }
        Ok(so_far)
    }

    fn healed(text: &str) -> Self {
        let (whole, gap) = whole_sentences(text);
        Self { text: whole.to_owned(), gap: gap.to_owned() }
    }

    /// The text with what a continuing call answered: what it repeats of the end falls away, and the joint gets the white
    /// space that the script and the paragraph ask for.
    pub fn join(&self, answer: &str) -> Result<String, GoesBack> {
        if self.text.is_empty() {
            return Ok(clean_section(answer).text);
        }
        let cleaned = clean_section(answer).text;
        let next = without_ellipsis(&cleaned);
        // What stood before the answer's first word is white space, unless cleaning took words off there.
        let lead = if answer.trim_start().starts_with(next) { leading_space(answer) } else { "" };
        let (lead, next) = match overlap::repeated(&self.text, next) {
            0 if overlap::goes_back(&self.text, next) => {
                return Err(GoesBack { evidence: next.chars().take(80).collect() });
            }
            0 => (lead, next),
            repeated => {
                let rest = &next[repeated..];
                (leading_space(rest), rest.trim_start())
            }
        };
        let mut text = self.text.clone();
        if !next.is_empty() {
            text.push_str(self.glue(lead, next));
            text.push_str(next);
        }
        Ok(text)
    }

    /// White space for the joint: the answer's own, else that of the cut text, else what the scripts on both sides need.
    fn glue(&self, lead: &str, next: &str) -> &'static str {
        let wish = if lead.is_empty() { &self.gap } else { lead };
        match wish.matches('\n').count() {
            0 => {
                let written_on = self.text.ends_with(is_continuous) || next.starts_with(is_continuous);
                if written_on { "" } else { " " }
            }
            1 => "\n",
            _ => "\n\n",
        }
    }
}

fn leading_space(text: &str) -> &str {
    &text[..text.len() - text.trim_start().len()]
}

/// Some models mark that they go on.
fn without_ellipsis(text: &str) -> &str {
    let rest = text.trim_start_matches(['.', '…']);
    if text.len() - rest.len() >= 3 { rest.trim_start() } else { text }
}

#[cfg(test)]
mod tests;
