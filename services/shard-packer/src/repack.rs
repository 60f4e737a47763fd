//! Sample gates and shards again from stored text, into a new folder, without a call.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use agentwrite::config::RunConfig;
use agentwrite::failure::ErrorCode;
use agentwrite::gates::sample::{EvalPrompts, SamplePolicy};
use agentwrite::ids::{OwnerId, RunId};
use agentwrite::ports::{
    Clock, CompleteSample, PackStore, PackedSample, PublishedShard, Range, ReportStore, RunStore, Totals,
};
use agentwrite::sample::SampleState;
use dataset::{DatasetFolder, DatasetPlace};

use crate::blocking::blocking;
use crate::catalogue::Catalogue;
use crate::duplicates::near_duplicates;
use crate::packer::load_configs;
use crate::shard::{Built, Configs, write_files};
use crate::{PackError, judge_sample, manifest};

/// Where the texts are.
pub struct RepackSource {
    /// The samples.
    pub packs: Arc<dyn PackStore>,
    /// The run and its configuration.
    pub runs: Arc<dyn RunStore>,
    /// Counters, for the manifest.
    pub report: Arc<dyn ReportStore>,
    /// The clock, for the manifest.
    pub clock: Arc<dyn Clock>,
    /// The run.
    pub run: RunId,
    /// This process, as in [`crate::PackerSettings`].
    pub owner: OwnerId,
    /// Prompts of evaluations that training text must keep clear of.
    pub eval: Option<Arc<EvalPrompts>>,
}

/// What a repack made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepackReport {
    /// Samples with a whole text.
    pub samples: u64,
    /// Rows in the new folder.
    pub rows: u64,
    /// Rows that the run had rejected, by the gate that did.
    pub won: BTreeMap<ErrorCode, u64>,
    /// Samples that the run had packed (or not rejected yet) and are rejected now, by the gate that does.
    pub lost: BTreeMap<ErrorCode, u64>,
    /// All samples that are rejected now, by gate.
    pub rejected: BTreeMap<ErrorCode, u64>,
    /// The new folder's dataset hash.
    pub dataset_hash: String,
}

/// Samples read at a time: a page of long ones is a dozen megabytes.
const PAGE: u32 = 64;

/// Judges every whole text of a run by `policy` and writes the shards of those that pass to the new folder `to`, with a
/// manifest and a card of their own. Ranges are those of the run's ordinals; supplementary shards dissolve in them. The
/// run itself stays as it is.
///
/// # Errors
/// `to` holds something already, there is no such run, or store, folder or encoding failed. A repack that was cut short
/// leaves a folder without a manifest: remove it and start again, no call is lost.
pub async fn repack(source: &RepackSource, policy: &SamplePolicy, to: &Path) -> Result<RepackReport, PackError> {
    let run = source.runs.run(&source.run).await?.ok_or_else(|| PackError::NoRun(source.run.clone()))?;
    let totals = source.report.totals(&source.run).await?;
    let place = new_folder(to).await?;
    let shard_size = u64::from(run.config.shard_size.max(1));
    let mut repack = Repack {
        source,
        place: Arc::clone(&place),
        judged_by: Arc::new(RunConfig { sample_policy: policy.clone(), ..run.config.clone() }),
        configs: Configs::new(),
        catalogue: Catalogue::default(),
        shards: Vec::new(),
        report: RepackReport::default(),
    };
    let mut reader = Reader { source, after: None, page: Vec::new().into_iter() };
    let mut ahead = reader.next().await?;
    for index in 0..run.samples.div_ceil(shard_size) {
        let ordinals = (index * shard_size, ((index + 1) * shard_size).min(run.samples) - 1);
        let mut samples = Vec::new();
        while let Some(sample) = ahead.take_if(|sample| sample.context.ordinal <= ordinals.1) {
            samples.push(sample);
            ahead = reader.next().await?;
        }
        repack.range(Range::Main(index as u32), ordinals, samples).await?;
    }
    let Repack { catalogue, shards, mut report, .. } = repack;
    let states = states(&totals, &report);
    let made = manifest::describe(&run, &totals, states, &shards, catalogue.contents(), source.clock.now())?;
    report.dataset_hash.clone_from(&made.dataset_hash);
    let (synthetic, suffix) = (run.config.synthetic, source.owner.to_string());
    blocking(move || manifest::write(&*place, &made, synthetic, &suffix)).await??;
    Ok(report)
}

async fn new_folder(to: &Path) -> Result<Arc<dyn DatasetPlace>, PackError> {
    let path = to.to_owned();
    blocking(move || {
        let found = match std::fs::read_dir(&path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(source) => return Err(PackError::Look { path, source }),
        };
        if found { Err(PackError::NotEmpty(path)) } else { Ok(Arc::new(DatasetFolder::open(path)?) as Arc<_>) }
    })
    .await?
}

/// The run's states, with what the new gates say of the whole texts.
fn states(totals: &Totals, report: &RepackReport) -> BTreeMap<String, u64> {
    let mut states = manifest::states_of(totals);
    states.remove(SampleState::Written.as_str());
    for (state, count) in [(SampleState::Packed, report.rows), (SampleState::Rejected, report.rejected.values().sum())]
    {
        if count == 0 {
            states.remove(state.as_str());
        } else {
            states.insert(state.as_str().to_owned(), count);
        }
    }
    states
}

/// Whole texts in ordinal order, a page in memory.
struct Reader<'a> {
    source: &'a RepackSource,
    after: Option<u64>,
    page: std::vec::IntoIter<CompleteSample>,
}

impl Reader<'_> {
    async fn next(&mut self) -> Result<Option<CompleteSample>, PackError> {
        if self.page.len() == 0 {
            self.page = self.source.packs.complete_samples(&self.source.run, self.after, PAGE).await?.into_iter();
        }
        let next = self.page.next();
        self.after = next.as_ref().map_or(self.after, |sample| Some(sample.context.ordinal));
        Ok(next)
    }
}

struct Repack<'a> {
    source: &'a RepackSource,
    place: Arc<dyn DatasetPlace>,
    judged_by: Arc<RunConfig>,
    configs: Configs,
    catalogue: Catalogue,
    shards: Vec<PublishedShard>,
    report: RepackReport,
}

impl Repack<'_> {
    async fn range(
        &mut self,
        range: Range,
        ordinals: (u64, u64),
        samples: Vec<CompleteSample>,
    ) -> Result<(), PackError> {
        let versions = samples.iter().map(|sample| sample.config_version);
        load_configs(&*self.source.runs, &self.source.run, versions, &mut self.configs).await?;
        self.report.samples += samples.len() as u64;
        let before: BTreeMap<_, _> =
            samples.iter().map(|sample| (sample.context.sample.clone(), (sample.state, sample.code))).collect();
        let (config, eval) = (Arc::clone(&self.judged_by), self.source.eval.clone());
        let (kept, rejects) = blocking(move || judge_range(samples, &config, eval.as_deref())).await?;
        for (sample, code) in &rejects {
            *self.report.rejected.entry(*code).or_default() += 1;
            if before.get(sample).is_some_and(|(state, _)| *state != SampleState::Rejected) {
                *self.report.lost.entry(*code).or_default() += 1;
            }
        }
        for sample in &kept {
            if let Some((SampleState::Rejected, Some(code))) = before.get(&sample.context.sample) {
                *self.report.won.entry(*code).or_default() += 1;
            }
        }
        let rows = kept.len() as u64;
        let mut shard = PublishedShard { range, rows, ordinals, files: Vec::new() };
        if rows > 0 {
            let built = self.write(range, kept).await?;
            shard.files = built.files;
            self.catalogue.add(&shard, &built.contents);
        }
        self.report.rows += rows;
        self.shards.push(shard);
        Ok(())
    }

    async fn write(&self, range: Range, samples: Vec<PackedSample>) -> Result<Built, PackError> {
        let (run, configs) = (self.source.run.clone(), self.configs.clone());
        let (place, suffix) = (Arc::clone(&self.place), self.source.owner.to_string());
        blocking(move || write_files(&*place, &run, range, samples, &configs, &suffix)).await?
    }
}

type Rejects = Vec<(agentwrite::ids::SampleId, ErrorCode)>;

/// The gates on each text, then the one that compares them: as the packer does when a range closes.
fn judge_range(
    samples: Vec<CompleteSample>,
    config: &RunConfig,
    eval: Option<&EvalPrompts>,
) -> (Vec<PackedSample>, Rejects) {
    let mut kept = Vec::with_capacity(samples.len());
    let mut rejects = Rejects::new();
    for CompleteSample { context, config_version, .. } in samples {
        let verdict = judge_sample(&context, config, eval);
        match &verdict.rejected {
            Some((code, _)) => rejects.push((context.sample, *code)),
            None => kept.push(PackedSample { context, verdict, config_version }),
        }
    }
    for (sample, code, _) in near_duplicates(&kept, &config.sample_policy) {
        kept.retain(|packed| packed.context.sample != sample);
        rejects.push((sample, code));
    }
    (kept, rejects)
}
