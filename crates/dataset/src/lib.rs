//! Shards, manifest and dataset card: what a finished run leaves behind for training.
//!
//! The way of a row: [`Row`] -> [`ShardEncoder`] (both formats, bytes in memory) -> [`DatasetPlace`] (a folder or
//! a bucket) -> [`Manifest`] (what belongs to the dataset) -> [`card()`] (what makes the folder loadable).
//!
//! The other way round, [`read_rows`] takes the rows of anybody's Parquet file as JSON objects, for intake.
//!
//! Promises:
//! - the same rows give the same bytes, on every machine, whatever the number of workers and crashes;
//! - every shard has the one schema of [`arrow_schema()`], nothing is inferred from the rows;
//! - a published file never changes: publishing again the same bytes succeeds, other bytes are refused;
//! - after a crash at any point a place holds whole files and recognisable orphans, never half a file under a final name.
//!
//! To add a column: a field in [`Row`], in `arrow_schema`, in `to_arrow` and in `from_arrow`, a line in
//! `schemas/dataset/`, and a new [`ROW_SCHEMA_VERSION`] with a reader for the old one. The tests of `row_schema`
//! hold the four together.

mod bucket;
mod card;
mod durable;
mod folder;
mod foreign;
mod from_arrow;
mod manifest;
mod place;
mod row;
mod row_schema;
mod s3;
mod shard_encoder;
mod shard_jsonl;
mod shard_name;
mod shard_parquet;
mod tally;
mod to_arrow;

pub use bucket::{Bucket, BucketError, DatasetBucket};
pub use card::{CardOptions, card};
pub use folder::DatasetFolder;
pub use foreign::{CountError, count_rows, read_rows};
pub use manifest::{Accounting, MANIFEST_VERSION, Manifest, ManifestError, Models, OrdinalRange, ShardFile};
pub use place::{CARD_FILE, DatasetPlace, MANIFEST_FILE, PlaceError, Published, SHARD_DIR};
pub use row::{Message, PlanStep, RequiredLength, Row};
pub use row_schema::{ROW_SCHEMA_VERSION, arrow_schema};
pub use s3::S3Settings;
pub use shard_encoder::{EncodedShard, ShardEncoder};
pub use shard_jsonl::{decode_jsonl, encode_jsonl};
pub use shard_name::{ShardFileName, ShardFormat, ShardName, ShardNameError};
pub use shard_parquet::{CREATED_BY, ROWS_PER_GROUP, decode_parquet, encode_parquet};
pub use tally::{RowTally, WordBin, WordTotals};

/// A shard that could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// JSON has no NaN and no infinity, so the twins of a shard would disagree.
    #[error("row {id}: length_score {score} is not a finite number")]
    ScoreNotFinite {
        /// The row's `id`.
        id: String,
        /// The value found.
        score: f64,
    },
    /// A row does not serialise as JSON.
    #[error("row {id} cannot be written as JSON")]
    Json {
        /// The row's `id`.
        id: String,
        /// What the serialiser says.
        #[source]
        source: serde_json::Error,
    },
    /// The Parquet writer failed.
    #[error("rows cannot be written as Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The rows do not form a record batch of the fixed schema.
    #[error("rows do not fit the Arrow schema")]
    Arrow(#[from] arrow_schema::ArrowError),
}

/// A shard that could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not Parquet, or a damaged file.
    #[error("not a readable Parquet file")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A record batch could not be read.
    #[error("a record batch cannot be read")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// The file was written by another version of the row schema, or by another program.
    #[error("row schema is {found}, this build reads {expected}")]
    Version {
        /// The version that the file names, or `missing`.
        found: String,
        /// [`ROW_SCHEMA_VERSION`].
        expected: &'static str,
    },
    /// A column is missing or has another type.
    #[error("column {column} is {found}, expected {expected}")]
    Column {
        /// The column's name.
        column: String,
        /// What the file has.
        found: String,
        /// What [`arrow_schema()`] has.
        expected: String,
    },
    /// A line is not a row.
    #[error("line {line} is not a row")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
}

#[cfg(test)]
mod samples;
