//! The store as the shard packer sees it: verdicts, closed ranges, published shards.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::failure::ErrorCode;
use crate::ids::{RunId, SampleId, Timestamp};
use crate::sample::{SampleContext, SampleState};

/// What the sample gates said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Why it was turned down, with evidence.
    pub rejected: Option<(ErrorCode, String)>,
    /// Flags that go into the row.
    pub flags: Vec<String>,
    /// S_l, where a length is required.
    pub length_score: Option<f64>,
    /// Words by the `paper` counter.
    pub words: u32,
    /// Words by the `unicode` counter.
    pub words_unicode: u32,
    /// Detected language.
    pub language: Option<String>,
    /// Near-duplicate signature.
    pub signature: Vec<u64>,
}

/// A range of ordinals, or the samples of one retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Range {
    /// Ordinals `k * shard_size ..`.
    Main(u32),
    /// The samples that left closed ranges with the n-th retry, from 1.
    Supplement(u32),
}

impl Range {
    const SUPPLEMENT: i64 = 1 << 32;

    /// As stored: main ranges first, in order.
    pub fn number(self) -> i64 {
        match self {
            Self::Main(index) => i64::from(index),
            Self::Supplement(index) => Self::SUPPLEMENT + i64::from(index),
        }
    }

    /// Reads what [`Self::number`] gave.
    pub fn from_number(number: i64) -> Self {
        if number >= Self::SUPPLEMENT {
            Self::Supplement((number - Self::SUPPLEMENT) as u32)
        } else {
            Self::Main(number as u32)
        }
    }

    /// The name of its files, without ending.
    pub fn file_stem(self) -> String {
        match self {
            Self::Main(index) => format!("shard-{index:05}"),
            Self::Supplement(index) => format!("shard-s{index:04}"),
        }
    }
}

/// A range whose members are frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedShard {
    /// The range.
    pub range: Range,
    /// Its members, in ordinal order.
    pub members: Vec<SampleId>,
    /// First and last ordinal of the range.
    pub ordinals: (u64, u64),
    /// Guards the files: a later packer has a higher one.
    pub fence: i64,
}

/// A written file of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardFile {
    /// File name inside `shards/`.
    pub name: String,
    /// `parquet` or `jsonl`.
    pub format: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// A published shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedShard {
    /// The range.
    pub range: Range,
    /// Rows.
    pub rows: u64,
    /// First and last ordinal of the range.
    pub ordinals: (u64, u64),
    /// Files; none for an empty range.
    pub files: Vec<ShardFile>,
}

/// A sample with its verdict, for building a row.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedSample {
    /// Input, plan, sections.
    pub context: SampleContext,
    /// The verdict.
    pub verdict: Verdict,
    /// The version of the configuration it was written under.
    pub config_version: u32,
}

/// A sample whose text is whole, whatever the gates said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct CompleteSample {
    /// Input, plan, sections.
    pub context: SampleContext,
    /// Written, packed or rejected.
    pub state: SampleState,
    /// The gate that rejected it.
    pub code: Option<ErrorCode>,
    /// The version of the configuration it was written under.
    pub config_version: u32,
}

/// The store as the shard packer sees it.
#[async_trait]
pub trait PackStore: Send + Sync {
    /// Written samples without a verdict, in ordinal order, at most `most`.
    async fn unjudged(&self, run: &RunId, most: u32) -> Result<Vec<SampleContext>, StoreError>;

    /// Records a verdict on a written sample of this revision; a rejecting one rejects it. Repeatable.
    async fn record_verdict(
        &self,
        run: &RunId,
        sample: &SampleId,
        revision: u32,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Open ranges all of whose samples are terminal or written with a verdict, lowest first.
    async fn closable(&self, run: &RunId) -> Result<Vec<Range>, StoreError>;

    /// Reads the written samples of a range in ordinal order, with their verdicts.
    async fn range_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError>;

    /// Freezes the members of a range in one transaction: `rejects` become rejected, every other written sample packed.
    /// `None` if the range is not closable any more. A range that is closed already returns what it was closed with and a
    /// higher fence.
    async fn close_range(
        &self,
        run: &RunId,
        range: Range,
        rejects: &[(SampleId, ErrorCode, String)],
        now: Timestamp,
    ) -> Result<Option<ClosedShard>, StoreError>;

    /// Publishes a shard: files are in place. Fenced. Repeatable with the same hashes.
    async fn publish_shard(
        &self,
        run: &RunId,
        range: Range,
        fence: i64,
        rows: u64,
        files: &[ShardFile],
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Closed ranges that are not published yet.
    async fn unpublished(&self, run: &RunId) -> Result<Vec<Range>, StoreError>;

    /// Published shards and empty ranges, in order.
    async fn published(&self, run: &RunId) -> Result<Vec<PublishedShard>, StoreError>;

    /// The packed samples of a published or closed range, for building its files.
    async fn packed_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError>;

    /// Written, packed and rejected samples with an ordinal after this one, in ordinal order, at most `most`: what shards
    /// can be made from again without a call.
    async fn complete_samples(
        &self,
        run: &RunId,
        after: Option<u64>,
        most: u32,
    ) -> Result<Vec<CompleteSample>, StoreError>;
}
