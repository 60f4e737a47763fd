//! The files of one shard: rows, Parquet and its JSONL twin, put in their place. Blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agentwrite::config::RunConfig;
use agentwrite::ids::RunId;
use agentwrite::ports::{PackedSample, Range, ShardFile};
use dataset::{DatasetPlace, EncodeError, Row, RowTally, ShardFormat, ShardName, encode_jsonl, encode_parquet};

use crate::PackError;

/// Versions of a run's configuration.
pub(crate) type Configs = BTreeMap<u32, Arc<RunConfig>>;

/// What rows add up to, in one shard or in many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) tally: RowTally,
    pub(crate) plan_models: BTreeSet<String>,
    pub(crate) write_models: BTreeSet<String>,
}

impl Contents {
    pub(crate) fn of(rows: &[Row]) -> Self {
        Self {
            tally: RowTally::of(rows),
            plan_models: rows.iter().map(|row| row.plan_model.clone()).collect(),
            write_models: rows.iter().map(|row| row.write_model.clone()).collect(),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.plan_models.extend(other.plan_models.iter().cloned());
        self.write_models.extend(other.write_models.iter().cloned());
    }
}

/// Files that are durable and in place.
pub(crate) struct Built {
    pub(crate) files: Vec<ShardFile>,
    pub(crate) contents: Contents,
}

/// The rows of samples, in their order. Takes the samples one by one, so that texts are held once.
pub(crate) fn rows_of(run: &RunId, samples: Vec<PackedSample>, configs: &Configs) -> Result<Vec<Row>, PackError> {
    let row = |sample: PackedSample| {
        let version = sample.config_version;
        let config = configs.get(&version).ok_or_else(|| PackError::NoConfig { run: run.clone(), version })?;
        Ok(crate::row_of(&sample, config))
    };
    samples.into_iter().map(row).collect()
}

/// Writes both formats. Repeatable: files that are there with the same bytes are taken as they are.
pub(crate) fn write_files(
    place: &dyn DatasetPlace,
    range: Range,
    rows: &[Row],
    suffix: &str,
) -> Result<Built, PackError> {
    let parquet = publish(place, range, ShardFormat::Parquet, encode_parquet(rows), suffix)?;
    let jsonl = publish(place, range, ShardFormat::Jsonl, encode_jsonl(rows), suffix)?;
    Ok(Built { files: vec![parquet, jsonl], contents: Contents::of(rows) })
}

fn publish(
    place: &dyn DatasetPlace,
    range: Range,
    format: ShardFormat,
    bytes: Result<Vec<u8>, EncodeError>,
    suffix: &str,
) -> Result<ShardFile, PackError> {
    let bytes = bytes.map_err(|source| PackError::Encode { shard: range.file_stem(), source })?;
    let published = place.put_shard(shard_name(range).file(format), &bytes, suffix)?;
    Ok(ShardFile {
        name: published.file.to_string(),
        format: format.as_str().to_owned(),
        bytes: published.bytes,
        sha256: published.sha256,
    })
}

/// A range as its files are called.
pub(crate) fn shard_name(range: Range) -> ShardName {
    match range {
        Range::Main(index) => ShardName::Range(index),
        Range::Supplement(index) => ShardName::Supplement(index),
    }
}
