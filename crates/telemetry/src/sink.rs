//! Spans on their way to the collector: gathered as they are written, sent in batches by a thread of its own. Who has a span to
//! send copies some hundred bytes under a lock; the thread is woken once a batch.

use std::collections::VecDeque;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;

use crate::TelemetryError;
use crate::names::SCOPE;
use crate::otlp::ROOM;
use crate::post::Post;
use crate::room::{Item, Losses, Room};
use crate::wire::{Envelope, Spans};

/// Spans of a full batch, and one lot more at most: half a megabyte, which any collector takes in one request.
const BATCH: usize = 1_024;
/// A batch leaves at least so often: what a killed process could not send is at most this young.
const SEND_EVERY: Duration = Duration::from_millis(500);

/// Where spans go.
pub(crate) struct SpanSink {
    gathered: Arc<Gathered>,
    room: Arc<Room>,
    ratio: f64,
    /// Broken when the thread has sent all.
    all_sent: Mutex<mpsc::Receiver<()>>,
}

/// What waits to be sent.
#[derive(Default)]
struct Gathered {
    waiting: Mutex<Waiting>,
    full: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// Full batches, and one that is being filled.
    batches: VecDeque<Spans>,
    /// Nothing comes any more.
    closed: bool,
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.batches.front().is_some_and(|first| first.count() >= BATCH)
    }
}

impl SpanSink {
    /// Starts the thread that sends. `timeout`: how long the collector may take to answer.
    pub(crate) fn start(
        resource: &Resource,
        ratio: f64,
        timeout: Duration,
        losses: &Arc<Losses>,
    ) -> Result<Self, TelemetryError> {
        let post = Post::start(timeout)?;
        Self::over(move |body| post.send(body), resource, ratio, losses, ROOM)
    }

    /// Over any way of sending a request's body, which says whether it was taken.
    pub(crate) fn over(
        send: impl Fn(Vec<u8>) -> bool + Send + 'static,
        resource: &Resource,
        ratio: f64,
        losses: &Arc<Losses>,
        most: usize,
    ) -> Result<Self, TelemetryError> {
        let envelope = Envelope::new(resource, &InstrumentationScope::builder(SCOPE).build());
        let (gathered, room) = (Arc::<Gathered>::default(), Room::new(Item::Span, most, losses));
        let (sent, all_sent) = mpsc::channel();
        let (source, left) = (Arc::clone(&gathered), Arc::clone(&room));
        let work = move || {
            source.send_all(|spans| left.leave(spans.count(), send(envelope.around(spans))));
            drop(sent);
        };
        let thread = thread::Builder::new().name("spans".to_owned()).spawn(work);
        thread.map_err(|error| TelemetryError::Exporter { signal: "traces", source: error.into() })?;
        Ok(Self { gathered, room, ratio, all_sent: Mutex::new(all_sent) })
    }

    /// The share of samples that have a trace.
    pub(crate) fn ratio(&self) -> f64 {
        self.ratio
    }

    /// Takes finished spans, if there is room for them.
    pub(crate) fn send(&self, spans: &Spans) {
        if spans.count() > 0 && self.room.enter(spans.count()) {
            self.gathered.add(spans);
        }
    }

    /// Sends what is left.
    pub(crate) fn shut_down(&self, patience: Duration) {
        self.gathered.close();
        let all_sent = self.all_sent.lock().unwrap_or_else(PoisonError::into_inner);
        // If it is still sending by then, that is told by what is left in the room.
        let _ = all_sent.recv_timeout(patience);
        self.room.close();
    }
}

impl Gathered {
    fn add(&self, spans: &Spans) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let was_full = waiting.is_full();
        match waiting.batches.back_mut().filter(|last| last.count() < BATCH) {
            Some(last) => last.append(spans),
            None => {
                let mut first = Spans::default();
                first.append(spans);
                waiting.batches.push_back(first);
            }
        }
        let is_full = waiting.is_full();
        drop(waiting);
        if is_full && !was_full {
            self.full.notify_one();
        }
    }

    fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.full.notify_one();
    }

    /// Sends batches until it is closed and nothing waits.
    fn send_all(&self, send: impl Fn(&Spans)) {
        loop {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let goes_on = |waiting: &mut Waiting| !waiting.closed && !waiting.is_full();
            let waited = self.full.wait_timeout_while(waiting, SEND_EVERY, goes_on);
            let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
            let (batch, closed) = (waiting.batches.pop_front(), waiting.closed);
            drop(waiting);
            match batch {
                Some(spans) => send(&spans),
                None if closed => return,
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use agentwrite::call::Usage;
    use agentwrite::ids::{AttemptId, Hash, OwnerId, RunId, Timestamp};
    use agentwrite::ports::Try;
    use agentwrite::task::{AttemptEnd, ClaimedTask, Hint, Kind, Outcome, TaskKey};

    use agentwrite::trace::{SpanId, TraceContext};
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message as _;

    use super::*;
    use crate::spans::SampleTrace;

    fn spans() -> Spans {
        let (run, subject) = (RunId::new("run_a"), "smp_a".to_owned());
        let task = ClaimedTask {
            key: TaskKey { run: run.clone(), kind: Kind::SECTION, subject, place: 0, revision: 0 },
            context_hash: Hash::of("t", &["x"]),
            owner: OwnerId::new("own_a"),
            fence: 1,
            attempt: AttemptId::new("att_a"),
            generation: 0,
            failures: 0,
            bad_answers: 0,
            crashes: 0,
            hint: Hint::default(),
        };
        let end = AttemptEnd { usage: Usage::default(), ..AttemptEnd::default() };
        let trace = TraceContext::of(&run, "smp_a", 0);
        let it = Try {
            task: &task,
            trace,
            span: SpanId::of_attempt(&task.attempt),
            from: Timestamp(1_000),
            to: Timestamp(2_000),
            recording: Duration::ZERO,
            end: &end,
            outcome: Outcome::Committed,
            code: None,
            bad_answer: false,
            words: 0,
        };
        SampleTrace::within(trace, &run, "smp_a", 0).of_try(&it)
    }

    #[test]
    fn a_slow_collector_holds_nobody_up_and_what_it_does_not_take_is_counted() {
        let (let_go, gate) = mpsc::channel();
        let losses = Arc::<Losses>::default();
        let slow = move |_body| gate.recv().unwrap_or(false);
        let sink = SpanSink::over(slow, &Resource::builder_empty().build(), 1.0, &losses, 100).expect("a thread");
        // Nothing is let go: were a sender held up by it, this would never end.
        (0..1_000).for_each(|_| sink.send(&spans()));
        assert_eq!(losses.all(), 900, "room for a hundred, and no more memory than that");
        let_go.send(false).expect("the thread listens");
        drop(let_go);
        sink.shut_down(Duration::from_secs(20));
        assert_eq!(losses.all(), 1_000, "a batch that is refused is lost, and counted");
    }

    #[test]
    fn all_that_was_gathered_is_sent_before_the_end() {
        let (bodies, sent) = mpsc::channel();
        let losses = Arc::<Losses>::default();
        let take = move |body: Vec<u8>| bodies.send(body).is_ok();
        let sink = SpanSink::over(take, &Resource::builder_empty().build(), 1.0, &losses, 10_000).expect("a thread");
        (0..=3 * BATCH).for_each(|_| sink.send(&spans()));
        sink.shut_down(Duration::from_secs(20));
        let count = |body: Vec<u8>| {
            let read = ExportTraceServiceRequest::decode(body.as_slice()).expect("a request");
            read.resource_spans[0].scope_spans[0].spans.len()
        };
        let counts: Vec<usize> = sent.iter().map(count).collect();
        assert_eq!((counts.iter().sum::<usize>(), losses.all()), (3 * BATCH + 1, 0));
        assert!(counts.iter().all(|count| *count <= BATCH), "however much waits, a request has a size: {counts:?}");
    }
}
