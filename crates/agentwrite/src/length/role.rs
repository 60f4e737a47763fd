//! What a quantity governs: the answer, each of its parts, one part, or a text that is only spoken of.
//!
//! The rules look at words near the quantity and inside its sentence only. They err towards [`Role::Other`] and
//! [`Role::Each`] without a count, both of which read as no requirement.

use super::bound::{bound_before, ends_with_phrase};
use super::mask::{sentence_end, sentence_start};
use super::number::{numbers, word};
use super::parts::{english_kind, part_counts};
use super::quantity::Quantity;
use super::role_zh;

/// What a quantity governs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The whole answer.
    Whole,
    /// Each part of the answer: what the parts are and how many, as far as the place itself says.
    Each { kind: Option<&'static str>, count: Option<u32> },
    /// One part of the answer, such as its abstract.
    Part,
    /// Something else: the source text, a rate, a count of single words.
    Other,
}

/// The role of `quantity` in `text`, which is [`super::readable`].
pub(super) fn role(text: &str, quantity: &Quantity) -> Role {
    if let Some(role) = role_zh::role(text, quantity) {
        return role;
    }
    if let Some(each) = each_behind(text, quantity).or_else(|| each_before(text, quantity)) {
        return each;
    }
    if is_other(text, quantity) {
        Role::Other
    } else if is_part(text, quantity) {
        Role::Part
    } else {
        Role::Whole
    }
}

fn words(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\'')).filter(|word| !word.is_empty())
}

/// "2,000 words each", "2,000 words per chapter", "a 200-word answer for each question", "five 2,000-word chapters".
fn each_behind(text: &str, quantity: &Quantity) -> Option<Role> {
    let after = &text[quantity.end..sentence_end(text, quantity.end)];
    let clause = after.split([',', ')', ':']).next().unwrap_or_default();
    let mut behind = words(clause)
        .skip_while(|word| ["long", "in", "length", "or", "more", "maximum", "max", "minimum"].contains(word));
    match behind.next() {
        Some("each" | "apiece") => {
            return Some(Role::Each { kind: behind.next().and_then(english_kind).map(|kind| kind.0), count: None });
        }
        Some("per" | "every") => return behind.next().map(per),
        _ => {}
    }
    let mut near = words(clause).take(6).skip_while(|word| *word != "for" && *word != "per");
    if near.next().is_some()
        && let Some("each" | "every") = near.next()
    {
        return near.next().map(per);
    }
    let before = text[sentence_start(text, quantity.start)..quantity.start].trim_end();
    let noun = words(clause).next().unwrap_or_default();
    let count = numbers(before)
        .into_iter()
        .next_back()
        .filter(|number| number.end == before.len() && (2..=200).contains(&number.low));
    if quantity.adjective && noun.ends_with('s') && !noun.ends_with("ss") {
        let kind = english_kind(noun).map(|kind| kind.0);
        return count.map(|number| Role::Each { kind, count: u32::try_from(number.low).ok() });
    }
    None
}

fn per(noun: &str) -> Role {
    if ["day", "week", "month", "hour", "minute", "year", "night", "session", "page"].contains(&noun) {
        Role::Other
    } else {
        Role::Each { kind: english_kind(noun).map(|kind| kind.0), count: None }
    }
}

/// "each about 2,000 words", "each chapter should have 2,000 words", "chapters of 2,000 words", "for each, a 200-word".
fn each_before(text: &str, quantity: &Quantity) -> Option<Role> {
    const LOOSE: &[&str] = &[
        "is",
        "has",
        "have",
        "having",
        "contain",
        "contains",
        "containing",
        "with",
        "long",
        "run",
        "to",
        "will",
        "in",
        "ideally",
        "takes",
        "being between",
    ];
    const STRICT: &[&str] = &["should", "must", "be", "of", "at", "being", "averaging"];
    let start = sentence_start(text, quantity.start);
    let mut rest = bound_before(text, quantity.start).1;
    let mut strict = true;
    loop {
        let filler = LOOSE.iter().chain(STRICT).find(|filler| ends_with_phrase(rest, filler));
        let Some(filler) = filler else { break };
        strict &= STRICT.contains(filler);
        rest = bound_before(rest, rest.len() - filler.len()).1;
    }
    strict &= rest.len() > start && !text[rest.len()..quantity.start].contains([',', '(', ':', '-']);
    let sentence = text.get(start..rest.len()).unwrap_or_default();
    let mut back = words(sentence).rev();
    let last = back.next().unwrap_or_default();
    let before = back.next().unwrap_or_default();
    if last == "each" || (["one", "them"].contains(&last) && words(sentence).rev().take(3).any(|word| word == "each")) {
        return Some(Role::Each { kind: None, count: None });
    }
    if let Some((kind, plural)) = english_kind(last) {
        if ["each", "every", "per"].contains(&before) {
            return Some(Role::Each { kind: Some(kind), count: None });
        }
        if plural && strict {
            let count = part_counts(text).into_iter().find(|part| part.end == rest.len()).map(|part| part.count);
            return Some(Role::Each { kind: Some(kind), count });
        }
    }
    let leading = words(sentence).rev().take(14).collect::<Vec<_>>();
    let each = leading.windows(2).position(|pair| ["each", "every"].contains(&pair[0]) && pair[1] == "for")?;
    let kind = each.checked_sub(1).and_then(|noun| english_kind(leading[noun])).map(|kind| kind.0);
    Some(Role::Each { kind, count: None })
}

fn is_part(text: &str, quantity: &Quantity) -> bool {
    // "write a 500-word summary" asks for the summary itself
    const ASKS: &[&str] = &[
        "write", "compose", "create", "draft", "generate", "produce", "prepare", "give", "provide", "need", "want",
        "me",
    ];
    const PARTS: &[&str] = &[
        "introduction",
        "intro",
        "conclusion",
        "abstract",
        "summary",
        "prologue",
        "epilogue",
        "preface",
        "foreword",
        "headline",
        "title",
        "caption",
        "bio",
        "hook",
        "tagline",
        "description",
        "paragraph",
        "section",
        "blurb",
        "synopsis",
        "teaser",
        "opening",
    ];
    let start = sentence_start(text, quantity.start);
    let noun =
        words(&text[quantity.end..sentence_end(text, quantity.end)]).find(|word| *word != "long").unwrap_or_default();
    let rest = bound_before(text, quantity.start).1;
    let clause = text.get(start..rest.len()).unwrap_or_default().rsplit([',']).next().unwrap_or_default();
    if quantity.adjective && words(clause).next_back().is_some_and(|word| ASKS.contains(&word)) {
        return false;
    }
    PARTS.contains(&noun) || !quantity.adjective && words(clause).rev().take(3).any(|word| PARTS.contains(&word))
}

/// Whether the quantity speaks of a text that is there already, or of single words.
fn is_other(text: &str, quantity: &Quantity) -> bool {
    const GIVEN: &[&str] = &[
        "this",
        "that",
        "these",
        "those",
        "my",
        "our",
        "his",
        "her",
        "their",
        "attached",
        "following",
        "above",
        "existing",
        "original",
        "given",
        "provided",
        "enclosed",
        "entire",
        "whole",
        "accompanying",
    ];
    let start = sentence_start(text, quantity.start);
    let rest = bound_before(text, quantity.start).1;
    let sentence = text.get(start..rest.len()).unwrap_or_default();
    let last = words(sentence).next_back().unwrap_or_default();
    if GIVEN.contains(&last) || last.ends_with("'s") && last != "let's" {
        return quantity.adjective || ["these", "those", "following"].contains(&last);
    }
    if ["first", "last", "top", "common", "commonest", "from"].contains(&last) {
        return true;
    }
    if quantity.adjective {
        given_behind(text, quantity) || source_verb(sentence, last)
    } else {
        mentioned(sentence, last, quantity)
    }
}

/// "the 3,000-word essay below", "a 3,000-word essay I wrote".
fn given_behind(text: &str, quantity: &Quantity) -> bool {
    let after = &text[quantity.end..sentence_end(text, quantity.end)];
    let clause = after.split([',', ':']).next().unwrap_or_default();
    let near: Vec<&str> = words(clause).take(4).collect();
    near.iter().any(|word| ["below", "above", "attached", "pasted", "provided"].contains(word))
        || near.windows(2).any(|pair| {
            ["i", "he", "she", "they", "we"].contains(&pair[0])
                && ["wrote", "have", "had", "submitted"].contains(&pair[1])
        })
        || near.contains(&"i've")
}

/// Whether the verb nearest before an adjectival quantity takes a text as its object rather than making one.
fn source_verb(sentence: &str, last: &str) -> bool {
    // Nouns that take a text only where they stand next to it: "a review of a 5,000-word report".
    const NOUNS: &[&str] = &["summary", "review", "critique", "translation", "feedback"];
    const MAKE: &[&str] = &[
        "write",
        "writes",
        "writing",
        "compose",
        "create",
        "creating",
        "draft",
        "generate",
        "produce",
        "prepare",
        "craft",
        "make",
        "give",
        "provide",
        "develop",
        "deliver",
        "design",
        "need",
        "want",
        "should",
        "must",
        "require",
        "required",
        "into",
        "as",
        "be",
        "tell",
        "do",
        "construct",
        "outline",
        "wants",
        "needs",
        "expects",
        "assignment",
        "for",
        "deliverable",
    ];
    const TAKE: &[&str] = &[
        "summarize",
        "summarise",
        "summarizing",
        "summarising",
        "condense",
        "shorten",
        "abridge",
        "translate",
        "translating",
        "proofread",
        "edit",
        "revise",
        "analyze",
        "analyse",
        "evaluate",
        "assess",
        "grade",
        "rewrite",
        "rephrase",
        "paraphrase",
        "read",
        "wrote",
        "has",
        "have",
        "had",
        "received",
        "submitted",
        "published",
        "turn",
        "convert",
        "expand",
        "extend",
        "polish",
        "fix",
        "correct",
        "based",
        "cut",
        "from",
    ];
    if ["in", "into", "as", "through", "via"].contains(&last) {
        return false;
    }
    let mut back = words(sentence).rev().take(25).enumerate().peekable();
    while let Some((distance, name)) = back.next() {
        if MAKE.contains(&name) && !(name == "for" && distance == 0) {
            return false;
        }
        // "an easy to read 500-word article"
        let idiom = name == "read" && back.peek().is_some_and(|(_, before)| *before == "to");
        if TAKE.contains(&name) && !idiom || NOUNS.contains(&name) && distance <= 1 {
            return true;
        }
    }
    false
}

/// Whether a plain quantity ("5,000 words") is said about a text or means single words.
fn mentioned(sentence: &str, last: &str, quantity: &Quantity) -> bool {
    const MODALS: &[&str] = &["should", "must", "to", "will", "can", "needs", "need", "shall", "may", "and"];
    const SINGLE: &[&str] = &[
        "list",
        "learn",
        "memorize",
        "memorise",
        "define",
        "spell",
        "teach",
        "vocabulary",
        "wrote",
        "reached",
        "contained",
        "knows",
    ];
    let given = || {
        words(sentence).any(|word| ["my", "this", "original", "attached", "their", "his", "her", "i"].contains(&word))
    };
    let mut back = words(sentence).rev();
    back.next();
    let before = back.next().unwrap_or_default();
    match last {
        _ if quantity.labelled => !MODALS.contains(&before) && sentence.contains("my ") && sentence.contains(" has "),
        "had" | "was" | "were" | "written" => true,
        "is" | "are" | "has" | "have" | "contains" | "contain" | "totals" | "it's" => {
            !MODALS.contains(&before) && given()
        }
        "of" => source_verb(sentence, last) && given(),
        _ => SINGLE.contains(&last),
    }
}

/// The first ASCII word of `text`, for callers that look behind a quantity.
pub(super) fn first_word(text: &str) -> &str {
    word(text.trim_start())
}
