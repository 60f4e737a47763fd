//! A fleet keeps the endpoint full: chains of unequal length on the slots of several processes.

use std::time::Duration;

use serde_json::json;

use crate::fleet::{Place, Servers, Site};
use crate::ideal;
use crate::makespan::plans;
use crate::row::{Goal, Row, median};
use crate::scenario::Bench;

/// Four processes that do everything, 64 slots in total.
const FLEET: [Place; 4] = [("all 1", "all", 16), ("all 2", "all", 16), ("all 3", "all", 16), ("all 4", "all", 16)];
const SLOTS: usize = 64;

/// 120 samples of 4 to 24 sections, calls of 1 s and of 100 ms.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let servers = Servers::start();
    let second = row(bench, &servers, "fleet: makespan, calls of 1 s", bench.scale(1.0, 0.2), Goal::AtMost(1.05));
    let tenth = row(bench, &servers, "fleet: makespan, calls of 100 ms", 0.1, Goal::AtMost(1.25));
    vec![second, tenth]
}

fn row(bench: &Bench, servers: &Servers, name: &str, call: f64, goal: Goal) -> Row {
    let (mut ratios, mut figures, mut details) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 1..=bench.scale(bench.repeat, 1) {
        let plans = plans(bench.scale(120, 70), bench.scale(24, 8), seed);
        let chains: Vec<usize> = plans.iter().map(|sections| sections + 1).collect();
        let bound = ideal::lower_bound(&chains, SLOTS) * call;
        let latency = format!("{}", (call * 1000.0) as u64);
        let endpoint = ["--latency-ms", latency.as_str(), "--concurrency", "64"];
        let site = Site::open(bench, servers, &FLEET, &endpoint);
        let outcome = site.run(&plans, 200, SLOTS, &["--seed", &seed.to_string()], Duration::from_secs(180));
        assert_eq!(outcome.calls() as usize, chains.iter().sum::<usize>(), "every call once");
        let seconds = outcome.seconds();
        eprintln!("  {name}, seed {seed}: {seconds:.2} s, {:.3} of the bound", seconds / bound);
        ratios.push(seconds / bound);
        figures.push((seconds / bound, seconds, bound));
        details.push(json!({"seed": seed, "seconds": seconds, "bound": bound,
            "ideal": ideal::rounds(&chains, SLOTS) as f64 * call,
            "peak_in_flight": outcome.stats.count("peak_in_flight"),
            "transactions_per_call": outcome.commits / outcome.calls(),
            "cpu_seconds": outcome.cpu.iter().map(|(_, cpu)| cpu).sum::<f64>()}));
    }
    let middle = median(ratios);
    let (_, seconds, bound) =
        figures.into_iter().find(|(ratio, ..)| ratio.total_cmp(&middle).is_eq()).expect("the median is one of them");
    Row::ratio(name, seconds, bound, "s", goal, json!(details))
}
