//! The required length of a sample: what it is, how well a text meets it, and how it is read from an input row.
//!
//! A length is counted in the unit of the paper: words of English, characters of Chinese. It comes from a column of the input
//! ([`parse_column`]) or is read out of the instruction ([`read_required_length`]); a reading that is not certain is
//! [`Reading::Ambiguous`] and is treated as none, because a wrong requirement would reject good samples.

mod bound;
mod column;
mod mask;
mod number;
mod parts;
mod quantity;
mod read;
mod role;
mod role_zh;
mod score;

use serde::{Deserialize, Serialize};

pub use column::parse_column;
pub(crate) use mask::readable;
pub(crate) use number::number_at;
pub(crate) use parts::part_counts;
pub use read::read_required_length;
pub use score::length_score;

/// How a required length binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// As near to the value as possible; also what a bare number means.
    About,
    /// The value or more.
    AtLeast,
    /// The value or less.
    AtMost,
    /// From `low` to `high`, both included.
    Range,
}

/// Where a required length was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LengthSource {
    /// A column of the input row.
    Column,
    /// Read from the text of the instruction.
    Read,
}

/// A required length in words (characters for Chinese). `low == high` unless the bound is [`Bound::Range`]; neither is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequiredLength {
    /// How the numbers bind.
    pub bound: Bound,
    /// The lower end, or the value.
    pub low: u32,
    /// The upper end, or the value.
    pub high: u32,
    /// Where it was found.
    pub source: LengthSource,
}

/// What an instruction says about the length of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Nothing.
    None,
    /// Several lengths that cannot all hold, in ascending order: to be flagged and treated as none.
    Ambiguous(Vec<u32>),
    /// One length.
    Found(RequiredLength),
}

impl RequiredLength {
    /// A length that is met best by exactly `words`.
    pub fn about(words: u32, source: LengthSource) -> Self {
        Self { bound: Bound::About, low: words, high: words, source }
    }

    /// How well `produced` words meet the requirement, 0 to 100: 100 inside the bound, else the paper's length score to
    /// the nearest edge. An empty text scores 0 under every bound.
    pub fn score(&self, produced: u32) -> f64 {
        let edge = match self.bound {
            Bound::About => self.low,
            Bound::AtLeast => produced.max(self.low),
            Bound::AtMost => produced.min(self.high),
            Bound::Range => produced.clamp(self.low, self.high.max(self.low)),
        };
        length_score(edge, produced)
    }

    /// The number of words to plan for: the value or the middle of a range, and 5 % inside a one-sided bound, where a
    /// writer that misses by a little still meets it.
    pub fn target(&self) -> u32 {
        let (low, high) = (u64::from(self.low), u64::from(self.high));
        let target = match self.bound {
            Bound::About => high,
            Bound::AtLeast => (low * 105 + 50) / 100,
            Bound::AtMost => (high * 95 + 50) / 100,
            Bound::Range => (low + high).div_ceil(2),
        };
        u32::try_from(target).unwrap_or(u32::MAX)
    }
}
