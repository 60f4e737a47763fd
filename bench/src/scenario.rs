//! What rows share: a simulator, a folder, a run that is driven to its end and looked at.

use std::path::PathBuf;
use std::time::Duration;

use harness::process::{Child, Ended, Folder, Run, Simulator, Stats, Usage, sections, write_lines};
use tempfile::TempDir;

/// How to measure.
#[derive(Debug)]
pub struct Bench {
    /// The binary under test.
    pub binary: PathBuf,
    /// Small scale: proves that the rows work, measures nothing.
    pub quick: bool,
    /// How often rows are repeated whose median counts.
    pub repeat: u64,
    /// The same without what telemetry hooks into, if there is one.
    pub unwatched: Option<PathBuf>,
}

/// A simulator and an input, with the folder of a run.
pub struct Scenario {
    /// Holds the folder.
    _scratch: TempDir,
    /// The endpoint.
    pub simulator: Simulator,
    /// The command.
    pub run: Run,
    /// What it makes.
    pub folder: Folder,
}

/// How a run went.
pub struct Outcome {
    /// The process.
    pub ended: Ended,
    /// What the endpoint counted.
    pub stats: Stats,
    /// What the endpoint's process used.
    pub simulator: Usage,
}

impl Outcome {
    /// From the first request to the end of the last answer, in seconds.
    pub fn seconds(&self) -> f64 {
        let at = |name: &str| self.stats.milliseconds(name).expect("there were calls");
        (at("last_answer_ms") - at("first_request_ms")) / 1000.0
    }

    /// Complete answers.
    pub fn calls(&self) -> f64 {
        self.stats.count("answered") as f64
    }
}

impl Bench {
    /// `full`, or `quick` at small scale.
    pub fn scale<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// A scenario whose sample i gets `plans[i]` sections of `words` words.
    pub fn scenario(&self, plans: &[usize], words: usize, simulator: &[&str], run: &[&str]) -> Scenario {
        let scratch = TempDir::new().expect("a temporary folder can be made");
        let lines = plans.iter().enumerate().map(|(index, count)| sections(index, *count, words));
        let rows = write_lines(scratch.path(), "rows.jsonl", lines);
        let folder = Folder::at(scratch.path().join("out"));
        let simulator = Simulator::start(&self.binary, simulator);
        let run = Run::on(&self.binary, &rows, folder.path(), simulator.url()).args(run.iter().copied());
        Scenario { _scratch: scratch, simulator, run, folder }
    }
}

impl Scenario {
    /// Drives the run to its end.
    pub fn finish(mut self, most: Duration) -> Outcome {
        let child = self.run.start();
        self.wait(child, most)
    }

    /// Waits for a process of the run; it must end well.
    pub fn wait(&mut self, child: Child, most: Duration) -> Outcome {
        let ended = child.wait(most).expect_code(0);
        Outcome { ended, stats: self.simulator.stats(), simulator: self.simulator.usage() }
    }
}
