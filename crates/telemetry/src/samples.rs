//! The end of a sample: root and places of its trace, its duration and length, from what the store holds. They are read on a
//! task of their own, so that nobody waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{RunId, SampleId};
use agentwrite::ports::{ReportStore, SampleDetail, SampleFilter, StoreError};
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
/// Cancelled samples that are read at a time.
const PAGE: u32 = 256;

/// Tells of ended samples, until all has ended.
pub(crate) async fn tell(inner: Arc<Inner>, store: Arc<dyn ReportStore>, mut ended: mpsc::Receiver<Ended>) {
    let mut teller = Teller { inner, store, asked: HashMap::new() };
    while let Some(ended) = ended.recv().await {
        let told = match &ended {
            Ended::Sample { run, sample, first } => teller.tell_one(run, sample, *first).await,
            Ended::CrashLoops(run) => teller.tell_loops(run).await,
            Ended::Cancelled(run, ordinals) => teller.tell_cancelled(run, *ordinals).await,
            Ended::All => return,
        };
        if let Err(error) = told {
            teller.inner.losses.count(Item::Sample, 1);
            tracing::debug!(%error, "the trace of a sample stays without its root");
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
    async fn tell_loops(&mut self, run: &RunId) -> Result<(), StoreError> {
        let filter = SampleFilter { state: Some(SampleState::Failed), error: Some(ErrorCode::CrashLoop), after: None };
        for row in self.store.samples(run, &filter, MOST_LOOPS).await?.rows {
            self.tell_one(run, &row.sample, false).await?;
        }
        Ok(())
    }

    async fn tell_cancelled(&mut self, run: &RunId, (first, last): (u64, u64)) -> Result<(), StoreError> {
        let after = first.checked_sub(1);
        let mut filter = SampleFilter { state: Some(SampleState::Cancelled), error: None, after };
        loop {
            let page = self.store.samples(run, &filter, PAGE).await?;
            for row in page.rows.iter().take_while(|row| row.ordinal <= last) {
                // Of one that nobody had begun there is nothing to tell.
                self.tell_one(run, &row.sample, false).await?;
            }
            let goes_on = page.rows.last().is_some_and(|row| row.ordinal < last);
            match page.next.filter(|_| goes_on) {
                Some(next) => filter.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn tell_one(&mut self, run: &RunId, sample: &SampleId, first: bool) -> Result<(), StoreError> {
        let Some(detail) = self.store.sample(run, sample).await? else { return Ok(()) };
        if first && let Some(metrics) = &self.inner.metrics {
            metrics.sample_measured(duration(&detail), length_ratio(&detail));
        }
        let Some(sink) = &self.inner.spans else { return Ok(()) };
        let trace = SampleTrace::new(run, sample.as_str(), detail.row.generation, sink.scope());
        if trace.is_sampled(sink.ratio()) {
            let orphaned = detail.attempts.iter().any(|it| it.outcome == Outcome::Orphaned.as_str());
            let killed = orphaned || self.was_killed(run).await?;
            if let Some(sink) = &self.inner.spans {
                trace.of_sample(&detail, killed).into_iter().for_each(|span| sink.send(span));
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
}

/// From the first try of this generation to the end of the last.
fn duration(detail: &SampleDetail) -> Option<Duration> {
    let own = || detail.attempts.iter().filter(|it| it.generation == detail.row.generation);
    let (from, to) = (own().map(|it| it.started_at).min()?, own().filter_map(|it| it.ended_at).max()?);
    Some(to.since(from))
}

/// Words over the words asked for: by the instruction, else by the plan. Of a whole text only.
fn length_ratio(detail: &SampleDetail) -> Option<f64> {
    let plan = detail.context.plan.as_ref()?;
    if detail.context.sections.len() < plan.steps.len() {
        return None;
    }
    let words = detail.row.words as f64;
    let (low, high) = match &detail.context.input.length {
        Some(length) => (f64::from(length.low), f64::from(length.high)),
        None => (f64::from(plan.total()), f64::from(plan.total())),
    };
    // Inside a range it is as long as was asked for.
    let asked = words.clamp(low.min(high), high.max(low));
    (asked > 0.0).then(|| words / asked)
}
