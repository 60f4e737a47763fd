//! The way out: what a process says it is, and exporters on threads of their own, behind bounded room.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::logs::{Logger as _, LoggerProvider as _};
use opentelemetry_otlp::LogExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder as LogBatchConfig, BatchLogProcessor, LogBatch, LogExporter as ExportsLogs, SdkLogRecord,
    SdkLogger, SdkLoggerProvider,
};

use crate::names::{NAMESPACE, SCOPE};
use crate::room::{Item, Losses, Room};
use crate::{TelemetryError, TelemetrySettings};

/// Spans and log records that wait for the collector: a few megabytes, some ten seconds of a busy process.
pub(crate) const ROOM: usize = 8_192;
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

/// An exporter whose room is free again when it has sent.
#[derive(Debug)]
struct Counted<E> {
    exporter: E,
    room: Arc<Room>,
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
        if self.room.enter(1) {
            let mut record = self.logger.create_log_record();
            fill(&mut record);
            self.logger.emit(record);
        }
    }
}
