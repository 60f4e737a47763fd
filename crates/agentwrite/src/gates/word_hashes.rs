//! The words of a text as hashes: made once, read by every gate that compares n-grams.
//!
//! A word is a run of letters and digits, without regard to case; a character of a script that writes no spaces (Han,
//! kana, Thai, ...) is a word of its own. The hashes are the same on every machine.
//!
//! English is cut into words by masks of 64 bytes, eight bytes to an instruction: a branch for every byte would cost
//! several times more, since no processor foresees where words end. Around other characters a text is read one by one.

use super::ngrams::mix;

const BLOCK: usize = 64;
/// What a word's hash starts from. Which n-grams an index keeps depends on the hashes, so the verdicts on texts at a
/// threshold do too: they are not to be changed lightly.
const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// One hash for each word of a text, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct WordHashes(Vec<u64>);

impl WordHashes {
    /// Hashes the words of `text`.
    pub fn of(text: &str) -> Self {
        let mut hashes = Vec::with_capacity(text.len() / 5 + 8);
        let mut at = 0;
        while at < text.len() {
            at = plain_words(text.as_bytes(), at, &mut hashes);
            at = other_words(text, at, &mut hashes);
        }
        Self(hashes)
    }
}

impl std::ops::Deref for WordHashes {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.0
    }
}

/// Hashes words of ASCII from `at` on, which is no place inside a word, for as long as whole blocks follow. Returns where
/// the first word starts that was not hashed: near the end of the text, or not ASCII alone.
fn plain_words(bytes: &[u8], mut at: usize, hashes: &mut Vec<u64>) -> usize {
    // The last eight bytes are left, so that eight can be read wherever a word starts.
    while let Some(block) = bytes.get(at..at + BLOCK + 8).and_then(|block| block.first_chunk::<BLOCK>()) {
        let (word, other) = masks(block);
        let plain = if other == 0 { BLOCK as u32 } else { other.trailing_zeros() };
        let mut starts = word & !(word << 1);
        // A word ends at the first byte that is none of it; one that reaches the block's end or a character that is not
        // ASCII has no end here.
        let mut ends = !word & (word << 1) & !other;
        if plain < BLOCK as u32 {
            ends &= (1 << plain) - 1;
        }
        let whole = ends.count_ones();
        for _ in 0..whole {
            hashes.push(hash_at(bytes, at + starts.trailing_zeros() as usize, at + ends.trailing_zeros() as usize));
            starts &= starts - 1;
            ends &= ends - 1;
        }
        let next = starts.trailing_zeros().min(plain);
        if next == 0 || plain < BLOCK as u32 {
            // A word longer than a block, or something else than ASCII.
            return at + next as usize;
        }
        at += next as usize;
    }
    at
}

/// Which of 64 bytes are letters or digits of ASCII, and which are not ASCII; the first byte is the lowest bit.
fn masks(block: &[u8; BLOCK]) -> (u64, u64) {
    let (eights, _) = block.as_chunks::<8>();
    let (mut word, mut other) = (0, 0);
    for (eight, place) in eights.iter().zip((0_u32..).step_by(8)) {
        let bytes = u64::from_le_bytes(*eight);
        word |= gathered(word_bytes(bytes)) << place;
        other |= gathered(bytes & HIGH) << place;
    }
    (word, other)
}

/// The high bit of each of eight bytes that is a letter or a digit of ASCII.
const fn word_bytes(bytes: u64) -> u64 {
    const fn each(byte: u8) -> u64 {
        0x0101_0101_0101_0101 * byte as u64
    }
    let low = bytes & !HIGH;
    let lower = low | each(0x20);
    let letter = (lower + each(0x80 - b'a')) & !(lower + each(0x80 - b'z' - 1));
    let digit = (low + each(0x80 - b'0')) & !(low + each(0x80 - b'9' - 1));
    (letter | digit) & HIGH & !bytes
}

/// The high bits of eight bytes side by side.
const fn gathered(high_bits: u64) -> u64 {
    (high_bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// The hash of the ASCII word from `start` to `end`, without regard to case.
fn hash_at(bytes: &[u8], mut start: usize, end: usize) -> u64 {
    let mut hash = EMPTY;
    while end - start > 8 {
        hash = step(hash, small_eight(bytes, start, 8));
        start += 8;
    }
    mix(step(hash, small_eight(bytes, start, end - start)))
}

/// Up to eight bytes of an ASCII word from `start` on, in small letters, the first one lowest.
fn small_eight(bytes: &[u8], start: usize, length: usize) -> u64 {
    // Letters and digits alone: this bit makes a letter small and changes no digit.
    const SMALL: u64 = 0x2020_2020_2020_2020;
    let eight = match bytes[start..].first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => bytes[start..start + length].iter().rev().fold(0, |eight, byte| eight << 8 | u64::from(*byte)),
    };
    (eight | SMALL) & (u64::MAX >> (64 - 8 * length))
}

/// Takes the next eight bytes of a word into its hash; a last one of fewer is filled up with zeros, which no word has.
const fn step(hash: u64, eight: u64) -> u64 {
    (hash ^ eight).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Hashes words character by character from `at` on, at least one character, until a word ends before ASCII text with room
/// for whole blocks. Returns where that is.
fn other_words(text: &str, mut at: usize, hashes: &mut Vec<u64>) -> usize {
    let blocks_until = text.len().saturating_sub(BLOCK + 8);
    let mut word = Word::NONE;
    for c in text[at..].chars() {
        at += c.len_utf8();
        if stands_alone(c) {
            word.end(hashes);
            word.push(c);
            word.end(hashes);
        } else if c.is_alphanumeric() || is_mark(c) {
            word.push(c);
        } else {
            word.end(hashes);
            if at <= blocks_until && text.as_bytes()[at].is_ascii() {
                return at;
            }
        }
    }
    word.end(hashes);
    at
}

/// The hash of a word while its characters come in.
struct Word {
    hash: u64,
    /// The bytes that `hash` has not taken, the first one lowest.
    eight: u64,
    bytes: usize,
}

impl Word {
    const NONE: Self = Self { hash: EMPTY, eight: 0, bytes: 0 };

    fn push(&mut self, c: char) {
        if c.is_ascii() {
            self.byte(c.to_ascii_lowercase() as u8);
        } else {
            for lower in c.to_lowercase() {
                lower.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| self.byte(byte));
            }
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.bytes == 8 {
            *self = Self { hash: step(self.hash, self.eight), ..Self::NONE };
        }
        self.eight |= u64::from(byte) << (8 * self.bytes);
        self.bytes += 1;
    }

    fn end(&mut self, hashes: &mut Vec<u64>) {
        if self.bytes > 0 {
            hashes.push(mix(step(self.hash, self.eight)));
            *self = Self::NONE;
        }
    }
}

/// Characters of scripts that put no spaces between words.
pub(crate) fn stands_alone(c: char) -> bool {
    matches!(u32::from(c),
        0x3041..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff
        | 0x0e01..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff)
}

/// Marks that belong to a word though they are no letters (Devanagari's virama, joiners).
fn is_mark(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x036f | 0x0900..=0x0963 | 0x0966..=0x0dff | 0x200c | 0x200d)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, written without regard to speed.
    fn words(text: &str) -> Vec<String> {
        let (mut words, mut word) = (Vec::new(), String::new());
        for c in text.chars() {
            let joins = (c.is_alphanumeric() || is_mark(c)) && !stands_alone(c);
            if !joins && !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            if joins {
                word.extend(c.to_lowercase());
            } else if stands_alone(c) {
                words.push(c.to_string());
            }
        }
        words.extend(Some(word).filter(|word| !word.is_empty()));
        words
    }

    fn slow(text: &str) -> Vec<u64> {
        let eight = |bytes: &[u8]| (0..).zip(bytes).map(|(place, byte)| u64::from(*byte) << (8 * place)).sum();
        let hash = |word: &String| mix(word.as_bytes().chunks(8).map(eight).fold(EMPTY, step));
        words(text).iter().map(hash).collect()
    }

    #[test]
    fn the_hashes_are_the_same_on_every_machine() {
        let hashes = [7_859_150_484_957_876_566, 4_914_324_279_794_400_973, 4_187_159_048_408_018_396];
        assert_eq!(*WordHashes::of("Word, Ninepence 字"), hashes);
    }

    #[test]
    fn words_of_every_length_at_every_place() {
        for length in 1..150 {
            for pad in 0..70 {
                let text = format!(
                    "{}{}, b’c {}",
                    " ".repeat(pad),
                    "Ab3".repeat(length)[..length].to_owned(),
                    "d ".repeat(40)
                );
                assert_eq!(*WordHashes::of(&text), slow(&text), "{text:?}");
            }
        }
    }

    #[test]
    fn words_that_differ_have_other_hashes() {
        let distinct =
            ["a", "b", "aa", "ab", "12345678", "123456789", "1234567890123456", "12345678901234567", "é", "é1", "字"];
        let hashes: std::collections::HashSet<u64> = distinct.iter().flat_map(|word| slow(word)).collect();
        assert_eq!(hashes.len(), distinct.len());
    }

    proptest! {
        #[test]
        fn the_fast_scanner_equals_the_definition(text in "([a-zA-Z0-9_ ,.\u{80}-\u{bf}]{0,40}|[a-z]{1,14} |[字文éÉİßก्\u{200d}\u{200b}½ΑαＡ’—]{0,3}|\\PC{0,8}){0,14}") {
            prop_assert_eq!(&*WordHashes::of(&text), &slow(&text)[..]);
        }
    }
}
