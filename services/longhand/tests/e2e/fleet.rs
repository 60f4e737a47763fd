//! The distributed edition with real servers and a process for each role: a writer is killed in the midst, every sample is
//! packed, and the shards are those of `longhand run`.

use std::time::{Duration, Instant};

use harness::process::{Folder, Run, fixed_sections, until};
use servers::postgres::Postgres;

use crate::serving::{broker, drained, of_fleet};
use crate::{LONGHAND, MOST, longhand, scratch, simulator, undisturbed};

const SAMPLES: usize = 20;

#[test]
fn a_killed_writer_costs_nothing_and_the_shards_are_those_of_one_process() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", SAMPLES, 4, 200);
    let calm = undisturbed(&simulator(&[]), &rows, &scratch.path().join("calm"), &["--shard-size", "8"]);

    let (database, broker) = (Postgres::shared().database(None), broker("killed"));
    let shards = scratch.path().join("shards");
    let endpoint = simulator(&["--latency-ms", "150"]);
    let command = |args: &[&str]| of_fleet(longhand(args), &database.url(), &broker, &shards);
    let serve = |role: &str| command(&["serve", role, "--base-url", endpoint.url(), "--concurrency", "6"]).start();

    command(&["migrate"]).finish(MOST).expect_code(0);
    let (planner, packer) = (serve("planner"), command(&["serve", "shard-packer"]).start());
    let writer = serve("section-writer");
    let submit = Run::of(LONGHAND, ["submit".as_ref(), rows.as_os_str()]).args([
        "--model",
        "simulated",
        "--shard-size",
        "8",
        "--wait",
    ]);
    let submitted = of_fleet(submit, &database.url(), &broker, &shards).start();
    let sections = || database.sql("select count(*) from section").trim().parse::<usize>().expect("a number");
    until(MOST, "some sections are written", || sections() > SAMPLES);
    writer.kill();
    let writer = serve("section-writer");

    let ended = submitted.wait(Duration::from_secs(120)).expect_code(0);
    let run = ended.stdout.trim().to_owned();
    assert!(run.starts_with("run_") && ended.stdout.lines().count() == 1, "{:?}", ended.stdout);
    let packed = database.sql("select count(*) from sample where state = 'packed'");
    assert_eq!(packed.trim(), SAMPLES.to_string());
    for child in [writer, planner, packer] {
        drained(child);
    }
    let folder = Folder::at(shards.join(&run));
    assert_eq!(folder.shard_bytes(), calm.shard_bytes());
    assert!(shards.join(&run).join("manifest.json").is_file());
    let open = database.sql("select count(*) from attempt where outcome = 'started'");
    assert_eq!(open.trim(), "0", "the killed writer's calls were closed");
}

#[test]
fn one_process_does_everything_and_a_second_run_comes_while_it_serves() {
    let scratch = scratch();
    let (database, broker) = (Postgres::shared().database(None), broker("all"));
    let shards = scratch.path().join("shards");
    let endpoint = simulator(&[]);
    let command = |args: &[&str]| of_fleet(longhand(args), &database.url(), &broker, &shards);
    command(&["migrate"]).finish(MOST).expect_code(0);
    let all = command(&["serve", "all", "--base-url", endpoint.url()]).start();
    for (name, samples) in [("first.jsonl", 3), ("second.jsonl", 5)] {
        let rows = fixed_sections(scratch.path(), name, samples, 2, 200);
        let rows = rows.to_str().expect("a path");
        let submit = command(&["submit", rows, "--model", "simulated", "--wait", "--json"]);
        let ended = submit.finish(MOST).expect_code(0);
        let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!((&report["state"], &report["samples"]["packed"]), (&"done".into(), &samples.into()), "{report}");
    }
    drained(all);
}

#[test]
fn two_runs_share_the_slots_as_their_weights_say() {
    let scratch = scratch();
    let (database, broker) = (Postgres::shared().database(None), broker("weights"));
    let shards = scratch.path().join("shards");
    let endpoint = simulator(&["--latency-ms", "300"]);
    let command = |args: &[&str]| of_fleet(longhand(args), &database.url(), &broker, &shards);
    let serve = || command(&["serve", "all", "--base-url", endpoint.url(), "--concurrency", "6"]).start();
    command(&["migrate"]).finish(MOST).expect_code(0);
    let fleet = [serve(), serve()];
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 60, 3, 200);
    let rows = rows.to_str().expect("a path");
    let submit = |weight: &str| {
        let submit = command(&["submit", rows, "--model", "simulated", "--concurrency", "60", "--weight", weight]);
        submit.finish(MOST).expect_code(0).stdout.trim().to_owned()
    };
    // The light one first: it has all slots for a moment and must give most of them away.
    let (light, heavy) = (submit("1"), submit("2"));
    let answered = |run: &str| -> usize {
        let calls = format!("select count(*) from attempt where run = '{run}' and outcome = 'committed'");
        database.sql(&calls).trim().parse().expect("a number")
    };
    let until_heavy = |calls: usize| {
        until(MOST, "the heavy run has come so far", || answered(&heavy) >= calls);
        (answered(&light) as f64, answered(&heavy) as f64)
    };
    let (begin, end) = (until_heavy(60), until_heavy(204));
    let ratio = (end.1 - begin.1) / (end.0 - begin.0);
    // Far from 1 (no weights) and from 3; a busy machine shifts it by a tenth.
    assert!((1.6..=2.5).contains(&ratio), "{ratio} calls of the heavy run for each of the light one");
    let ended = || database.sql("select count(*) from run where state = 'done'").trim() == "2";
    until(MOST, "the light run has all slots at the end", ended);
    fleet.into_iter().for_each(drained);
}

/// An operator halves a run's limit while two writers work on it, and takes it away.
#[test]
fn a_limit_of_a_running_run_is_changed() {
    let scratch = scratch();
    let (database, broker) = (Postgres::shared().database(None), broker("limited"));
    let shards = scratch.path().join("shards");
    // It refuses whatever comes beyond the first of these limits.
    let endpoint = simulator(&["--latency-ms", "200", "--rpm", "480"]);
    let command = |args: &[&str]| of_fleet(longhand(args), &database.url(), &broker, &shards);
    let serve = |role: &str| command(&["serve", role, "--base-url", endpoint.url(), "--concurrency", "8"]).start();
    command(&["migrate"]).finish(MOST).expect_code(0);
    let fleet = [serve("planner"), serve("section-writer"), serve("section-writer")];
    let packer = command(&["serve", "shard-packer"]).start();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 40, 5, 200);
    let rows = rows.to_str().expect("a path");
    let submit = command(&["submit", rows, "--model", "simulated", "--concurrency", "24", "--rpm", "480"]).finish(MOST);
    let run = submit.expect_code(0).stdout.trim().to_owned();
    endpoint.until_more_requests_than(60, MOST);

    let limits = |rpm: &str| command(&["limits", &run, "--rpm", rpm]).finish(MOST).expect_code(0).stdout;
    assert!(limits("240").contains("480 -> 240"));
    // What was granted before that is sent within two seconds.
    pass(Duration::from_secs(2));
    let before = endpoint.stats().count("requests");
    pass(Duration::from_secs(8));
    let sent = endpoint.stats().count("requests") - before;
    // 32, and what a burst of one second allows at either end.
    assert!((24..=36).contains(&sent), "{sent} calls in 8 s at 240 a minute");
    assert!(endpoint.stats().count("rejected_429") <= 2, "the limit was kept before and after");

    endpoint.set_rpm(None);
    assert!(limits("0").contains("240 -> none"));
    let packed = || database.sql("select count(*) from sample where state = 'packed'").trim() == "40";
    until(MOST, "every sample is packed", packed);
    fleet.into_iter().chain([packer]).for_each(drained);
}

fn pass(time: Duration) {
    let since = Instant::now();
    until(time * 2, "the time is over", || since.elapsed() >= time);
}
