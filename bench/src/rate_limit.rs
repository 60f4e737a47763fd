//! A limit of requests per minute is used up and not passed.

use std::time::Duration;

use serde_json::json;

use crate::row::{Goal, Row};
use crate::scenario::Bench;

/// 1,200 requests a minute on both sides, about a minute of work.
pub fn measure(bench: &Bench) -> Vec<Row> {
    const RPM: f64 = 1_200.0;
    let samples = bench.scale(100, 20);
    let limit = ["--rpm", "1200"];
    let outcome = bench
        .scenario(&vec![11; samples], 200, &limit, &["--rpm", "1200", "--concurrency", "64"])
        .finish(Duration::from_secs(180));
    let calls = outcome.calls();
    // The endpoint takes a second's worth at once; after that no call needs to wait longer than the limit says.
    let bound = (calls - RPM / 60.0) * 60.0 / RPM;
    let rejected = outcome.stats.count("rejected_429") as f64 / outcome.stats.count("requests") as f64 * 100.0;
    let detail = json!({"calls": calls, "rejected_429": outcome.stats.count("rejected_429")});
    vec![
        Row::ratio("rate limit of 1,200 requests a minute", outcome.seconds(), bound, "s", Goal::AtMost(1.02), detail),
        Row::figure("calls rejected with 429", rejected, "%", Goal::AtMost(0.5), json!(null)),
    ]
}
