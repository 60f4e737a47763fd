//! A run of the distributed edition is read and operated by its id: the same commands, the same numbers as on the folder of
//! one process, and wishes that the processes at work act on.

use std::path::{Path, PathBuf};

use harness::process::{Child, Folder, Run, Simulator, fixed_sections, until};
use serde_json::Value;
use servers::postgres::{Database, Postgres};
use tempfile::TempDir;

use crate::serving::{broker, drained, of_fleet};
use crate::{MOST, longhand, run, scratch, simulator};

/// A database, a broker and a folder of shards of one test.
struct Scene {
    scratch: TempDir,
    database: Database<'static>,
    broker: String,
}

impl Scene {
    fn new(name: &str) -> Self {
        let scene = Self { scratch: scratch(), database: Postgres::shared().database(None), broker: broker(name) };
        scene.command(&["migrate"]).finish(MOST).expect_code(0);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A command that knows the servers. Its leases outlast any pause of this machine: no call is made twice.
    fn command(&self, args: &[&str]) -> Run {
        of_fleet(longhand(args), &self.database.url(), &self.broker, &self.path("shards"))
            .env("LONGHAND__LEASE__LEASE_SECONDS", "90")
            .within(self.scratch.path())
    }

    fn serve(&self, endpoint: &Simulator, concurrency: &str) -> Child {
        self.command(&["serve", "all", "--base-url", endpoint.url(), "--concurrency", concurrency]).start()
    }

    fn submit(&self, rows: &Path, flags: &[&str]) -> String {
        let submit = self.command(&["submit"]).arg(rows).args(["--model", "simulated"]).args(flags.iter().copied());
        submit.finish(MOST).expect_code(0).stdout.trim().to_owned()
    }

    /// What a command prints as JSON.
    fn json(&self, code: i32, args: &[&str]) -> Value {
        read(self.command(args), code)
    }

    fn text(&self, code: i32, args: &[&str]) -> String {
        self.command(args).finish(MOST).expect_code(code).stdout
    }
}

fn read(command: Run, code: i32) -> Value {
    let ended = command.arg("--json").finish(MOST).expect_code(code);
    let value: Value = serde_json::from_str(&ended.stdout).expect("it prints JSON");
    assert_eq!(value["schema"], 1, "{value}");
    value
}

/// Without what differs between two runs of the same rows: ids and times, the words that name the place, and whether the text
/// is known to be made up: whoever submits goes by the model's name, which proves nothing of an address that `run` is given.
fn alike(mut value: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for own in
                    ["run", "attempt", "started_at", "ended_at", "seconds", "command", "eta_seconds", "to", "synthetic"]
                {
                    fields.remove(own);
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut value);
    value
}

/// Prices, so that spend can be compared, and a name to be found by.
const FLAGS: [&str; 8] = ["--shard-size", "4", "--price-in", "2", "--price-out", "8", "--name", "essays"];

#[test]
fn a_run_is_read_by_its_id_as_a_folder_is_and_a_retry_mends_it() {
    let scene = Scene::new("byid");
    // The endpoint refuses some calls, and every task is tried once: some samples fail, the same ones in both editions.
    let rows = fixed_sections(scene.scratch.path(), "rows.jsonl", 12, 2, 200);
    let faulty = || simulator(&["--faults", "refusal=0.15"]);
    let (out, first) = (scene.path("out"), faulty());
    let alone = run(&first, &rows, &out).args(FLAGS).env("LONGHAND__RUN__ATTEMPTS", "1");
    alone.finish(MOST).expect_code(1);
    let endpoint = faulty();
    let all = scene.serve(&endpoint, "6");
    let submit = scene.command(&["submit"]).arg(&rows).args(["--model", "simulated", "--wait"]).args(FLAGS);
    let id = submit.env("LONGHAND__RUN__ATTEMPTS", "1").finish(MOST).expect_code(1).stdout.trim().to_owned();
    drained(all);

    let dir = out.to_str().expect("a path");
    let both = |code: i32, command: &[&str], flags: &[&str]| {
        let of = |place: &str| {
            let args: Vec<&str> = command.iter().chain([&place]).chain(flags).copied().collect();
            scene.json(code, &args)
        };
        let (folder, fleet) = (of(dir), of(&id));
        assert_eq!(alike(folder.clone()), alike(fleet.clone()), "{command:?}");
        fleet
    };
    let status = both(1, &["status"], &[]);
    assert_eq!(status["run"], id.as_str());
    let failed = status["samples"]["failed"].as_u64().expect("a number");
    assert!((1..12).contains(&failed) && status["spend_usd"]["settled"].as_f64() > Some(0.0), "{status}");
    both(0, &["samples"], &[]);
    assert_eq!(
        both(0, &["samples"], &["--state", "failed"])["samples"].as_array().map(Vec::len),
        Some(failed as usize)
    );
    let why = both(0, &["why"], &[]);
    assert_eq!(why["causes"][0]["code"], "refusal");
    assert_eq!(why["causes"][0]["command"], format!("longhand retry {id} --error refusal --model NAME"));
    both(0, &["report"], &[]);
    both(0, &["limits"], &[]);
    for sample in ["row-0", why["causes"][0]["example"].as_str().expect("a sample")] {
        both(0, &["inspect", sample, "--in"], &[]);
        both(0, &["inspect", sample, "--in"], &["--prompt", "1"]);
    }
    assert!(scene.text(0, &["inspect", "--random", "2", "--in", &id, "--text"]).starts_with("=== smp_"));
    exports_and_repacks(&scene, dir, &id);
    doctor(&scene, &id);
    listed(&scene, &id, failed);

    // Nobody serves: the wish is written down, and that nobody takes it up is said.
    let retried = scene.text(0, &["retry", &id, "--error", "refusal", "--yes"]);
    assert!(retried.starts_with(&format!("{failed} sample")), "{retried}");
    assert!(retried.ends_with(&format!("next     longhand status {id} --watch\n")), "{retried}");
    let resumed = scene.command(&["resume", &id]).finish(MOST).expect_code(0).expect_stderr("no process has taken");
    assert_eq!(resumed.stdout, "nothing to resume: the run is running\n");
    assert!(scene.text(0, &["status", &id]).contains("no planner has taken it up"));
    let sound = simulator(&[]);
    let all = scene.serve(&sound, "6");
    scene.command(&["status", &id, "--watch"]).finish(MOST).expect_code(0).expect_stderr("state=done");
    drained(all);
    assert_eq!(scene.json(0, &["status", &id])["samples"]["packed"], 12);
    assert_eq!(scene.json(0, &["doctor", &id])["ok"], true);
}

fn exports_and_repacks(scene: &Scene, dir: &str, id: &str) {
    let bytes = |place: &str, name: &str| {
        let to = scene.path(name);
        let flags = ["--format", "jsonl", "--state", "packed,failed", "--to", to.to_str().expect("a path")];
        scene.text(0, &[&["export", place][..], &flags].concat());
        std::fs::read(to).expect("a file")
    };
    let exported = bytes(id, "fleet.jsonl");
    assert!(!exported.is_empty());
    assert!(exported == bytes(dir, "folder.jsonl"), "the exports differ");
    let repack = |place: &str, name: &str| {
        let to = scene.path(name);
        scene.json(0, &["repack", place, "--to", to.to_str().expect("a path"), "--gate", "language=false"])
    };
    assert_eq!(alike(repack(dir, "repacked-folder")), alike(repack(id, "repacked-fleet")));
    Folder::at(scene.path("repacked-fleet")).assert_same_dataset(&Folder::at(scene.path("repacked-folder")));
}

fn doctor(scene: &Scene, id: &str) {
    let report = scene.json(0, &["doctor", id]);
    let checks = report["checks"].as_array().expect("a list");
    let names: Vec<&str> = checks.iter().filter_map(|check| check["name"].as_str()).collect();
    assert_eq!(names, ["store", "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8"]);
    assert!(checks.iter().all(|check| check["ok"] == true), "{report}");
    let blind = longhand(&["doctor", id]).env("LONGHAND__DATABASE__URL", scene.database.url());
    let blind = blind.within(scene.scratch.path());
    let said = blind.finish(MOST).expect_code(0).stdout;
    assert!(said.contains("I7     -") && said.contains("LONGHAND__SHARDS__URL is not set here"), "{said}");
    assert_eq!(read(blind, 0)["checks"][7]["ok"], Value::Null);

    let shard = scene.path("shards").join(id).join("shards/shard-00000.jsonl");
    let whole = std::fs::read(&shard).expect("a shard");
    std::fs::write(&shard, "other").expect("the folder can be written");
    let broken = scene.json(1, &["doctor", id]);
    assert_eq!((&broken["ok"], &broken["checks"][7]["ok"]), (&false.into(), &false.into()), "{broken}");
    std::fs::write(&shard, whole).expect("the folder can be written");
}

fn listed(scene: &Scene, id: &str, failed: u64) {
    let runs = scene.json(0, &["runs"]);
    let row = &runs["runs"][0];
    assert_eq!((&row["run"], &row["name"], &row["state"]), (&id.into(), &"essays".into(), &"done".into()), "{runs}");
    assert_eq!((&row["samples"]["failed"], &row["samples"]["total"]), (&failed.into(), &12.into()), "{runs}");
    let table = scene.text(0, &["runs"]);
    assert!(table.lines().count() == 2 && table.contains(id) && table.contains("essays"), "{table}");
    let panel = scene.text(1, &["status", "essays"]);
    assert!(panel.contains("done, with failures") && panel.contains(&format!("longhand why {id}")), "{panel}");
    assert_eq!(scene.json(1, &["status", &id[..9]])["run"], id);
}

#[test]
fn wishes_by_id_reach_the_processes_at_work() {
    let scene = Scene::new("wishes");
    let rows = fixed_sections(scene.scratch.path(), "rows.jsonl", 24, 2, 200);
    let endpoint = simulator(&["--latency-ms", "200"]);
    let all = scene.serve(&endpoint, "16");
    let id = scene.submit(&rows, &["--concurrency", "2", "--shard-size", "4", "--weight", "3"]);
    until(MOST, "some calls are answered", || endpoint.stats().count("answered") >= 6);
    assert!(endpoint.stats().count("peak_in_flight") <= 2);

    assert_eq!(scene.json(0, &["pause", &id])["state"], "paused");
    let in_flight = || scene.json(5, &["status", &id])["calls"]["in_flight"].clone();
    until(MOST, "calls in flight are recorded", || in_flight() == 0);
    let answered = endpoint.stats().count("answered");
    let shown = scene.text(5, &["status", &id]);
    assert!(shown.contains("state    paused (user)") && shown.contains(&format!("longhand resume {id}")), "{shown}");
    let limits = scene.json(0, &["limits", &id, "--concurrency", "12", "--weight", "5"]);
    assert_eq!((&limits["before"]["weight"], &limits["after"]["weight"]), (&3.into(), &5.into()), "{limits}");
    assert_eq!(scene.text(0, &["pause", &id]), "nothing to pause: the run is paused (user)\n");
    assert_eq!(endpoint.stats().count("answered"), answered, "no call while it is paused");
    assert_eq!(scene.json(0, &["runs"])["runs"][0]["weight"], 5);

    let resumed = scene.command(&["resume", &id]).finish(MOST).expect_code(0);
    assert_eq!(resumed.stdout, format!("running\nnext     longhand status {id} --watch\n"));
    assert_eq!(resumed.stderr, "", "a planner has taken it up");
    scene.command(&["status", &id, "--watch"]).finish(MOST).expect_code(0);
    assert_eq!(scene.json(0, &["status", &id])["samples"]["packed"], 24);
    assert!(endpoint.stats().count("peak_in_flight") > 2, "the new limit held");
    assert_eq!(endpoint.stats().count("repeats"), 0);

    let answered = endpoint.stats().count("answered");
    let other = scene.submit(&rows, &["--concurrency", "2", "--shard-size", "4", "--seed", "7"]);
    until(MOST, "some calls are answered", || endpoint.stats().count("answered") >= answered + 6);
    let said = scene.text(0, &["cancel", &other]);
    assert!(said.starts_with("cancelled: ") && said.contains(&format!("longhand export {other}")), "{said}");
    scene.command(&["resume", &other]).finish(MOST).expect_error(7, "cancelled");
    scene.text(0, &["retry", &other, "--yes"]);
    scene.text(0, &["limits", &other, "--concurrency", "16"]);
    scene.command(&["status", &other, "--watch"]).finish(MOST).expect_code(0);
    for run in [&id, &other] {
        assert_eq!(scene.json(0, &["doctor", run])["ok"], true);
    }
    drained(all);
}

#[test]
fn a_watch_holds_few_connections_and_ends_with_the_run() {
    let scene = Scene::new("watch");
    let rows = fixed_sections(scene.scratch.path(), "rows.jsonl", 3, 2, 200);
    let id = scene.submit(&rows, &[]);
    let watch = scene.command(&["status", &id, "--watch"]).start();
    let connections = || {
        let count =
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
        scene.database.sql(count).trim().parse::<usize>().expect("a number")
    };
    until(MOST, "it looks", || watch.stderr().contains("state=running"));
    until(MOST, "the connections of `submit` are gone", || connections() <= 2);
    let most = (0..30).map(|_| connections()).max();
    assert!(most <= Some(2), "{most:?}");
    scene.text(0, &["cancel", &id]);
    let ended = watch.wait(MOST).expect_code(0);
    assert!(ended.stdout.contains("state    cancelled"), "{}", ended.stdout);
}
