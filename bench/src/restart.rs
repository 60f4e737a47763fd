//! `kill -9` at half of a large run: how soon the next process calls, and what is paid twice.

use std::time::Duration;

use harness::process::{Run, until};
use serde_json::json;

use crate::row::{Goal, Row, median};
use crate::scenario::Bench;

const SLOTS: u64 = 64;

/// 6,000 samples of 2 sections, killed when half of the calls are answered.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let samples = bench.scale(6_000, 200);
    let calls = samples as u64 * 3;
    let (mut starts, mut again) = (Vec::new(), Vec::new());
    let mut details = Vec::new();
    for _ in 0..bench.scale(bench.repeat, 1) {
        let slots = SLOTS.to_string();
        let mut scenario = bench.scenario(&vec![2; samples], 200, &["--latency-ms", "20"], &["--concurrency", &slots]);
        let child = scenario.run.start();
        until(Duration::from_secs(120), "half of the calls are answered", || {
            scenario.simulator.stats().count("answered") >= calls / 2
        });
        child.kill();
        let open = scenario.folder.store().totals.in_flight;
        let before = scenario.simulator.stats().count("requests");
        let resumed = Run::of(&bench.binary, ["resume".as_ref(), scenario.folder.path().as_os_str()]).start();
        until(Duration::from_secs(60), "the endpoint gets a call", || {
            scenario.simulator.stats().count("requests") > before
        });
        let start = resumed.age().as_secs_f64();
        let outcome = scenario.wait(resumed, Duration::from_secs(120));
        let repeats = outcome.stats.count("repeats");
        let violations = scenario.folder.store().violations.len();
        assert_eq!(violations, 0, "invariants hold");
        starts.push(start);
        again.push(repeats.saturating_sub(open) as f64);
        details.push(json!({"first_call_seconds": start, "repeats": repeats, "calls_open_at_the_kill": open}));
    }
    vec![
        Row::figure(
            "first call after kill -9, 6,000 samples half done",
            median(starts),
            "s",
            Goal::AtMost(2.0),
            json!(details),
        ),
        Row::figure(
            "finished calls paid again beyond those in flight",
            median(again),
            "calls",
            Goal::AtMost(0.0),
            json!(null),
        ),
    ]
}
