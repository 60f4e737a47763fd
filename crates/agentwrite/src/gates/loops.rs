//! Models that got stuck: the same words over and over at one distance.

/// The part of a text that runs in circles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Loop {
    /// Share (0 to 1) of the n-grams that lie in circling stretches.
    pub share: f64,
    /// Words in one turn of the longest such stretch.
    pub period: usize,
}

/// Finds stretches in which every n-gram repeats the one `period` words before, for at least two further turns.
///
/// A refrain comes back at changing distances or only twice in a row, and a cumulative rhyme adds a line each time, so
/// neither counts; a model's loop does.
///
/// `distances` are those of [`super::ngrams::distances`].
pub(crate) fn circling(distances: &[u32]) -> Loop {
    let (mut covered, mut longest, mut period) = (0, 0, 0);
    let mut start = 0;
    for stretch in distances.chunk_by(|a, b| a == b) {
        let distance = stretch[0] as usize;
        if distance > 0 && stretch.len() >= 2 * distance {
            // The first turn belongs to the loop too.
            covered += stretch.len() + distance.min(start);
            if stretch.len() > longest {
                (longest, period) = (stretch.len(), distance);
            }
        }
        start += stretch.len();
    }
    let share = if distances.is_empty() { 0.0 } else { covered.min(distances.len()) as f64 / distances.len() as f64 };
    Loop { share, period }
}

#[cfg(test)]
mod tests {
    use super::super::WordHashes;
    use super::super::ngrams::{WORDS, distances, gram_hashes};
    use super::*;

    fn share(text: &str) -> f64 {
        circling(&distances(&gram_hashes(&WordHashes::of(text), WORDS))).share
    }

    #[test]
    fn a_sentence_thirty_times_is_a_loop() {
        assert!(share(&"The road went on and on into the dark hills beyond the town. ".repeat(30)) > 0.9);
        assert!(share(&"very ".repeat(200)) > 0.9);
        assert!(share(&"哈".repeat(200)) > 0.9);
    }

    #[test]
    fn a_refrain_is_none() {
        let verse = |n: usize| (0..30).map(|i| format!("word{}", i * 31 + n * 1000)).collect::<Vec<_>>().join(" ");
        let refrain = " and the rain came down upon the roofs of the town and nobody sang at all ";
        let song: String = (0..8).map(|n| verse(n) + refrain).collect();
        assert!(share(&song) < 0.01);
    }

    #[test]
    fn a_cumulative_rhyme_is_none() {
        let lines: Vec<String> = (0..12)
            .map(|i| format!("that number{i} chased the thing number{i} held in the old stone house "))
            .collect();
        let rhyme: String = (1..12).map(|n| lines[..n].iter().rev().cloned().collect::<String>()).collect();
        assert!(share(&rhyme) < 0.01);
    }
}
