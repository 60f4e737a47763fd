//! What rows of an endpoint pool share: simulators side by side and the settings that name them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use harness::process::{Folder, Run, Simulator, sections, write_lines};
use tempfile::TempDir;

use crate::scenario::Bench;

/// Names of the members; as many as a pool of these rows has at most.
pub const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A pool at rest, and a run for it.
pub struct PoolScene {
    /// Holds the folder.
    _scratch: TempDir,
    /// The members, in the order of [`NAMES`].
    pub members: Vec<Simulator>,
    /// The command.
    pub run: Run,
    /// What it makes.
    pub folder: Folder,
}

impl PoolScene {
    /// `count` members of equal weight with these flags each; sample i gets `plans[i]` sections of `words` words.
    pub fn start(bench: &Bench, count: usize, flags: &[&str], plans: &[usize], words: usize, slots: usize) -> Self {
        let scratch = TempDir::new().expect("a temporary folder can be made");
        let lines = plans.iter().enumerate().map(|(index, count)| sections(index, *count, words));
        let rows = write_lines(scratch.path(), "rows.jsonl", lines);
        let members: Vec<Simulator> = (0..count).map(|_| Simulator::start(&bench.binary, flags)).collect();
        let settings = settings(scratch.path(), &members);
        let folder = Folder::at(scratch.path().join("out"));
        let run = Run::of(&bench.binary, ["run".as_ref(), rows.as_os_str()])
            .arg("--out")
            .arg(folder.path())
            .arg("--config")
            .arg(settings)
            .args(["--model", "simulated", "--yes", "--concurrency", &slots.to_string()]);
        Self { _scratch: scratch, members, run, folder }
    }

    /// A counter, of each member.
    pub fn counts(&self, name: &str) -> Vec<u64> {
        self.members.iter().map(|member| member.stats().count(name)).collect()
    }

    /// A counter, of all members together.
    pub fn sum(&self, name: &str) -> u64 {
        self.counts(name).iter().sum()
    }
}

fn settings(dir: &Path, members: &[Simulator]) -> PathBuf {
    let mut text = String::new();
    for (name, member) in NAMES.iter().zip(members) {
        let _ = writeln!(text, "[endpoints.{name}]\nbase_url = \"{}\"", member.url());
    }
    let _ = writeln!(text, "[pools]\nwrite = {:?}", &NAMES[..members.len()]);
    let path = dir.join("longhand.toml");
    std::fs::write(&path, text).expect("the folder can be written");
    path
}
