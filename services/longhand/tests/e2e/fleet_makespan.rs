//! How well a fleet keeps an endpoint full: 120 samples of 4 to 24 sections on 64 slots. Measures, so it runs only when asked:
//! `cargo test -p longhand --test e2e fleet_makespan -- --ignored --nocapture --test-threads 1`.

use std::time::Duration;

use harness::process::{Child, sections, until, write_lines};
use servers::postgres::{Postgres, Settings};

use crate::serving::{broker, drained, of_fleet};
use crate::{MOST, longhand, scratch, simulator};

const SLOTS: usize = 64;

/// Sections by sample, equal chances for 4 to 24: those of the benchmark's first seed. An all-knowing scheduler reaches 1.02.
fn plans() -> Vec<usize> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        // SplitMix64
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    (0..120).map(|_| 4 + (next() % 21) as usize).collect()
}

/// No scheduler is faster: all calls spread over the slots, or the longest chain.
fn bound(plans: &[usize]) -> f64 {
    let calls: usize = plans.iter().map(|sections| sections + 1).sum();
    let longest = plans.iter().max().expect("there are samples") + 1;
    (calls as f64 / SLOTS as f64).max(longest as f64)
}

/// The time from the first request to the last answer, against the bound.
fn ratio(name: &str, latency_ms: usize, roles: &[(&str, &str)]) -> f64 {
    let scratch = scratch();
    let postgres = Postgres::start(Settings::default());
    let (database, broker) = (postgres.database(None), broker(name));
    let shards = scratch.path().join("shards");
    let latency = latency_ms.to_string();
    let endpoint = simulator(&["--latency-ms", &latency, "--concurrency", "64"]);
    let command = |args: &[&str]| {
        // Leases as they are outside of tests: what is measured is no rescue.
        of_fleet(longhand(args), &database.url(), &broker, &shards)
            .env("LONGHAND__LEASE__LEASE_SECONDS", "90")
            .env("LONGHAND__LEASE__HEARTBEAT_SECONDS", "20")
            .env("LONGHAND__LEASE__RESCUE_SECONDS", "15")
    };
    command(&["migrate"]).finish(MOST).expect_code(0);
    let start = |(role, slots): &(&str, &str)| -> Child {
        let address: &[&str] =
            if *slots == "0" { &[] } else { &["--base-url", endpoint.url(), "--concurrency", slots] };
        command(&[&["serve", role], address].concat()).start()
    };
    let fleet: Vec<Child> = roles.iter().map(start).collect();
    let kinds = || database.sql("select coalesce(sum(slots), 0) from process where kind = 'section'").trim() == "64";
    until(MOST, "all slots are announced", kinds);
    let plans = plans();
    let lines = plans.iter().enumerate().map(|(index, count)| sections(index, *count, 200));
    let rows = write_lines(scratch.path(), "rows.jsonl", lines);
    let rows = rows.to_str().expect("a path");
    let submit = command(&["submit", rows, "--model", "simulated", "--concurrency", "64", "--wait"]);
    submit.finish(Duration::from_secs(180)).expect_code(0);
    let stats = endpoint.stats();
    let at = |name: &str| stats.milliseconds(name).expect("there were calls");
    let seconds = (at("last_answer_ms") - at("first_request_ms")) / 1000.0;
    let ratio = seconds / (bound(&plans) * latency_ms as f64 / 1000.0);
    println!(
        "{name}: {seconds:.2} s, {ratio:.3} of the bound; {} calls, {} repeats, {} at once",
        stats.count("answered"),
        stats.count("repeats"),
        stats.count("peak_in_flight")
    );
    fleet.into_iter().for_each(drained);
    ratio
}

const SAME: [(&str, &str); 4] = [("all", "16"), ("all", "16"), ("all", "16"), ("all", "16")];
const PARTED: [(&str, &str); 6] = [
    ("planner", "16"),
    ("shard-packer", "0"),
    ("section-writer", "16"),
    ("section-writer", "16"),
    ("section-writer", "16"),
    ("section-writer", "16"),
];

#[test]
#[ignore = "measures for half a minute"]
fn with_calls_of_a_second() {
    for (name, roles) in [("same-1000", &SAME[..]), ("parted-1000", &PARTED)] {
        let ratio = ratio(name, 1_000, roles);
        assert!(ratio <= 1.05, "{name}: {ratio:.3}");
    }
}

#[test]
#[ignore = "measures for some seconds"]
fn with_calls_of_a_tenth_of_a_second() {
    for (name, roles) in [("same-100", &SAME[..]), ("parted-100", &PARTED)] {
        let ratio = ratio(name, 100, roles);
        assert!(ratio <= 1.25, "{name}: {ratio:.3}");
    }
}
