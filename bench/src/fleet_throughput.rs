//! How much a fleet gets to do with an endpoint without latency. Endpoint, both servers and the fleet share the cores.

use std::time::Duration;

use serde_json::json;

use crate::fleet::{Place, Servers, Site};
use crate::row::{Goal, Row};
use crate::scenario::Bench;

/// Calls at once.
const SLOTS: usize = 256;
/// Plans may take all slots, as sections may: the run has never more than its slots in flight.
const FLEET: [Place; 4] = [
    ("planner", "planner", 256),
    ("writer 1", "section-writer", 128),
    ("writer 2", "section-writer", 128),
    ("packer", "shard-packer", 0),
];

/// 10,000 calls with durable results: samples of 4 sections of 500 words. The best of the runs counts.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let samples = bench.scale(2_000, 300);
    let servers = Servers::start();
    let mut best: Option<(f64, f64)> = None;
    let mut details = Vec::new();
    for _ in 0..bench.scale(bench.repeat, 1) {
        let site = Site::open(bench, &servers, &FLEET, &["--events", "4"]);
        let outcome = site.run(&vec![4; samples], 500, SLOTS, &[], Duration::from_secs(150));
        let (calls, seconds) = (outcome.calls(), outcome.seconds());
        let own: f64 = outcome.cpu.iter().take(FLEET.len()).map(|(_, cpu)| cpu).sum();
        let (rate, cost) = (calls / seconds, own / calls * 1000.0);
        let by_process: serde_json::Map<_, _> =
            outcome.cpu.iter().map(|(name, cpu)| ((*name).to_owned(), json!(cpu / calls * 1000.0))).collect();
        for (name, cpu) in &outcome.cpu {
            eprintln!("  {name}: {:.3} ms of CPU per call", cpu / calls * 1000.0);
        }
        eprintln!("  {rate:.0} calls/s, {:.2} transactions per call", outcome.commits / calls);
        details.push(json!({"calls": calls, "seconds": seconds, "calls_per_second": rate,
            "repeats": outcome.stats.count("repeats"), "transactions_per_call": outcome.commits / calls,
            "cpu_ms_per_call": by_process}));
        if best.is_none_or(|(most, _)| rate > most) {
            best = Some((rate, cost));
        }
    }
    let (rate, cost) = best.expect("it ran at least once");
    vec![
        Row::figure(
            "fleet: throughput, endpoint without latency",
            rate,
            "calls/s",
            Goal::AtLeast(1000.0),
            json!(details),
        ),
        Row::figure("fleet: own CPU per call, all processes of ours", cost, "ms", Goal::AtMost(0.5), json!(null)),
    ]
}
