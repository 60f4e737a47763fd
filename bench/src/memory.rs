//! Memory with a thousand long calls in flight.

use std::time::Duration;

use serde_json::json;

use crate::row::{Goal, Row};
use crate::scenario::Bench;

/// 1,000 samples write 21 sections of 1,000 words in step, so that at the end 1,000 prompts of 30,000 tokens are open at once.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let (samples, sections) = bench.scale((1_000, 21), (50, 6));
    let slots = samples.to_string();
    let latency = bench.scale("4000", "300");
    let outcome = bench
        .scenario(&vec![sections; samples], 1_000, &["--latency-ms", latency], &["--concurrency", &slots])
        .finish(Duration::from_secs(400));
    let stats = &outcome.stats;
    let peak = outcome.ended.usage.peak_rss_bytes as f64 / f64::from(1 << 20);
    let detail = json!({"peak_in_flight": stats.count("peak_in_flight"),
        "mean_prompt_tokens": stats.count("prompt_tokens") as f64 / outcome.calls(),
        "answer_tokens_per_sample": stats.count("completion_tokens") as f64 / samples as f64,
        "seconds": outcome.seconds()});
    vec![Row::figure("memory, 1,000 calls in flight of 30,000 tokens", peak, "MiB", Goal::AtMost(400.0), detail)]
}
