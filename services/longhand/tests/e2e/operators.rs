//! What operators do beside a running runner takes effect within about a second; nothing is lost by it.

use std::path::Path;
use std::time::{Duration, Instant};

use agentwrite::sample::SampleState;
use harness::process::{Child, Ended, Folder, Simulator, fixed_sections, until};
use serde_json::Value;
use tempfile::TempDir;

use crate::{MOST, longhand, run, scratch, simulator};

/// A second, a call in flight, and the time of a busy machine.
const SOON: Duration = Duration::from_millis(2500);

const SAMPLES: u64 = 40;

struct Scene {
    _scratch: TempDir,
    endpoint: Simulator,
    folder: Folder,
    child: Child,
}

/// A run in its midst: 40 samples, 2 calls of 200 ms at a time.
fn running() -> Scene {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", SAMPLES as usize, 2, 200);
    let endpoint = simulator(&["--latency-ms", "200"]);
    let folder = Folder::at(scratch.path().join("out"));
    let flags = ["--concurrency", "2", "--shard-size", "4"];
    let child = run(&endpoint, &rows, folder.path()).args(flags).start();
    until(MOST, "some samples are written", || endpoint.stats().count("answered") >= 12);
    Scene { _scratch: scratch, endpoint, folder, child }
}

/// A command on a folder, with its JSON.
fn command(name: &str, dir: &Path, flags: &[&str]) -> Value {
    let ended = longhand(&[name]).arg(dir).args(flags.iter().copied()).arg("--json").finish(MOST).expect_code(0);
    let value: Value = serde_json::from_str(&ended.stdout).expect("it prints JSON");
    assert_eq!(value["schema"], 1, "{name}: {value}");
    value
}

/// Waits for the runner's end, which must come soon.
fn ends_soon(child: Child, code: i32) -> Ended {
    let start = Instant::now();
    let ended = child.wait(MOST).expect_code(code);
    assert!(start.elapsed() < SOON, "the runner ended after {:?}", start.elapsed());
    ended
}

#[test]
fn a_pause_stops_new_calls_and_resume_goes_on() {
    let scene = running();
    let dir = scene.folder.path();
    command("pause", dir, &[]);
    ends_soon(scene.child, 5).expect_stderr("longhand resume");
    let (store, stats) = (scene.folder.store(), scene.endpoint.stats());
    assert_eq!((store.totals.in_flight, store.totals.orphaned_calls, stats.count("aborted")), (0, 0, 0));
    assert_eq!(store.totals.calls, stats.count("answered"), "calls in flight were recorded");
    // `status` exits as the run itself would.
    let status = longhand(&["status"]).arg(dir).arg("--json").finish(MOST).expect_code(5);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((status["state"].as_str(), status["reason"].as_str()), (Some("paused"), Some("user")));

    longhand(&["resume"]).arg(dir).args(["--concurrency", "20"]).finish(MOST).expect_code(0);
    let store = scene.folder.store();
    assert_eq!((store.count(SampleState::Packed), scene.endpoint.stats().count("repeats")), (SAMPLES, 0));
    assert_eq!(store.violations, []);
}

#[test]
fn a_cancel_keeps_what_is_written_and_packs_it() {
    let scene = running();
    let dir = scene.folder.path();
    command("cancel", dir, &[]);
    ends_soon(scene.child, 0).expect_stderr("cancelled");
    let store = scene.folder.store();
    let (packed, cancelled) = (store.count(SampleState::Packed), store.count(SampleState::Cancelled));
    assert!(packed >= 2 && packed + cancelled == SAMPLES, "{:?}", store.totals);
    assert_eq!((scene.folder.rows().len() as u64, store.violations), (packed, vec![]));
    longhand(&["resume"]).arg(dir).finish(MOST).expect_error(7, "cancelled");

    // A retry takes it up again: the rest is written into a supplementary shard, what is packed stays as it is.
    let before = scene.folder.shard_bytes();
    longhand(&["retry"]).arg(dir).arg("--yes").finish(MOST).expect_code(0);
    longhand(&["resume"]).arg(dir).args(["--concurrency", "20"]).finish(MOST).expect_code(0);
    let (store, after) = (scene.folder.store(), scene.folder.shard_bytes());
    assert_eq!((store.count(SampleState::Packed), store.violations), (SAMPLES, vec![]));
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)), "a closed shard never changes");
}

#[test]
fn limits_take_effect_beside_a_runner() {
    let scene = running();
    assert!(scene.endpoint.stats().count("peak_in_flight") <= 2);
    let changed = command("limits", scene.folder.path(), &["--concurrency", "12"]);
    assert_eq!((&changed["before"]["concurrency"], &changed["after"]["concurrency"]), (&2.into(), &12.into()));
    until(SOON, "more calls are open", || scene.endpoint.stats().count("in_flight") > 2);
    let ended = scene.child.wait(MOST).expect_code(0);
    assert!(ended.stdout.is_empty());
    assert!((3..=12).contains(&scene.endpoint.stats().count("peak_in_flight")));
}

#[test]
fn readers_beside_a_runner_see_the_run() {
    let scene = running();
    let dir = scene.folder.path();
    let status = command("status", dir, &[]);
    assert_eq!((status["state"].as_str(), status["samples"]["total"].as_u64()), (Some("running"), Some(SAMPLES)));
    for reader in ["samples", "why", "report", "doctor"] {
        command(reader, dir, &[]);
    }
    command("limits", dir, &["--concurrency", "20"]);
    scene.child.wait(MOST).expect_code(0);
    let status = command("status", dir, &[]);
    assert_eq!((status["state"].as_str(), status["samples"]["packed"].as_u64()), (Some("done"), Some(SAMPLES)));
    assert_eq!(scene.folder.store().violations, []);
}
