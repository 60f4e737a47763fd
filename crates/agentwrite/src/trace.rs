//! Names of traces and spans, derived from what they are about: one trace a sample and generation. Nobody stores them, so any
//! process, also one that starts after a crash, adds to the same trace, and a command can say where it is.
//!
//! ```text
//! root                    the sample, sent last
//! |- plan | section k     the place, sent with the root
//! |  |- attempt           one try, sent when it ends
//! |  |  |- chat           its call
//! ```

use crate::ids::{AttemptId, Hash, RunId};
use crate::task::{Kind, TaskKey};

/// Names a span in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId([u8; 8]);

impl SpanId {
    fn of<T: AsRef<[u8]>>(what: &str, parts: &[T]) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&Hash::of(what, parts).as_bytes()[..8]);
        // All zeros means "no span" in the W3C's recommendation.
        if id == [0; 8] { Self([1; 8]) } else { Self(id) }
    }

    /// One try. Attempt ids are unique.
    pub fn of_attempt(attempt: &AttemptId) -> Self {
        Self::of("longhand span attempt", &[attempt.as_str()])
    }

    /// The call of a try.
    pub fn of_chat(attempt: &AttemptId) -> Self {
        Self::of("longhand span chat", &[attempt.as_str()])
    }

    /// The bytes.
    pub fn bytes(self) -> [u8; 8] {
        self.0
    }

    /// 16 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }
}

/// The trace of one sample in one generation, and its root span: what messages carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace: [u8; 16],
    root: [u8; 8],
}

impl TraceContext {
    /// The trace of a subject of a run. The run is part of it: the same row is the same sample in every run.
    pub fn of(run: &RunId, subject: &str, generation: u32) -> Self {
        let hash = Hash::of("longhand trace", &[run.as_str(), subject, &generation.to_string()]);
        let (mut trace, mut root) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&hash.as_bytes()[..16]);
        root.copy_from_slice(&hash.as_bytes()[16..24]);
        // Zeros would mean "no trace"; a hash ends so once in 2^64.
        trace[15] |= u8::from(trace == [0; 16]);
        root[7] |= u8::from(root == [0; 8]);
        Self { trace, root }
    }

    /// The trace that a task belongs to.
    pub fn of_task(task: &TaskKey, generation: u32) -> Self {
        Self::of(&task.run, &task.subject, generation)
    }

    /// The trace's id.
    pub fn trace_bytes(self) -> [u8; 16] {
        self.trace
    }

    /// The root span.
    pub fn root(self) -> SpanId {
        SpanId(self.root)
    }

    /// The place of a task: all its tries are below it. The trace is part of its id, for there are trace stores that know a
    /// span by its id alone.
    pub fn place(self, kind: &Kind, place: u32, revision: u32) -> SpanId {
        let parts = [&self.trace[..], kind.as_str().as_bytes(), &place.to_le_bytes(), &revision.to_le_bytes()];
        SpanId::of("longhand span place", &parts)
    }

    /// The trace's id, 32 lower-case hexadecimal digits.
    pub fn trace_hex(self) -> String {
        hex(&self.trace)
    }

    /// Whether the trace is among the share that is recorded: every process decides alike, from the id alone (as
    /// OpenTelemetry's `traceidratio` does, from its last eight bytes).
    pub fn is_sampled(self, ratio: f64) -> bool {
        let mut last = [0; 8];
        last.copy_from_slice(&self.trace[8..]);
        let bound = (ratio.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64;
        u64::from_be_bytes(last) >> 1 < bound
    }

    /// As a message's header carries it: the W3C's `traceparent`, version 00, sampled.
    pub fn traceparent(self) -> String {
        format!("00-{}-{}-01", hex(&self.trace), hex(&self.root))
    }

    /// Reads a `traceparent`. It is input: anything but what the recommendation allows is `None`.
    pub fn read(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace, root, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let version: [u8; 1] = from_hex(version)?;
        let _flags: [u8; 1] = from_hex(flags)?;
        let (trace, root) = (from_hex(trace)?, from_hex(root)?);
        // Version ff is forbidden; 00 has four parts, a later one may have more.
        let is_known = match version {
            [0xff] => false,
            [0] => parts.next().is_none(),
            _ => true,
        };
        (is_known && trace != [0; 16] && root != [0; 8]).then_some(Self { trace, root })
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn context(run: &str, sample: &str, generation: u32) -> TraceContext {
        TraceContext::of(&RunId::new(run), sample, generation)
    }

    #[test]
    fn run_sample_and_generation_name_a_trace_and_nothing_else_does() {
        let all = [("run_a", "smp_a", 0), ("run_a", "smp_a", 1), ("run_a", "smp_b", 0), ("run_b", "smp_a", 0)];
        let ids: HashSet<_> = all.iter().map(|(run, sample, n)| context(run, sample, *n).trace_hex()).collect();
        assert_eq!(ids.len(), all.len());
        // Links that somebody has kept must lead to the same trace in every version.
        assert_eq!(
            context("run_a", "smp_a", 0).traceparent(),
            "00-0acd010e6e3072f52e37f0a3c07687bc-8a8ce30566f0c6d5-01"
        );
    }

    #[test]
    fn spans_differ_in_a_trace_and_between_traces() {
        let attempt = AttemptId::new("att_1");
        let (trace, other) = (context("run_a", "smp_a", 0), context("run_a", "smp_b", 0));
        let ids = [
            trace.root(),
            trace.place(&Kind::PLAN, 0, 0),
            trace.place(&Kind::SECTION, 0, 0),
            trace.place(&Kind::SECTION, 0, 1),
            trace.place(&Kind::SECTION, 1, 0),
            other.place(&Kind::SECTION, 1, 0),
            SpanId::of_attempt(&attempt),
            SpanId::of_chat(&attempt),
        ];
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    }

    #[test]
    fn a_traceparent_reads_back_and_anything_else_is_dropped() {
        let context = context("run_a", "smp_a", 3);
        assert_eq!(TraceContext::read(&context.traceparent()), Some(context));
        let (trace, root) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        for good in [format!("00-{trace}-{root}-00"), format!("cc-{trace}-{root}-01-what-comes-later")] {
            let read = TraceContext::read(&good).unwrap();
            assert_eq!((read.trace_hex().as_str(), read.root().to_hex().as_str()), (trace, root));
        }
        for bad in [
            String::new(),
            "00".to_owned(),
            format!("ff-{trace}-{root}-01"),
            format!("00-{trace}-{root}-01-more"),
            format!("00-{trace}-{root}"),
            format!("00-{}-{root}-01", trace.to_uppercase()),
            format!("00-{}-{root}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}é-{root}-01"),
            format!("00-+{}-{root}-01", &trace[1..]),
        ] {
            assert_eq!(TraceContext::read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_share_of_the_traces_is_sampled_and_a_larger_share_holds_the_smaller() {
        let all: Vec<TraceContext> = (0..4_000).map(|n| context("run_a", &format!("smp_{n}"), 0)).collect();
        assert!(all.iter().all(|context| context.is_sampled(1.0) && !context.is_sampled(0.0)));
        let sampled = all.iter().filter(|context| context.is_sampled(0.25)).count();
        assert!((850..1_150).contains(&sampled), "{sampled}");
        assert!(all.iter().all(|context| !context.is_sampled(0.25) || context.is_sampled(0.5)));
    }
}
