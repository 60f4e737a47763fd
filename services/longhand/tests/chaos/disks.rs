//! Disks are full: the packer's, and that of the folder of `longhand run`.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use harness::process::{Child, Folder, Run, SampleState, Simulator, SmallDisk, fixed_sections, until};
use tempfile::TempDir;

use crate::figures::Outcome;
use crate::ground::calm;
use crate::trial::{SHARD_SIZE, Setting, Who};
use crate::{LONGHAND, MOST, number, play, play_each};

/// The packer's disk takes no file, for a while: its folder is a file of somebody else.
#[test]
fn a_packer_cannot_write_its_shards() {
    let setting = Setting { latency_ms: 200, ..Setting::USUAL };
    play("17 shards cannot be written for a while", &setting, |trial| {
        trial.kill(Who::Packer);
        let folder = trial.fleet.shards.join(trial.run.as_str());
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&trial.fleet.shards).expect("the test's folder can be written");
        std::fs::write(&folder, "in the way").expect("the test's folder can be written");
        trial.launch(Who::Packer);
        trial.until_share(0.6);
        std::thread::sleep(Duration::from_secs(1));
        std::fs::remove_file(&folder).expect("the file is ours");
        trial.over();
    });
}

/// No file may grow beyond a few kilobytes: what a full disk says to a packer, which a supervisor then starts anew.
#[test]
fn a_packer_has_a_full_disk() {
    let setting = Setting { latency_ms: 200, ..Setting::USUAL };
    play("18 packer on a full disk, then on another", &setting, |trial| {
        trial.kill(Who::Packer);
        let script = trial.fleet.shards.with_file_name("packer.sh");
        let text = format!("#!/bin/sh\nulimit -f 8\nexec {} \"$@\"\n", crate::LONGHAND);
        std::fs::write(&script, text).expect("the test's folder can be written");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("the script is ours");
        let mut cramped = trial.fleet.clone();
        cramped.binary = script;
        let command = cramped.serve("shard-packer", None);
        trial.launch_as(Who::Packer, command);
        trial.until_share(0.7);
        let published = trial.count("select count(*) from shard where state = 'published'");
        assert_eq!(published, 0, "a shard fits a full disk");
        trial.stop_whatever_it_is(Who::Packer);
        trial.launch(Who::Packer);
        trial.over();
    });
}

/// One run of the embedded edition in a folder with little room.
struct Cramped {
    disk: SmallDisk,
    run: Run,
    endpoint: Simulator,
    setting: Setting,
    started: Instant,
    _scratch: TempDir,
}

impl Cramped {
    /// Schema, intake and the first admissions need about half a megabyte.
    const ROOM: u64 = 1_536 << 10;

    fn new() -> Self {
        let setting = Setting { samples: 80, ..Setting::USUAL };
        let scratch = TempDir::new().expect("a temporary folder can be made");
        let rows = fixed_sections(scratch.path(), "rows.jsonl", setting.samples, setting.sections, 200);
        let endpoint = Simulator::start(LONGHAND, &["--latency-ms", "20"]);
        let disk = SmallDisk::at(scratch.path().join("out"), Self::ROOM);
        let run = Run::on(LONGHAND, &rows, disk.path(), endpoint.url());
        let run = run.args(["--shard-size", SHARD_SIZE, "--concurrency", "8"]);
        Self { disk, run, endpoint, setting, started: Instant::now(), _scratch: scratch }
    }

    fn until_full(&self) -> Child {
        let child = self.disk.start(&self.run);
        child.until_stderr("the store refused a result; trying again", MOST);
        child
    }

    /// The end of a run to which `child` brings it: everything is there once.
    fn verdict(self, child: Child, bound: u64, resume: f64) -> Outcome {
        let ended = child.wait(MOST);
        let seconds = self.started.elapsed().as_secs_f64();
        let folder = Folder::at(self.disk.path());
        let (store, rows) = (folder.store(), folder.rows());
        let (samples, packed) = (self.setting.samples as u64, store.count(SampleState::Packed));
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let mut wrong: Vec<String> = store.violations.iter().map(|violation| format!("{violation:?}")).collect();
        if ended.code != Some(0) {
            wrong.push(format!("ended with {:?}: {}", ended.code, ended.stderr));
        }
        if packed != samples {
            wrong.push(format!("{packed} samples are packed: {:?}", store.totals));
        }
        if folder.shard_bytes() != calm(self.setting.samples, self.setting.sections, SHARD_SIZE) {
            wrong.push("other bytes than those of an undisturbed run".to_owned());
        }
        Outcome {
            seconds,
            lost: (samples - packed) * self.setting.sections as u64,
            duplicated: (rows.len() - ids.len()) as u64,
            broken: store.violations.iter().filter(|(name, _, _)| name == "I8").count() as u64,
            repeats: self.endpoint.stats().count("repeats"),
            bound,
            orphaned: store.totals.orphaned_calls,
            resumes: vec![resume],
            wrong,
        }
    }

    /// Seconds until the endpoint answers again.
    fn resumed(&self) -> f64 {
        let (before, since) = (self.endpoint.stats().count("answered"), Instant::now());
        until(MOST, "a call is answered after the fault", || self.endpoint.stats().count("answered") > before);
        since.elapsed().as_secs_f64()
    }
}

/// It waits, and goes on by itself when there is room.
#[test]
#[ignore = "more: a part of make chaos"]
fn a_run_s_folder_is_full_for_a_while() {
    play_each(number("CHAOS_TRIALS", 1), "18 embedded: folder of the store full, then not", |_| {
        let mut scene = Cramped::new();
        let child = scene.until_full();
        std::thread::sleep(Duration::from_secs(2));
        scene.disk.grow(Some(&child));
        let resume = scene.resumed();
        scene.verdict(child, 0, resume)
    });
}

/// Killed on a full disk, started on it again, killed again; then there is room.
#[test]
#[ignore = "more: a part of make chaos"]
fn a_run_dies_on_a_full_disk() {
    play_each(number("CHAOS_TRIALS", 1), "18 embedded: killed twice on a full disk", |seed| {
        let mut scene = Cramped::new();
        let child = scene.until_full();
        std::thread::sleep(Duration::from_millis(seed * 137 % 1_000));
        child.kill();
        let again = scene.disk.start(&scene.run);
        std::thread::sleep(Duration::from_secs(2));
        let said = again.kill();
        assert!(
            said.stderr.contains("full") || said.stderr.contains("refused"),
            "started on a full disk: {}",
            said.stderr
        );
        scene.disk.grow(None);
        let child = scene.run.start();
        let resume = scene.resumed();
        // What a dead process had open counts as orphaned from its successor's start.
        let bound = Folder::at(scene.disk.path()).store().totals.orphaned_calls;
        scene.verdict(child, bound, resume)
    });
}
