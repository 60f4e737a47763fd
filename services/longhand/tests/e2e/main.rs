//! The binary as a user meets it: real processes, a simulated endpoint in a process of its own, kills, signals, bad input.

mod alerts;
mod bad_input;
mod bucket;
mod command_line;
mod cut_answers;
mod deployment;
mod endpoint_faults;
mod endpoint_pools;
mod estimate;
mod first_command;
mod fleet;
mod kills;
mod operators;
mod outage;
mod run_ids;
mod run_names;
mod servers_of_the_fleet;
mod serving;
mod signals;
mod storage;
mod telling;
mod training;

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::process::{Folder, Run, Simulator};
use tempfile::TempDir;

/// The binary under test, built with the named crash points.
const LONGHAND: &str = env!("CARGO_BIN_EXE_longhand");

/// Longest that any one process of these tests may take.
const MOST: Duration = Duration::from_secs(60);

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder for one test, with nothing of this machine in it.
fn scratch() -> TempDir {
    TempDir::new().expect("a temporary folder can be made")
}

/// Any command.
fn longhand(args: &[&str]) -> Run {
    Run::of(LONGHAND, args.iter().copied())
}

/// `run` against a simulator.
fn run(simulator: &Simulator, instructions: &Path, out: &Path) -> Run {
    Run::on(LONGHAND, instructions, out, simulator.url())
}

/// An endpoint.
fn simulator(args: &[&str]) -> Simulator {
    Simulator::start(LONGHAND, args)
}

/// Runs to the end without any disturbance and gives the folder.
fn undisturbed(simulator: &Simulator, instructions: &Path, out: &Path, args: &[&str]) -> Folder {
    run(simulator, instructions, out).args(args.iter().copied()).finish(MOST).expect_code(0);
    Folder::at(out)
}
