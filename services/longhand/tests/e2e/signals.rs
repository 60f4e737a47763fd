//! Ctrl-C once drains, twice stops; SIGTERM drains; the same command goes on.

use std::time::{Duration, Instant};

use agentwrite::sample::SampleState;
use harness::process::{Folder, Signal, Simulator, fixed_sections};

use crate::{MOST, run, scratch, simulator};

/// A run is stopped in its midst by one signal; the same command finishes it and nothing is asked twice.
fn drains(signal: Signal, code: i32) {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 20, 3, 200);
    let endpoint = simulator(&["--latency-ms", "150"]);
    let folder = Folder::at(scratch.path().join("out"));
    let run = run(&endpoint, &rows, folder.path()).args(["--concurrency", "8"]);
    let mut child = run.start();
    endpoint.until_more_requests_than(12, MOST);
    child.signal(signal);
    let ended = child.wait(MOST).expect_code(code);
    assert!(ended.stderr.contains("finishing the calls in flight"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("longhand resume {}", folder.path().display())), "{}", ended.stderr);
    let (store, stats) = (folder.store(), endpoint.stats());
    assert_eq!((store.totals.in_flight, store.totals.orphaned_calls), (0, 0), "the calls in flight were finished");
    assert_eq!((stats.count("aborted"), store.totals.calls), (0, stats.count("requests")));
    assert!(store.count(SampleState::Packed) < 20, "it stopped in its midst");

    run.finish(MOST).expect_code(0);
    let (store, stats) = (folder.store(), endpoint.stats());
    assert_eq!((store.count(SampleState::Packed), stats.count("repeats")), (20, 0));
    assert_eq!(store.violations, []);
}

#[test]
fn ctrl_c_drains_and_the_same_command_goes_on() {
    drains(Signal::Interrupt, 130);
}

#[test]
fn sigterm_drains_and_the_same_command_goes_on() {
    drains(Signal::Terminate, 143);
}

#[test]
fn ctrl_c_twice_stops_at_once_and_resume_goes_on() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 6, 2, 200);
    let slow = simulator(&["--latency-ms", "60000"]);
    let folder = Folder::at(scratch.path().join("out"));
    let mut child = run(&slow, &rows, folder.path()).args(["--concurrency", "4"]).start();
    until_open(&slow, 4);
    child.signal(Signal::Interrupt);
    child.until_stderr("Ctrl-C again stops now", MOST);
    child.signal(Signal::Interrupt);
    let second = Instant::now();
    child.wait(MOST).expect_code(130).expect_stderr("longhand resume");
    assert!(second.elapsed() < Duration::from_secs(3), "it stopped after {:?}", second.elapsed());
    assert_eq!(folder.store().totals.in_flight, 0, "interrupted calls are closed, not left open");

    let quick = simulator(&[]);
    let dir = folder.path().to_str().unwrap();
    let resume = crate::longhand(&["resume", dir, "--base-url", quick.url()]);
    resume.finish(MOST).expect_code(0);
    let store = folder.store();
    assert_eq!((store.count(SampleState::Packed), store.violations), (6, vec![]));
}

fn until_open(endpoint: &Simulator, calls: u64) {
    harness::process::until(MOST, "calls are open", || endpoint.stats().count("in_flight") >= calls);
}
