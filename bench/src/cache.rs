//! The growing prompt hits the endpoint's prefix cache.

use std::time::Duration;

use serde_json::json;

use crate::row::{Goal, Row};
use crate::scenario::Bench;

/// 200 samples of 10 sections of 500 words on 32 slots; the cache holds what 32 samples at their longest need.
pub fn measure(bench: &Bench) -> Vec<Row> {
    const SLOTS: usize = 32;
    const SECTIONS: usize = 10;
    /// Plan, instruction and 10 sections of 500 words, at 4 bytes a token, with the blocks' rounding.
    const LONGEST: usize = 9_500;
    let samples = bench.scale(200, 40);
    let tokens = (SLOTS * LONGEST).to_string();
    let slots = SLOTS.to_string();
    let outcome = bench
        .scenario(
            &vec![SECTIONS; samples],
            500,
            &["--latency-ms", "100", "--cache-tokens", &tokens],
            &["--concurrency", &slots],
        )
        .finish(Duration::from_secs(180));
    let count = |name: &str| outcome.stats.count(name) as f64;
    let share = count("cached_tokens") / count("cacheable_tokens") * 100.0;
    let detail = json!({"cached_tokens": count("cached_tokens"), "cacheable_tokens": count("cacheable_tokens"),
        "prompt_tokens": count("prompt_tokens"), "cache_tokens": SLOTS * LONGEST});
    vec![Row::figure("repeatable prefix served from the cache", share, "%", Goal::AtLeast(95.0), detail)]
}
