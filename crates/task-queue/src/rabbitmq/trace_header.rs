//! The trace of a message's task, in the header that tracing tools look for: the W3C's `traceparent`.

use agentwrite::trace::TraceContext;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

const NAME: &str = "traceparent";

/// The headers of a message.
pub(super) fn write(trace: TraceContext) -> FieldTable {
    let mut headers = FieldTable::default();
    headers.insert(NAME.into(), AMQPValue::LongString(trace.traceparent().into()));
    headers
}

/// What a message carries. It is input, whoever wrote it: anything but a trace's context is none.
pub(super) fn read(properties: &BasicProperties) -> Option<TraceContext> {
    match properties.headers().as_ref()?.inner().get(NAME)? {
        AMQPValue::LongString(text) => TraceContext::read(std::str::from_utf8(text.as_bytes()).ok()?),
        AMQPValue::ShortString(text) => TraceContext::read(text.as_str()),
        _ => None,
    }
}
