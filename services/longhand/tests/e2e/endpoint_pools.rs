//! Several endpoints behind one role: who gets which calls, and what happens when one dies, is full, or is slow to say so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agentwrite::sample::SampleState;
use harness::process::{Ended, Folder, Run, Simulator, StoreView, fixed_sections, until};

use crate::{LONGHAND, MOST, longhand, scratch, simulator};

/// A settings file with these endpoints in the pool of both roles; the texts are what else stands in their tables.
fn settings(dir: &Path, members: &[(&str, &Simulator, &str)]) -> PathBuf {
    let mut text = String::new();
    for (name, simulator, more) in members {
        let _ = writeln!(text, "[endpoints.{name}]\nbase_url = \"{}\"\n{more}", simulator.url());
    }
    let names: Vec<&str> = members.iter().map(|(name, ..)| *name).collect();
    let _ = writeln!(text, "[pools]\nwrite = {names:?}");
    let path = dir.join("longhand.toml");
    std::fs::write(&path, text).expect("the test's folder can be written");
    path
}

/// `run` on the endpoints of a settings file.
fn pooled(rows: &Path, out: &Path, settings: &Path, concurrency: &str) -> Run {
    longhand(&["run", "--model", "simulated", "--yes", "--concurrency", concurrency])
        .arg(rows)
        .arg("--out")
        .arg(out)
        .arg("--config")
        .arg(settings)
}

/// Instructions that an endpoint has answered calls for.
fn instructions_of(simulator: &Simulator) -> Vec<String> {
    let stats = simulator.stats_by_step();
    stats.0["steps"].as_object().expect("steps were asked for").keys().cloned().collect()
}

#[test]
fn in_quiet_times_all_calls_of_a_sample_go_to_one_endpoint() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 60, 4, 200);
    let endpoints = [(); 3].map(|()| simulator(&[]));
    let members = [("a", &endpoints[0], ""), ("b", &endpoints[1], ""), ("c", &endpoints[2], "weight = 2")];
    let settings = settings(scratch.path(), &members);
    let out = scratch.path().join("out");
    pooled(&rows, &out, &settings, "16").finish(MOST).expect_code(0);
    let of_each = endpoints.each_ref().map(instructions_of);
    let counts = of_each.each_ref().map(Vec::len);
    assert_eq!(counts.iter().sum::<usize>(), 60, "no instruction was seen by two endpoints: {counts:?}");
    assert!(counts[0] >= 6 && counts[1] >= 6 && counts[2] >= 18, "shares go by weight: {counts:?}");
    assert_eq!(endpoints.each_ref().map(|endpoint| endpoint.stats().count("requests")).iter().sum::<u64>(), 60 * 5);
}

#[test]
fn one_of_four_endpoints_dies_and_comes_back() {
    const LATENCY: &[&str] = &["--latency-ms", "200"];
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 160, 9, 200);
    let endpoints = [(); 4].map(|()| simulator(LATENCY));
    let names = ["a", "b", "c", "d"];
    let members: Vec<_> = names.iter().zip(&endpoints).map(|(name, endpoint)| (*name, endpoint, "")).collect();
    let settings = settings(scratch.path(), &members);
    let out = scratch.path().join("out");
    let run = pooled(&rows, &out, &settings, "32").start();
    let [a, dying, c, d] = endpoints;
    dying.until_more_requests_than(40, MOST);
    let address = dying.address().to_owned();
    // It is killed with SIGKILL.
    drop(dying);
    let before = c.stats().count("requests");
    c.until_more_requests_than(before + 60, MOST);
    let back = Simulator::start_at(LONGHAND, &address, LATENCY);
    let returned = back.until_more_requests_than(0, MOST);
    assert!(returned < Duration::from_secs(11), "asked again within the longest wait: {returned:?}");
    let ended = run.wait(MOST);
    let store = Folder::at(&out).store();
    eprintln!("{:?} in {:?}, {:?}", ended.code, ended.wall, store.codes);
    let share = [&a, &back, &c, &d].map(|endpoint| endpoint.stats().count("requests"));
    eprintln!("requests by endpoint, the second since its return: {share:?}");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(store.count(SampleState::Packed), 160);
    assert_eq!(store.violations, []);
    assert!(share[1] > 40, "its share returns: {share:?}");
    // What was in flight broke, and a few calls found the door shut; nobody ran against it.
    let failures: u64 = store.codes.iter().map(|(_, count)| *count).sum();
    assert!(failures <= 32 + 16, "{:?}", store.codes);
}

/// Two endpoints at work, of which the named ones then refuse every key.
fn two_endpoints(refusing: &[usize]) -> (Ended, StoreView, [Simulator; 2]) {
    const LATENCY: [&str; 2] = ["--latency-ms", "100"];
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 60, 5, 200);
    let mut endpoints = [(); 2].map(|()| Some(simulator(&LATENCY)));
    let (a, b) = (endpoints[0].as_ref().expect("it runs"), endpoints[1].as_ref().expect("it runs"));
    let settings = settings(scratch.path(), &[("a", a, ""), ("b", b, "")]);
    let out = scratch.path().join("out");
    let run = pooled(&rows, &out, &settings, "16").start();
    b.until_more_requests_than(40, MOST);
    for at in refusing {
        let address = endpoints[*at].take().expect("it runs").address().to_owned();
        let refuses = ["--latency-ms", "100", "--api-key", "another"];
        endpoints[*at] = Some(Simulator::start_at(LONGHAND, &address, &refuses));
    }
    let ended = run.wait(MOST);
    (ended, Folder::at(&out).store(), endpoints.map(|endpoint| endpoint.expect("it runs")))
}

fn refused(store: &StoreView) -> u64 {
    store.codes.iter().filter(|(code, _)| code == "auth").map(|(_, count)| *count).sum()
}

#[test]
fn an_endpoint_that_refuses_its_key_is_left_out_and_the_run_goes_on() {
    let (ended, store, [working, refusing]) = two_endpoints(&[1]);
    eprintln!("{:?} in {:?}, {:?}", ended.code, ended.wall, store.codes);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!((store.count(SampleState::Packed), store.violations.len()), (60, 0));
    let warnings: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("is left out of its pool")).collect();
    assert_eq!(warnings.len(), 1, "{}", ended.stderr);
    assert!(["\"b\"", "\"auth\"", "check the key"].iter().all(|part| warnings[0].contains(part)), "{}", warnings[0]);
    // Those that were on their way, and nobody after them.
    assert!((1..=16).contains(&refused(&store)), "{:?}", store.codes);
    assert_eq!(refusing.stats().count("answered"), 0);
    assert!(working.stats().count("answered") > 150);
}

#[test]
fn a_pool_of_which_every_endpoint_refuses_its_key_stops() {
    let (ended, store, _) = two_endpoints(&[0, 1]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(store.count(SampleState::Packed) < 60 && (2..=32).contains(&refused(&store)), "{:?}", store.codes);
}

#[test]
fn a_cap_needs_the_price_of_every_endpoint_of_the_pool() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 2, 2, 200);
    let (a, b) = (simulator(&[]), simulator(&[]));
    let own = "price_in = 1.0\nprice_out = 3.0";
    let capped = |of_b: &str, name: &str| {
        let settings = settings(scratch.path(), &[("a", &a, own), ("b", &b, of_b)]);
        pooled(&rows, &scratch.path().join(name), &settings, "2").args(["--max-cost", "5"]).finish(MOST)
    };
    let refused = capped("", "refused").expect_error(2, "cap_without_price");
    refused.expect_stderr("[endpoints.b] price_in");
    assert_eq!(a.stats().count("requests") + b.stats().count("requests"), 0, "nothing was asked");
    capped(own, "priced").expect_code(0);
}

#[test]
fn a_call_whose_endpoint_is_full_goes_to_the_next() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 40, 4, 200);
    let (small, large) = (simulator(&["--latency-ms", "50"]), simulator(&["--latency-ms", "50"]));
    let members = [("small", &small, "concurrency = 2\nmodel = \"its-own-name\""), ("large", &large, "")];
    let settings = settings(scratch.path(), &members);
    let out = scratch.path().join("out");
    pooled(&rows, &out, &settings, "16").finish(MOST).expect_code(0);
    let (small, large) = (small.stats(), large.stats());
    assert_eq!(small.count("peak_in_flight"), 2);
    assert!(large.count("peak_in_flight") >= 12, "{large:?}");
    assert!(small.count("requests") >= 15, "the small one is kept busy: {small:?}");
    assert_eq!(small.count("requests") + large.count("requests"), 40 * 5);
}

/// The endpoint takes 40 calls at once and queues the others without a word; nobody configured that.
#[test]
fn a_hidden_limit_is_found() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 400, 5, 200);
    let endpoint = simulator(&["--latency-ms", "400", "--concurrency", "40", "--cache-tokens", "10000000"]);
    let out = scratch.path().join("out");
    let run = crate::run(&endpoint, &rows, &out).args(["--concurrency", "128"]).start();
    let answered = || endpoint.stats().count("answered");
    until(MOST, "the run is under way", || answered() > 300);
    let mut queued = Vec::new();
    until(MOST, "most of it is done", || {
        let stats = endpoint.stats();
        queued.push(stats.count("queued"));
        stats.count("answered") > 1_500
    });
    // It is found within seconds, not at once.
    let mut late = queued.split_off(queued.len() * 3 / 4);
    late.sort_unstable();
    let usual = late[late.len() / 2];
    eprintln!("{usual} calls wait inside the endpoint");
    // What that does to throughput is a row of the bench. Without a limit 88 would wait; it comes down step by step.
    assert!(usual <= 72, "calls that it cannot take are held back: {usual}");
    run.wait(MOST).expect_code(0);
}

#[test]
fn an_unknown_endpoint_is_refused_by_name() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 1, 1, 200);
    let path = scratch.path().join("longhand.toml");
    std::fs::write(&path, "[endpoints.gpu]\nbase_url = \"http://127.0.0.1:9/v1\"\n[pools]\nwrite = [\"gpus\"]\n")
        .unwrap();
    let ended = pooled(&rows, &scratch.path().join("out"), &path, "1").finish(MOST);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("did you mean \"gpu\""), "{}", ended.stderr);
}
