//! One of four endpoints dies in the middle of a run, and comes back.

use std::time::Duration;

use agentwrite::pool;
use harness::process::{SampleState, Simulator, until};
use serde_json::json;

use crate::pool::{NAMES, PoolScene};
use crate::row::{Goal, Row};
use crate::scenario::Bench;

/// Who dies.
const DIES: usize = 1;
const MOST: Duration = Duration::from_secs(180);
const SLOTS: usize = 64;
const SECTIONS: usize = 6;

/// 480 samples of 6 sections on four endpoints and 64 slots, calls of 300 ms: the second endpoint is killed when a quarter of
/// the calls is answered, and started again at its address when four tenths are. From the first call that it gets then until
/// no more samples are left than slots, its calls are set against those that its samples are due.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let samples = bench.scale(480, 160);
    let latency = ["--latency-ms", "300"];
    let mut scene = PoolScene::start(bench, NAMES.len(), &latency, &vec![SECTIONS; samples], 200, SLOTS);
    let calls = (samples * (SECTIONS + 1)) as u64;
    let mut child = scene.run.start();
    until(MOST, "a quarter is answered", || scene.sum("answered") >= calls / 4);
    let address = scene.members[DIES].address().to_owned();
    let counted = scene.members[DIES].stats();
    let dead = scene.members.remove(DIES);
    // It is killed with SIGKILL.
    drop(dead);
    let before = counted.count("answered");
    until(MOST, "four tenths are answered", || before + scene.sum("answered") >= calls * 4 / 10);
    let back = Simulator::start_at(&bench.binary, &address, &latency);
    scene.members.insert(DIES, back);
    let asked_again = scene.members[DIES].until_more_requests_than(0, MOST);
    let due = due(&scene);
    let first = scene.counts("requests");
    let mut last = first.clone();
    while child.ended().is_none() {
        assert!(child.age() < MOST, "it takes too long");
        let totals = scene.folder.totals().unwrap_or_default();
        let done = totals.finished() + totals.state(SampleState::Written);
        if done as usize + SLOTS >= samples {
            break;
        }
        last = scene.counts("requests");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.wait(MOST).expect_code(0);
    let store = scene.folder.store();
    assert!(store.violations.is_empty(), "{:?}", store.violations);
    let since: Vec<u64> = last.iter().zip(&first).map(|(last, first)| last - first).collect();
    let share = since[DIES] as f64 / since.iter().sum::<u64>() as f64;
    let packed = store.count(SampleState::Packed);
    let detail = json!({"asked_again_after_seconds": asked_again.as_secs_f64(), "requests_since": since,
        "share": share, "share_due": due, "failed_attempts": store.codes});
    vec![
        Row::figure(
            "one of four endpoints dies and comes back: samples that fail",
            (samples as u64 - packed) as f64,
            "samples",
            Goal::AtMost(0.0),
            detail,
        ),
        Row::ratio(
            "its share of the calls once it is back",
            share * 100.0,
            due * 100.0,
            "%",
            Goal::AtLeast(0.8),
            json!(null),
        ),
    ]
}

/// The share of the unfinished samples that are at home at the endpoint that died.
fn due(scene: &PoolScene) -> f64 {
    let store = scene.folder.store();
    let unfinished = store.samples.iter().filter(|row| !row.state.is_terminal() && row.state != SampleState::Written);
    let homes: Vec<usize> =
        unfinished.map(|row| pool::order(row.sample.as_str(), NAMES.iter().map(|name| (*name, 1.0)))[0]).collect();
    let there = homes.iter().filter(|home| **home == DIES).count();
    there as f64 / homes.len().max(1) as f64
}
