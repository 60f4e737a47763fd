//! Word n-grams as hashes: what repeats, within a text and against earlier ones.
//!
//! A word is a run of letters and digits, without regard to case; a character of a script that writes no spaces (Han,
//! kana, Thai, ...) is a word of its own. Thirteen words in a row that occur twice are no coincidence (the length
//! that Self-Lengthen and the pre-training literature use).

use xxhash_rust::xxh3::xxh3_64;

/// Words in a row.
pub(crate) const WORDS: usize = 13;
/// One n-gram hash in so many is kept in an index: chosen by its value, so every text keeps the same ones.
const KEEP_ONE_IN: u64 = 4;

/// The 13-grams of all earlier text of a sample, thinned by [`KEEP_ONE_IN`]: about 2 bytes a word.
///
/// Grows by [`add`](Self::add) as sections are accepted; deterministic, so it can be rebuilt from the sections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NgramIndex {
    /// Sorted, without duplicates.
    hashes: Vec<u64>,
}

impl NgramIndex {
    /// An index over nothing.
    pub const fn new() -> Self {
        Self { hashes: Vec::new() }
    }

    /// Adds a text. N-grams do not reach across the seam between two added texts.
    pub fn add(&mut self, text: &str) {
        let mut new: Vec<u64> =
            gram_hashes(&word_hashes(text), WORDS).into_iter().filter(|hash| is_kept(*hash)).collect();
        new.sort_unstable();
        self.hashes.append(&mut new);
        // Two sorted runs: the merge sort of `sort` takes one pass over them.
        self.hashes.sort();
        self.hashes.dedup();
    }

    /// The share (0 to 1) of the text's n-grams that occur in the index; 0 for a text of fewer than 13 words.
    pub fn overlap(&self, text: &str) -> f64 {
        self.overlap_of(&gram_hashes(&word_hashes(text), WORDS))
    }

    pub(crate) fn overlap_of(&self, grams: &[u64]) -> f64 {
        if self.hashes.is_empty() {
            return 0.0;
        }
        let (mut kept, mut found) = (0_u32, 0_u32);
        for hash in grams.iter().filter(|hash| is_kept(**hash)) {
            kept += 1;
            found += u32::from(self.hashes.binary_search(hash).is_ok());
        }
        if kept == 0 { 0.0 } else { f64::from(found) / f64::from(kept) }
    }

    /// The share (0 to 1) of the text's n-grams that repeat an earlier one of the same text.
    pub fn inner_repetition(text: &str) -> f64 {
        repeated_share(&gram_hashes(&word_hashes(text), WORDS))
    }

    /// Number of n-grams kept.
    pub const fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether nothing was added.
    pub const fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

const fn is_kept(hash: u64) -> bool {
    hash.is_multiple_of(KEEP_ONE_IN)
}

pub(crate) fn repeated_share(grams: &[u64]) -> f64 {
    if grams.is_empty() {
        return 0.0;
    }
    let mut sorted = grams.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    1.0 - sorted.len() as f64 / grams.len() as f64
}

/// One hash for each word of `text`, in order.
pub(crate) fn word_hashes(text: &str) -> Vec<u64> {
    let mut hashes = Vec::with_capacity(text.len() / 5);
    let mut word = Vec::with_capacity(32);
    let mut encoded = [0; 4];
    for c in text.chars() {
        if c.is_ascii() {
            if c.is_ascii_alphanumeric() {
                word.push(c.to_ascii_lowercase() as u8);
                continue;
            }
        } else if !stands_alone(c) && (c.is_alphanumeric() || is_mark(c)) {
            for lower in c.to_lowercase() {
                word.extend_from_slice(lower.encode_utf8(&mut encoded).as_bytes());
            }
            continue;
        }
        if !word.is_empty() {
            hashes.push(xxh3_64(&word));
            word.clear();
        }
        if stands_alone(c) {
            hashes.push(xxh3_64(c.encode_utf8(&mut encoded).as_bytes()));
        }
    }
    if !word.is_empty() {
        hashes.push(xxh3_64(&word));
    }
    hashes
}

/// Rolling hashes of every `width` words in a row.
pub(crate) fn gram_hashes(words: &[u64], width: usize) -> Vec<u64> {
    const BASE: u64 = 0x9e37_79b9_7f4a_7c15;
    if words.len() < width {
        return Vec::new();
    }
    let leaving = (0..width).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut rolling = 0_u64;
    let mut grams = Vec::with_capacity(words.len() - width + 1);
    for (i, word) in words.iter().enumerate() {
        rolling = rolling.wrapping_mul(BASE).wrapping_add(*word);
        if i >= width {
            rolling = rolling.wrapping_sub(words[i - width].wrapping_mul(leaving));
        }
        if i + 1 >= width {
            grams.push(mix(rolling));
        }
    }
    grams
}

/// Spreads a polynomial hash over all bits, low ones included, since those choose what is kept.
const fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
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

    fn prose(seed: usize, words: usize) -> String {
        (0..words).map(|i| format!("w{} ", (i * 7919 + seed * 104_729) % 100_003)).collect()
    }

    #[test]
    fn overlap_is_the_share_that_was_there_before() {
        let (old, new) = (prose(1, 600), prose(2, 600));
        let mut index = NgramIndex::new();
        index.add(&old);
        assert!(index.overlap(&old) > 0.999);
        assert!(index.overlap(&new) < 0.001);
        let half = index.overlap(&format!("{old} {new}"));
        assert!((0.4..0.6).contains(&half), "{half}");
    }

    #[test]
    fn case_and_punctuation_do_not_hide_a_copy() {
        let mut index = NgramIndex::new();
        index.add(&prose(1, 200));
        assert!(index.overlap(&prose(1, 200).to_uppercase().replace(' ', ", ")) > 0.999);
    }

    #[test]
    fn chinese_is_read_by_character() {
        let mut index = NgramIndex::new();
        let old = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾致雨露结为霜".repeat(2);
        index.add(&old);
        assert!(index.overlap(&old) > 0.999);
        assert!(NgramIndex::inner_repetition(&old) > 0.4);
    }

    #[test]
    fn memory_is_two_bytes_a_word() {
        let mut index = NgramIndex::new();
        index.add(&prose(3, 20_000));
        assert!((4_000..6_000).contains(&index.len()), "{}", index.len());
    }

    proptest! {
        #[test]
        fn a_repeated_text_repeats_half(words in prop::collection::vec("[a-z]{3,9}", 60..120)) {
            let once = words.join(" ");
            let twice = NgramIndex::inner_repetition(&format!("{once} {once}"));
            prop_assert!(twice > 0.4, "{}", twice);
        }

        #[test]
        fn adding_in_pieces_is_adding_at_once(pieces in prop::collection::vec("[a-z ]{80,200}", 1..5)) {
            let mut one_by_one = NgramIndex::new();
            let mut again = NgramIndex::new();
            for piece in &pieces {
                one_by_one.add(piece);
            }
            for piece in pieces.iter().rev() {
                again.add(piece);
                again.add(piece);
            }
            prop_assert_eq!(one_by_one, again);
        }
    }
}
