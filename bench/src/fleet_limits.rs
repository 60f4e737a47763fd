//! What a fleet of four writers makes of the limits of its endpoint: used up, not passed, shared between runs by weight.

use std::time::{Duration, Instant};

use harness::process::Stats;
use serde_json::json;

use crate::fleet::{FleetScene, Roles};
use crate::row::{Goal, Row};
use crate::scenario::Bench;

/// 4 writers of 16 slots. What a quiet endpoint allows at once is not counted, nor is the end of a run, when work runs out.
const SLOTS: usize = 64;
const ROLES: &Roles = &[
    ("planner", SLOTS / 4),
    ("shard-packer", 0),
    ("section-writer", SLOTS / 4),
    ("section-writer", SLOTS / 4),
    ("section-writer", SLOTS / 4),
    ("section-writer", SLOTS / 4),
];
const SETTLED: Duration = Duration::from_secs(10);
/// Longest that a run may take.
const MOST: Duration = Duration::from_secs(240);

/// 1,200 requests a minute, then 1,200,000 tokens a minute, then two runs of weight 2 and 1 on 1,200 requests a minute.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let samples = bench.scale(100, 40);
    let admitted = |stats: &Stats| stats.count("requests") - stats.count("rejected_429");
    let tokens = |stats: &Stats| stats.count("prompt_tokens") + stats.count("completion_tokens");
    let mut rows = used_up(bench, "requests", "--rpm", "1200", samples, admitted);
    rows.extend(used_up(bench, "tokens", "--tpm", "1200000", samples, tokens));
    rows.push(shared(bench));
    rows
}

/// How much of a limit is used once it is reached, and how many calls it refuses.
fn used_up(
    bench: &Bench,
    what: &str,
    flag: &str,
    limit: &str,
    samples: usize,
    count: impl Fn(&Stats) -> u64,
) -> Vec<Row> {
    let per_minute: f64 = limit.parse().expect("a number");
    let simulator = ["--first-token-ms", "200", flag, limit];
    let plans = vec![11; samples];
    let scene = FleetScene::start(bench, &simulator, ROLES, SLOTS).submit(&plans, 200, &[flag, limit]);
    let calls: usize = plans.iter().map(|sections| sections + 1).sum();
    let (first, last) = window(|| (scene.stats(), scene.stats().count("answered") as usize * 10 < calls * 8));
    let minutes = (last.0 - first.0).as_secs_f64() / 60.0;
    let used = (count(&last.1) - count(&first.1)) as f64 / minutes;
    let outcome = scene.finish(MOST);
    let rejected = outcome.stats.count("rejected_429");
    let share = rejected as f64 / outcome.stats.count("requests") as f64 * 100.0;
    let detail = json!({"used_per_minute": used, "minutes": minutes, "requests": outcome.stats.count("requests"),
        "rejected_429": rejected, "seconds": outcome.seconds(), "cpu_seconds": outcome.cpu});
    let name = format!("fleet, used of {limit} {what} a minute");
    vec![
        Row::figure(&name, used / per_minute * 100.0, "%", Goal::AtLeast(98.0), detail),
        Row::figure(
            &format!("fleet, calls rejected by the limit of {what}"),
            share,
            "%",
            Goal::AtMost(0.5),
            json!(null),
        ),
    ]
}

/// Sections of two runs with weights 2 and 1, while both have work.
fn shared(bench: &Bench) -> Row {
    let limit = ["--rpm", "1200"];
    let (many, few) = bench.scale((66, 40), (50, 30));
    let scene = FleetScene::start(bench, &["--first-token-ms", "200", "--rpm", "1200"], ROLES, SLOTS)
        .submit(&vec![11; many], 200, &[&limit[..], &["--weight", "2"]].concat())
        .submit(&vec![11; few], 200, &limit);
    let (first, last) = window(|| {
        let written = scene.written();
        let both_work = written[0] as usize * 10 < many * 11 * 7 && written[1] as usize * 10 < few * 11 * 7;
        (written, both_work)
    });
    let of = |run: usize| (last.1[run] - first.1[run]) as f64;
    let ratio = of(0) / of(1);
    let outcome = scene.finish(MOST);
    let off = (ratio / 2.0).max(2.0 / ratio) * 100.0 - 100.0;
    let detail =
        json!({"sections": [of(0), of(1)], "ratio": ratio, "rejected_429": outcome.stats.count("rejected_429")});
    Row::figure("two runs of weights 2 and 1, off their shares by", off, "%", Goal::AtMost(5.0), detail)
}

/// What is seen when the first calls are over, and when `look` says that no more is to be waited for, with the times.
fn window<T>(look: impl Fn() -> (T, bool)) -> ((Duration, T), (Duration, T)) {
    let since = Instant::now();
    std::thread::sleep(SETTLED);
    let first = (since.elapsed(), look().0);
    loop {
        std::thread::sleep(Duration::from_millis(100));
        let (seen, goes_on) = look();
        let last = (since.elapsed(), seen);
        if !goes_on {
            return (first, last);
        }
        assert!(last.0 < MOST, "it takes too long");
    }
}
