//! Names of shard files: `shard-00000.parquet` and its twin `shard-00000.jsonl` for a range of ordinals,
//! `shard-s0001.parquet` for the supplementary shard of a retry.

use std::fmt;
use std::str::FromStr;

/// Which shard of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShardName {
    /// Shard k of the fixed ranges of ordinals, from 0.
    Range(u32),
    /// The rows that retry command n won after their ranges had closed, from 1.
    Supplement(u32),
}

/// Format of a shard file. Both hold the same rows in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShardFormat {
    /// One JSON object a line.
    Jsonl,
    /// Parquet with the fixed Arrow schema; the one that readers load.
    Parquet,
}

/// A shard in one format. `Display` and `FromStr` are the file name without a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardFileName {
    /// The shard.
    pub shard: ShardName,
    /// Its format.
    pub format: ShardFormat,
}

/// Not the name of a shard file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a shard file")]
pub struct ShardNameError(pub String);

impl ShardName {
    /// The shard's file in a format.
    pub fn file(self, format: ShardFormat) -> ShardFileName {
        ShardFileName { shard: self, format }
    }
}

impl ShardFormat {
    /// Extension, and the word in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
        }
    }
}

impl fmt::Display for ShardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(number) => write!(f, "shard-{number:05}"),
            Self::Supplement(number) => write!(f, "shard-s{number:04}"),
        }
    }
}

impl fmt::Display for ShardFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.shard, self.format.as_str())
    }
}

impl FromStr for ShardFileName {
    type Err = ShardNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        parse(name).filter(|file| file.to_string() == name).ok_or_else(|| ShardNameError(name.to_owned()))
    }
}

/// Lenient on padding and signs; the caller compares with the one canonical spelling.
fn parse(name: &str) -> Option<ShardFileName> {
    let (stem, extension) = name.strip_prefix("shard-")?.split_once('.')?;
    let format = [ShardFormat::Jsonl, ShardFormat::Parquet].into_iter().find(|format| format.as_str() == extension)?;
    let shard = match stem.strip_prefix('s') {
        Some(number) => ShardName::Supplement(number.parse().ok()?),
        None => ShardName::Range(stem.parse().ok()?),
    };
    Some(shard.file(format))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_padded_and_read_back() {
        for (file, name) in [
            (ShardName::Range(0).file(ShardFormat::Parquet), "shard-00000.parquet"),
            (ShardName::Range(41).file(ShardFormat::Jsonl), "shard-00041.jsonl"),
            (ShardName::Range(123_456).file(ShardFormat::Parquet), "shard-123456.parquet"),
            (ShardName::Supplement(1).file(ShardFormat::Parquet), "shard-s0001.parquet"),
        ] {
            assert_eq!(file.to_string(), name);
            assert_eq!(name.parse(), Ok(file));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for name in [
            "shard-0.parquet",
            "shard-000001.parquet",
            "shard-+0001.parquet",
            "shard-00000.parquet.tmp-a",
            "shard-00000",
            "shard-s1.jsonl",
            "shard-s.jsonl",
            "../shard-00000.jsonl",
            "train-00000.parquet",
            "",
        ] {
            assert_eq!(name.parse::<ShardFileName>(), Err(ShardNameError(name.to_owned())));
        }
    }
}
