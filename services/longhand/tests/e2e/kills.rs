//! `kill -9`, at random moments and at every named crash point, until the run is complete.

use std::path::Path;
use std::time::Duration;

use agentwrite::sample::SampleState;
use harness::process::{Child, Folder, Signal, Simulator, fixed_sections, until};
use worker::CrashPoints;

use crate::{MOST, run, scratch, simulator, undisturbed};

/// Signal of `abort`.
const SIGABRT: i32 = 6;
/// From the start of a process to its first call.
const FIRST_CALL: Duration = Duration::from_secs(2);

/// An answer takes longer than a process lives after its first call, or about as long.
const LATENCY: &[&str] = &["--latency-ms", "80"];

#[test]
fn twenty_kills_during_a_hundred_samples_lose_and_repeat_nothing() {
    const KILLS: u64 = 20;
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 100, 4, 200);
    let args = ["--shard-size", "16", "--concurrency", "16"];
    let calm = undisturbed(&simulator(LATENCY), &rows, &scratch.path().join("calm"), &args);

    let endpoint = simulator(LATENCY);
    let folder = Folder::at(scratch.path().join("killed"));
    let killed = run(&endpoint, &rows, folder.path()).args(args);
    let calls = 100 * 5;
    let mut open_at_kills = 0;
    for kill in 1..=KILLS {
        let before = endpoint.stats().count("requests");
        let mut child = killed.start();
        let first = first_call(&endpoint, &mut child, before);
        assert!(first < FIRST_CALL, "the first call of process {kill} came after {first:?}");
        // Kills spread over the whole run, each at another phase of a call: what is random about them is the scheduling.
        let target = calls * kill / (KILLS + 1);
        until(MOST, "the run comes to the next kill", || {
            endpoint.stats().count("answered") >= target || child.ended().is_some()
        });
        std::thread::sleep(Duration::from_millis(kill * 37 % 80));
        child.kill();
        let store = folder.store();
        assert!(store.totals.in_flight <= 16, "{:?}", store.totals);
        open_at_kills += store.totals.in_flight;
        assert_eq!(store.violations, [], "after kill {kill}");
        eprintln!("kill {kill}: first call after {first:?}, {} calls open", store.totals.in_flight);
    }
    killed.finish(MOST).expect_code(0);
    assert_complete(&folder, &calm, &endpoint, 100, open_at_kills);
}

#[test]
fn the_shards_are_the_same_at_any_concurrency() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 40, 3, 200);
    let endpoint = simulator(&["--latency-ms", "5"]);
    let run = |concurrency: &str| {
        let args = ["--shard-size", "16", "--concurrency", concurrency];
        undisturbed(&endpoint, &rows, &scratch.path().join(concurrency), &args)
    };
    let one = run("1");
    one.assert_same_dataset(&run("16"));
    one.assert_same_dataset(&run("64"));
}

/// How long a process takes to its first call.
fn first_call(endpoint: &Simulator, child: &mut Child, before: u64) -> Duration {
    until(MOST, "the process makes a call", || {
        let ended = child.ended();
        assert!(ended.is_none(), "it ended with {ended:?} before any call: {}", child.stderr());
        endpoint.stats().count("requests") > before
    });
    child.age()
}

/// Everything is there once, as without kills, and the endpoint was asked again only for calls that were open at a kill.
fn assert_complete(folder: &Folder, calm: &Folder, endpoint: &Simulator, samples: u64, open_at_kills: u64) {
    let store = folder.store();
    assert_eq!(store.count(SampleState::Packed), samples, "{:?}", store.totals);
    assert_eq!(store.violations, []);
    folder.assert_same_dataset(calm);
    let repeats = endpoint.stats().count("repeats");
    eprintln!("{repeats} calls repeated, {open_at_kills} open at the kills, {} orphaned", store.totals.orphaned_calls);
    assert!(repeats <= open_at_kills, "{repeats} calls repeated, {open_at_kills} were open at the kills");
}

/// Crashes at one point for the 1st, 2nd, ... time that it is passed, in one folder, then lets the run finish.
fn crash_at(point: &str, counts: &[u32]) {
    assert!(CrashPoints::is_named(point));
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 12, 3, 200);
    let settings = scratch.path().join("longhand.toml");
    // Only an answer that is cut has parts.
    let text = if point == "after_part" { "[sampling]\nwrite_max_tokens = 200\n" } else { "" };
    std::fs::write(&settings, text).expect("settings are written");
    let settings = settings.to_str().expect("a path of this test");
    let args = ["--shard-size", "2", "--concurrency", "3", "--config", settings];
    let calm = undisturbed(&simulator(&[]), &rows, &scratch.path().join("calm"), &args);

    let endpoint = simulator(&["--latency-ms", "10"]);
    let folder = Folder::at(scratch.path().join("crashed"));
    let disturbed = run(&endpoint, &rows, folder.path()).args(args);
    let (mut crashes, mut open_at_kills) = (0, 0);
    for count in counts {
        let ended = disturbed.clone().env("LONGHAND_CRASH", format!("{point}:{count}")).finish(MOST);
        match (ended.signal, ended.code) {
            (Some(SIGABRT), _) => crashes += 1,
            (_, Some(0)) => break,
            _ => panic!("{point}:{count} ended with {ended:?}"),
        }
        let store = folder.store();
        open_at_kills += store.totals.in_flight;
        assert_eq!(store.violations, [], "after {point}:{count}");
    }
    assert!(crashes >= 2, "{point} crashed {crashes} times only: the point is not passed");
    disturbed.finish(MOST).expect_code(0);
    assert_complete(&folder, &calm, &endpoint, 12, open_at_kills);
}

macro_rules! crash_points {
    ($($point:ident)+) => {
        /// Every name has its test.
        #[test]
        fn every_crash_point_is_tested() {
            let all = [&CrashPoints::OF_A_TASK[..], &CrashPoints::OF_SERVICES].concat();
            assert_eq!(all, [$(stringify!($point)),+]);
        }

        $(#[test]
        fn $point() {
            crash_at(stringify!($point), &[1, 2, 3, 5, 8]);
        })+
    };
}

mod crash {
    use super::*;

    crash_points! {
        after_deliver after_claim before_call after_answer before_commit after_commit before_ack after_ack after_publish after_shard_files after_part
    }
}

/// A process that is stopped for a while (a suspended laptop) goes on as if nothing had been.
#[test]
fn a_process_that_was_stopped_goes_on() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 8, 3, 200);
    let endpoint = simulator(&["--latency-ms", "20"]);
    let out = scratch.path().join("out");
    // Leases that lapse while it is stopped: its own rescue and its own late answers meet.
    let settings = scratch.path().join("longhand.toml");
    std::fs::write(&settings, "[lease]\nlease_seconds = 0.4\nheartbeat_seconds = 0.1\nrescue_seconds = 0.1\n").unwrap();
    let mut child = run(&endpoint, &rows, &out).args(["--concurrency", "4", "--config"]).arg(&settings).start();
    endpoint.until_more_requests_than(8, MOST);
    stop_for(&mut child, Duration::from_millis(1500));
    child.wait(MOST).expect_code(0);
    let store = Folder::at(&out).store();
    assert_eq!((store.count(SampleState::Packed), store.violations), (8, vec![]));
    assert_unique_ids(&Folder::at(Path::new(&out)));
}

fn stop_for(child: &mut Child, time: Duration) {
    child.signal(Signal::Stop);
    std::thread::sleep(time);
    child.signal(Signal::Continue);
}

fn assert_unique_ids(folder: &Folder) {
    let rows = folder.rows();
    let ids: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids.len(), rows.len());
}
