//! The end of a sample: root and places of its trace, its duration and length, from what the store holds. They are read on a
//! task of their own, so that nobody waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{RunId, SampleId};
use agentwrite::ports::{ReportStore, SampleFilter, SampleOutline, SampleRow, StoreError};
use agentwrite::sample::SampleState;
use agentwrite::task::Outcome;
use tokio::sync::mpsc;

use crate::Inner;
use crate::room::Item;
use crate::spans::SampleTrace;

/// Ended samples that wait to be read.
pub(crate) const WAITING: usize = 4_096;

/// Work that has ended.
pub(crate) enum Ended {
    /// That on a sample.
    Sample {
        run: RunId,
        sample: SampleId,
        /// It is told of for the first time, as far as this process knows.
        first: bool,
    },
    /// That on samples of a run whose tasks were found to crash their workers.
    CrashLoops(RunId),
    /// That on those samples that were cancelled, from the first to the last of these ordinals.
    Cancelled(RunId, (u64, u64)),
    /// All that this process does.
    All,
}

/// Samples of a crash loop that are told of at a time: there are hardly ever two.
const MOST_LOOPS: u32 = 64;
/// How often a run is asked whether processes of it were killed: a lease takes longer to lapse, and the answer costs as much
/// as the rest of a root.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Cancelled samples that are listed at a time.
const PAGE: u32 = 256;
/// Samples that are read at a time: they share a transaction, and the pages that it reads.
const MOST_READ: usize = 64;
/// How long ended samples may wait for others, to be read with them.
const GATHERING: Duration = Duration::from_millis(250);

/// Ended samples of a run, each with whether it is told of for the first time.
type OfRun = Vec<(SampleId, bool)>;

/// Tells of ended samples, until all has ended.
pub(crate) async fn tell(inner: Arc<Inner>, store: Arc<dyn ReportStore>, mut ended: mpsc::Receiver<Ended>) {
    let mut teller = Teller { inner, store, asked: HashMap::new() };
    let mut said = Vec::new();
    loop {
        gather(&mut ended, &mut said).await;
        let mut goes_on = !said.is_empty();
        let mut samples: HashMap<RunId, OfRun> = HashMap::new();
        for one in said.drain(..) {
            match one {
                Ended::Sample { run, sample, first } => samples.entry(run).or_default().push((sample, first)),
                Ended::CrashLoops(run) => teller.tell_loops(&run).await,
                Ended::Cancelled(run, ordinals) => teller.tell_cancelled(&run, ordinals).await,
                Ended::All => goes_on = false,
            }
        }
        for (run, samples) in samples {
            teller.tell(&run, &samples).await;
        }
        if !goes_on {
            return;
        }
    }
}

/// Waits for what has ended, and then a moment for more, unless there is enough or all has ended. Nothing if nobody can say
/// anything any more.
async fn gather(ended: &mut mpsc::Receiver<Ended>, said: &mut Vec<Ended>) {
    ended.recv_many(said, MOST_READ).await;
    let enough = tokio::time::Instant::now() + GATHERING;
    while said.len() < MOST_READ && !said.iter().any(|one| matches!(one, Ended::All)) {
        let room = MOST_READ - said.len();
        match tokio::time::timeout_at(enough, ended.recv_many(said, room)).await {
            Ok(count) if count > 0 => {}
            Ok(_) | Err(_) => return,
        }
    }
}

struct Teller {
    inner: Arc<Inner>,
    store: Arc<dyn ReportStore>,
    /// When a run was asked last, and whether processes of it had been killed by then.
    asked: HashMap<RunId, (Instant, bool)>,
}

impl Teller {
    async fn tell_loops(&mut self, run: &RunId) {
        let filter = SampleFilter { state: Some(SampleState::Failed), error: Some(ErrorCode::CrashLoop), after: None };
        match self.store.samples(run, &filter, MOST_LOOPS).await {
            Ok(page) => self.tell(run, &again(page.rows)).await,
            Err(error) => self.lost(1, &error),
        }
    }

    async fn tell_cancelled(&mut self, run: &RunId, (first, last): (u64, u64)) {
        let after = first.checked_sub(1);
        let mut filter = SampleFilter { state: Some(SampleState::Cancelled), error: None, after };
        loop {
            let mut page = match self.store.samples(run, &filter, PAGE).await {
                Ok(page) => page,
                Err(error) => return self.lost(1, &error),
            };
            let goes_on = page.rows.last().is_some_and(|row| row.ordinal < last);
            page.rows.retain(|row| row.ordinal <= last);
            // Of one that nobody had begun there is nothing to tell.
            self.tell(run, &again(page.rows)).await;
            match page.next.filter(|_| goes_on) {
                Some(next) => filter.after = Some(next),
                None => return,
            }
        }
    }

    async fn tell(&mut self, run: &RunId, samples: &[(SampleId, bool)]) {
        for samples in samples.chunks(MOST_READ) {
            if let Err(error) = self.tell_some(run, samples).await {
                self.lost(samples.len(), &error);
            }
        }
    }

    async fn tell_some(&mut self, run: &RunId, samples: &[(SampleId, bool)]) -> Result<(), StoreError> {
        let ids: Vec<SampleId> = samples.iter().map(|(sample, _)| sample.clone()).collect();
        let found = self.store.outlines(run, &ids).await?;
        let killed = self.inner.spans.is_some() && self.was_killed(run).await?;
        for sample in &found {
            let is_first = samples.iter().any(|(id, first)| *first && *id == sample.sample);
            if is_first && let Some(metrics) = &self.inner.metrics {
                metrics.sample_measured(duration(sample), length_ratio(sample));
            }
            let Some(sink) = &self.inner.spans else { continue };
            let trace = SampleTrace::new(run, sample.sample.as_str(), sample.generation);
            if trace.is_sampled(sink.ratio()) {
                let orphaned = sample.attempts.iter().any(|it| it.outcome == Outcome::Orphaned.as_str());
                sink.send(&trace.of_sample(sample, killed || orphaned));
            }
        }
        Ok(())
    }

    /// Whether a process that worked on the run is gone.
    async fn was_killed(&mut self, run: &RunId) -> Result<bool, StoreError> {
        if let Some((asked, killed)) = self.asked.get(run)
            && (*killed || asked.elapsed() < ASK_EVERY)
        {
            return Ok(*killed);
        }
        let killed = self.store.totals(run).await?.orphaned_calls > 0;
        self.asked.insert(run.clone(), (Instant::now(), killed));
        Ok(killed)
    }

    fn lost(&self, count: usize, error: &StoreError) {
        self.inner.losses.count(Item::Sample, count as u64);
        tracing::debug!(%error, "traces stay without their roots");
    }
}

/// Samples of which somebody may have heard before.
fn again(rows: Vec<SampleRow>) -> OfRun {
    rows.into_iter().map(|row| (row.sample, false)).collect()
}

/// From the first try of this generation to the end of the last.
fn duration(sample: &SampleOutline) -> Option<Duration> {
    let from = sample.attempts.iter().map(|it| it.started_at).min()?;
    let to = sample.attempts.iter().filter_map(|it| it.ended_at).max()?;
    Some(to.since(from))
}

/// Words over the words asked for: by the instruction, else by the plan. Of a whole text only.
fn length_ratio(sample: &SampleOutline) -> Option<f64> {
    let steps = sample.steps.as_ref()?;
    if sample.sections.len() < steps.len() {
        return None;
    }
    let words = sample.words as f64;
    let (low, high) = match &sample.asked {
        Some(length) => (f64::from(length.low), f64::from(length.high)),
        None => {
            let planned = steps.iter().map(|words| f64::from(*words)).sum();
            (planned, planned)
        }
    };
    // Inside a range it is as long as was asked for.
    let asked = words.clamp(low.min(high), high.max(low));
    (asked > 0.0).then(|| words / asked)
}
