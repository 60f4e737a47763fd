//! How much a fleet gets done at an endpoint without latency. Endpoint, both servers and six processes share the cores.

use std::time::Duration;

use serde_json::json;

use crate::fleet::{FleetScene, Roles};
use crate::row::{Goal, Row, median};
use crate::scenario::Bench;

/// 20,000 calls with durable results: samples of 4 sections of 500 words, 256 slots of 4 writers.
pub fn measure(bench: &Bench) -> Vec<Row> {
    const ROLES: &Roles = &[
        ("planner", 64),
        ("shard-packer", 0),
        ("section-writer", 64),
        ("section-writer", 64),
        ("section-writer", 64),
        ("section-writer", 64),
    ];
    let samples = bench.scale(4_000, 200);
    let mut details = Vec::new();
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..bench.scale(bench.repeat, 1) {
        let scene = FleetScene::start(bench, &["--events", "4"], ROLES, 256).submit(&vec![4; samples], 500, &[]);
        let outcome = scene.finish(Duration::from_secs(240));
        let (calls, seconds) = (outcome.calls(), outcome.seconds());
        rates.push(calls / seconds);
        costs.push(outcome.own_cpu / calls * 1000.0);
        eprintln!("  {:.0} calls/s; CPU seconds {}", calls / seconds, outcome.cpu);
        details.push(json!({"calls": calls, "seconds": seconds, "calls_per_second": calls / seconds,
            "own_cpu_ms_per_call": outcome.own_cpu / calls * 1000.0, "cpu_seconds": outcome.cpu,
            "peak_rss_mib": outcome.peak_rss_bytes >> 20}));
    }
    vec![
        Row::figure(
            "fleet of 6 processes, endpoint without latency",
            median(rates),
            "calls/s",
            Goal::AtLeast(1000.0),
            json!(details),
        ),
        Row::figure("own CPU per call of a fleet", median(costs), "ms", Goal::AtMost(0.5), json!(null)),
    ]
}
