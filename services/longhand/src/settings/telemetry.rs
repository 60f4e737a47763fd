//! What a process shows of itself. Where traces, metrics and logs are sent is said by the variables of OpenTelemetry.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// `[telemetry]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySettings {
    /// Address of `/metrics`; empty = none.
    pub metrics: String,
    /// Where a trace is looked at, with `{trace_id}` in it: what `inspect --trace` prints.
    pub trace_url: String,
}

/// What stands for a trace's id in `trace_url`.
const TRACE_ID: &str = "{trace_id}";

impl TelemetrySettings {
    /// Where `/metrics` is shown.
    pub fn metrics_address(&self) -> Result<Option<SocketAddr>, Fault> {
        if self.metrics.is_empty() {
            return Ok(None);
        }
        self.metrics.parse().map(Some).map_err(|_| {
            Fault::usage("metrics_address", format!("{:?} is no address for /metrics", self.metrics))
                .help("--metrics 127.0.0.1:9464, or LONGHAND__TELEMETRY__METRICS")
        })
    }

    /// Where a trace is looked at; none if nobody said so.
    pub fn trace_link(&self, trace_id: &str) -> Result<Option<String>, Fault> {
        if self.trace_url.is_empty() {
            return Ok(None);
        }
        if !self.trace_url.contains(TRACE_ID) {
            return Err(Fault::usage("trace_url", format!("[telemetry] trace_url has no {TRACE_ID} in it"))
                .help("for example trace_url = \"http://localhost:16686/trace/{trace_id}\""));
        }
        Ok(Some(self.trace_url.replace(TRACE_ID, trace_id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_a_link_are_checked() {
        let with = |metrics: &str, trace_url: &str| TelemetrySettings {
            metrics: metrics.to_owned(),
            trace_url: trace_url.to_owned(),
        };
        assert_eq!(with("", "").metrics_address().unwrap(), None);
        assert_eq!(with("[::1]:0", "").metrics_address().unwrap(), "[::1]:0".parse().ok());
        assert_eq!(with("9464", "").metrics_address().unwrap_err().code, "metrics_address");
        assert_eq!(with("", "").trace_link("ab").unwrap(), None);
        assert_eq!(with("", "http://ui/{trace_id}?x").trace_link("ab").unwrap().unwrap(), "http://ui/ab?x");
        assert_eq!(with("", "http://ui/").trace_link("ab").unwrap_err().code, "trace_url");
    }
}
