//! What a continuing answer says again. Texts are compared by their words, in small letters and without marks, since models
//! change both; a character of a script without spaces counts as half a word.

use super::sentences::{ENDS, is_continuous};

/// A repeated end of less than three words is chance, also where a sentence ends with it.
const LEAST_REPEAT: u32 = 6;
/// Six words are a repeated end wherever they stop.
const LEAST_REPEAT_WITHIN: u32 = 12;
/// Eight words that stand further back are no chance.
const LEAST_RETURN: u32 = 16;
/// A heading of two words that comes again is a new start.
const LEAST_HEADING: u32 = 4;
/// A first line longer than this is a paragraph.
const MOST_HEADING: usize = 120;

struct Word {
    text: String,
    end: usize,
    weight: u32,
}

/// Bytes at the start of `next` that repeat the end of `text`, marks that close the last of them included; 0 if none.
pub(super) fn repeated(text: &str, next: &str) -> usize {
    let started = words(next);
    let started = &started[..common_end(&words(text), &started)];
    let Some(last) = started.last() else { return 0 };
    let closes = |char: char| !char.is_whitespace() && !char.is_alphanumeric() && !opens(char);
    let rest = &next[last.end..];
    let marks = &rest[..rest.find(|char| !closes(char)).unwrap_or(rest.len())];
    let least = if marks.contains(ENDS) || marks.len() == rest.len() { LEAST_REPEAT } else { LEAST_REPEAT_WITHIN };
    if weight(started) < least { 0 } else { last.end + marks.len() }
}

fn opens(char: char) -> bool {
    matches!(char, '“' | '‘' | '«' | '(' | '[' | '#' | '「' | '『' | '（' | '【' | '《' | '〈')
}

/// Whether `next` begins with words that stand in `text`, or with its first line.
pub(super) fn goes_back(text: &str, next: &str) -> bool {
    let (words, started) = (words(text), words(next));
    let Some(count) = (1..=started.len()).find(|&count| weight(&started[..count]) >= LEAST_RETURN) else {
        return same_heading(text, next);
    };
    let starts = |at: &[Word]| at.iter().zip(&started[..count]).all(|(a, b)| a.text == b.text);
    words.windows(count).any(starts) || same_heading(text, next)
}

fn same_heading(text: &str, next: &str) -> bool {
    let (Some((first, _)), Some((again, _))) = (text.split_once('\n'), next.split_once('\n')) else { return false };
    let (first_words, again_words) = (words(first), words(again));
    first.len() <= MOST_HEADING
        && weight(&first_words) >= LEAST_HEADING
        && first_words.len() == again_words.len()
        && first_words.iter().zip(&again_words).all(|(a, b)| a.text == b.text)
}

fn weight(words: &[Word]) -> u32 {
    words.iter().map(|word| word.weight).sum()
}

fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut open = false;
    for (at, char) in text.char_indices() {
        let end = at + char.len_utf8();
        if !char.is_alphanumeric() {
            open = false;
        } else if is_continuous(char) {
            words.push(Word { text: char.to_string(), end, weight: 1 });
            open = false;
        } else {
            match words.last_mut().filter(|_| open) {
                Some(word) => (word.text.extend(char.to_lowercase()), word.end = end).1,
                None => words.push(Word { text: char.to_lowercase().collect(), end, weight: 2 }),
            }
            open = true;
        }
    }
    words
}

/// How many words at the start of `next` are the last ones of `text`: the longest such run (Knuth, Morris, Pratt).
fn common_end(text: &[Word], next: &[Word]) -> usize {
    if next.is_empty() {
        return 0;
    }
    let mut borders = vec![0; next.len()];
    for at in 1..next.len() {
        borders[at] = step(next, &borders, borders[at - 1], &next[at]);
    }
    text.iter().fold(0, |matched, word| step(next, &borders, matched, word))
}

/// How many words of `next` match after one more word, if `matched` did before it.
fn step(next: &[Word], borders: &[usize], mut matched: usize, word: &Word) -> usize {
    while matched > 0 && (matched == next.len() || next[matched].text != word.text) {
        matched = borders[matched - 1];
    }
    matched + usize::from(next[matched].text == word.text)
}
