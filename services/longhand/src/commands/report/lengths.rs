//! Lengths of whole texts: how many words, and how near to what was asked for. Pure.

use std::fmt::Write as _;

use agentwrite::ports::WholeLength;
use agentwrite::sample::SampleState;
use serde_json::{Value, json};

use crate::tables::{Align, Table, count};

/// Upper edges of the bands, in words; the first four are those of the paper's evaluation.
const BANDS: [(&str, u64); 5] = [
    ("under 500", 500),
    ("500 to 2,000", 2_000),
    ("2,000 to 4,000", 4_000),
    ("4,000 to 20,000", 20_001),
    ("over 20,000", u64::MAX),
];
/// Columns of the longest bar.
const BAR: u64 = 30;

/// One band.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Band {
    /// Kept texts of this length.
    texts: u64,
    /// Texts of which this length was asked, rejected ones included.
    asked: u64,
    /// Sum of their length scores.
    score: f64,
}

/// The bands of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lengths {
    bands: [Band; 5],
    kept: u64,
    words: u64,
    longest: u64,
}

fn band_of(words: u64) -> usize {
    BANDS.iter().position(|(_, edge)| words < *edge).unwrap_or(BANDS.len() - 1)
}

impl Lengths {
    /// Counts. The histogram holds the texts that are kept; the scores also those that were rejected, since the gate on
    /// the score would hide what it removed.
    pub(super) fn of(whole: &[WholeLength]) -> Self {
        let mut lengths = Self { bands: [Band::default(); 5], kept: 0, words: 0, longest: 0 };
        for text in whole {
            if text.state != SampleState::Rejected {
                lengths.bands[band_of(text.words)].texts += 1;
                lengths.kept += 1;
                lengths.words += text.words;
                lengths.longest = lengths.longest.max(text.words);
            }
            if let (Some(required), Some(score)) = (text.required, text.score) {
                let band = &mut lengths.bands[band_of(u64::from(required.target()))];
                band.asked += 1;
                band.score += score;
            }
        }
        lengths
    }

    fn mean_score(bands: &[Band]) -> Option<f64> {
        let asked: u64 = bands.iter().map(|band| band.asked).sum();
        (asked > 0).then(|| bands.iter().map(|band| band.score).sum::<f64>() / asked as f64)
    }

    pub(super) fn text(&self) -> String {
        let mut out = String::from("\nlengths\n");
        if self.kept == 0 && self.bands.iter().all(|band| band.asked == 0) {
            out.push_str("  no whole text yet\n");
            return out;
        }
        let most = self.bands.iter().map(|band| band.texts).max().unwrap_or(0).max(1);
        let mut table = Table::new(&[
            ("words", Align::Left),
            ("texts", Align::Right),
            ("", Align::Left),
            ("asked", Align::Right),
            ("mean S_l", Align::Right),
        ]);
        for ((name, _), band) in BANDS.iter().zip(&self.bands) {
            let bar = "█".repeat((band.texts * BAR).div_ceil(most) as usize);
            let score =
                Self::mean_score(std::slice::from_ref(band)).map_or("-".to_owned(), |score| format!("{score:.1}"));
            table.row([(*name).to_owned(), count(band.texts), bar, count(band.asked), score]);
        }
        out.push_str(&table.render(2));
        if let Some(mean) = self.words.checked_div(self.kept) {
            let _ = write!(out, "  mean {} words, longest {}", count(mean), count(self.longest));
        }
        if let Some(score) = Self::mean_score(&self.bands) {
            let _ = write!(out, ", S_l {score:.1}");
        }
        out.push('\n');
        out
    }

    pub(super) fn json(&self) -> Value {
        let bands: Vec<Value> = BANDS
            .iter()
            .zip(&self.bands)
            .map(|((name, _), band)| {
                json!({"words": name, "texts": band.texts, "asked": band.asked,
                    "mean_length_score": Self::mean_score(std::slice::from_ref(band))})
            })
            .collect();
        json!({
            "bands": bands, "texts": self.kept, "words": self.words, "longest": self.longest,
            "mean_length_score": Self::mean_score(&self.bands),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentwrite::length::{LengthSource, RequiredLength};

    fn text(state: SampleState, words: u64, required: Option<(u32, f64)>) -> WholeLength {
        let length = required.map(|(words, _)| RequiredLength::about(words, LengthSource::Read));
        WholeLength { state, words, required: length, score: required.map(|(_, score)| score) }
    }

    #[test]
    fn texts_are_counted_by_their_length_and_scores_by_what_was_asked() {
        let lengths = Lengths::of(&[
            text(SampleState::Packed, 499, None),
            text(SampleState::Packed, 500, Some((2_000, 40.0))),
            text(SampleState::Rejected, 900, Some((2_000, 20.0))),
            text(SampleState::Written, 20_000, Some((20_000, 100.0))),
            text(SampleState::Packed, 20_001, None),
        ]);
        assert_eq!(lengths.bands.map(|band| band.texts), [1, 1, 0, 1, 1]);
        assert_eq!(lengths.bands.map(|band| band.asked), [0, 0, 2, 1, 0]);
        assert_eq!(Lengths::mean_score(&lengths.bands[2..3]), Some(30.0));
        assert_eq!(lengths.json()["mean_length_score"], 160.0 / 3.0);
        assert!(lengths.text().contains("mean 10,250 words, longest 20,001, S_l 53.3"));
    }

    #[test]
    fn nothing_written_has_no_mean() {
        let lengths = Lengths::of(&[]);
        assert!(lengths.text().contains("no whole text yet"));
        assert_eq!(lengths.json()["mean_length_score"], Value::Null);
    }
}
