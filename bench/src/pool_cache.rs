//! Samples keep to one endpoint of a pool, so that its prefix cache serves them; and how that depends on how many are in work.

use std::path::Path;
use std::time::Duration;

use harness::process::{Child, Folder, SampleState};
use serde_json::json;

use crate::chart;
use crate::pool::{NAMES, PoolScene};
use crate::replay;
use crate::row::{Goal, Row};
use crate::scenario::Bench;

const MOST: Duration = Duration::from_secs(180);
const SECTIONS: usize = 10;
/// Plan, instruction and 10 sections of 500 words, at 4 bytes a token, with the blocks' rounding.
const LONGEST: usize = 9_500;

/// 300 samples of 10 sections of 500 words on 32 slots and four endpoints, each with a quarter of the cache that 32 samples
/// need at their longest; then, on one endpoint whose cache holds 16 samples, with more and more in work.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let (four, breadth_first, detail) = four_endpoints(bench);
    let mut rows = vec![Row::figure(
        &format!(
            "repeatable prefix from the caches of four endpoints (breadth-first, one cache: {breadth_first:.1} %)"
        ),
        four,
        "%",
        Goal::AtLeast(95.0),
        detail,
    )];
    rows.push(against_wip(bench));
    rows
}

fn four_endpoints(bench: &Bench) -> (f64, f64, serde_json::Value) {
    const SLOTS: usize = 32;
    let samples = bench.scale(300, 100);
    let quarter = (SLOTS * LONGEST / NAMES.len()).to_string();
    let flags = ["--latency-ms", "100", "--cache-tokens", &quarter];
    let scene = PoolScene::start(bench, NAMES.len(), &flags, &vec![SECTIONS; samples], 500, SLOTS);
    let share = steady(scene.run.start(), &scene, samples, SLOTS);
    let breadth_first = replay::breadth_first(&scene.folder, (SLOTS * LONGEST) as u64);
    let detail = json!({"cache_tokens_of_each": quarter, "breadth_first": breadth_first,
        "requests_of_each": scene.counts("requests"), "whole_run": of(&scene)});
    (share, breadth_first, detail)
}

/// One endpoint whose cache holds 16 samples at their longest, with 8 to 128 samples in work.
fn against_wip(bench: &Bench) -> Row {
    const FITS: usize = 16;
    let samples = bench.scale(300, 60);
    let cache = FITS * LONGEST;
    let flags = ["--latency-ms", "20", "--cache-tokens", &cache.to_string()];
    let mut points = Vec::new();
    let mut breadth_first = 0.0;
    for slots in bench.scale(&[8, 12, 16, 24, 32, 48, 64, 96, 128][..], &[8, 16, 32]) {
        let scene = PoolScene::start(bench, 1, &flags, &vec![SECTIONS; samples], 500, *slots);
        points.push((*slots as f64, steady(scene.run.start(), &scene, samples, *slots)));
        if points.len() == 1 {
            breadth_first = replay::breadth_first(&scene.folder, cache as u64);
        }
    }
    if !bench.quick {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cache-hits.svg");
        let chart = chart::Chart {
            title: "Repeatable prefix served from the cache",
            x: "samples in work (WIP); the cache holds 16 at their longest",
            y: "%",
            points: &points,
            line: (breadth_first, "breadth-first, all samples in turn"),
            mark: (FITS as f64, "fits"),
        };
        std::fs::write(&path, chart.svg()).expect("docs/ can be written");
    }
    let fits = points.iter().find(|(slots, _)| *slots as usize == FITS).map_or(0.0, |(_, share)| *share);
    let detail = json!({"cache_tokens": cache, "points": points, "breadth_first": breadth_first});
    Row::figure(
        "the same of one endpoint whose cache holds 16, 16 in work (docs/cache-hits.svg)",
        fits,
        "%",
        Goal::AtLeast(95.0),
        detail,
    )
}

/// The share of the repeatable prefix that was served until no more than twice the slots' samples were left: after that more
/// samples than slots take turns, so that the run ends early. Waits for the end of the run.
fn steady(mut child: Child, scene: &PoolScene, samples: usize, slots: usize) -> f64 {
    let mut share = 0.0;
    while child.ended().is_none() {
        assert!(child.age() < MOST, "it takes too long");
        if left(&scene.folder, samples) <= 2 * slots {
            break;
        }
        share = of(scene);
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait(MOST).expect_code(0);
    share
}

fn left(folder: &Folder, samples: usize) -> usize {
    let totals = folder.totals().unwrap_or_default();
    samples - (totals.finished() + totals.state(SampleState::Written)) as usize
}

/// Percent of the repeatable prefix so far.
fn of(scene: &PoolScene) -> f64 {
    scene.sum("cached_tokens") as f64 / scene.sum("cacheable_tokens").max(1) as f64 * 100.0
}
