//! The endpoint is kept full: chains of unequal length on equal slots.

use std::time::Duration;

use serde_json::json;

use crate::ideal;
use crate::row::{Goal, Row, median};
use crate::scenario::Bench;

/// 120 samples of 4 to 24 sections, 1 s calls, 64 slots; the plan call comes first in each chain.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let (samples, most, slots, call) = bench.scale((120, 24, 64, 1.0), (24, 8, 12, 0.2));
    let mut ratios = Vec::new();
    let mut details = Vec::new();
    let mut figures = Vec::new();
    for seed in 1..=bench.scale(bench.repeat, 1) {
        let plans = plans(samples, most, seed);
        let chains: Vec<usize> = plans.iter().map(|sections| sections + 1).collect();
        let bound = ideal::lower_bound(&chains, slots) * call;
        let ideal = ideal::rounds(&chains, slots) as f64 * call;
        let latency = format!("{}", (call * 1000.0) as u64);
        let (slots, seed_text) = (slots.to_string(), seed.to_string());
        let flags = ["--concurrency", slots.as_str(), "--seed", seed_text.as_str()];
        let outcome = bench
            .scenario(&plans, 200, &["--latency-ms", &latency, "--concurrency", &slots], &flags)
            .finish(Duration::from_secs(180));
        assert_eq!(outcome.calls() as usize, chains.iter().sum::<usize>(), "every call once");
        ratios.push(outcome.seconds() / bound);
        figures.push((outcome.seconds() / bound, outcome.seconds(), bound));
        details.push(json!({"seed": seed, "seconds": outcome.seconds(), "bound": bound, "ideal": ideal,
            "ideal_ratio": ideal / bound, "wall": outcome.ended.wall.as_secs_f64()}));
    }
    let middle = median(ratios);
    let (_, seconds, bound) =
        figures.into_iter().find(|(ratio, _, _)| ratio.total_cmp(&middle).is_eq()).expect("the median is one of them");
    vec![Row::ratio(
        "makespan, 120 samples of 4 to 24 sections",
        seconds,
        bound,
        "s",
        Goal::AtMost(1.03),
        json!(details),
    )]
}

/// Sections by sample, equal chances for 4..=most.
pub fn plans(samples: usize, most: usize, seed: u64) -> Vec<usize> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        // SplitMix64
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    (0..samples).map(|_| 4 + (next() % (most as u64 - 3)) as usize).collect()
}
