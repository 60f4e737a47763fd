//! Spans as they go out: OTLP's messages, written field by field when something has happened. The library's own way makes a list
//! of attributes, converts it and measures it before it writes it, which takes ten times the instructions; what it would write
//! is what the tests hold this against.
//!
//! The numbers of fields are those of `opentelemetry/proto/trace/v1/trace.proto` and `common/v1/common.proto`.

use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use prost::Message as _;

/// Sorts of fields on the wire.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED_32: u64 = 5;

/// Flags of a span: sampled, and its parent is known to be of this process's making.
const FLAGS: u32 = 0x101;

/// Spans, one after the other, each a field of a `ScopeSpans`.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    bytes: Vec<u8>,
    count: usize,
}

/// What every span has.
pub(crate) struct Head<'a> {
    /// Its trace.
    pub trace: [u8; 16],
    /// Its own id.
    pub id: [u8; 8],
    /// The span above it.
    pub parent: Option<[u8; 8]>,
    /// Its name.
    pub name: &'a str,
    /// What it is to others.
    pub kind: Kind,
    /// Its beginning, in nanoseconds since 1970.
    pub from: u64,
    /// Its end.
    pub to: u64,
}

/// What a span is to others.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Nothing.
    Internal = 1,
    /// It asks somebody.
    Client = 3,
}

impl Spans {
    /// None yet, with room for two.
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(1_500), count: 0 }
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// One more; `fill` writes its attributes.
    pub(crate) fn add(&mut self, head: &Head<'_>, fill: impl FnOnce(&mut Span<'_>)) {
        let start = self.bytes.len();
        let mut span = Span(&mut self.bytes);
        span.bytes(1, &head.trace);
        span.bytes(2, &head.id);
        if let Some(parent) = &head.parent {
            span.bytes(4, parent);
        }
        span.bytes(5, head.name.as_bytes());
        span.varint(6, head.kind as u64);
        span.fixed(7, head.from);
        span.fixed(8, head.to);
        span.flags(16);
        fill(&mut span);
        // How long it is stands before it, and is known now.
        let mut before = Vec::with_capacity(6);
        header(&mut before, 2, self.bytes.len() - start);
        self.bytes.splice(start..start, before);
        self.count += 1;
    }

    /// These too.
    pub(crate) fn append(&mut self, others: &Self) {
        self.bytes.extend_from_slice(&others.bytes);
        self.count += others.count;
    }
}

/// A span that is being written.
pub(crate) struct Span<'a>(&'a mut Vec<u8>);

impl Span<'_> {
    /// An attribute that is a text.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.attribute(name, header_size(value.len()) + value.len(), |bytes| {
            header(bytes, 1, value.len());
            bytes.extend_from_slice(value.as_bytes());
        });
    }

    /// An attribute that is a number.
    pub(crate) fn number(&mut self, name: &str, value: u64) {
        let value = value.min(i64::MAX as u64);
        self.attribute(name, 1 + varint_size(value), |bytes| {
            varint(bytes, (3 << 3) | VARINT);
            varint(bytes, value);
        });
    }

    /// An attribute that is a number with a fraction.
    pub(crate) fn fraction(&mut self, name: &str, value: f64) {
        self.attribute(name, 9, |bytes| {
            varint(bytes, (4 << 3) | FIXED_64);
            bytes.extend_from_slice(&value.to_le_bytes());
        });
    }

    /// An attribute that is a list of texts.
    pub(crate) fn texts<T: AsRef<str>>(&mut self, name: &str, values: &[T]) {
        let text = |value: &T| header_size(value.as_ref().len()) + value.as_ref().len();
        let list: usize = values.iter().map(|value| header_size(text(value)) + text(value)).sum();
        self.attribute(name, header_size(list) + list, |bytes| {
            header(bytes, 5, list);
            for value in values {
                header(bytes, 1, text(value));
                header(bytes, 1, value.as_ref().len());
                bytes.extend_from_slice(value.as_ref().as_bytes());
            }
        });
    }

    /// It failed.
    pub(crate) fn failed(&mut self, why: &str) {
        let message = header_size(why.len()) + why.len();
        header(self.0, 15, message + 2);
        self.bytes(2, why.as_bytes());
        self.varint(3, 2);
    }

    /// It has to do with a span of another trace.
    pub(crate) fn link(&mut self, trace: [u8; 16], span: [u8; 8]) {
        header(self.0, 13, 18 + 10 + 5);
        self.bytes(1, &trace);
        self.bytes(2, &span);
        self.flags(6);
    }

    /// An attribute whose value takes so many bytes.
    fn attribute(&mut self, name: &str, size: usize, value: impl FnOnce(&mut Vec<u8>)) {
        header(self.0, 9, header_size(name.len()) + name.len() + header_size(size) + size);
        header(self.0, 1, name.len());
        self.0.extend_from_slice(name.as_bytes());
        header(self.0, 2, size);
        value(self.0);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        header(self.0, field, bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn varint(&mut self, field: u64, value: u64) {
        varint(self.0, (field << 3) | VARINT);
        varint(self.0, value);
    }

    fn fixed(&mut self, field: u64, value: u64) {
        varint(self.0, (field << 3) | FIXED_64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn flags(&mut self, field: u64) {
        varint(self.0, (field << 3) | FIXED_32);
        self.0.extend_from_slice(&FLAGS.to_le_bytes());
    }
}

/// What stands around the spans of a process: what it is, and what says so.
#[derive(Debug)]
pub(crate) struct Envelope {
    resource: Vec<u8>,
    scope: Vec<u8>,
}

impl Envelope {
    /// Of this process.
    pub(crate) fn new(resource: &Resource, scope: &InstrumentationScope) -> Self {
        let described = ResourceAttributesWithSchema::from(resource);
        let resource = opentelemetry_proto::tonic::resource::v1::Resource {
            attributes: described.attributes.0,
            ..Default::default()
        };
        let schema_url = described.schema_url.unwrap_or_default();
        let resource = ResourceSpans { resource: Some(resource), scope_spans: Vec::new(), schema_url };
        let scope = ScopeSpans { scope: Some((scope, None).into()), ..ScopeSpans::default() };
        Self { resource: resource.encode_to_vec(), scope: scope.encode_to_vec() }
    }

    /// An `ExportTraceServiceRequest` of these spans. Fields of a message may come in any order and in pieces.
    pub(crate) fn around(&self, spans: &Spans) -> Vec<u8> {
        let of_scope = self.scope.len() + spans.bytes.len();
        let of_resource = self.resource.len() + header_size(of_scope) + of_scope;
        let mut bytes = Vec::with_capacity(header_size(of_resource) + of_resource);
        header(&mut bytes, 1, of_resource);
        bytes.extend_from_slice(&self.resource);
        header(&mut bytes, 2, of_scope);
        bytes.extend_from_slice(&self.scope);
        bytes.extend_from_slice(&spans.bytes);
        bytes
    }
}

/// What stands before a field of so many bytes. Numbers of fields are below 16 here.
fn header(bytes: &mut Vec<u8>, field: u64, length: usize) {
    varint(bytes, (field << 3) | LENGTH);
    varint(bytes, length as u64);
}

fn header_size(length: usize) -> usize {
    1 + varint_size(length as u64)
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn varint_size(value: u64) -> usize {
    // Seven bits a byte, and at least one byte.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
    use opentelemetry::{Array, KeyValue, StringValue, Value};
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::Span as Read;
    use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
    use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

    use super::*;

    /// What was written, as the library reads it.
    pub(crate) fn read(spans: &Spans) -> Vec<Read> {
        let read = ScopeSpans::decode(spans.bytes.as_slice()).expect("they are fields of one").spans;
        assert_eq!(read.len(), spans.count());
        read
    }

    fn context(trace: u8, span: u8) -> SpanContext {
        let (trace, span) = (TraceId::from_bytes([trace; 16]), SpanId::from_bytes([span; 8]));
        SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default())
    }

    fn text_of(length: usize) -> String {
        "é".repeat(length / 2)
    }

    /// A span with all that can be written, as the library has it.
    fn as_the_library_has_it(scope: &InstrumentationScope, attributes: Vec<KeyValue>) -> SpanData {
        let mut links = SpanLinks::default();
        links.links.push(Link::new(context(7, 8), Vec::new(), 0));
        SpanData {
            span_context: context(1, 2),
            parent_span_id: SpanId::from_bytes([3; 8]),
            parent_span_is_remote: false,
            span_kind: SpanKind::Client,
            name: "chat writer".into(),
            start_time: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            end_time: UNIX_EPOCH + Duration::from_millis(1_700_000_001_000),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: Status::error("refusal"),
            instrumentation_scope: scope.clone(),
        }
    }

    #[test]
    fn what_is_written_is_what_the_library_would_send() {
        let scope = InstrumentationScope::builder("longhand").with_version("1").build();
        let resource = Resource::builder_empty().with_attribute(KeyValue::new("service.name", "all")).build();
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), i64::MAX as u64];
        let lengths = [0, 2, 100, 126, 128, 130, 16_400];
        let head = Head {
            trace: [1; 16],
            id: [2; 8],
            parent: Some([3; 8]),
            name: "chat writer",
            kind: Kind::Client,
            from: 1_700_000_000_123_000_000,
            to: 1_700_000_001_000_000_000,
        };
        let (mut spans, mut theirs) = (Spans::new(), Vec::new());
        for length in lengths {
            let mut attributes = vec![KeyValue::new("a.text", text_of(length)), KeyValue::new("a.price", 0.25)];
            attributes.extend(numbers.map(|number| KeyValue::new("a.number", number as i64)));
            let list = [text_of(length), "stop".to_owned()];
            let values = list.iter().cloned().map(StringValue::from).collect();
            attributes.push(KeyValue::new("a.list", Value::Array(Array::String(values))));
            theirs.push(as_the_library_has_it(&scope, attributes));
            let mut one = Spans::new();
            one.add(&head, |span| {
                span.text("a.text", &text_of(length));
                span.fraction("a.price", 0.25);
                for number in numbers {
                    span.number("a.number", number);
                }
                span.texts("a.list", &list);
                span.failed("refusal");
                span.link([7; 16], [8; 8]);
            });
            spans.append(&one);
        }
        let ours = ExportTraceServiceRequest::decode(Envelope::new(&resource, &scope).around(&spans).as_slice());
        let resource_spans = group_spans_by_resource_and_scope(theirs, &(&resource).into());
        assert_eq!(ours.expect("it is one"), ExportTraceServiceRequest { resource_spans });
    }

    #[test]
    fn a_root_has_no_parent_and_no_fault() {
        let mut spans = Spans::new();
        let head =
            Head { trace: [1; 16], id: [2; 8], parent: None, name: "root", kind: Kind::Internal, from: 1, to: 2 };
        spans.add(&head, |_| {});
        let read = read(&spans);
        assert!(read[0].parent_span_id.is_empty() && read[0].status.is_none());
        assert_eq!((read[0].kind, read[0].flags), (1, FLAGS));
    }
}
