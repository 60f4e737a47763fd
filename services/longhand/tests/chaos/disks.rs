//! Disks are full: the packer's, and that of the folder of `longhand run`.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use harness::process::{Child, Folder, Run, Simulator, SmallDisk, fixed_sections, until};
use tempfile::TempDir;

use crate::figures::Outcome;
use crate::ground::Ground;
use crate::trial::{LEASE, SHARD_SIZE, Setting, Trial, Who};
use crate::{LONGHAND, MOST, number, play, play_each, verdict};

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

/// Room for one answer or two.
const SPOOLED: Setting =
    Setting { ground: Ground::OwnDatabase, spool: Some(4 << 10), latency_ms: 200, ..Setting::USUAL };

/// The database is gone and the writer's spool takes no more.
fn until_spool_is_full(trial: &mut Trial) {
    trial.until_share(0.3);
    trial.servers.postgres.kill();
    trial.child(Who::Writer).until_stderr("the spool takes no answer", MOST);
}

/// The writer holds what it was given in memory, takes no new work, and loses nothing, whichever comes first: the database, or
/// room.
#[test]
fn a_writer_s_spool_is_full_while_the_database_is_away() {
    play("18 writer's spool full, database down for 2 leases", &SPOOLED, |trial| {
        until_spool_is_full(trial);
        std::thread::sleep(LEASE * 2);
        trial.servers.postgres.start_again();
        trial.over();
        trial.make_room();
    });
}

/// There is room again before the database is back: what was held goes to the spool, and outlives the writer.
#[test]
#[ignore = "more: a part of make chaos"]
fn a_writer_s_spool_gets_room_before_the_writer_dies() {
    play("18 writer's spool full, then not, then writer killed, database down", &SPOOLED, |trial| {
        until_spool_is_full(trial);
        // Longer than the longest wait between two tries, and than the calls that are still open.
        trial.make_room();
        std::thread::sleep(Duration::from_secs(4));
        trial.kill(Who::Writer);
        trial.killed.clear();
        trial.servers.postgres.start_again();
        trial.launch(Who::Writer);
        trial.over();
    });
}

/// The stated loss: what a writer holds in memory dies with it, and is asked for again; at most one answer a slot.
#[test]
#[ignore = "more: a part of make chaos"]
fn a_writer_dies_on_a_full_spool() {
    play("18 writer killed with its spool full, database down", &SPOOLED, |trial| {
        until_spool_is_full(trial);
        trial.kill(Who::Writer);
        trial.servers.postgres.start_again();
        trial.launch(Who::Writer);
        trial.over();
        trial.make_room();
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

    /// The end of a run to which `child` brings it.
    fn verdict(self, child: Child, bound: u64, resume: f64) -> Outcome {
        let outcome = verdict::of_folder(child, self.disk.path(), &self.endpoint, &self.setting, bound);
        Outcome { seconds: self.started.elapsed().as_secs_f64(), resumes: vec![resume], ..outcome }
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
