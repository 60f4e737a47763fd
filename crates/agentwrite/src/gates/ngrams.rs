//! Word n-grams as hashes: what repeats, within a text and against earlier ones.
//!
//! Thirteen words in a row that occur twice are no coincidence (the length
//! that Self-Lengthen and the pre-training literature use).

use super::WordHashes;

/// Words in a row.
pub(crate) const WORDS: usize = 13;
/// One n-gram hash in so many is kept in an index: chosen by its value, so every text keeps the same ones.
const KEEP_ONE_IN: u64 = 4;
/// The first size of an index: room for a section of 700 words.
const LEAST_SLOTS: usize = 256;

/// The 13-grams of all earlier text of a sample, thinned by [`KEEP_ONE_IN`]: about 2 bytes a word.
///
/// Grows by [`add`](Self::add) as sections are accepted; deterministic, so it can be rebuilt from the sections.
#[derive(Debug, Clone, Default)]
pub struct NgramIndex {
    /// An open table of the hashes' upper halves, of a power of two and at most three quarters full; 0 is a free slot. Two
    /// n-grams that share a half are too rare to move a share.
    slots: Vec<u32>,
    len: usize,
}

impl NgramIndex {
    /// An index over nothing.
    pub const fn new() -> Self {
        Self { slots: Vec::new(), len: 0 }
    }

    /// Adds a text. N-grams do not reach across the seam between two added texts.
    pub fn add(&mut self, text: &WordHashes) {
        self.add_grams(&KeptGrams::of(&gram_hashes(text, WORDS)));
    }

    /// The same from what [`section::check`](super::section::check) found in the text.
    pub fn add_grams(&mut self, grams: &KeptGrams) {
        for half in &grams.0 {
            if self.len * 4 >= self.slots.len() * 3 {
                self.grow();
            }
            self.insert(*half);
        }
    }

    fn grow(&mut self) {
        let slots = vec![0; (self.slots.len() * 2).max(LEAST_SLOTS)];
        let old = std::mem::replace(&mut self.slots, slots);
        self.len = 0;
        old.into_iter().filter(|half| *half != 0).for_each(|half| self.insert(half));
    }

    fn insert(&mut self, half: u32) {
        let slot = self.slot(half);
        self.len += usize::from(self.slots[slot] == 0);
        self.slots[slot] = half;
    }

    /// Where a half stands, or would: there is always a free slot.
    fn slot(&self, half: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = half as usize & mask;
        while self.slots[slot] != 0 && self.slots[slot] != half {
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// The share (0 to 1) of the text's n-grams that occur in the index; 0 for a text of fewer than 13 words.
    pub fn overlap(&self, text: &WordHashes) -> f64 {
        self.overlap_of(&KeptGrams::of(&gram_hashes(text, WORDS)))
    }

    pub(crate) fn overlap_of(&self, grams: &KeptGrams) -> f64 {
        if self.is_empty() || grams.0.is_empty() {
            return 0.0;
        }
        let found = grams.0.iter().filter(|half| self.slots[self.slot(**half)] != 0).count();
        found as f64 / grams.0.len() as f64
    }

    /// The share (0 to 1) of the text's n-grams that repeat an earlier one of the same text.
    pub fn inner_repetition(text: &WordHashes) -> f64 {
        repeated_share(&gram_hashes(text, WORDS))
    }

    /// Number of n-grams kept.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was added.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Two indexes are equal if they hold the same n-grams, whatever the order in which these came.
impl PartialEq for NgramIndex {
    fn eq(&self, other: &Self) -> bool {
        let mut halves = self.slots.iter().filter(|half| **half != 0);
        self.len == other.len && halves.all(|half| other.slots[other.slot(*half)] != 0)
    }
}

impl Eq for NgramIndex {}

/// The half that an index holds, never 0. The lower one chose the hash to be kept and says less.
const fn half(hash: u64) -> u32 {
    let half = (hash >> 32) as u32;
    if half == 0 { 1 } else { half }
}

/// The 13-grams of one text that an index keeps, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptGrams(Vec<u32>);

impl KeptGrams {
    pub(crate) fn of(grams: &[u64]) -> Self {
        // Every half is written, and the next one over it unless it is kept: nobody can guess which are.
        let mut halves = vec![0; grams.len()];
        let mut kept = 0;
        for hash in grams {
            halves[kept] = half(*hash);
            kept += usize::from(hash.is_multiple_of(KEEP_ONE_IN));
        }
        Self(halves[..kept].to_vec())
    }
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
    // Open addressing on hashes that are already well mixed; a quarter full at most, so that a probe is short. A slot holds
    // a place, counted from 1, and not the hash: so the table stays in the nearest cache.
    let slots = (grams.len() * 4).next_power_of_two();
    let mut last = vec![0_u32; slots];
    let mut distances = Vec::with_capacity(grams.len());
    for (gram, now) in grams.iter().zip(1_u32..) {
        let mut slot = *gram as usize & (slots - 1);
        while last[slot] != 0 && grams[last[slot] as usize - 1] != *gram {
            slot = (slot + 1) & (slots - 1);
        }
        let before = last[slot];
        distances.push(if before == 0 { 0 } else { now - before });
        last[slot] = now;
    }
    distances
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
pub(super) const fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prose(seed: usize, words: usize) -> String {
        (0..words).map(|i| format!("w{}", (i * 7919 + seed * 104_729) % 100_003)).collect::<Vec<_>>().join(" ")
    }

    fn words(text: &str) -> WordHashes {
        WordHashes::of(text)
    }

    #[test]
    fn overlap_is_the_share_that_was_there_before() {
        let (old, new) = (prose(1, 600), prose(2, 600));
        let both = words(&format!("{old} {new}"));
        let (old, new) = (words(&old), words(&new));
        let mut index = NgramIndex::new();
        index.add(&old);
        assert!(index.overlap(&old) > 0.999);
        assert!(index.overlap(&new) < 0.001);
        let half = index.overlap(&both);
        assert!((0.4..0.6).contains(&half), "{half}");
    }

    #[test]
    fn case_and_punctuation_do_not_hide_a_copy() {
        let mut index = NgramIndex::new();
        index.add(&words(&prose(1, 200)));
        assert!(index.overlap(&words(&prose(1, 200).to_uppercase().replace(' ', ", "))) > 0.999);
    }

    #[test]
    fn chinese_is_read_by_character() {
        let mut index = NgramIndex::new();
        let old = words(&"天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾致雨露结为霜".repeat(2));
        index.add(&old);
        assert!(index.overlap(&old) > 0.999);
        assert!(NgramIndex::inner_repetition(&old) > 0.4);
    }

    #[test]
    fn memory_is_two_bytes_a_word() {
        let mut index = NgramIndex::new();
        index.add(&words(&prose(3, 20_000)));
        assert!((4_000..6_000).contains(&index.len()), "{}", index.len());
        assert!(index.slots.len() * 4 < 20_000 * 3, "{} slots", index.slots.len());
    }

    proptest! {
        #[test]
        fn a_repeated_text_repeats_half(pieces in prop::collection::vec("[a-z]{3,9}", 60..120)) {
            let once = pieces.join(" ");
            let twice = NgramIndex::inner_repetition(&words(&format!("{once} {once}")));
            prop_assert!(twice > 0.4, "{}", twice);
        }

        #[test]
        fn adding_in_pieces_is_adding_at_once(pieces in prop::collection::vec("[a-z ]{80,200}", 1..5)) {
            let mut one_by_one = NgramIndex::new();
            let mut again = NgramIndex::new();
            for piece in &pieces {
                one_by_one.add(&words(piece));
            }
            for piece in pieces.iter().rev() {
                again.add(&words(piece));
                again.add(&words(piece));
            }
            prop_assert_eq!(one_by_one, again);
        }
    }
}
