//! Sentences that are not text: refusals, provider errors, filter notices, leaked reasoning.
//!
//! A pattern is a list of parts that stand in this order in one sentence, in lower case. *Strong* ones are looked for
//! in the first sentence of any answer, *weak* ones only in a short answer: a novel may say "I'm unable to sleep", an
//! answer of one line that says so is none. *Opening* ones are strong and must start the sentence. Speech and quotations never match (see [`super::speech`]).

use super::speech;

/// An answer of fewer words than this is short.
const SHORT_WORDS: usize = 60;
/// The same where the words are characters (Han, kana, Thai).
const SHORT_CHARACTERS: usize = 120;
/// How much of a long answer is read to find its first sentence.
const HEAD_BYTES: usize = 800;
/// A first sentence shorter than this is read together with the second ("I'm sorry. I can't assist ...").
const SHORT_SENTENCE: usize = 40;

pub(super) type Parts = &'static [&'static str];

/// One kind of non-text.
pub(super) struct Patterns {
    /// The first part stands at the very start of the first sentence.
    pub(super) opening: &'static [Parts],
    /// Anywhere in the first sentence.
    pub(super) strong: &'static [Parts],
    /// Anywhere in a short answer.
    pub(super) weak: &'static [Parts],
}

/// The parts of an answer in which patterns are looked for.
pub(super) struct Probe<'a> {
    text: &'a str,
    /// Place and words of the first sentence, unless it is speech.
    first: Option<(usize, usize, Sentence)>,
    /// For a short answer the whole of it without its speech: there weak patterns apply.
    short: Option<String>,
}

impl<'a> Probe<'a> {
    /// `words` counts as [`super::WordHashes`] does.
    pub(super) fn new(text: &'a str, words: usize) -> Self {
        let head = &text[..text.floor_char_boundary(HEAD_BYTES)];
        let eastern = !head.is_ascii() && {
            let characters = head.chars().filter(|c| super::word_hashes::stands_alone(*c)).count();
            characters * 2 > head.chars().count()
        };
        let short = words < if eastern { SHORT_CHARACTERS } else { SHORT_WORDS };
        let masked = speech::mask(if short { text } else { head });
        let first = first_sentences(text, &masked).map(|(start, end)| (start, end, Sentence::new(&masked[start..end])));
        Self { text, first, short: short.then_some(masked) }
    }

    /// The first sentence that matches.
    pub(super) fn find(&self, patterns: &Patterns) -> Option<&'a str> {
        if let Some((start, end, sentence)) = &self.first
            && (sentence.opens(patterns.opening) || sentence.has(patterns.strong))
        {
            return Some(&self.text[*start..*end]);
        }
        let masked = self.short.as_ref()?;
        sentences(masked).find_map(|(start, end)| {
            let sentence = Sentence::new(&masked[start..end]);
            (sentence.has(patterns.strong) || sentence.has(patterns.weak)).then(|| &self.text[start..end])
        })
    }
}

/// The first sentence after headings, with the second if it is very short.
fn first_sentences(text: &str, masked: &str) -> Option<(usize, usize)> {
    let mut all = sentences(masked).filter(|(start, end)| {
        let sentence = text[*start..*end].trim();
        !sentence.is_empty() && !sentence.starts_with('#')
    });
    let first = all.next()?;
    // Speech at the very start is the first sentence; what follows it is not looked at.
    if masked[first.0..first.1].trim().is_empty() {
        return None;
    }
    if first.1 - first.0 >= SHORT_SENTENCE {
        return Some(first);
    }
    Some((first.0, all.next().map_or(first.1, |second| second.1)))
}

/// Start and end of each sentence. A full stop inside a word or number ends none.
fn sentences(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= text.len() {
            return None;
        }
        let rest = &text[start..];
        let mut chars = rest.char_indices().peekable();
        let mut end = rest.len();
        while let Some((at, c)) = chars.next() {
            let stop = match c {
                '\n' | '。' | '！' | '？' => true,
                '.' | '!' | '?' => chars.peek().is_none_or(|(_, next)| next.is_whitespace()),
                _ => false,
            };
            if stop {
                end = at + c.len_utf8();
                break;
            }
        }
        let found = (start, start + end);
        start += end;
        Some(found)
    })
}

/// A sentence in lower case, with straight apostrophes and without emphasis marks.
struct Sentence {
    words: String,
    /// Which pairs of bytes occur (a Bloom filter): nearly every pattern is ruled out by it, without a search.
    pairs: [u64; 16],
}

impl Sentence {
    fn new(text: &str) -> Self {
        let mut words = String::with_capacity(text.len());
        for c in text.trim_start().chars() {
            match c {
                '*' | '_' | '#' => {}
                '’' => words.push('\''),
                _ if c.is_ascii() => words.push(c.to_ascii_lowercase()),
                _ => words.extend(c.to_lowercase()),
            }
        }
        let mut pairs = [0; 16];
        for pair in words.as_bytes().windows(2) {
            let bit = pair_bit(pair);
            pairs[bit / 64] |= 1 << (bit % 64);
        }
        Self { words, pairs }
    }

    fn has(&self, patterns: &[Parts]) -> bool {
        patterns.iter().any(|parts| self.has_in_order(parts))
    }

    fn opens(&self, patterns: &[Parts]) -> bool {
        patterns.iter().any(|parts| self.words.starts_with(parts[0]) && self.has_in_order(parts))
    }

    fn has_in_order(&self, parts: Parts) -> bool {
        let mut rest = self.words.as_str();
        parts.iter().all(|part| self.may_have(part))
            && parts.iter().all(|part| {
                rest.find(part).is_some_and(|at| {
                    rest = &rest[at + part.len()..];
                    true
                })
            })
    }

    fn may_have(&self, part: &str) -> bool {
        part.as_bytes().windows(2).all(|pair| {
            let bit = pair_bit(pair);
            self.pairs[bit / 64] >> (bit % 64) & 1 == 1
        })
    }
}

fn pair_bit(pair: &[u8]) -> usize {
    (usize::from(pair[0]) * 31 + usize::from(pair[1])) % 1024
}

/// A whole answer that is a machine's error object or an error page, whatever its length.
pub(super) fn error_document(text: &str) -> bool {
    let head = text[..text.floor_char_boundary(400)].to_ascii_lowercase();
    let object = head.starts_with('{') && text.ends_with('}');
    if object && ["\"error\"", "\"detail\"", "\"code\":"].iter().any(|key| head.contains(key)) && text.len() < 2000 {
        return true;
    }
    let page = head.starts_with("<!doctype html") || head.starts_with("<html");
    page && text.len() < 4000
        && ["bad gateway", "unavailable", "time-out", "timeout", "error", "cloudflare", "denied", "too many"]
            .iter()
            .any(|words| head.contains(words))
}

#[cfg(test)]
mod tests {
    use super::super::phrases::{PROVIDER_ERROR, REFUSAL};
    use super::*;

    const FILLER: &str =
        "The lamps were lit one after another along the quay, and the men went home to their suppers. ";

    fn probe(text: &str, patterns: &Patterns) -> bool {
        let words = super::super::WordHashes::of(text).len();
        Probe::new(text, words).find(patterns).is_some()
    }

    fn long(first: &str) -> String {
        format!("{first} {}", FILLER.repeat(8))
    }

    #[test]
    fn weak_patterns_match_only_short_answers() {
        assert!(probe("I'm sorry, but I can't.", &REFUSAL));
        assert!(!probe(&long("I'm unable to sleep in this town."), &REFUSAL));
        assert!(probe("429 Too Many Requests", &PROVIDER_ERROR));
        assert!(!probe(&long("Too many requests at once are answered with status 429."), &PROVIDER_ERROR));
    }

    #[test]
    fn strong_patterns_match_the_first_sentence_only() {
        assert!(probe(&long("I'm sorry, but I can't assist with that request."), &REFUSAL));
        assert!(probe(&long("# The harbour\n\nI’m sorry. I can’t assist with this topic."), &REFUSAL));
        assert!(!probe(&(FILLER.repeat(8) + "I'm sorry, but I can't assist with that request."), &REFUSAL));
    }

    #[test]
    fn speech_never_matches() {
        assert!(!probe("ALEX: I'm sorry, I can't help you.", &REFUSAL));
        assert!(!probe("\"I'm sorry, but I can't,\" she said and left.", &REFUSAL));
        assert!(!probe("他低声说：“对不起，我无法帮你。”", &REFUSAL));
    }

    #[test]
    fn error_documents_at_any_length() {
        assert!(error_document("{\"error\": {\"message\": \"Rate limit\", \"code\": 429}}"));
        assert!(error_document("<html><head><title>502 Bad Gateway</title></head></html>"));
        assert!(!error_document("{ \"name\": \"flour\", \"grams\": 500 }"));
    }
}
