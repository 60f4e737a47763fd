//! Shards close while the run goes on, so that training can start.

use std::time::Duration;

use serde_json::json;

use crate::row::{Goal, Row};
use crate::scenario::Bench;

/// 6,000 samples of 2 sections in shards of 256: how many shards' worth of finished samples wait for their shard at most.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let (samples, shard) = bench.scale((6_000, 256), (400, 32));
    let size = shard.to_string();
    let flags = ["--concurrency", "64", "--shard-size", &size];
    let mut scenario = bench.scenario(&vec![2; samples], 200, &["--latency-ms", "20"], &flags);
    let mut child = scenario.run.start();
    let (mut worst, mut looks) = (0.0_f64, 0);
    while child.ended().is_none() {
        assert!(child.age() < Duration::from_secs(240), "it takes too long");
        // The shards first: what is published between the two looks counts against us.
        let published = scenario.folder.parquet_files() as f64;
        if let Some(totals) = scenario.folder.totals() {
            let done = totals.finished() + totals.state(harness::process::SampleState::Written);
            worst = worst.max(done as f64 / f64::from(shard) - published);
            looks += 1;
        }
    }
    let outcome = scenario.wait(child, Duration::from_secs(5));
    let detail = json!({"looks": looks, "seconds": outcome.seconds(), "shards": scenario.folder.parquet_files()});
    vec![Row::figure(
        "finished samples that wait for their shard, in shards",
        worst,
        "shards",
        Goal::AtMost(3.0),
        detail,
    )]
}
