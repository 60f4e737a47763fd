//! Word n-grams as hashes: what repeats, within a text and against earlier ones.
//!
//! A word is a run of letters and digits, without regard to case; a character of a script that writes no spaces (Han,
//! kana, Thai, ...) is a word of its own. Thirteen words in a row that occur twice are no coincidence (the length
//! that Self-Lengthen and the pre-training literature use).

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
        new.dedup();
        self.hashes = merged(&self.hashes, &new);
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

/// Two sorted lists without duplicates as one; a sort of the whole would cost more with every section.
fn merged(old: &[u64], new: &[u64]) -> Vec<u64> {
    let mut out = Vec::with_capacity(old.len() + new.len());
    let mut rest = old;
    for hash in new {
        let (smaller, larger) = rest.split_at(rest.partition_point(|kept| kept < hash));
        out.extend_from_slice(smaller);
        rest = larger;
        if rest.first() != Some(hash) {
            out.push(*hash);
        }
    }
    out.extend_from_slice(rest);
    out
}

const fn is_kept(hash: u64) -> bool {
    hash.is_multiple_of(KEEP_ONE_IN)
}

/// The share (0 to 1) of n-grams that occur before in the same list.
pub(crate) fn repeated_share(grams: &[u64]) -> f64 {
    share_of_repeats(&distances(grams))
}

/// The same from the distances.
pub(crate) fn share_of_repeats(distances: &[u32]) -> f64 {
    let repeats = distances.iter().filter(|distance| **distance > 0).count();
    if distances.is_empty() { 0.0 } else { repeats as f64 / distances.len() as f64 }
}

/// For each n-gram how many words ago it stood last, 0 if never.
pub(crate) fn distances(grams: &[u64]) -> Vec<u32> {
    // Open addressing on hashes that are already well mixed; half empty, so that a probe is short.
    let slots = (grams.len() * 2).next_power_of_two();
    let mut last: Vec<(u64, u32)> = vec![(0, 0); slots];
    let mut distances = Vec::with_capacity(grams.len());
    for (gram, now) in grams.iter().zip(1_u32..) {
        let mut slot = *gram as usize & (slots - 1);
        while last[slot].1 != 0 && last[slot].0 != *gram {
            slot = (slot + 1) & (slots - 1);
        }
        let before = last[slot].1;
        distances.push(if before == 0 { 0 } else { now - before });
        last[slot] = (*gram, now);
    }
    distances
}

/// One hash for each word of `text`, in order.
pub(crate) fn word_hashes(text: &str) -> Vec<u64> {
    let bytes = text.as_bytes();
    let mut hashes = Vec::with_capacity(text.len() / 5);
    let mut word = Word::default();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        // ASCII goes through without decoding: it is most of most texts.
        if byte.is_ascii_alphanumeric() {
            word.push(byte.to_ascii_lowercase());
            at += 1;
        } else if byte.is_ascii() {
            hashes.extend(word.end());
            at += 1;
        } else {
            let Some(c) = text[at..].chars().next() else { break };
            at += c.len_utf8();
            if stands_alone(c) {
                hashes.extend(word.end());
                word.push_char(c);
                hashes.extend(word.end());
            } else if c.is_alphanumeric() || is_mark(c) {
                c.to_lowercase().for_each(|lower| word.push_char(lower));
            } else {
                hashes.extend(word.end());
            }
        }
    }
    hashes.extend(word.end());
    hashes
}

/// The hash of a word while its bytes come in (FNV-1a, mixed at the end): one multiplication a byte and no buffer.
struct Word {
    hash: u64,
}

impl Default for Word {
    fn default() -> Self {
        Self { hash: Self::EMPTY }
    }
}

impl Word {
    const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

    fn push(&mut self, byte: u8) {
        self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }

    fn push_char(&mut self, c: char) {
        c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| self.push(byte));
    }

    fn end(&mut self) -> Option<u64> {
        let hash = std::mem::replace(&mut self.hash, Self::EMPTY);
        (hash != Self::EMPTY).then(|| mix(hash))
    }
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
        (0..words).map(|i| format!("w{}", (i * 7919 + seed * 104_729) % 100_003)).collect::<Vec<_>>().join(" ")
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
