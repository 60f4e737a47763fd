//! What Longhand shows of itself: one trace a sample, metrics, logs; the dashboards and alerts over them.
//!
//! The services say what happens through one port ([`agentwrite::ports::Observer`]); here it becomes spans and metrics. Spans
//! have ids that follow from what they are about ([`agentwrite::trace`]), so that any process adds to the same trace, also
//! after a crash. A try's spans are sent when it ends, by the process that made it; the root, and the places between root and
//! tries, are sent last, from what the store holds ([`samples`]), with what a killed process could not send.
//!
//! Nothing here disturbs the work: every queue is bounded, what does not fit is dropped and counted, the exporters have
//! threads of their own. With neither OTLP nor `/metrics` nor JSON logs asked for there is no observer at all.
//!
//! To add a metric: its line in [`names`], its instrument in `metrics.rs`, a panel in [`dashboards`].

mod board;
pub mod dashboards;
mod logs;
mod metrics;
pub mod names;
mod observer;
mod otlp;
mod page;
mod post;
mod room;
mod samples;
mod signals;
mod sink;
mod spans;
mod wire;

pub use board::{EndpointView, QueueView, ShownTraining, TrainingView};
pub use logs::LogLayer;
pub use observer::Watching;
pub use page::MetricsPage;
pub use signals::Signals;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use board::Board;
use metrics::Metrics;
use otlp::LogSink;
use room::Losses;
use sink::SpanSink;

/// What is to be sent and shown.
#[derive(Debug, Clone)]
pub struct TelemetrySettings {
    /// The role of the process: `service.name`, unless another is said.
    pub service: &'static str,
    /// `OTEL_SERVICE_NAME`.
    pub service_name: Option<String>,
    /// Names the process among its like.
    pub instance: String,
    /// Version of the program.
    pub version: &'static str,
    /// What goes out over OTLP.
    pub signals: Signals,
    /// Whether `/metrics` is shown.
    pub page: bool,
    /// Whether log lines are to carry trace ids though nothing goes out.
    pub traced_logs: bool,
}

/// Telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A variable of OpenTelemetry that cannot be followed.
    #[error("{name}={value} cannot be used: {expected}")]
    Variable {
        /// The variable.
        name: String,
        /// What it says.
        value: String,
        /// What would do.
        expected: &'static str,
    },
    /// An exporter could not be made.
    #[error("the OTLP exporter of {signal} cannot be set up: {source}")]
    Exporter {
        /// `traces`, `metrics` or `logs`.
        signal: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// How long a process waits at its end until what it has to tell is sent.
const FLUSH: Duration = Duration::from_secs(5);

/// The telemetry of a process. Clones share it.
#[derive(Clone, Default)]
pub struct Telemetry(Option<Arc<Inner>>);

struct Inner {
    spans: Option<SpanSink>,
    logs: Option<LogSink>,
    metrics: Option<Metrics>,
    board: Arc<Board>,
    losses: Arc<Losses>,
}

impl Telemetry {
    /// None at all.
    pub fn off() -> Self {
        Self::default()
    }

    /// Sets up what is asked for. To be called outside the asynchronous runtime: exporters make blocking clients.
    pub fn start(settings: &TelemetrySettings) -> Result<Self, TelemetryError> {
        let signals = &settings.signals;
        if !signals.any() && !settings.page && !settings.traced_logs {
            return Ok(Self::off());
        }
        let resource = otlp::resource(settings);
        let (board, losses) = (Arc::<Board>::default(), Arc::<Losses>::default());
        let spans =
            signals.traces.then(|| SpanSink::start(&resource, signals.ratio, signals.timeout, &losses)).transpose()?;
        let logs = signals.logs.then(|| LogSink::start(&resource, &losses)).transpose()?;
        let metrics = (signals.metrics || settings.page)
            .then(|| Metrics::start(&resource, signals.metrics, settings.page, &board, &losses))
            .transpose()?;
        Ok(Self(Some(Arc::new(Inner { spans, logs, metrics, board, losses }))))
    }

    /// Whether anything is shown at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Sends log lines where spans go.
    pub fn log_layer(&self) -> Option<LogLayer> {
        self.0.as_ref()?.logs.as_ref().map(LogLayer::new)
    }

    /// `/metrics`, if there is one.
    pub fn page(&self) -> Option<MetricsPage> {
        let registry = self.0.as_ref()?.metrics.as_ref()?.registry()?;
        Some(MetricsPage::new(registry))
    }

    /// How many slots a process has, read when somebody looks.
    pub fn show_slots(&self, stage: &str, slots: impl Fn() -> u32 + Send + Sync + 'static) {
        if let Some(inner) = &self.0 {
            inner.board.show_slots(stage, Box::new(slots));
        }
    }

    /// How endpoints stand, read when somebody looks.
    pub fn show_endpoints(&self, endpoints: impl Fn() -> Vec<EndpointView> + Send + Sync + 'static) {
        if let Some(inner) = &self.0 {
            inner.board.show_endpoints(Box::new(endpoints));
        }
    }

    /// How a training job stands, read when somebody looks, for as long as what is returned lives.
    pub fn show_training(&self, training: impl Fn() -> TrainingView + Send + Sync + 'static) -> ShownTraining {
        self.0.as_ref().map_or_else(ShownTraining::nobody, |inner| inner.board.trains(Box::new(training)))
    }

    /// How queues stand, as the broker said just now; forgotten unless said again within a minute.
    pub fn show_queues(&self, queues: Vec<QueueView>, dead_letters: u64) {
        if let Some(inner) = &self.0 {
            inner.board.show_queues(queues, dead_letters);
        }
    }

    /// Sends what is left, for a few seconds at most. Blocks: not for an asynchronous worker. Says how much was lost in all.
    pub fn shut_down(&self) -> u64 {
        let Some(inner) = &self.0 else { return 0 };
        std::thread::scope(|threads| {
            let spans = inner.spans.as_ref().map(|sink| threads.spawn(|| sink.shut_down(FLUSH)));
            let logs = inner.logs.as_ref().map(|sink| threads.spawn(|| sink.shut_down(FLUSH)));
            let metrics = inner.metrics.as_ref().map(|metrics| threads.spawn(|| metrics.shut_down(FLUSH)));
            for thread in [spans, logs, metrics].into_iter().flatten() {
                // A thread that panicked has nothing more to send.
                let _ = thread.join();
            }
        });
        inner.losses.all()
    }
}

/// The variables of OpenTelemetry among those of the process.
pub type Environment = BTreeMap<String, String>;
