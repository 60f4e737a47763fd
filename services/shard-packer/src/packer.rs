//! The packer's loop for one run: judge, close, build, publish, describe.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agentwrite::gates::sample::EvalPrompts;
use agentwrite::ids::{OwnerId, RunId, SampleId, Timestamp};
use agentwrite::ports::{
    Clock, ClosedShard, Observer, PackStore, PackedSample, PublishedShard, Range, ReportStore, Run, RunStore,
    SampleEnd, Totals,
};
use agentwrite::sample::SampleState;
use dataset::{DatasetPlace, ManifestError, PlaceError, ShardFileName};
use futures_util::future::try_join_all;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use worker::{CrashPoints, Doorbell};

use crate::blocking::blocking;
use crate::catalogue::Catalogue;
use crate::duplicates::near_duplicates;
use crate::shard::{Built, Configs, write_files};
use crate::{PackError, judge_sample, manifest};

/// What a packer works with.
pub struct PackerParts {
    /// Verdicts, ranges, shards.
    pub packs: Arc<dyn PackStore>,
    /// The run and its configuration.
    pub runs: Arc<dyn RunStore>,
    /// Counters, for the manifest and for knowing when a range may be closable.
    pub report: Arc<dyn ReportStore>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where shards, manifest and card go. One packer at a time works on a place.
    pub place: Arc<dyn DatasetPlace>,
    /// Rung when a sample is written, fails or is cancelled.
    pub bell: Doorbell,
    /// The planner's bell, rung for each published shard.
    pub planner: Doorbell,
    /// Rung for each published shard that has rows: whoever trains on them listens.
    pub finished: Doorbell,
    /// Named places to crash at, in test builds.
    pub crash: CrashPoints,
    /// Who watches, if anybody does.
    pub observer: Option<Arc<dyn Observer>>,
}

/// How it behaves.
pub struct PackerSettings {
    /// The run.
    pub run: RunId,
    /// This process. Names staged files: letters, digits, `-` and `_` only, 40 at most.
    pub owner: OwnerId,
    /// Prompts of evaluations that training text must keep clear of.
    pub eval: Option<Arc<EvalPrompts>>,
    /// How long the loop rests between rounds at least while samples are in work: rings in that time are answered
    /// together.
    pub rest: Duration,
}

/// Turns written samples into published shards.
pub struct Packer {
    parts: PackerParts,
    settings: PackerSettings,
    desk: Mutex<Desk>,
    staged: AtomicU64,
}

const BATCH: u32 = 64;
const MOST_PATIENCE: Duration = Duration::from_millis(500);
/// Rounds that fail in a row are up to 8 s apart.
const MOST_DOUBLINGS: u32 = 4;
/// While samples are in work, closable ranges are looked for not more often than this.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the loop keeps from round to round; the store has all of it.
#[derive(Default)]
struct Desk {
    catalogue: Option<Catalogue>,
    configs: Configs,
    /// A range may be closed but not published.
    half_done: bool,
    /// The manifest is behind.
    behind: bool,
    /// Settled samples when all closable ranges were last closed, and when that was.
    looked: Option<(u64, Timestamp)>,
    /// Samples were judged since.
    judged: bool,
    /// Accepted samples of open ranges whose end this process told of.
    told: BTreeSet<SampleId>,
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default)]
struct Did {
    anything: bool,
    /// There is more to do at once.
    more: bool,
    /// Samples are in work, so there will be more to do soon.
    in_work: bool,
}

impl Packer {
    /// A packer.
    pub fn new(parts: PackerParts, settings: PackerSettings) -> Self {
        Self { parts, settings, desk: Mutex::default(), staged: AtomicU64::new(0) }
    }

    /// Runs until `stop` is cancelled. A round that has begun is finished, so the last published shard is in the manifest.
    ///
    /// # Errors
    /// What trying again cannot mend: a shard file with other bytes under its name, rows that cannot be encoded.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), PackError> {
        let mut failed = 0;
        while !stop.is_cancelled() {
            match self.pass().await {
                Ok(did) => {
                    failed = 0;
                    if !did.more {
                        self.rest(did.in_work, stop).await;
                    }
                }
                Err(error) if error.may_pass() => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a round of the packer failed; it goes on"
                    );
                    // A round builds its shard again: a place that stays away must not cost that twice a second.
                    let pause = MOST_PATIENCE * (1 << failed);
                    failed = (failed + 1).min(MOST_DOUBLINGS);
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One round. Returns whether it did something. Once no sample is in work, a round that did nothing means that all is
    /// packed; before that, closable ranges are looked for five times a second only.
    ///
    /// # Errors
    /// The store, the place or the encoding failed. What was done stands; another round goes on from it.
    pub async fn round(&self) -> Result<bool, PackError> {
        Ok(self.pass().await?.anything)
    }

    async fn rest(&self, in_work: bool, stop: &CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = self.parts.bell.heard_within(MOST_PATIENCE) => {}
        }
        if in_work {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.settings.rest) => {}
            }
        }
    }

    async fn pass(&self) -> Result<Did, PackError> {
        let desk = &mut *self.desk.lock().await;
        if desk.catalogue.is_none() {
            self.start(desk).await?;
        }
        let mut did = Did::default();
        if desk.half_done {
            did.anything |= self.mend(desk).await?;
        }
        let judged = self.judge(desk).await?;
        did.more = judged == BATCH as usize;
        did.anything |= judged > 0;
        let totals = self.parts.report.totals(&self.settings.run).await?;
        did.in_work = in_work(&totals) > 0;
        let now = self.parts.clock.now();
        if desk.is_look_due(&totals, now) {
            did.anything |= self.close_all(desk).await?;
            (desk.looked, desk.judged) = (Some((settled(&totals), now)), false);
        }
        if desk.behind {
            self.describe(desk).await?;
            did.anything = true;
        }
        Ok(did)
    }

    /// Sweeps what a crash left, and finds out how far the manifest had come.
    async fn start(&self, desk: &mut Desk) -> Result<(), PackError> {
        let published = self.parts.packs.published(&self.settings.run).await?;
        let place = Arc::clone(&self.parts.place);
        let (catalogue, behind) = blocking(move || {
            sweep(&*place, &published)?;
            let manifest = match place.read_manifest() {
                // Another build's manifest says nothing to this one, which writes its own.
                Err(PlaceError::Manifest { source: ManifestError::Version { .. }, .. }) => None,
                other => other?,
            };
            let catalogue = manifest.map_or_else(Catalogue::default, |it| Catalogue::from_manifest(&it, &published));
            // A crash may have come between manifest and card: both are written again.
            Ok::<_, PackError>((catalogue, !published.is_empty()))
        })
        .await??;
        (desk.catalogue, desk.behind, desk.half_done) = (Some(catalogue), behind, true);
        Ok(())
    }

    /// Builds the ranges that were frozen but whose files may not be in place.
    async fn mend(&self, desk: &mut Desk) -> Result<bool, PackError> {
        let mut did = false;
        for range in self.parts.packs.unpublished(&self.settings.run).await? {
            // Closing again takes the range over under a higher fence.
            let closed = self.parts.packs.close_range(&self.settings.run, range, &[], self.parts.clock.now()).await?;
            if let Some(closed) = closed {
                did |= self.publish(desk, closed, Vec::new()).await?;
            }
        }
        desk.half_done = false;
        Ok(did)
    }

    /// Judges one batch and returns its size.
    async fn judge(&self, desk: &mut Desk) -> Result<usize, PackError> {
        let contexts = self.parts.packs.unjudged(&self.settings.run, BATCH).await?;
        if contexts.is_empty() {
            return Ok(0);
        }
        // The sample gates shape no text: those of today are meant, whatever the sample was written under.
        let config = self.read_run().await?.config;
        let eval = self.settings.eval.clone();
        let verdicts = blocking(move || {
            let judge = |context| (judge_sample(&context, &config, eval.as_deref()), context.sample, context.revision);
            contexts.into_iter().map(judge).collect::<Vec<_>>()
        })
        .await?;
        let now = self.parts.clock.now();
        let records = verdicts.iter().map(|(verdict, sample, revision)| {
            self.parts.packs.record_verdict(&self.settings.run, sample, *revision, verdict, now)
        });
        // First, for a store that fails may have carried it out.
        desk.judged = true;
        // At once, so that the store can put them into one transaction.
        try_join_all(records).await?;
        if let Some(observer) = &self.parts.observer {
            for (verdict, sample, _) in &verdicts {
                let end = match &verdict.rejected {
                    Some((code, _)) => SampleEnd::Rejected(*code),
                    None => SampleEnd::Accepted,
                };
                observer.sample_ended(&self.settings.run, sample, end);
                if end == SampleEnd::Accepted {
                    desk.told.insert(sample.clone());
                }
            }
        }
        Ok(verdicts.len())
    }

    async fn close_all(&self, desk: &mut Desk) -> Result<bool, PackError> {
        let mut did = false;
        for range in self.parts.packs.closable(&self.settings.run).await? {
            did |= self.close(desk, range).await?;
        }
        Ok(did)
    }

    async fn close(&self, desk: &mut Desk, range: Range) -> Result<bool, PackError> {
        let samples = self.parts.packs.range_samples(&self.settings.run, range).await?;
        let policy = self.read_run().await?.config.sample_policy;
        let (samples, rejects) = blocking(move || {
            let rejects = near_duplicates(&samples, &policy);
            (samples, rejects)
        })
        .await?;
        desk.half_done = true;
        let now = self.parts.clock.now();
        let closed = self.parts.packs.close_range(&self.settings.run, range, &rejects, now).await?;
        let did = match closed {
            Some(closed) => self.publish(desk, closed, samples).await?,
            None => false,
        };
        desk.half_done = false;
        Ok(did)
    }

    /// Makes the files of a closed range and publishes it. `at_hand` may hold its members.
    async fn publish(
        &self,
        desk: &mut Desk,
        shard: ClosedShard,
        at_hand: Vec<PackedSample>,
    ) -> Result<bool, PackError> {
        let run = &self.settings.run;
        let built = if shard.members.is_empty() {
            Built { files: Vec::new(), contents: crate::shard::Contents::default() }
        } else {
            let members = self.members(&shard, at_hand).await?;
            self.build(desk, shard.range, members).await?
        };
        self.parts.crash.pass("after_shard_files");
        let rows = shard.members.len() as u64;
        let now = self.parts.clock.now();
        if !self.parts.packs.publish_shard(run, shard.range, shard.fence, rows, &built.files, now).await? {
            tracing::warn!(shard = shard.range.file_stem(), "another packer took the shard over");
            return Ok(false);
        }
        tracing::info!(shard = shard.range.file_stem(), rows, "shard published");
        let published = PublishedShard { range: shard.range, rows, ordinals: shard.ordinals, files: built.files };
        if let Some(catalogue) = &mut desk.catalogue {
            catalogue.add(&published, &built.contents);
        }
        desk.behind = true;
        self.parts.planner.ring();
        if let Some(observer) = &self.parts.observer {
            observer.shard_published(rows);
            // Another process judged the others, and may have gone before it was heard.
            for sample in shard.members.iter().filter(|sample| !desk.told.remove(sample)) {
                observer.sample_ended_before(run, sample);
            }
            observer.range_closed(run, shard.ordinals);
        }
        if rows > 0 {
            self.parts.finished.ring();
        }
        Ok(true)
    }

    /// The frozen members, from what is at hand if that is all of them.
    async fn members(&self, shard: &ClosedShard, at_hand: Vec<PackedSample>) -> Result<Vec<PackedSample>, PackError> {
        let frozen: BTreeSet<_> = shard.members.iter().collect();
        let members: Vec<PackedSample> =
            at_hand.into_iter().filter(|sample| frozen.contains(&sample.context.sample)).collect();
        if members.len() == frozen.len() {
            return Ok(members);
        }
        Ok(self.parts.packs.packed_samples(&self.settings.run, shard.range).await?)
    }

    async fn build(&self, desk: &mut Desk, range: Range, members: Vec<PackedSample>) -> Result<Built, PackError> {
        let versions = members.iter().map(|sample| sample.config_version);
        load_configs(&*self.parts.runs, &self.settings.run, versions, &mut desk.configs).await?;
        let (run, configs) = (self.settings.run.clone(), desk.configs.clone());
        let (place, suffix) = (Arc::clone(&self.parts.place), self.suffix());
        blocking(move || write_files(&*place, &run, range, members, &configs, &suffix)).await?
    }

    async fn describe(&self, desk: &mut Desk) -> Result<(), PackError> {
        let run = self.read_run().await?;
        let totals = self.parts.report.totals(&self.settings.run).await?;
        let published = self.parts.packs.published(&self.settings.run).await?;
        let mut catalogue = desk.catalogue.take().unwrap_or_default();
        let (place, suffix, now) = (Arc::clone(&self.parts.place), self.suffix(), self.parts.clock.now());
        let (catalogue, written) = blocking(move || {
            let written = catalogue.catch_up(&*place, &published).and_then(|()| {
                let states = manifest::states_of(&totals);
                let made = manifest::describe(&run, &totals, states, &published, catalogue.contents(), now)?;
                manifest::write(&*place, &made, run.config.synthetic, &suffix)
            });
            (catalogue, written)
        })
        .await?;
        desk.catalogue = Some(catalogue);
        written?;
        desk.behind = false;
        Ok(())
    }

    async fn read_run(&self) -> Result<Run, PackError> {
        let run = self.parts.runs.run(&self.settings.run).await?;
        run.ok_or_else(|| PackError::NoRun(self.settings.run.clone()))
    }

    /// A suffix that no other process and no other call of this one has.
    fn suffix(&self) -> String {
        format!("{}-{}", self.settings.owner, self.staged.fetch_add(1, Ordering::Relaxed))
    }
}

impl Desk {
    /// Whether ranges may have become closable and it is time to look. Once nothing is in work, at once.
    fn is_look_due(&self, totals: &Totals, now: Timestamp) -> bool {
        let Some((before, at)) = self.looked else { return true };
        let changed = self.judged || before != settled(totals);
        changed && (now.since(at) >= LOOK_EVERY || in_work(totals) == 0)
    }
}

/// Samples that need no more calls.
fn settled(totals: &Totals) -> u64 {
    totals.finished() + totals.state(SampleState::Written)
}

/// Samples that still need calls.
fn in_work(totals: &Totals) -> u64 {
    SampleState::ALL.into_iter().filter(|state| state.is_unfinished()).map(|state| totals.state(state)).sum()
}

/// Reads the versions that are not known yet.
pub(crate) async fn load_configs(
    runs: &dyn RunStore,
    run: &RunId,
    versions: impl Iterator<Item = u32>,
    known: &mut Configs,
) -> Result<(), PackError> {
    for version in versions {
        if let Entry::Vacant(unknown) = known.entry(version) {
            let config = runs.config(run, version).await?;
            let config = config.ok_or_else(|| PackError::NoConfig { run: run.clone(), version })?;
            unknown.insert(Arc::new(config));
        }
    }
    Ok(())
}

/// Nobody else works on the place, so whatever is staged or unlisted is a dead process's.
fn sweep(place: &dyn DatasetPlace, published: &[PublishedShard]) -> Result<(), PackError> {
    let listed: BTreeSet<ShardFileName> =
        published.iter().flat_map(|shard| &shard.files).filter_map(|file| file.name.parse().ok()).collect();
    let removed = place.sweep(&listed)?;
    if !removed.is_empty() {
        tracing::info!(files = removed.join(" "), "removed what a crash had left");
    }
    Ok(())
}
