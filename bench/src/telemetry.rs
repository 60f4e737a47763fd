//! What it costs to be watched, and what it costs that one could be.

use std::future::Future;
use std::hint::black_box;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use agentwrite::ports::Observer;
use harness::process::Collector;
use serde_json::{Value, json};
use tracing::{Instrument, Span};

use crate::row::{Goal, Row, median};
use crate::scenario::{Bench, Outcome};

/// Longest that a run may take.
const MOST: Duration = Duration::from_secs(120);
/// What is looked for in the spans that came: the root's name, and what stands on every try.
const TEXTS: [&str; 2] = ["invoke_workflow agentwrite", "longhand.attempt.id"];
/// How often a call looks whether there is an observer: four times in the worker, and room for more.
const LOOKS: u32 = 8;
/// How often the future of a call is polled, at the most: a wake for each event of the answer, each await of ours.
const POLLS: u32 = 64;

/// 20,000 calls at an endpoint without latency: watched by nobody, against every sample traced over OTLP with `/metrics` beside
/// it. Collector, endpoint and run share the cores. Pairs alternate in their order.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let samples = bench.scale(4_000, 200);
    let collector = Collector::start();
    let (mut ratios, mut shares, mut details) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..bench.scale(bench.repeat, 1) {
        let (off, on) = if pair % 2 == 0 {
            let off = finish(bench, samples, None);
            (off, finish(bench, samples, Some(&collector)))
        } else {
            let on = finish(bench, samples, Some(&collector));
            (finish(bench, samples, None), on)
        };
        let rate = |outcome: &Outcome| outcome.calls() / outcome.seconds();
        let cpu = |outcome: &Outcome| outcome.ended.usage.cpu_seconds / outcome.calls() * 1000.0;
        let (bytes, [roots, tries]) = collector.take(TEXTS);
        ratios.push(rate(&on) / rate(&off));
        shares.push(hooks().as_secs_f64() * 1000.0 / cpu(&off));
        details.push(json!({"off_calls_per_second": rate(&off), "on_calls_per_second": rate(&on),
            "off_cpu_ms_per_call": cpu(&off), "on_cpu_ms_per_call": cpu(&on), "roots": roots, "tries": tries,
            "megabytes": bytes as f64 / 1e6, "lost": lost(&on)}));
        assert!(roots >= samples && tries as f64 >= on.calls(), "not all was traced: {:?}", details.last());
    }
    let mut rows = vec![
        Row::figure(
            "all samples traced, with /metrics: throughput / unwatched",
            median(ratios),
            "",
            Goal::AtLeast(0.95),
            json!(details),
        ),
        Row::figure(
            "telemetry off: its hooks, reckoned, of the CPU of a call",
            median(shares) * 100.0,
            "%",
            Goal::AtMost(1.0),
            json!({"nanoseconds_per_call": hooks().as_nanos() as u64, "looks": LOOKS, "polls": POLLS}),
        ),
    ];
    rows.extend(bench.unwatched.as_ref().map(|unwatched| measure_off(bench, samples, unwatched)));
    rows
}

/// Telemetry that is off against a build without its hooks (`make bench-telemetry-off`): CPU of a call, pairs in changing order.
fn measure_off(bench: &Bench, samples: usize, unwatched: &Path) -> Row {
    let without = Bench { binary: unwatched.to_owned(), unwatched: None, ..*bench };
    let cpu = |bench: &Bench| {
        let outcome = finish(bench, samples, None);
        outcome.ended.usage.cpu_seconds / outcome.calls() * 1000.0
    };
    let (mut more, mut details) = (Vec::new(), Vec::new());
    for pair in 0..bench.scale(5, 1) {
        let (off, none) = if pair % 2 == 0 {
            let off = cpu(bench);
            (off, cpu(&without))
        } else {
            let none = cpu(&without);
            (cpu(bench), none)
        };
        more.push((off / none - 1.0) * 100.0);
        details.push(json!({"off_cpu_ms_per_call": off, "without_hooks_cpu_ms_per_call": none}));
    }
    let name = "telemetry off: CPU of a call more than without its hooks";
    Row::figure(name, median(more), "%", Goal::AtMost(1.0), json!(details))
}

fn finish(bench: &Bench, samples: usize, collector: Option<&Collector>) -> Outcome {
    let mut scenario = bench.scenario(&vec![4; samples], 500, &["--events", "4"], &["--concurrency", "256"]);
    if let Some(collector) = collector {
        scenario.run =
            scenario.run.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.url()).args(["--metrics", "127.0.0.1:0"]);
    }
    scenario.finish(MOST)
}

/// What the process says at its end that it could not send.
fn lost(outcome: &Outcome) -> Value {
    let line = outcome.ended.stderr.lines().find_map(|line| line.strip_prefix("telemetry: "));
    line.and_then(|line| line.split(' ').next()?.parse::<u64>().ok()).map_or(json!(0), |lost| json!(lost))
}

/// What a call pays for telemetry that is off: looks for an observer that is not there, and polls inside a span that is none.
/// The hooks are measured by themselves, as often as a call passes them: [`measure_off`] needs a second build.
fn hooks() -> Duration {
    const CALLS: u32 = 20_000;
    let nobody: Option<Arc<dyn Observer>> = None;
    let mut context = Context::from_waker(Waker::noop());
    let mut time = |watched: bool| {
        let start = Instant::now();
        for _ in 0..CALLS {
            let polls = Polls(POLLS);
            if watched {
                (0..LOOKS).for_each(|_| assert!(black_box(&nobody).is_none()));
                drain(pin!(polls.instrument(black_box(Span::none()))), &mut context);
            } else {
                drain(pin!(polls), &mut context);
            }
        }
        start.elapsed()
    };
    // The fastest of some: what else runs on the machine only adds.
    let mut fastest = |watched| (0..5).map(|_| time(watched)).min().expect("there are some");
    (fastest(true).saturating_sub(fastest(false))) / CALLS
}

/// Is ready after so many polls.
struct Polls(u32);

impl Future for Polls {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<()> {
        self.0 = black_box(self.0 - 1);
        if self.0 == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn drain(mut future: Pin<&mut impl Future<Output = ()>>, context: &mut Context<'_>) {
    while future.as_mut().poll(context).is_pending() {}
}
