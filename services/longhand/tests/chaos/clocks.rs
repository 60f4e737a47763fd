//! Clocks jump by an hour, forwards and backwards. The database's clock decides in a fleet, and a process counts from there on
//! one that nobody can set (`fleet/clock.rs`); a process that works alone has its own clock alone (`worker::SteadyClock`).
//!
//! The wall clock of the build under test is wrong by what a file says, wherever our code reads it, ids included. Not by that:
//! what libraries read for themselves (certificates, signatures for a bucket, times of spans).

use std::path::Path;
use std::time::{Duration, Instant};

use harness::process::{Run, Simulator, fixed_sections, until};
use tempfile::TempDir;

use crate::figures::Outcome;
use crate::trial::{SHARD_SIZE, Setting, Trial, Who, set_clock};
use crate::{LONGHAND, MOST, number, play, play_each, verdict};

const HOUR: i64 = 3_600;

/// Nobody is killed, so nothing may be paid twice.
#[test]
fn clocks_of_a_fleet_jump() {
    const JUMPS: [(f64, Who, i64); 7] = [
        (0.1, Who::Writer, HOUR),
        (0.2, Who::Planner, -HOUR),
        (0.3, Who::OtherWriter, -HOUR),
        (0.4, Who::Writer, -HOUR),
        (0.5, Who::Packer, HOUR),
        (0.6, Who::Planner, HOUR),
        (0.7, Who::Packer, -HOUR),
    ];
    let setting = Setting { clocks: true, latency_ms: 200, ..Setting::USUAL };
    play("9 clocks of writers, planner and packer jump by an hour, 7 times", &setting, |trial| {
        for (share, who, seconds) in JUMPS {
            trial.until_share(share);
            trial.set_clock(who, seconds);
            trial.over();
        }
        for (who, seconds) in [(Who::Writer, HOUR), (Who::Writer, -HOUR), (Who::OtherWriter, -HOUR)] {
            trial.until("the jump has been seen", |trial| drawn_off(trial, who, seconds) > 0);
        }
    });
}

/// Attempts of a process whose ids were drawn at a time so far from the database's.
fn drawn_off(trial: &mut Trial, who: Who, seconds: i64) -> u64 {
    let pid = trial.child(who).pid();
    // `att_` and a UUID of version 7: its first 48 bits are milliseconds.
    let drawn = "('x' || substr(attempt, 5, 12))::bit(48)::bigint / 1000";
    trial.count(&format!(
        "select count(*) from attempt where owner like '%-{pid}-%' and abs({drawn} - started_at / 1000 - ({seconds})) < 600"
    ))
}

/// One process over SQLite. Its claims last for a minute, some calls fail and are asked again later, and a limit is kept to:
/// everything in it that knows a time.
fn alone(trial: impl Fn(&Path, &Simulator, u64) -> f64) -> Outcome {
    let setting = Setting { samples: 40, ..Setting::USUAL };
    let scratch = TempDir::new().expect("a temporary folder can be made");
    let rows = fixed_sections(scratch.path(), "rows.jsonl", setting.samples, setting.sections, 200);
    let faults = ["--latency-ms", "200", "--faults", "rate_429=0.005,rate_500=0.03"];
    let endpoint = Simulator::start(LONGHAND, &faults);
    let (out, clock) = (scratch.path().join("out"), scratch.path().join("clock"));
    let started = Instant::now();
    let run = Run::on(LONGHAND, &rows, &out, endpoint.url()).args(["--shard-size", SHARD_SIZE, "--rpm", "3000"]);
    let child = run.args(["--concurrency", "10"]).env("LONGHAND_CLOCK_OFF", clock.display().to_string()).start();
    let resume = trial(&clock, &endpoint, setting.calls());
    let outcome = verdict::of_folder(child, &out, &endpoint, &setting, 0);
    let seconds = started.elapsed().as_secs_f64();
    Outcome { seconds, resumes: vec![resume], ..outcome }
}

#[test]
fn the_clock_of_a_run_jumps() {
    play_each(
        number("CHAOS_TRIALS", 1),
        "9 embedded: the clock jumps by an hour, forwards and twice backwards",
        |seed| {
            alone(|clock, endpoint, calls| {
                let answered = || endpoint.stats().count("answered");
                let mut longest = Duration::ZERO;
                for (share, seconds) in [(20, HOUR), (40, 0), (60, -HOUR)] {
                    let wanted = calls * (share + seed % 10) / 100;
                    until(MOST, "some calls are answered", || answered() >= wanted);
                    set_clock(clock, seconds);
                    let (before, since) = (answered(), Instant::now());
                    until(MOST, "a call is answered after the jump", || answered() > before);
                    longest = longest.max(since.elapsed());
                }
                longest.as_secs_f64()
            })
        },
    );
}
