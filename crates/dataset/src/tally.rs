//! What the rows of a dataset add up to. A tally of each shard can be kept and merged, so that a manifest is written
//! without reading the shards again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::row::Row;

/// Width of a bin of the word histogram.
const BIN_WORDS: u32 = 2_000;
/// Where the last bin starts.
const LAST_BIN_FROM: u32 = 20_000;

/// Sums over rows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowTally {
    /// How many rows.
    pub rows: u64,
    /// Their words.
    pub words: WordTotals,
    /// Rows by language code; rows without one are not in it.
    pub languages: BTreeMap<String, u64>,
}

/// Word counts over rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordTotals {
    /// All words, paper counter.
    pub total: u64,
    /// All words, Unicode counter.
    pub total_unicode: u64,
    /// Rows by words (paper counter): eleven bins, 0 to 2,000 and so on, the last from 20,000.
    pub histogram: Vec<WordBin>,
}

/// Rows with `from <= words < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordBin {
    /// Lower edge, inclusive.
    pub from: u32,
    /// Upper edge, exclusive; none for the last bin.
    pub to: Option<u32>,
    /// How many rows.
    pub rows: u64,
}

impl Default for WordTotals {
    fn default() -> Self {
        let histogram = (0..=LAST_BIN_FROM)
            .step_by(BIN_WORDS as usize)
            .map(|from| WordBin { from, to: (from < LAST_BIN_FROM).then_some(from + BIN_WORDS), rows: 0 })
            .collect();
        Self { total: 0, total_unicode: 0, histogram }
    }
}

impl RowTally {
    /// The tally of some rows.
    pub fn of(rows: &[Row]) -> Self {
        let mut tally = Self::default();
        for row in rows {
            tally.add(row);
        }
        tally
    }

    /// Counts one more row.
    pub fn add(&mut self, row: &Row) {
        self.rows += 1;
        self.words.total += u64::from(row.words);
        self.words.total_unicode += u64::from(row.words_unicode);
        let bin = (row.words.min(LAST_BIN_FROM) / BIN_WORDS) as usize;
        self.words.histogram[bin].rows += 1;
        if let Some(language) = &row.language {
            *self.languages.entry(language.clone()).or_default() += 1;
        }
    }

    /// Adds the tally of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.words.total += other.words.total;
        self.words.total_unicode += other.words.total_unicode;
        for (mine, theirs) in self.words.histogram.iter_mut().zip(&other.words.histogram) {
            mine.rows += theirs.rows;
        }
        for (language, rows) in &other.languages {
            *self.languages.entry(language.clone()).or_default() += rows;
        }
    }
}

impl WordTotals {
    /// The bins are the eleven of the paper's figure.
    pub(crate) fn has_paper_bins(&self) -> bool {
        let edges = |totals: &Self| totals.histogram.iter().map(|bin| (bin.from, bin.to)).collect::<Vec<_>>();
        edges(self) == edges(&Self::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn bins_include_their_lower_edge() {
        let mut tally = RowTally::default();
        for words in [0, 1_999, 2_000, 19_999, 20_000, 32_000, u32::MAX] {
            tally.add(&Row { words, ..samples::full() });
        }
        let bins: Vec<_> = tally.words.histogram.iter().filter(|bin| bin.rows > 0).copied().collect();
        assert_eq!(
            bins,
            [
                WordBin { from: 0, to: Some(2_000), rows: 2 },
                WordBin { from: 2_000, to: Some(4_000), rows: 1 },
                WordBin { from: 18_000, to: Some(20_000), rows: 1 },
                WordBin { from: 20_000, to: None, rows: 3 },
            ]
        );
        assert_eq!(tally.words.histogram.len(), 11);
    }

    #[test]
    fn merging_shards_is_counting_their_rows() {
        let rows = samples::mixed(50);
        let mut merged = RowTally::of(&rows[..17]);
        merged.merge(&RowTally::of(&rows[17..]));
        assert_eq!(merged, RowTally::of(&rows));
        assert_eq!(merged.rows, 50);
        assert_eq!(merged.words.total, (0..50).map(|number| number * 977).sum::<u64>());
    }
}
