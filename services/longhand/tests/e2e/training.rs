//! `train`, with a backend that trains nothing but speaks the protocol, has every fault, and counts what it saw.

mod fleet;
mod kills;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::process::{Ended, Folder, Run, Signal, fixed_sections, until};
use serde_json::Value;
use tempfile::TempDir;

use crate::{LONGHAND, MOST, longhand, root, scratch, simulator, undisturbed};

/// A dataset of so many samples, four a shard.
fn dataset(at: &Path, samples: usize) -> Folder {
    let rows = fixed_sections(at, "rows.jsonl", samples, 1, 200);
    undisturbed(&simulator(&[]), &rows, &at.join("data"), &["--shard-size", "4", "--concurrency", "8"])
}

/// A training job of a test.
struct Job {
    _scratch: TempDir,
    data: PathBuf,
    out: PathBuf,
}

impl Job {
    /// Over a dataset of its own.
    fn over(samples: usize) -> Self {
        let scratch = scratch();
        let data = dataset(scratch.path(), samples).path().to_owned();
        let out = scratch.path().join("model");
        Self { _scratch: scratch, data, out }
    }

    /// `train sft DATA --out OUT` with a fake backend of these faults.
    fn train(&self, fake: &str) -> Run {
        let train = Run::of(LONGHAND, ["train".as_ref(), "sft".as_ref(), self.data.as_os_str()]);
        with_fake(train.arg("--out").arg(&self.out).args(["--model", "base", "--epochs", "2"]), fake)
    }

    fn command(&self, name: &str) -> Run {
        Run::of(LONGHAND, ["train".as_ref(), name.as_ref(), self.out.as_os_str()])
    }

    fn status(&self) -> Value {
        let ended = self.command("status").arg("--json").finish(MOST);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
    }

    fn progress(&self) -> u64 {
        trained(&self.out)
    }

    fn model(&self) -> Value {
        read(&self.out.join("model.json"))
    }
}

/// The fake backend, impatient as a test is.
pub fn with_fake(run: Run, fake: &str) -> Run {
    let script = root().join("services/longhand/tests/e2e/training/fake_backend.py");
    run.env("LONGHAND__TRAIN__BACKEND", format!("[\"python3\", {:?}]", script.display().to_string()))
        .env("LONGHAND__TRAIN__RESTART_SECONDS", "0")
        .env("LONGHAND__LEASE__LEASE_SECONDS", "3")
        .env("LONGHAND__LEASE__HEARTBEAT_SECONDS", "0.2")
        .env("FAKE", fake)
}

fn read(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}

/// A number that must be there.
fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a number: {value}"))
}

/// Steps that a job's trainer has seen, of all rounds.
fn trained(out: &Path) -> u64 {
    let standing = std::fs::read(out.join("progress.json")).ok();
    let standing: Option<Value> = standing.and_then(|text| serde_json::from_slice(&text).ok());
    standing.map_or(0, |it| it["start_step"].as_u64().unwrap_or(0) + it["step"].as_u64().unwrap_or(0))
}

/// In the registered model each row of each shard was seen once an epoch, as the backend itself counted; the record says the
/// same, and its lineage goes up.
fn assert_each_once(out: &Path, shards: usize, rows: usize, epochs: u64) -> Value {
    let model = read(&out.join("model.json"));
    let seen: BTreeMap<String, u64> =
        serde_json::from_value(read(&out.join("model/seen.json"))).expect("counts by shard and row");
    assert_eq!(seen.len(), rows, "{seen:?}");
    assert!(seen.values().all(|count| *count == epochs), "{seen:?}");
    let listed = model["shards"].as_array().expect("shards");
    assert_eq!(listed.len(), shards, "{model}");
    let mut passes: Vec<(u64, &str)> = Vec::new();
    let lineage: Vec<u64> =
        model["lineage"].as_array().expect("lineage").iter().map(|it| number(&it["checkpoint"])).collect();
    assert!(lineage.windows(2).all(|pair| pair[0] < pair[1]) && !lineage.is_empty(), "{lineage:?}");
    for pass in model["passes"].as_array().expect("passes") {
        passes.push((number(&pass["epoch"]), pass["shard"].as_str().expect("a hash")));
        assert!(Some(&number(&pass["checkpoint"])) <= lineage.last(), "{pass}");
    }
    let every: Vec<(u64, &str)> = (1..=epochs)
        .flat_map(|epoch| listed.iter().map(move |shard| (epoch, shard["sha256"].as_str().expect("a hash"))))
        .collect();
    passes.sort_unstable();
    let mut every = every;
    every.sort_unstable();
    assert_eq!(passes, every);
    model
}

#[test]
fn shards_become_a_registered_model_and_again_nothing_is_left_to_do() {
    let job = Job::over(10);
    let ended = job.train("every=3,garbage=2").arg("--json").finish(MOST).expect_code(0);
    let report: Value = serde_json::from_str(&ended.stdout).expect("stdout is one JSON object");
    assert_eq!((&report["schema"], &report["state"]), (&1.into(), &"done".into()));
    // 4 + 4 + 2 rows, two a step, twice.
    let model = assert_each_once(&job.out, 3, 10, 2);
    assert_eq!((&model["step"], &model["redone_steps"], &model["sessions"]), (&10.into(), &0.into(), &1.into()));
    assert_eq!(model["versions"]["backend"]["backend"], "fake");
    assert_eq!(model["rounds"][0]["losses"]["last"], 0.2);
    assert_eq!(report["model"], model);
    let manifest = Folder::at(&job.data).manifest();
    let published: Vec<&Value> = manifest["files"].as_array().unwrap().iter().map(|file| &file["sha256"]).collect();
    for shard in model["shards"].as_array().unwrap() {
        assert!(published.contains(&&shard["sha256"]), "{shard}");
    }
    let status = job.status();
    assert_eq!((&status["state"], &status["standing"]["other_lines"]), (&"done".into(), &20.into()), "{status}");
    assert_eq!(status["passes"], serde_json::json!({"done": 6, "total": 6}));
    let before = std::fs::read(job.out.join("log.jsonl")).unwrap();
    job.train("every=3").finish(MOST).expect_code(0).expect_stderr("registered before");
    assert_eq!(std::fs::read(job.out.join("log.jsonl")).unwrap(), before, "no backend was started");
    let logs = job.command("logs").args(["--lines", "0"]).finish(MOST).expect_code(0).stdout;
    assert!(
        logs.contains("session 1 of round 1 goes on from the start") && logs.contains("progress step=10"),
        "{logs}"
    );
}

#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let job = Job::over(6);
    let ended = job.train("").arg("--dry-run").finish(MOST).expect_code(0);
    assert!(
        ended.stdout.contains("6 of 6 packs in all") && ended.stdout.contains("12 rows over 2 epochs"),
        "{}",
        ended.stdout
    );
    let ended = job.train("").args(["--dry-run", "--json"]).finish(MOST).expect_code(0);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&report["plan"]["steps"], &report["plan"]["example"]), (&6.into(), &Value::Null), "{report}");
    assert!(!job.out.exists());
}

/// A crash and a silence are mended by the trainer itself: once each, from the last checkpoint.
#[test]
fn a_crash_and_a_silence_cost_the_steps_since_the_checkpoint() {
    let job = Job::over(12);
    let train = job.train("every=4,crash_at=7,silent_at=11").env("LONGHAND__TRAIN__SILENCE_SECONDS", "5");
    let ended = train.finish(MOST).expect_code(0);
    assert!(ended.stderr.contains("started again"), "{}", ended.stderr);
    let model = assert_each_once(&job.out, 3, 12, 2);
    // Steps 5 and 6, then 9 and 10.
    assert_eq!((&model["sessions"], &model["redone_steps"]), (&3.into(), &4.into()), "{model}");
    let lineage: Vec<&Value> = model["lineage"].as_array().unwrap().iter().map(|it| &it["step"]).collect();
    assert_eq!(lineage, [4, 8, 12]);
}

/// What would come again stops the job with a clear error; the last good checkpoint is kept, and mending the cause is enough.
#[test]
fn memory_and_nan_stop_the_job_and_keep_the_checkpoint() {
    for (fault, code) in [("oom_at=6", "out_of_memory"), ("nan_at=6", "nan")] {
        let job = Job::over(8);
        let ended = job.train(&format!("every=2,{fault}")).finish(MOST).expect_error(1, code);
        assert!(ended.stderr.contains("last good checkpoint is kept"), "{}", ended.stderr);
        let status = job.status();
        assert_eq!((&status["state"], &status["reason"]), (&"failed".into(), &code.into()));
        assert_eq!(status["checkpoint"]["step"], 4);
        job.train("every=2").finish(MOST).expect_code(0);
        let model = assert_each_once(&job.out, 2, 8, 2);
        assert_eq!(model["redone_steps"], 1, "step 5 was lost with the fault");
    }
}

#[test]
fn a_backend_that_always_dies_stops_the_job() {
    let job = Job::over(4);
    let train = job.train("every=2,crash_at=4,always=1").env("LONGHAND__TRAIN__RESTARTS", "2");
    let ended = train.finish(MOST).expect_error(3, "backend_crashes");
    assert!(ended.stderr.contains("train logs"), "{}", ended.stderr);
    assert_eq!(job.status()["checkpoint"]["step"], 2);
    let missing = job.train("").env("LONGHAND__TRAIN__BACKEND", "[\"/nowhere/trainer\"]");
    missing.finish(MOST).expect_error(2, "backend_start");
    job.train("").finish(MOST).expect_code(0);
    assert_each_once(&job.out, 1, 4, 2);
}

fn stops(signal: Signal, code: i32) {
    let job = Job::over(8);
    let mut child = job.train("step_ms=50").start();
    until(MOST, "some steps are done", || job.progress() >= 3);
    child.signal(signal);
    child.wait(MOST).expect_code(code).expect_stderr("goes on from the last checkpoint");
    let status = job.status();
    assert_eq!(
        (&status["state"], &status["reason"], &status["at_work"]),
        (&"stopped".into(), &"signal".into(), &false.into())
    );
    assert!(number(&status["checkpoint"]["step"]) >= 3, "{status}");
    job.train("").finish(MOST).expect_code(0);
    let model = assert_each_once(&job.out, 2, 8, 2);
    assert_eq!((&model["redone_steps"], &model["sessions"]), (&0.into(), &2.into()), "an orderly stop loses nothing");
}

#[test]
fn sigterm_and_ctrl_c_write_a_checkpoint_first() {
    stops(Signal::Terminate, 143);
    stops(Signal::Interrupt, 130);
}

#[test]
fn an_operator_stops_it_and_a_second_trainer_is_refused() {
    let job = Job::over(8);
    let child = job.train("step_ms=1000").start();
    until(MOST, "some steps are done", || job.progress() >= 2);
    job.train("").finish(MOST).expect_error(7, "already_running");
    assert_eq!(job.status()["at_work"], true);
    job.command("stop").finish(MOST).expect_code(0).expect_stderr("after a checkpoint");
    child.wait(MOST).expect_code(5);
    assert_eq!(job.status()["reason"], "user");
    job.train("")
        .args(["--seed", "7"])
        .finish(MOST)
        .expect_error(7, "changed_recipe")
        .expect_stderr("seed: not set then");
    job.train("").args(["--processes", "2"]).finish(MOST).expect_code(0);
    assert_each_once(&job.out, 2, 8, 2);
}

/// Bytes that are not the published ones are never trained on: neither in the dataset nor in the cache.
#[test]
fn an_altered_shard_is_refused_by_its_hash() {
    let job = Job::over(8);
    let shard = job.data.join("shards/shard-00001.parquet");
    let right = std::fs::read(&shard).unwrap();
    let mut wrong = right.clone();
    wrong[right.len() / 2] ^= 1;
    for bytes in [&wrong[..], &right[..right.len() - 1]] {
        std::fs::write(&shard, bytes).unwrap();
        job.train("").finish(MOST).expect_error(7, "shard_altered").expect_stderr("shard-00001.parquet");
    }
    std::fs::remove_file(&shard).unwrap();
    job.train("").finish(MOST).expect_error(6, "shard_missing");
    std::fs::write(&shard, right).unwrap();
    // One that was damaged in the cache is fetched again.
    let cached = std::fs::read_dir(job.out.join("cache")).unwrap().next().expect("the first shard").unwrap().path();
    std::fs::write(&cached, "damaged").unwrap();
    job.train("").finish(MOST).expect_code(0);
    assert_each_once(&job.out, 2, 8, 2);
}

/// The order of rows and packs is frozen before the first step: a backend that has another one later is stopped.
#[test]
fn another_order_is_refused() {
    let job = Job::over(8);
    let child = job.train("step_ms=50").start();
    until(MOST, "some steps are done", || job.progress() >= 2);
    child.kill();
    job.train(&format!("steady={}", "0".repeat(64))).finish(MOST).expect_error(7, "order_changed");
    job.train("").finish(MOST).expect_code(0);
    assert_each_once(&job.out, 2, 8, 2);
}

/// Files are data too, preference pairs for DPO among them; general data stands in the recipe with its weight.
#[test]
fn files_are_trained_on_with_general_data_beside_them() {
    let scratch = scratch();
    let line = r#"{"prompt": "p", "chosen": "c", "rejected": "r"}"#;
    let file = |name: &str, lines: usize| {
        let path = scratch.path().join(name);
        std::fs::write(&path, format!("{line}\n").repeat(lines)).unwrap();
        path
    };
    let (pairs, general) = (file("pairs.jsonl", 5), file("general.jsonl", 9));
    let out = scratch.path().join("dpo");
    let train = longhand(&["train", "dpo"]).arg(&pairs).args(["--model", "base", "--beta", "0.2", "--out"]).arg(&out);
    let train = with_fake(train.arg("--general").arg(format!("{}=0.5", general.display())), "");
    train.finish(MOST).expect_code(0);
    assert_each_once(&out, 1, 5, 2);
    let recipe = read(&out.join("rounds/00001/recipe.json"));
    assert_eq!((&recipe["kind"], &recipe["dpo"]["beta"], &recipe["epochs"]), (&"dpo".into(), &0.2.into(), &2.into()));
    let source = &recipe["data"]["general"][0];
    assert_eq!((&source["weight"], &source["rows"]), (&0.5.into(), &9.into()));
    longhand(&["train", "sft", "nowhere", "--model", "m"]).finish(MOST).expect_error(6, "not_found");
    longhand(&["train", "status", "nowhere"]).finish(MOST).expect_error(6, "not_found");
}

/// A stream begins while the run goes on, its last round when the run is complete; each shard is trained once.
#[test]
fn a_stream_trains_on_early_shards_while_later_ones_are_written() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 24, 2, 200);
    let endpoint = simulator(&["--latency-ms", "300"]);
    let data = scratch.path().join("data");
    let mut run = crate::run(&endpoint, &rows, &data).args(["--shard-size", "4", "--concurrency", "4"]).start();
    until(MOST, "the run has its folder", || data.join("longhand.db").is_file());
    let out = scratch.path().join("model");
    let train =
        Run::of(LONGHAND, ["train".as_ref(), "sft".as_ref(), data.as_os_str()]).args(["--stream", "--epochs", "1"]);
    let train = with_fake(train.args(["--model", "base", "--out"]).arg(&out), "step_ms=20").start();
    until(MOST, "it trains", || trained(&out) >= 2);
    assert!(run.ended().is_none(), "the run still goes on");
    run.wait(MOST).expect_code(0);
    train.wait(MOST).expect_code(0);
    let model = assert_each_once(&out, 6, 24, 1);
    let rounds = model["rounds"].as_array().unwrap();
    assert!(rounds.len() >= 2, "{model}");
    let decays: Vec<f64> = rounds.iter().map(|round| round["schedule"]["decay_ratio"].as_f64().unwrap()).collect();
    let (last, earlier) = decays.split_last().unwrap();
    assert!(*last > 0.0 && earlier.iter().all(|decay| *decay == 0.0), "{decays:?}");
    let steps: Vec<u64> = rounds.iter().map(|round| round["step"].as_u64().unwrap()).collect();
    assert!(steps.is_sorted() && steps.last() == Some(&12), "{steps:?}");
}

/// Whether `kill -9` ended it.
fn killed(ended: &Ended) -> bool {
    ended.signal == Some(9)
}
