//! The growing prompt hits the endpoint's prefix cache.

use std::time::Duration;

use harness::process::{SampleState, Stats};
use serde_json::json;

use crate::row::{Goal, Row};
use crate::scenario::Bench;

/// 300 samples of 10 sections of 500 words on 32 slots; the cache holds what 32 samples at their longest need.
///
/// Judged is the steady state: what was served until no more than twice the slots' samples were left. After that more samples
/// than slots take turns, so that the run ends early, and a cache of this size cannot hold them all.
pub fn measure(bench: &Bench) -> Vec<Row> {
    const SLOTS: usize = 32;
    const SECTIONS: usize = 10;
    /// Plan, instruction and 10 sections of 500 words, at 4 bytes a token, with the blocks' rounding.
    const LONGEST: usize = 9_500;
    let samples = bench.scale(300, 100);
    let tokens = (SLOTS * LONGEST).to_string();
    let slots = SLOTS.to_string();
    let simulator = ["--latency-ms", "100", "--cache-tokens", &tokens];
    let mut scenario = bench.scenario(&vec![SECTIONS; samples], 500, &simulator, &["--concurrency", &slots]);
    let mut child = scenario.run.start();
    let mut steady = None;
    while child.ended().is_none() && steady.is_none() {
        assert!(child.age() < Duration::from_secs(180), "it takes too long");
        let totals = scenario.folder.totals().unwrap_or_default();
        let done = totals.finished() + totals.state(SampleState::Written);
        if done as usize + 2 * SLOTS >= samples {
            steady = Some(scenario.simulator.stats());
        }
    }
    let outcome = scenario.wait(child, Duration::from_secs(180));
    let share = |stats: &Stats| stats.count("cached_tokens") as f64 / stats.count("cacheable_tokens") as f64 * 100.0;
    let steady = steady.unwrap_or_else(|| outcome.stats.clone());
    let detail = json!({"cache_tokens": SLOTS * LONGEST, "cached_tokens": steady.count("cached_tokens"),
        "cacheable_tokens": steady.count("cacheable_tokens"), "prompt_tokens": steady.count("prompt_tokens"),
        "whole_run": share(&outcome.stats)});
    vec![Row::figure("repeatable prefix served from the cache", share(&steady), "%", Goal::AtLeast(95.0), detail)]
}
