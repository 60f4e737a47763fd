//! The observer: from what the services say to spans, metrics and the board.

use std::sync::Arc;
use std::time::Duration;

use agentwrite::ids::{RunId, SampleId, Timestamp};
use agentwrite::ports::{Observer, ReportStore, Rescued, RunView, SampleEnd, Try};
use agentwrite::task::ClaimedTask;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::room::Item;
use crate::samples::{self, Ended, WAITING};
use crate::spans::SampleTrace;
use crate::{Inner, Telemetry};

/// How long the end of a process waits for the roots of its last traces.
const PATIENCE: Duration = Duration::from_secs(5);

/// The observer of one store, while it is watched.
pub struct Watching {
    watch: Option<Arc<Watch>>,
    telling: TaskTracker,
}

struct Watch {
    inner: Arc<Inner>,
    ended: mpsc::Sender<Ended>,
}

impl Telemetry {
    /// Begins to watch work whose results are in this store.
    pub fn watch(&self, store: Arc<dyn ReportStore>) -> Watching {
        let telling = TaskTracker::new();
        let watch = self.0.as_ref().map(|inner| {
            let (ended, waiting) = mpsc::channel(WAITING);
            telling.spawn(samples::tell(Arc::clone(inner), store, waiting));
            Arc::new(Watch { inner: Arc::clone(inner), ended })
        });
        telling.close();
        Watching { watch, telling }
    }
}

impl Watching {
    /// Who is to be told; nobody if telemetry is off.
    pub fn observer(&self) -> Option<Arc<dyn Observer>> {
        self.watch.clone().map(|watch| watch as Arc<dyn Observer>)
    }

    /// Waits until all that was said is told; what is said later is not heard. To be called before the store is closed.
    pub async fn finish(self) {
        let Some(watch) = self.watch else { return };
        let told = async {
            // It fails only if nobody reads any more.
            let _ = watch.ended.send(Ended::All).await;
            self.telling.wait().await;
        };
        if tokio::time::timeout(PATIENCE, told).await.is_err() {
            tracing::warn!("some traces stay without their root: the store did not answer in time");
        }
    }
}

impl Watch {
    fn tell_end(&self, ended: Ended) {
        if self.inner.spans.is_none() && self.inner.metrics.is_none() {
            return;
        }
        if self.ended.try_send(ended).is_err() {
            self.inner.losses.count(Item::Sample, 1);
        }
    }
}

impl Observer for Watch {
    fn begin(&self, task: &ClaimedTask, _now: Timestamp) -> Box<dyn Send> {
        Box::new(self.inner.board.begin(task.key.kind.as_str()))
    }

    fn ended(&self, it: &Try<'_>) {
        if let Some(metrics) = &self.inner.metrics {
            metrics.ended(it);
        }
        let Some(sink) = &self.inner.spans else { return };
        let key = &it.task.key;
        let trace = SampleTrace::within(it.trace, &key.run, &key.subject, it.task.generation);
        if trace.is_sampled(sink.ratio()) {
            sink.send(&trace.of_try(it));
        }
    }

    fn sample_ended(&self, run: &RunId, sample: &SampleId, end: SampleEnd) {
        if let Some(metrics) = &self.inner.metrics {
            metrics.sample_ended(end);
        }
        self.tell_end(Ended::Sample { run: run.clone(), sample: sample.clone(), first: true });
    }

    fn sample_ended_before(&self, run: &RunId, sample: &SampleId) {
        self.tell_end(Ended::Sample { run: run.clone(), sample: sample.clone(), first: false });
    }

    fn plans(&self, run: &RunId) -> Box<dyn Send> {
        Box::new(self.inner.board.plans(run))
    }

    fn counted(&self, run: &RunId, view: RunView) {
        self.inner.board.counted(run, view);
    }

    fn relayed(&self, messages: u64) {
        if let Some(metrics) = &self.inner.metrics {
            metrics.relayed(messages);
        }
    }

    fn rescued(&self, run: &RunId, rescued: &Rescued) {
        if let Some(metrics) = &self.inner.metrics {
            metrics.rescued(rescued);
        }
        if rescued.died > 0 {
            self.tell_end(Ended::CrashLoops(run.clone()));
        }
    }

    fn shard_published(&self, _rows: u64) {
        if let Some(metrics) = &self.inner.metrics {
            metrics.shard_published();
        }
    }

    fn range_closed(&self, run: &RunId, ordinals: (u64, u64)) {
        if self.inner.spans.is_some() {
            self.tell_end(Ended::Cancelled(run.clone(), ordinals));
        }
    }
}
