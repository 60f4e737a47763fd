//! The files of one shard: rows, Parquet and its JSONL twin, put in their place. Blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agentwrite::config::RunConfig;
use agentwrite::ids::RunId;
use agentwrite::ports::{PackedSample, Range, ShardFile};
use agentwrite::sample::SampleContext;
use dataset::{DatasetPlace, EncodedShard, ROWS_PER_GROUP, Row, RowTally, ShardEncoder, ShardFormat, ShardName};

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

/// Writes both formats of the samples' rows, in their order. Repeatable: files that are there with the same bytes are taken
/// as they are.
pub(crate) fn write_files(
    place: &dyn DatasetPlace,
    run: &RunId,
    range: Range,
    samples: Vec<PackedSample>,
    configs: &Configs,
    suffix: &str,
) -> Result<Built, PackError> {
    let (EncodedShard { parquet, jsonl }, contents) = encode(run, range, samples, configs)?;
    let publish = |format, bytes: Vec<u8>| {
        let published = place.put_shard(shard_name(range).file(format), &bytes, suffix)?;
        Ok::<_, PackError>(ShardFile {
            name: published.file.to_string(),
            format: format.as_str().to_owned(),
            bytes: published.bytes,
            sha256: published.sha256,
        })
    };
    let files = vec![publish(ShardFormat::Parquet, parquet)?, publish(ShardFormat::Jsonl, jsonl)?];
    Ok(Built { files, contents })
}

/// Takes the samples a row group at a time and lets them go, so that texts are held once.
fn encode(
    run: &RunId,
    range: Range,
    samples: Vec<PackedSample>,
    configs: &Configs,
) -> Result<(EncodedShard, Contents), PackError> {
    let failed = |source| PackError::Encode { shard: range.file_stem(), source };
    let mut encoder =
        ShardEncoder::new(samples.iter().map(|sample| jsonl_bytes(&sample.context)).sum()).map_err(failed)?;
    let mut contents = Contents::default();
    let mut samples = samples.into_iter();
    while samples.len() > 0 {
        let row = |sample| row_with(run, &sample, configs);
        let rows = samples.by_ref().take(ROWS_PER_GROUP).map(row).collect::<Result<Vec<_>, _>>()?;
        contents.merge(&Contents::of(&rows));
        encoder.push(&rows).map_err(failed)?;
    }
    Ok((encoder.finish().map_err(failed)?, contents))
}

fn row_with(run: &RunId, sample: &PackedSample, configs: &Configs) -> Result<Row, PackError> {
    let version = sample.config_version;
    let config = configs.get(&version).ok_or_else(|| PackError::NoConfig { run: run.clone(), version })?;
    Ok(crate::row_of(sample, config))
}

/// Bytes that a sample's line will have, a little more for most: prose has few characters that JSON escapes.
fn jsonl_bytes(context: &SampleContext) -> usize {
    let texts: usize = context.sections.iter().map(|section| section.text.len() + 2).sum();
    let asked: usize = context.input.messages.iter().map(|message| message.content.len() + 40).sum();
    let steps: usize = context.plan.iter().flat_map(|plan| &plan.steps).map(|step| step.main_point.len() + 40).sum();
    let all = texts + asked + steps;
    all + all / 16 + 1024
}

/// A range as its files are called.
pub(crate) fn shard_name(range: Range) -> ShardName {
    match range {
        Range::Main(index) => ShardName::Range(index),
        Range::Supplement(index) => ShardName::Supplement(index),
    }
}
