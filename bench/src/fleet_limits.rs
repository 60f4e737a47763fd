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
/// Rounds of its slots after which a run is looked at.
const ROUNDS: usize = 2;
/// Longest that a run may take.
const MOST: Duration = Duration::from_secs(240);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// 1,200 requests a minute.
pub fn requests(bench: &Bench) -> Vec<Row> {
    used_up(bench, "requests", "--rpm", "1200", |stats| stats.count("requests") - stats.count("rejected_429"))
}

/// 1,200,000 tokens a minute.
pub fn tokens(bench: &Bench) -> Vec<Row> {
    used_up(bench, "tokens", "--tpm", "1200000", |stats| {
        stats.count("prompt_tokens") + stats.count("completion_tokens")
    })
}

/// How much of a limit is used once it is reached, and how many calls it refuses.
fn used_up(bench: &Bench, what: &str, flag: &str, limit: &str, count: impl Fn(&Stats) -> u64) -> Vec<Row> {
    let per_minute: f64 = limit.parse().expect("a number");
    let samples = bench.scale(100, 40);
    let simulator = ["--first-token-ms", "200", flag, limit];
    let plans = vec![11; samples];
    let scene = FleetScene::start(bench, &simulator, ROLES, SLOTS).submit(&plans, 200, &[flag, limit]);
    let calls: usize = plans.iter().map(|sections| sections + 1).sum();
    let looks = window(|| {
        let stats = scene.stats();
        let goes_on = stats.count("answered") as usize * 10 < calls * 8;
        (stats, goes_on)
    });
    let [first, last] = [&looks[0], looks.last().expect("there is a first look")];
    let minutes = (last.0 - first.0).as_secs_f64() / 60.0;
    let used = (count(&last.1) - count(&first.1)) as f64 / minutes;
    // Refusals by ten seconds: those of the start are another matter than steady ones.
    let refused: Vec<u64> = looks.iter().step_by(100).map(|(_, stats)| stats.count("rejected_429")).collect();
    let outcome = scene.finish(MOST);
    let rejected = outcome.stats.count("rejected_429");
    let share = rejected as f64 / outcome.stats.count("requests") as f64 * 100.0;
    let detail = json!({"used_per_minute": used, "minutes": minutes, "requests": outcome.stats.count("requests"),
        "rejected_429": rejected, "rejected_by_ten_seconds_from_10_s_on": refused, "seconds": outcome.seconds(),
        "cpu_seconds": outcome.cpu});
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

/// Calls a second of two runs with weights 2 and 1 on 1,200 requests a minute, while both have work.
///
/// Calls, not sections: a run uses its part of the limit for plans too, and the run that was submitted later still makes plans
/// when the other one writes. The rates are those of straight lines through what was seen, not differences of its ends: a slot's
/// calls come round every few seconds with those of its run, so a difference is off by up to a round. And it is looked at from
/// when each run has had [`ROUNDS`] rounds of its slots: until then the first run's calls still stand before the other's.
pub fn shares(bench: &Bench) -> Vec<Row> {
    let limit = ["--rpm", "1200"];
    let weights = [2, 1];
    let samples = bench.scale([66, 50], [40, 30]);
    let scene = FleetScene::start(bench, &["--first-token-ms", "200", "--rpm", "1200"], ROLES, SLOTS)
        .submit(&vec![11; samples[0]], 200, &[&limit[..], &["--weight", "2"]].concat())
        .submit(&vec![11; samples[1]], 200, &limit);
    let mut looks = window(|| {
        let calls = scene.calls();
        let both_work = (0..2).all(|run| calls[run] as usize * 10 < samples[run] * 12 * 7);
        (calls, both_work)
    });
    let warm = |calls: &[u64]| (0..2).all(|run| calls[run] as usize >= ROUNDS * SLOTS * weights[run] / 3);
    looks.retain(|(_, calls)| warm(calls));
    let rates = [0, 1].map(|run| slope(looks.iter().map(|(at, seen)| (at.as_secs_f64(), seen[run] as f64))));
    let ratio = rates[0] / rates[1];
    let outcome = scene.finish(MOST);
    let off = (ratio / 2.0).max(2.0 / ratio) * 100.0 - 100.0;
    let series: Vec<_> = looks.iter().step_by(10).map(|(at, seen)| (at.as_secs_f64(), seen[0], seen[1])).collect();
    let detail = json!({"calls_per_second": rates, "ratio": ratio, "seconds_and_calls": series,
        "rejected_429": outcome.stats.count("rejected_429")});
    vec![Row::figure("two runs of weights 2 and 1, off their shares by", off, "%", Goal::AtMost(5.0), detail)]
}

/// The slope of the straight line that is closest to these points.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let count = points.clone().count() as f64;
    let mean = |pick: fn((f64, f64)) -> f64| points.clone().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.clone().map(|(at, seen)| (at - x) * (seen - y)).sum();
    covariance / points.map(|(at, _)| (at - x).powi(2)).sum::<f64>()
}

/// What is seen from when the first calls are over until `look` says that no more is to be waited for, with the times.
fn window<T>(look: impl Fn() -> (T, bool)) -> Vec<(Duration, T)> {
    let since = Instant::now();
    std::thread::sleep(SETTLED);
    let mut looks = Vec::new();
    loop {
        let (seen, goes_on) = look();
        looks.push((since.elapsed(), seen));
        if !goes_on && looks.len() > 1 {
            return looks;
        }
        assert!(since.elapsed() < MOST, "it takes too long");
        std::thread::sleep(LOOK_EVERY);
    }
}
