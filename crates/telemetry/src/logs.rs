//! Log lines on their way to the collector, under the trace that they are about.

use std::fmt::{Debug, Write as _};

use opentelemetry::logs::{AnyValue, LogRecord as _, Severity};
use opentelemetry::{SpanId, TraceFlags, TraceId};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::otlp::{LogSink, LogWriter};

/// Sends what the log shows. It stands behind the log's own filters: what they hold back is not sent.
pub struct LogLayer(LogWriter);

impl LogLayer {
    pub(crate) fn new(sink: &LogSink) -> Self {
        Self(sink.writer())
    }
}

/// The ids that a span carries (`worker` gives them to the span of a try).
#[derive(Debug, Clone, Copy, Default)]
struct Ids {
    trace: Option<TraceId>,
    span: Option<SpanId>,
}

impl Visit for Ids {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "trace_id" => self.trace = TraceId::from_hex(value).ok(),
            "span_id" => self.span = SpanId::from_hex(value).ok(),
            _ => {}
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn Debug) {}
}

/// An event's message and its other fields.
#[derive(Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, AnyValue)>,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name(), AnyValue::String(value.to_owned().into())));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), AnyValue::Int(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), AnyValue::Int(i64::try_from(value).unwrap_or(i64::MAX))));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), AnyValue::Boolean(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.fields.push((field.name(), AnyValue::String(format!("{value:?}").into())));
        }
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warn,
        Level::INFO => Severity::Info,
        Level::DEBUG => Severity::Debug,
        Level::TRACE => Severity::Trace,
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut ids = Ids::default();
        attributes.record(&mut ids);
        if let (Some(span), true) = (context.span(id), ids.trace.is_some()) {
            span.extensions_mut().insert(ids);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // What the exporter itself says must not become what it has to send.
        if is_the_exporters(event.metadata().target()) {
            return;
        }
        let ids = context
            .event_scope(event)
            .and_then(|mut scope| scope.find_map(|span| span.extensions().get::<Ids>().copied()))
            .unwrap_or_default();
        self.0.write(|record| {
            let mut said = Said::default();
            event.record(&mut said);
            record.set_severity_number(severity(*event.metadata().level()));
            record.set_severity_text(event.metadata().level().as_str());
            record.set_target(event.metadata().target());
            record.set_body(AnyValue::String(said.message.into()));
            record.add_attributes(said.fields);
            if let (Some(trace), Some(span)) = (ids.trace, ids.span) {
                record.set_trace_context(trace, span, Some(TraceFlags::SAMPLED));
            }
        });
    }
}

fn is_the_exporters(target: &str) -> bool {
    ["opentelemetry", "reqwest", "hyper", "h2"].iter().any(|origin| target.starts_with(origin))
}
