//! The database goes away under a fleet at work: answers that come meanwhile are kept, and the endpoint, which counts, is
//! never asked for one of them again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::process::{Child, Run, Simulator, fixed_sections, until};
use servers::postgres::{Postgres, Settings};
use tempfile::TempDir;

use crate::serving::{broker, drained, of_fleet};
use crate::{MOST, longhand, scratch, simulator};

const SAMPLES: usize = 12;
const SECTIONS: usize = 4;
const SLOTS: u64 = 6;
/// A claim's lease in these tests, as `of_fleet` sets it.
const LEASE: Duration = Duration::from_secs(3);

struct Scene {
    postgres: Postgres,
    database: String,
    broker: String,
    endpoint: Simulator,
    scratch: TempDir,
}

impl Scene {
    /// A fleet's servers with one run submitted, and an endpoint that takes so long for an answer.
    fn with_latency(ms: &str, name: &str) -> Self {
        let postgres = Postgres::start(Settings { fsync: false, ..Settings::default() });
        let database = postgres.database(None).keep();
        let scene = Self {
            database,
            postgres,
            broker: broker(name),
            endpoint: simulator(&["--latency-ms", ms]),
            scratch: scratch(),
        };
        scene.command(&["migrate"]).finish(MOST).expect_code(0);
        let rows = fixed_sections(scene.scratch.path(), "rows.jsonl", SAMPLES, SECTIONS, 200);
        let rows = rows.to_str().expect("a path");
        scene.command(&["submit", rows, "--model", "simulated", "--concurrency", "6"]).finish(MOST).expect_code(0);
        scene
    }

    fn command(&self, args: &[&str]) -> Run {
        let shards = self.scratch.path().join("shards");
        of_fleet(longhand(args), &self.postgres.url(&self.database), &self.broker, &shards)
    }

    fn serve(&self, role: &str) -> Child {
        self.command(&["serve", role, "--base-url", self.endpoint.url(), "--concurrency", "6"]).start()
    }

    fn count(&self, sql: &str) -> usize {
        self.postgres.sql(&self.database, sql).trim().parse().expect("a number")
    }

    fn sections(&self) -> usize {
        self.count("select count(*) from section")
    }

    fn spool(&self) -> PathBuf {
        self.scratch.path().join("spool")
    }

    /// Every call that is wanted has been answered, and none of them was repeated.
    fn assert_paid_once(&self) {
        let packed = || self.count("select count(*) from sample where state = 'packed'");
        until(MOST, "every sample is packed", || packed() == SAMPLES);
        let stats = self.endpoint.stats();
        assert_eq!(stats.count("repeats"), 0, "answers were paid for again");
        let open = self.count("select count(*) from attempt where outcome = 'started'");
        assert_eq!(open, 0, "attempts are open");
        assert_eq!(self.count("select count(*) from section"), SAMPLES * SECTIONS);
    }
}

/// Answers in the logs of a spool.
fn spooled(spool: &Path) -> usize {
    let Ok(folders) = std::fs::read_dir(spool) else { return 0 };
    let logs = folders.filter_map(|folder| std::fs::read_to_string(folder.ok()?.path().join("answers.log")).ok());
    logs.map(|log| log.lines().filter(|line| line.starts_with("answer ")).count()).sum()
}

/// Processes that have a folder in a spool.
fn processes_in(spool: &Path) -> usize {
    std::fs::read_dir(spool).map_or(0, Iterator::count)
}

/// Waits a while that is part of what is tested: an outage of three leases.
fn pass(time: Duration) {
    let end = Instant::now() + time;
    until(time * 2, "the time is over", || Instant::now() >= end);
}

#[test]
fn an_outage_of_three_leases_costs_no_answer() {
    let scene = Scene::with_latency("700", "outage");
    let (planner, writer) = (scene.serve("all"), scene.serve("section-writer"));
    until(MOST, "work has begun", || scene.sections() > SAMPLES);
    scene.postgres.kill();
    until(MOST, "answers are in the spool", || spooled(&scene.spool()) > 0);
    pass(LEASE * 3);
    scene.postgres.start_again();
    scene.assert_paid_once();
    for child in [planner, writer] {
        drained(child);
    }
    assert_eq!(processes_in(&scene.spool()), 0, "nothing waits in the spool");
}

#[test]
fn a_database_that_hangs_costs_no_answer() {
    let scene = Scene::with_latency("700", "hanging");
    let (planner, writer) = (scene.serve("all"), scene.serve("section-writer"));
    until(MOST, "work has begun", || scene.sections() > SAMPLES);
    scene.postgres.pause();
    until(MOST, "answers are in the spool", || spooled(&scene.spool()) > 0);
    pass(LEASE * 3);
    scene.postgres.resume();
    scene.assert_paid_once();
    for child in [planner, writer] {
        drained(child);
    }
    assert_eq!(processes_in(&scene.spool()), 0, "nothing waits in the spool");
}

#[test]
fn answers_of_a_worker_that_is_killed_while_the_database_is_away_are_adopted() {
    let scene = Scene::with_latency("700", "adopted");
    let worker = scene.serve("all");
    until(MOST, "work has begun", || scene.sections() > SAMPLES);
    scene.postgres.kill();
    let at_rest = || scene.endpoint.stats().count("in_flight") == 0 && spooled(&scene.spool()) > 0;
    until(MOST, "every call in flight is answered", at_rest);
    // The last answer is on its way to the spool.
    let mut before = 0;
    until(MOST, "the spool no longer grows", || {
        pass(Duration::from_millis(300));
        let now = spooled(&scene.spool());
        std::mem::replace(&mut before, now) == now
    });
    assert!(before as u64 <= SLOTS, "one answer a slot");
    worker.kill();
    assert_eq!(spooled(&scene.spool()), before);
    scene.postgres.start_again();
    let next = scene.serve("all");
    until(MOST, "the answers are adopted", || spooled(&scene.spool()) == 0);
    scene.assert_paid_once();
    drained(next);
    assert_eq!(processes_in(&scene.spool()), 0, "what was adopted is gone");
}
