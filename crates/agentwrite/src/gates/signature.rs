//! Near-duplicates: `MinHash` over word 5-grams with one permutation.

use super::WordHashes;
use super::ngrams::gram_hashes;

const BINS: usize = 64;
const WIDTH: usize = 5;
/// Marks a bin that no 5-gram fell into.
const EMPTY: u64 = u64::MAX;

/// The signature of a text: 512 bytes, comparable with [`similarity`].
pub type Signature = [u64; BINS];

/// Each 5-gram's hash falls into one of 64 bins by its top bits; a bin keeps its smallest. Same text, same signature.
pub fn signature(text: &WordHashes) -> Signature {
    let mut bins = [EMPTY; BINS];
    for hash in gram_hashes(text, WIDTH) {
        let bin = (hash >> 58) as usize;
        bins[bin] = bins[bin].min(hash);
    }
    bins
}

/// An estimate (0 to 1) of the share of 5-grams that two texts have in common (Jaccard), exact to about 0.06.
///
/// Bins that are empty in both say nothing; two texts without 5-grams are not similar.
pub fn similarity(a: &Signature, b: &Signature) -> f64 {
    let used = a.iter().zip(b).filter(|(x, y)| **x != EMPTY || **y != EMPTY).count();
    let same = a.iter().zip(b).filter(|(x, y)| x == y && **x != EMPTY).count();
    if used == 0 { 0.0 } else { same as f64 / used as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(from: usize, to: usize) -> WordHashes {
        let words = (from..to).map(|i| format!("word{}", (i * 7919) % 100_003)).collect::<Vec<_>>();
        WordHashes::of(&words.join(" "))
    }

    #[test]
    fn estimates_the_shared_share() {
        let whole = signature(&text(0, 2000));
        assert!((similarity(&whole, &whole) - 1.0).abs() < f64::EPSILON);
        assert!(similarity(&whole, &signature(&text(2000, 4000))) < 0.05);
        // 1,000 of 3,000 5-grams in common.
        let third = similarity(&whole, &signature(&text(1000, 3000)));
        assert!((0.15..0.52).contains(&third), "{third}");
        assert!(similarity(&whole, &signature(&text(0, 1950))) > 0.85);
    }

    #[test]
    fn texts_without_words_are_not_similar() {
        assert!(similarity(&signature(&WordHashes::of("")), &signature(&WordHashes::of(""))).abs() < f64::EPSILON);
    }
}
