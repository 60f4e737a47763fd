//! How much an endpoint without latency gets to do, and what a call costs us. Endpoint and client share the cores.

use std::time::Duration;

use serde_json::json;

use crate::floor;
use crate::row::{Goal, Row, median};
use crate::scenario::Bench;

/// 40,000 calls with durable results: samples of 4 sections of 500 words, 256 slots. Then 8,000 of them made again by the floor.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let samples = bench.scale(8_000, 400);
    let mut details = Vec::new();
    let (mut rates, mut costs, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.scale(bench.repeat, 1) {
        let mut scenario = bench.scenario(&vec![4; samples], 500, &["--events", "4"], &["--concurrency", "256"]);
        let child = scenario.run.start();
        let outcome = scenario.wait(child, Duration::from_secs(150));
        let floor = floor::cpu_ms_per_call(&scenario.folder, scenario.simulator.url());
        let (calls, seconds) = (outcome.calls(), outcome.seconds());
        let own = outcome.ended.usage.cpu_seconds / calls * 1000.0;
        let theirs = outcome.simulator.cpu_seconds / calls * 1000.0;
        rates.push(calls / seconds);
        costs.push(own);
        floors.push(floor);
        details.push(json!({"calls": calls, "seconds": seconds, "calls_per_second": calls / seconds,
            "own_cpu_ms_per_call": own, "floor_cpu_ms_per_call": floor, "simulator_cpu_ms_per_call": theirs,
            "peak_rss_mib": outcome.ended.usage.peak_rss_bytes >> 20,
            "wall": outcome.ended.wall.as_secs_f64()}));
    }
    let (rate, cost, floor) = (median(rates), median(costs), median(floors));
    vec![
        Row::figure("throughput, endpoint without latency", rate, "calls/s", Goal::AtLeast(4000.0), json!(details)),
        Row::figure_over("own CPU per call, results durable", cost, floor, "ms", Goal::AtMost(0.25), json!(null)),
    ]
}
