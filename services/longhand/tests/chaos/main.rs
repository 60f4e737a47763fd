//! Chaos: the distributed edition in real processes over real servers, hurt in every way of the fault matrix while it works.
//!
//! A row is a test: a [`Setting`], and a fault that is done to a [`Trial`]. Whatever the fault, the run must complete without
//! any command, every sample be packed once, every chain recompute, the shards be those of the embedded edition byte for
//! byte, and the endpoint, which is a judge outside, may have been asked again for no more calls than were open at the kills.
//!
//! `cargo test` plays the most telling rows once. `make chaos` plays all of them, `CHAOS_TRIALS` times (5) with moments drawn
//! from `CHAOS_SEED` (1), and prints the figures of every row and of all together.
//!
//! To add a row: a test in the module of what it hurts.

mod broker;
mod bucket;
mod clocks;
mod database;
mod disks;
mod endpoint;
mod everything;
mod figures;
mod ground;
mod kills;
mod messages;
mod network;
mod trial;
mod upgrade;
mod verdict;

use std::time::Duration;

use figures::{Figures, Outcome};
use trial::{Setting, Trial};

/// The binary under test, built with the named crash points.
const LONGHAND: &str = env!("CARGO_BIN_EXE_longhand");

/// Longest that one trial may wait for anything.
const MOST: Duration = Duration::from_secs(90);

/// Plays a row as often as asked.
fn play(row: &str, setting: &Setting, fault: impl FnMut(&mut Trial)) {
    play_times(number("CHAOS_TRIALS", 1), row, setting, fault);
}

/// Plays a row so many times.
fn play_times(trials: u64, row: &str, setting: &Setting, mut fault: impl FnMut(&mut Trial)) {
    play_each(trials, row, |seed| {
        let mut trial = Trial::start(setting, seed);
        fault(&mut trial);
        verdict::of(trial)
    });
}

/// Plays trials that are no fleet's.
fn play_each(trials: u64, row: &str, mut trial: impl FnMut(u64) -> Outcome) {
    let seed = number("CHAOS_SEED", 1);
    let mut figures = Figures::of(row);
    for seed in seed..seed + trials {
        figures.add(seed, trial(seed));
    }
    figures.report();
}

#[expect(clippy::disallowed_methods, reason = "how often and from which seed is said by the environment")]
fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().map_or(usual, |text| text.parse().expect("a number of trials or a seed"))
}
