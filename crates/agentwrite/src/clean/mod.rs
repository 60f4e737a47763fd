//! What is taken off an answer before it counts as text.
//!
//! [`clean_section`] removes what surrounds a section without being part of it: reasoning blocks, "Paragraph 3:"
//! labels, "Sure, here is ...", word counts, offers to continue, a fence around the whole answer, zero-width characters.
//! It changes nothing inside good text, is idempotent, and costs one scan when there is nothing to do. [`trim_echo`]
//! removes a repeated plan line or a repeated end of the earlier text; it needs both as arguments.
//!
//! To strip one more thing: a function `&str -> Option<shorter &str>` in its file, a line in `strip_once`, a [`Stripped`].

mod chatter;
mod echo;
mod fence;
mod label;
mod reasoning;
mod tail;
mod zero_width;

pub(crate) use echo::squashed;
pub use echo::trim_echo;
pub(crate) use label::is_plan_line;
pub(crate) use {chatter::opens_with_chatter, label::has_label, reasoning::leaves_marker, tail::is_offer};

/// A kind of thing that [`clean_section`] took off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stripped {
    /// A block of reasoning.
    Reasoning,
    /// A "Paragraph 3:" label, or a repeated plan line.
    Label,
    /// "Sure, here is the next paragraph:".
    LeadIn,
    /// "(Word count: 512)".
    WordCount,
    /// An offer to continue or to revise.
    Offer,
    /// A code fence around the whole answer.
    Fence,
    /// U+200B, U+FEFF, or U+200C/D beside Latin or Han.
    ZeroWidth,
    /// CRLF line ends.
    LineEnds,
}

/// A cleaned section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    /// The text, without outer white space.
    pub text: String,
    /// What was removed, each kind once, in the order of its first removal.
    pub stripped: Vec<Stripped>,
    /// Whether a reasoning block was removed.
    pub reasoning: bool,
}

/// Takes off everything that is not text. `clean_section(clean_section(x)) == clean_section(x)`.
pub fn clean_section(raw: &str) -> Cleaned {
    clean(raw, strip_once)
}

/// Takes off what stands around a plan: reasoning, zero-width characters, foreign line ends. Labels, word counts and lead-ins
/// stay, for they are what a plan is made of; its parser knows them. `clean_plan(clean_plan(x)) == clean_plan(x)`.
pub fn clean_plan(raw: &str) -> Cleaned {
    clean(raw, |text| (text, None))
}

fn clean(raw: &str, strip_once: impl Fn(&str) -> (&str, Option<Stripped>)) -> Cleaned {
    let mut stripped = Vec::new();
    let mut note = |kind: Stripped| {
        if !stripped.contains(&kind) {
            stripped.push(kind);
        }
    };
    let suspicious = Suspicious::scan(raw);
    let mut text = raw.to_owned();
    // Each step only shortens the text and may uncover another ("<think>..</think>Sure, here is ...", or a zero-width character
    // between CR and LF), so: to the fixpoint.
    loop {
        if suspicious.carriage_return && text.contains("\r\n") {
            note(Stripped::LineEnds);
            text = unix_line_ends(&text);
        }
        if suspicious.zero_width
            && let Some(shorter) = zero_width::remove(&text)
        {
            note(Stripped::ZeroWidth);
            text = shorter;
            continue;
        }
        if suspicious.tag
            && let Some(shorter) = reasoning::remove(&text)
        {
            note(Stripped::Reasoning);
            text = shorter;
            continue;
        }
        let (rest, kind) = strip_once(text.trim());
        if let Some(kind) = kind {
            note(kind);
        }
        if rest.len() == text.len() {
            break;
        }
        text = rest.to_owned();
    }
    let reasoning = stripped.contains(&Stripped::Reasoning);
    Cleaned { text, stripped, reasoning }
}

/// One removal from either end, or the text as it is.
fn strip_once(text: &str) -> (&str, Option<Stripped>) {
    type Step = (fn(&str) -> Option<&str>, Stripped);
    const STEPS: [Step; 5] = [
        (fence::unwrap_whole, Stripped::Fence),
        (chatter::skip_lead_in, Stripped::LeadIn),
        (label::skip, Stripped::Label),
        (tail::drop_word_count, Stripped::WordCount),
        (tail::drop_offer, Stripped::Offer),
    ];
    STEPS.iter().find_map(|(step, kind)| step(text).map(|rest| (rest, Some(*kind)))).unwrap_or((text, None))
}

/// Which of the costly steps a text can need at all.
struct Suspicious {
    carriage_return: bool,
    zero_width: bool,
    tag: bool,
}

impl Suspicious {
    fn scan(raw: &str) -> Self {
        const BLOCK: usize = 64;
        let mut found = Self { carriage_return: false, zero_width: false, tag: false };
        let bytes = raw.as_bytes();
        // Nearly every block has none of these bytes, and a block is looked through at once.
        let blocks = bytes.chunks(BLOCK).zip((0..).step_by(BLOCK)).filter(|(block, _)| {
            block.iter().fold(false, |any, byte| any | matches!(byte, b'\r' | b'<' | 0xe2 | 0xef))
        });
        for (at, byte) in blocks.flat_map(|(block, start)| (start..).zip(block)) {
            match byte {
                b'\r' => found.carriage_return = true,
                b'<' => found.tag = true,
                // U+200B..U+200D are E2 80 8B..8D, U+FEFF is EF BB BF, U+25C1 (a tag of some models) is E2 97 81.
                0xe2 => match bytes.get(at + 1..at + 3) {
                    Some([0x80, 0x8b..=0x8d]) => found.zero_width = true,
                    Some([0x97, 0x81]) => found.tag = true,
                    _ => {}
                },
                0xef if bytes.get(at + 1..at + 3) == Some(&[0xbb, 0xbf]) => found.zero_width = true,
                _ => {}
            }
        }
        found
    }
}

/// `\r\n` to `\n`; a run of `\r` before `\n` goes whole, so that a second call finds nothing.
fn unix_line_ends(raw: &str) -> String {
    let mut lines = raw.split('\n').peekable();
    let mut out = String::with_capacity(raw.len());
    while let Some(line) = lines.next() {
        if lines.peek().is_none() {
            out.push_str(line);
        } else {
            out.push_str(line.trim_end_matches('\r'));
            out.push('\n');
        }
    }
    out
}

/// The sections as one text, a blank line between each two. Empty sections leave no gap.
pub fn join(sections: &[&str]) -> String {
    let kept: Vec<&str> = sections.iter().map(|section| section.trim()).filter(|section| !section.is_empty()).collect();
    kept.join("\n\n")
}

/// What follows `prefix` (given in lower case) in `text`, whatever the case of its letters there.
pub(crate) fn strip_prefix_folded<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let mut rest = text.chars();
    for wanted in prefix.chars() {
        let found = rest.next()?;
        let same = found == wanted
            || if found.is_ascii() { found.to_ascii_lowercase() == wanted } else { found.to_lowercase().eq([wanted]) };
        if !same {
            return None;
        }
    }
    Some(rest.as_str())
}

#[cfg(test)]
mod tests;
