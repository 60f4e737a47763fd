//! What goes out over OTLP, from the standard variables. Where to and with which headers, and for metrics and logs how patiently,
//! is read from `OTEL_EXPORTER_OTLP_*` by the exporters themselves; without an address nothing goes out.

use std::time::Duration;

use crate::{Environment, TelemetryError};

/// Which signals go out.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Signals {
    /// Spans.
    pub traces: bool,
    /// Metrics.
    pub metrics: bool,
    /// Log records.
    pub logs: bool,
    /// The share of samples that have a trace, in 0 to 1.
    pub ratio: f64,
    /// How long a request with spans may take.
    pub timeout: Duration,
}

impl Signals {
    /// Reads them.
    pub fn read(environment: &Environment) -> Result<Self, TelemetryError> {
        if said(environment, "OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self::default());
        }
        let traces = is_on(environment, "TRACES")?;
        // Where no span goes out, what the environment says of spans is meant for other programs.
        let (ratio, timeout) = if traces { (ratio(environment)?, timeout(environment)?) } else { Default::default() };
        Ok(Self { traces, metrics: is_on(environment, "METRICS")?, logs: is_on(environment, "LOGS")?, ratio, timeout })
    }

    /// Whether any goes out.
    pub fn any(self) -> bool {
        self.traces || self.metrics || self.logs
    }
}

fn said<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

fn is_on(environment: &Environment, signal: &str) -> Result<bool, TelemetryError> {
    let exporter = format!("OTEL_{signal}_EXPORTER");
    let own = format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT");
    let has_address = [own.as_str(), "OTEL_EXPORTER_OTLP_ENDPOINT"].iter().any(|it| said(environment, it).is_some());
    let on = match said(environment, &exporter) {
        None => has_address,
        Some("otlp") => true,
        Some("none") => false,
        Some(value) => return Err(refused(&exporter, value, "otlp or none")),
    };
    if on {
        for name in [&format!("OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"), "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            match said(environment, name) {
                None | Some("http/protobuf") => {}
                Some(value) => return Err(refused(name, value, "http/protobuf is what longhand speaks")),
            }
        }
    }
    Ok(on)
}

fn ratio(environment: &Environment) -> Result<f64, TelemetryError> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
    match said(environment, NAME) {
        None | Some("always_on" | "parentbased_always_on") => Ok(1.0),
        Some("always_off" | "parentbased_always_off") => Ok(0.0),
        Some("traceidratio" | "parentbased_traceidratio") => {
            let Some(argument) = said(environment, ARGUMENT) else { return Ok(1.0) };
            let ratio = argument.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            ratio.ok_or_else(|| refused(ARGUMENT, argument, "a number from 0 to 1"))
        }
        Some(value) => Err(refused(NAME, value, "always_on, always_off or traceidratio, with or without parentbased_")),
    }
}

/// As OpenTelemetry's specification has it: milliseconds, ten seconds if nothing is said.
fn timeout(environment: &Environment) -> Result<Duration, TelemetryError> {
    for name in ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"] {
        if let Some(value) = said(environment, name) {
            let milliseconds = value.parse().map_err(|_| refused(name, value, "a number of milliseconds"))?;
            return Ok(Duration::from_millis(milliseconds));
        }
    }
    Ok(Duration::from_secs(10))
}

fn refused(name: &str, value: &str, expected: &'static str) -> TelemetryError {
    TelemetryError::Variable { name: name.to_owned(), value: value.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Signals, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Signals::read(&variables.collect()).map_err(|error| error.to_string())
    }

    const HERE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");

    #[test]
    fn nothing_goes_out_unless_somebody_said_where_to() {
        assert!(!read(&[]).unwrap().any());
        assert!(!read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).unwrap().any());
        assert!(!read(&[HERE, ("OTEL_SDK_DISABLED", "true")]).unwrap().any());
        let all = Signals { traces: true, metrics: true, logs: true, ratio: 1.0, timeout: Duration::from_secs(10) };
        assert_eq!(read(&[HERE]).unwrap(), all);
        assert_eq!(read(&[HERE, ("OTEL_LOGS_EXPORTER", "none")]).unwrap(), Signals { logs: false, ..all });
        let traces = read(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:6006/v1/traces")]).unwrap();
        assert_eq!(traces, Signals { metrics: false, logs: false, ..all });
    }

    #[test]
    fn the_sampler_is_a_share_of_the_samples() {
        let share = |sampler, argument| {
            read(&[HERE, ("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)]).map(|it| it.ratio)
        };
        assert_eq!(share("parentbased_traceidratio", "0.1"), Ok(0.1));
        assert_eq!(share("always_off", ""), Ok(0.0));
        assert!(share("traceidratio", "7").unwrap_err().contains("OTEL_TRACES_SAMPLER_ARG=7"));
        assert!(share("xray", "").unwrap_err().contains("always_on"));
    }

    #[test]
    fn the_patience_with_a_collector_is_in_milliseconds() {
        let (all, traces) = ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT");
        let timeout = |variables: &[_]| read(variables).map(|it| it.timeout.as_millis());
        assert_eq!(timeout(&[HERE]), Ok(10_000));
        assert_eq!(timeout(&[HERE, (all, "300")]), Ok(300));
        assert_eq!(timeout(&[HERE, (all, "300"), (traces, "20")]), Ok(20));
        assert!(timeout(&[HERE, (all, "5s")]).unwrap_err().contains("OTEL_EXPORTER_OTLP_TIMEOUT=5s"));
        assert!(timeout(&[(all, "5s"), ("OTEL_TRACES_SAMPLER", "xray")]).is_ok(), "no span goes out");
    }

    #[test]
    fn what_cannot_be_followed_is_refused_and_named() {
        let grpc = read(&[HERE, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err();
        assert!(grpc.contains("OTEL_EXPORTER_OTLP_PROTOCOL=grpc") && grpc.contains("http/protobuf"), "{grpc}");
        assert!(read(&[("OTEL_METRICS_EXPORTER", "prometheus")]).unwrap_err().contains("otlp or none"));
    }
}
