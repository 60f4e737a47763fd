//! A full disk: the run waits with a clear word, nothing is lost, and it goes on where it stopped.

use std::process::Command;

use agentwrite::sample::SampleState;
use harness::process::{Child, Folder, Run, Signal, Simulator, fixed_sections};
use tempfile::TempDir;

use crate::{MOST, run, scratch, simulator, undisturbed};

/// Every file of the process may grow to this many blocks of 512 bytes; beyond that writes fail as on a full disk. Schema,
/// intake and the first admission need about a fifth of it, the whole run several times as much: it gets full while calls
/// are in flight, on a slow machine too.
const FULL: &str = "trap '' XFSZ; ulimit -S -f 6000";

const SAMPLES: usize = 100;

struct Scene {
    scratch: TempDir,
    endpoint: Simulator,
    folder: Folder,
    run: Run,
    calm: Folder,
}

/// A run on a disk that gets full, waited for until it says so.
fn on_a_full_disk() -> (Scene, Child) {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", SAMPLES, 3, 200);
    let calm = undisturbed(&simulator(&[]), &rows, &scratch.path().join("calm"), &["--concurrency", "8"]);
    let endpoint = simulator(&["--latency-ms", "20"]);
    let folder = Folder::at(scratch.path().join("full"));
    let run = run(&endpoint, &rows, folder.path()).args(["--concurrency", "8"]);
    let child = Child::start(&mut run.command_after(FULL));
    child.until_stderr("the store refused a result; trying again", MOST);
    (Scene { scratch, endpoint, folder, run, calm }, child)
}

impl Scene {
    fn assert_complete(&self, repeats: u64) {
        let store = self.folder.store();
        assert_eq!(store.count(SampleState::Packed), SAMPLES as u64);
        assert_eq!(store.violations, []);
        self.folder.assert_same_dataset(&self.calm);
        let counted = self.endpoint.stats().count("repeats");
        assert!(counted <= repeats, "{counted} calls were repeated in {}", self.scratch.path().display());
    }
}

#[test]
fn a_run_goes_on_by_itself_when_there_is_room_again() {
    let (scene, child) = on_a_full_disk();
    let freed = Command::new("prlimit").args(["--pid", &child.pid().to_string(), "--fsize=unlimited"]).status();
    assert!(freed.expect("prlimit (util-linux) is installed").success());
    child.wait(MOST).expect_code(0);
    scene.assert_complete(0);
}

#[test]
fn a_run_that_is_stopped_on_a_full_disk_keeps_the_answers_it_has() {
    let (scene, mut child) = on_a_full_disk();
    child.signal(Signal::Interrupt);
    child.until_stderr("Ctrl-C again stops now", MOST);
    child.signal(Signal::Interrupt);
    child.wait(MOST).expect_code(130).expect_stderr("longhand resume");
    scene.run.finish(MOST).expect_code(0);
    // Answers that had come are in the spool; calls that were open are asked again.
    scene.assert_complete(8);
}
