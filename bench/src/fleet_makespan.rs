//! A fleet keeps its endpoint full, as one process does.

use std::time::Duration;

use serde_json::json;

use crate::fleet::{FleetScene, Roles};
use crate::ideal;
use crate::makespan::plans;
use crate::row::{Goal, Row, median};
use crate::scenario::Bench;

/// 120 samples of 4 to 24 sections on 64 slots of 4 writers, calls of 1 s and of 100 ms; the plan call comes first. The planner
/// has as many slots, as in docker-compose.yml: the run and the endpoint keep all calls together to 64.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let long = of_calls(bench, bench.scale(1_000, 200), 1.05);
    let short = of_calls(bench, 100, 1.25);
    vec![long, short]
}

fn of_calls(bench: &Bench, latency_ms: u32, goal: f64) -> Row {
    let (samples, most, slots) = bench.scale((120, 24, 64), (24, 8, 12));
    let writer = ("section-writer", slots / 4);
    let roles: &Roles = &[("planner", slots), ("shard-packer", 0), writer, writer, writer, writer];
    let (latency, at_once) = (latency_ms.to_string(), slots.to_string());
    let call = f64::from(latency_ms) / 1000.0;
    let mut seen = Vec::new();
    let mut details = Vec::new();
    for seed in 1..=bench.scale(bench.repeat, 1) {
        let plans = plans(samples, most, seed);
        let chains: Vec<usize> = plans.iter().map(|sections| sections + 1).collect();
        let bound = ideal::lower_bound(&chains, slots) * call;
        let simulator = ["--latency-ms", latency.as_str(), "--concurrency", at_once.as_str()];
        let outcome = FleetScene::start(bench, &simulator, roles, slots)
            .submit(&plans, 200, &[])
            .finish(Duration::from_secs(180));
        assert_eq!(outcome.calls() as usize, chains.iter().sum::<usize>(), "every call once");
        let ideal = ideal::rounds(&chains, slots) as f64 * call;
        seen.push((outcome.seconds() / bound, outcome.seconds(), bound));
        details.push(json!({"seed": seed, "seconds": outcome.seconds(), "bound": bound, "ideal": ideal,
            "ideal_ratio": ideal / bound, "cpu_seconds": outcome.cpu}));
    }
    let middle = median(seen.iter().map(|(ratio, _, _)| *ratio).collect());
    let found = seen.into_iter().find(|(ratio, _, _)| ratio.total_cmp(&middle).is_eq());
    let (_, seconds, bound) = found.expect("the median is one of them");
    let name = format!("fleet of 6 processes, the same samples, calls of {latency_ms} ms");
    Row::ratio(&name, seconds, bound, "s", Goal::AtMost(goal), json!(details))
}
