//! The way out: exporters on threads of their own, behind bounded room.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::logs::{Logger as _, LoggerProvider as _};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{LogExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder as LogBatchConfig, BatchLogProcessor, LogBatch, LogExporter as ExportsLogs, SdkLogRecord,
    SdkLogger, SdkLoggerProvider,
};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter as ExportsSpans, SpanProcessor as _,
};

use crate::names::{NAMESPACE, SCOPE};
use crate::room::{Item, Losses, Room};
use crate::{TelemetryError, TelemetrySettings};

/// Spans and log records that wait for the collector: a few megabytes, some ten seconds of a busy process.
const ROOM: usize = 8_192;
/// A batch leaves at least so often: what a killed process could not send is at most this young.
const SEND_EVERY: Duration = Duration::from_millis(500);

/// What the process is.
pub(crate) fn resource(settings: &TelemetrySettings) -> Resource {
    // The variables `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` go before what is said here.
    let own = Resource::builder_empty().with_attributes([
        KeyValue::new("service.name", settings.service),
        KeyValue::new("service.namespace", NAMESPACE),
        KeyValue::new("service.version", settings.version),
        KeyValue::new("service.instance.id", settings.instance.clone()),
    ]);
    let said = Resource::builder_empty()
        .with_detector(Box::new(opentelemetry_sdk::resource::EnvResourceDetector::new()))
        .build();
    let said = said.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let name = std::iter::once(settings.service_name.clone()).flatten().map(|name| KeyValue::new("service.name", name));
    own.with_attributes(said.chain(name)).build()
}

pub(crate) fn exporter_error(
    signal: &'static str,
) -> impl FnOnce(opentelemetry_otlp::ExporterBuildError) -> TelemetryError {
    move |source| TelemetryError::Exporter { signal, source: source.into() }
}

/// Where spans go.
pub(crate) struct SpanSink {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    room: Arc<Room>,
    ratio: f64,
}

impl SpanSink {
    /// Starts the exporter's thread.
    pub(crate) fn start(resource: &Resource, ratio: f64, losses: &Arc<Losses>) -> Result<Self, TelemetryError> {
        let exporter = SpanExporter::builder().with_http().build().map_err(exporter_error("traces"))?;
        Ok(Self::over(exporter, resource, ratio, losses, ROOM))
    }

    /// Over any exporter.
    pub(crate) fn over(
        mut exporter: impl ExportsSpans + 'static,
        resource: &Resource,
        ratio: f64,
        losses: &Arc<Losses>,
        most: usize,
    ) -> Self {
        exporter.set_resource(resource);
        let room = Room::new(Item::Span, most, losses);
        let exporter = Counted { exporter, room: Arc::clone(&room) };
        // Set here: the SDK's own variables for batches would undo what the room promises.
        let config = BatchConfigBuilder::default().with_max_queue_size(most).with_scheduled_delay(SEND_EVERY).build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        Self { processor, scope: InstrumentationScope::builder(SCOPE).build(), room, ratio }
    }

    /// The share of samples that have a trace.
    pub(crate) fn ratio(&self) -> f64 {
        self.ratio
    }

    /// What spans are said to come from.
    pub(crate) fn scope(&self) -> InstrumentationScope {
        self.scope.clone()
    }

    /// Takes a finished span, if there is room.
    pub(crate) fn send(&self, span: SpanData) {
        if self.room.enter() {
            self.processor.on_end(span);
        }
    }

    /// Sends what is left.
    pub(crate) fn shut_down(&self, patience: Duration) {
        // Its fault is told by what is left in the room.
        let _ = self.processor.shutdown_with_timeout(patience);
        self.room.close();
    }
}

/// An exporter whose room is free again when it has sent.
#[derive(Debug)]
struct Counted<E> {
    exporter: E,
    room: Arc<Room>,
}

impl<E: ExportsSpans> ExportsSpans for Counted<E> {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let count = batch.len();
        let sending = self.exporter.export(batch);
        async move {
            let sent = sending.await;
            self.room.leave(count, sent.is_ok());
            sent
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }
}

impl<E: ExportsLogs> ExportsLogs for Counted<E> {
    fn export(&self, batch: LogBatch<'_>) -> impl Future<Output = OTelSdkResult> + Send {
        let count = batch.iter().count();
        let sending = self.exporter.export(batch);
        async move {
            let sent = sending.await;
            self.room.leave(count, sent.is_ok());
            sent
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Where log records go.
pub(crate) struct LogSink {
    provider: SdkLoggerProvider,
    logger: SdkLogger,
    room: Arc<Room>,
}

impl LogSink {
    /// Starts the exporter's thread.
    pub(crate) fn start(resource: &Resource, losses: &Arc<Losses>) -> Result<Self, TelemetryError> {
        let exporter = LogExporter::builder().with_http().build().map_err(exporter_error("logs"))?;
        let room = Room::new(Item::Log, ROOM, losses);
        let exporter = Counted { exporter, room: Arc::clone(&room) };
        let config = LogBatchConfig::default().with_max_queue_size(ROOM).build();
        let processor = BatchLogProcessor::builder(exporter).with_batch_config(config).build();
        let provider =
            SdkLoggerProvider::builder().with_resource(resource.clone()).with_log_processor(processor).build();
        let logger = provider.logger(SCOPE);
        Ok(Self { provider, logger, room })
    }

    /// Sends what is left.
    pub(crate) fn shut_down(&self, patience: Duration) {
        let _ = self.provider.shutdown_with_timeout(patience);
        self.room.close();
    }

    /// What a layer writes to.
    pub(crate) fn writer(&self) -> LogWriter {
        LogWriter { logger: self.logger.clone(), room: Arc::clone(&self.room) }
    }
}

/// Takes log records.
#[derive(Clone)]
pub(crate) struct LogWriter {
    logger: SdkLogger,
    room: Arc<Room>,
}

impl LogWriter {
    /// Takes one, made only if there is room.
    pub(crate) fn write(&self, fill: impl FnOnce(&mut SdkLogRecord)) {
        if self.room.enter() {
            let mut record = self.logger.create_log_record();
            fill(&mut record);
            self.logger.emit(record);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use agentwrite::call::Usage;
    use agentwrite::ids::{AttemptId, Hash, OwnerId, RunId, Timestamp};
    use agentwrite::ports::Try;
    use agentwrite::task::{AttemptEnd, ClaimedTask, Hint, Kind, Outcome, TaskKey};
    use opentelemetry_sdk::error::OTelSdkError;

    use super::*;
    use crate::spans::SampleTrace;

    /// A collector that takes a batch only when it is let.
    #[derive(Debug)]
    struct Slow {
        let_go: Mutex<mpsc::Receiver<bool>>,
    }

    impl ExportsSpans for Slow {
        async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
            match self.let_go.lock().expect("one thread exports").recv() {
                Ok(true) => Ok(()),
                _ => Err(OTelSdkError::InternalFailure("away".to_owned())),
            }
        }
    }

    fn span() -> SpanData {
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
        let it = Try {
            task: &task,
            from: Timestamp(1_000),
            to: Timestamp(2_000),
            recording: Duration::ZERO,
            end: &end,
            outcome: Outcome::Committed,
            code: None,
            bad_answer: false,
            words: 0,
        };
        let scope = InstrumentationScope::builder(SCOPE).build();
        SampleTrace::new(&run, "smp_a", 0, scope).of_try(&it).remove(0)
    }

    #[test]
    fn a_slow_collector_holds_nobody_up_and_what_it_does_not_take_is_counted() {
        let (let_go, gate) = mpsc::channel();
        let losses = Arc::<Losses>::default();
        let exporter = Slow { let_go: Mutex::new(gate) };
        let sink = SpanSink::over(exporter, &Resource::builder_empty().build(), 1.0, &losses, 100);
        // Nothing is let go: were a sender held up by it, this would never end.
        (0..1_000).for_each(|_| sink.send(span()));
        assert_eq!(losses.all(), 900, "room for a hundred, and no more memory than that");
        let_go.send(false).expect("the exporter listens");
        drop(let_go);
        sink.shut_down(Duration::from_secs(20));
        assert_eq!(losses.all(), 1_000, "a batch that is refused is lost, and counted");
    }
}
