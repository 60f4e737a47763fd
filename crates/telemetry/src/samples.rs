//! The end of a sample: root and places of its trace, its duration and length, from what the store holds. They are read on a
//! task of their own, so that nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{RunId, SampleId};
use agentwrite::ports::{ReportStore, SampleDetail, SampleFilter, StoreError};
use agentwrite::sample::SampleState;
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
    /// All that this process does.
    All,
}

/// Samples of a crash loop that are told of at a time: there are hardly ever two.
const MOST_LOOPS: u32 = 64;

/// Tells of ended samples, until all has ended.
pub(crate) async fn tell(inner: Arc<Inner>, store: Arc<dyn ReportStore>, mut ended: mpsc::Receiver<Ended>) {
    while let Some(ended) = ended.recv().await {
        let told = match &ended {
            Ended::Sample { run, sample, first } => tell_one(&inner, &*store, run, sample, *first).await,
            Ended::CrashLoops(run) => tell_loops(&inner, &*store, run).await,
            Ended::All => return,
        };
        if let Err(error) = told {
            inner.losses.count(Item::Sample, 1);
            tracing::debug!(%error, "the trace of a sample stays without its root");
        }
    }
}

async fn tell_loops(inner: &Inner, store: &dyn ReportStore, run: &RunId) -> Result<(), StoreError> {
    let filter = SampleFilter { state: Some(SampleState::Failed), error: Some(ErrorCode::CrashLoop), after: None };
    for row in store.samples(run, &filter, MOST_LOOPS).await?.rows {
        tell_one(inner, store, run, &row.sample, false).await?;
    }
    Ok(())
}

async fn tell_one(
    inner: &Inner,
    store: &dyn ReportStore,
    run: &RunId,
    sample: &SampleId,
    first: bool,
) -> Result<(), StoreError> {
    let Some(detail) = store.sample(run, sample).await? else { return Ok(()) };
    if first && let Some(metrics) = &inner.metrics {
        metrics.sample_measured(duration(&detail), length_ratio(&detail));
    }
    let Some(sink) = &inner.spans else { return Ok(()) };
    let trace = SampleTrace::new(run, sample.as_str(), detail.row.generation, sink.scope());
    if trace.is_sampled(sink.ratio()) {
        let killed = store.totals(run).await?.orphaned_calls > 0;
        trace.of_sample(&detail, killed).into_iter().for_each(|span| sink.send(span));
    }
    Ok(())
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
