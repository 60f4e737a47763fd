//! An endpoint that takes 40 calls at a time and queues the others without a word, and nobody configured that.

use std::time::Duration;

use harness::process::until;
use serde_json::{Value, json};

use crate::row::{Goal, Row, median};
use crate::scenario::Bench;

/// What the endpoint works on at a time.
const HIDDEN: usize = 40;

/// 300 samples of 5 sections on 128 slots against 40 that are configured, one after the other. A call takes 0.4 s and more.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let samples = bench.scale(300, 60);
    let (best, _) = run(bench, samples, HIDDEN);
    let (measured, queued) = run(bench, samples, 128);
    let detail = json!({"seconds": measured, "seconds_with_40_configured": best, "queued_in_the_last_half": queued});
    vec![Row::ratio(
        "hidden limit of 40 that queues, nothing configured, against 40 slots",
        measured,
        best,
        "s",
        Goal::AtMost(1.1),
        detail,
    )]
}

/// Seconds from the first request to the last answer, and how many calls waited inside the endpoint in the second half.
fn run(bench: &Bench, samples: usize, slots: usize) -> (f64, Value) {
    const SECTIONS: usize = 5;
    let (hidden, slots) = (HIDDEN.to_string(), slots.to_string());
    let simulator =
        ["--first-token-ms", "200", "--per-token-us", "700", "--concurrency", &hidden, "--cache-tokens", "10000000"];
    let mut scenario = bench.scenario(&vec![SECTIONS; samples], 200, &simulator, &["--concurrency", &slots]);
    let calls = (samples * (SECTIONS + 1)) as u64;
    let mut child = scenario.run.start();
    let mut queued = Vec::new();
    until(Duration::from_secs(180), "all calls are answered", || {
        let stats = scenario.simulator.stats();
        let answered = stats.count("answered");
        if answered > calls / 2 && answered < calls * 9 / 10 {
            queued.push(stats.count("queued") as f64);
        }
        answered >= calls || child.ended().is_some()
    });
    let outcome = scenario.wait(child, Duration::from_secs(60));
    let usual = if queued.is_empty() { Value::Null } else { json!(median(queued)) };
    (outcome.seconds(), usual)
}
