//! The telemetry of a process that works: set up from settings and the variables of OpenTelemetry, shown, sent at the end.

use std::net::SocketAddr;
use std::sync::Arc;

use agentwrite::pool::Standing;
use agentwrite::ports::Clock;
use telemetry::{EndpointView, MetricsPage, Signals, Telemetry};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use worker::{LiveLimits, Member};

use crate::fault::{Exit, Fault, chain_of};
use crate::log;
use crate::settings::{self, Settings};

/// What is shown of a process, and where.
#[derive(Clone)]
pub struct Watch {
    /// What is told goes here.
    pub telemetry: Telemetry,
    metrics: Option<SocketAddr>,
}

impl Watch {
    /// Sets up what settings and variables ask for; nothing if nothing is asked for.
    pub fn start(settings: &Settings, service: &'static str) -> Result<Self, Fault> {
        let environment = settings::environment();
        let refused = |error: &telemetry::TelemetryError| {
            Fault::usage("telemetry", "telemetry cannot be set up").because(chain_of(error))
        };
        let signals = Signals::read(&environment).map_err(|error| refused(&error))?;
        let metrics = settings.telemetry.metrics_address()?;
        // The exporter's client panics without a provider; a second call is refused and harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = telemetry::TelemetrySettings {
            service,
            service_name: environment.get("OTEL_SERVICE_NAME").filter(|name| !name.is_empty()).cloned(),
            instance: instance(),
            version: env!("CARGO_PKG_VERSION"),
            signals,
            page: metrics.is_some(),
            traced_logs: log::is_json(),
        };
        let telemetry = Telemetry::start(&settings).map_err(|error| refused(&error))?;
        if let Some(layer) = telemetry.log_layer() {
            log::send_to(layer);
        }
        Ok(Self { telemetry, metrics })
    }

    /// Shows the slots of a pool and the endpoints that it calls.
    pub fn show(&self, stage: &str, slots: LiveLimits, members: Vec<Arc<Member>>, clock: Arc<dyn Clock>) {
        self.telemetry.show_slots(stage, move || slots.borrow().concurrency);
        self.telemetry.show_endpoints(move || {
            let now = clock.now();
            let view = |member: &Arc<Member>| EndpointView {
                endpoint: member.name.clone(),
                calls: member.in_flight(),
                open: !matches!(member.standing(now), Standing::ClosedUntil(_)),
            };
            members.iter().map(view).collect()
        });
    }

    /// Serves `/metrics` until `stop`, if it is asked for.
    pub async fn serve(&self, side: &TaskTracker, stop: CancellationToken) -> Result<(), Fault> {
        let (Some(address), Some(page)) = (self.metrics, self.telemetry.page()) else { return Ok(()) };
        let (listener, address) = MetricsPage::bind(address).await.map_err(|error| {
            Fault::new("metrics_address", Exit::Unreachable, format!("/metrics cannot be shown at {address}"))
                .because(error)
                .help("name another address with --metrics ADDR; port 0 takes any")
        })?;
        eprintln!("metrics at http://{address}/metrics");
        side.spawn(async move {
            if let Err(error) = page.serve(listener, stop).await {
                tracing::warn!(%error, "/metrics is no longer shown");
            }
        });
        Ok(())
    }

    /// Sends what is left, for some seconds at most, and says what was lost.
    pub async fn finish(self) {
        if !self.telemetry.is_on() {
            return;
        }
        let lost = tokio::task::spawn_blocking(move || self.telemetry.shut_down()).await.unwrap_or(0);
        if lost > 0 {
            eprintln!(
                "telemetry: {lost} spans and log records did not reach the collector; the run itself lost nothing"
            );
        }
    }
}

/// Host and process id.
fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{}", host.trim(), std::process::id())
}
