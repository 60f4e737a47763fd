//! Processes die: at every named point, at random moments, stand still, are replaced.

use std::time::Duration;

use harness::process::Signal;
use worker::CrashPoints;

use crate::play;
use crate::trial::{LEASE, Setting, Who};

#[test]
fn a_writer_dies_at_every_point() {
    let setting = Setting { latency_ms: 250, ..Setting::USUAL };
    play("1 writer killed at each of 8 points", &setting, |trial| {
        trial.until_share(0.1);
        trial.kill(Who::Writer);
        for point in CrashPoints::OF_A_TASK {
            let count = 1 + (trial.random() * 2.0) as u32;
            trial.crash(Who::Writer, point, count);
        }
        trial.launch(Who::Writer);
        trial.over();
    });
}

#[test]
fn a_planner_dies_at_some_points() {
    let setting = Setting { latency_ms: 300, ..Setting::USUAL };
    play("2 planner killed at 2 points", &setting, |trial| {
        for point in ["before_commit", "after_commit"] {
            trial.until_share(0.1);
            trial.kill(Who::Planner);
            trial.crash(Who::Planner, point, 1);
            trial.launch(Who::Planner);
            trial.over();
        }
    });
}

#[test]
#[ignore = "more: a part of make chaos"]
fn a_planner_dies_at_every_point() {
    let setting = Setting { latency_ms: 1_000, samples: 60, ..Setting::USUAL };
    play("2 planner killed at each of 8 points", &setting, |trial| {
        trial.kill(Who::Planner);
        for point in CrashPoints::OF_A_TASK {
            trial.crash(Who::Planner, point, 1);
        }
        trial.launch(Who::Planner);
        trial.over();
    });
}

#[test]
fn a_packer_dies_between_its_files_and_their_publication() {
    play("2 packer killed after its files, 3 times, and at random", &Setting::USUAL, |trial| {
        trial.kill(Who::Packer);
        for count in [1, 1, 2] {
            trial.crash(Who::Packer, "after_shard_files", count);
        }
        trial.launch(Who::Packer);
        let rest = Duration::from_millis((trial.random() * 300.0) as u64);
        std::thread::sleep(rest);
        trial.kill(Who::Packer);
        trial.launch(Who::Packer);
    });
}

#[test]
#[ignore = "more: a part of make chaos"]
fn every_service_is_killed_at_random() {
    let setting = Setting { latency_ms: 200, ..Setting::USUAL };
    play("1, 2 every service killed in turn", &setting, |trial| {
        for (share, who) in [(0.15, Who::Writer), (0.35, Who::Planner), (0.55, Who::OtherWriter), (0.7, Who::Packer)] {
            trial.until_share(share);
            trial.kill(who);
            trial.launch(who);
            trial.over();
        }
    });
}

#[test]
fn a_writer_is_frozen_for_three_leases() {
    play("8 writer stopped for 3 leases, then continued", &Setting::LONG, |trial| {
        trial.until_share(0.3);
        trial.child(Who::Writer).signal(Signal::Stop);
        trial.allow_open_calls(Who::Writer);
        std::thread::sleep(LEASE * 3);
        trial.child(Who::Writer).signal(Signal::Continue);
        trial.over();
    });
}

#[test]
fn every_process_is_replaced_in_order() {
    let setting = Setting { latency_ms: 200, ..Setting::USUAL };
    play("20 every process stopped in order and started again", &setting, |trial| {
        for (share, who) in [(0.2, Who::Writer), (0.35, Who::OtherWriter), (0.5, Who::Planner), (0.6, Who::Packer)] {
            trial.until_share(share);
            trial.drain(who);
            trial.launch(who);
            trial.over();
        }
    });
}

#[test]
fn two_of_everything_and_the_leaders_die() {
    const FLEET: &[Who] =
        &[Who::Planner, Who::SecondPlanner, Who::Writer, Who::OtherWriter, Who::Packer, Who::SecondPacker];
    let setting = Setting { fleet: FLEET, latency_ms: 200, ..Setting::USUAL };
    play("19 two planners and packers, one of each killed", &setting, |trial| {
        trial.until_share(0.3);
        trial.kill(Who::Planner);
        trial.kill(Who::Packer);
        trial.over();
    });
}
