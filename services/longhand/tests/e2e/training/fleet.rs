//! Training over a run of the distributed edition: leases in the database, shards as the packer publishes them, trainers that
//! are killed and replaced.

use harness::process::{Child, Run, Signal, fixed_sections, until};
use serde_json::Value;
use servers::postgres::Postgres;

use super::{assert_each_once, trained, with_fake};
use crate::serving::{broker, drained, of_fleet};
use crate::{LONGHAND, MOST, longhand, scratch, simulator};

#[test]
fn a_stream_over_a_fleet_survives_the_death_of_its_trainer() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 24, 2, 200);
    let (database, broker) = (Postgres::shared().database(None), broker("training"));
    let shards = scratch.path().join("shards");
    let endpoint = simulator(&["--latency-ms", "300"]);
    let command = |args: &[&str]| of_fleet(longhand(args), &database.url(), &broker, &shards);
    command(&["migrate"]).finish(MOST).expect_code(0);
    let all = command(&["serve", "all", "--base-url", endpoint.url(), "--concurrency", "4"]).start();
    let submit = Run::of(LONGHAND, ["submit".as_ref(), rows.as_os_str()]);
    let submit = of_fleet(submit, &database.url(), &broker, &shards);
    let run = submit.args(["--model", "simulated", "--shard-size", "4"]).finish(MOST).expect_code(0).stdout;
    let run = run.trim();

    let out = scratch.path().join("model");
    let detach = command(&["train", "sft", run, "--model", "base", "--epochs", "1", "--stream", "--detach", "--out"]);
    let job = detach.arg(&out).finish(MOST).expect_code(0).stdout;
    let job = job.trim();
    let serve = || -> Child { with_fake(command(&["serve", "trainer"]), "every=2,step_ms=40").start() };
    let first = serve();
    until(MOST, "it trains", || trained(&out) >= 1);
    let done = database.sql("select count(*) from run where state = 'done'");
    assert_eq!(done.trim(), "0", "the run still goes on");
    first.kill();
    let status = || -> Value {
        let ended = command(&["train", "status", job, "--json"]).finish(MOST);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
    };
    let mut second = serve();
    until(MOST, "another trainer has taken it over", || status()["sessions"].as_u64() > Some(1));
    // An orderly stop leaves the job to the next one.
    second.signal(Signal::Terminate);
    second.wait(MOST).expect_code(0);
    assert_eq!(status()["state"], "running");
    let third = serve();
    until(MOST, "the model is registered", || status()["state"] == "done");
    drained(third);
    drained(all);
    let model = assert_each_once(&out, 6, 24, 1);
    assert!(model["rounds"].as_array().unwrap().len() >= 2, "{model}");
    assert_eq!(model["job"], job);
    let counted = database.sql("select count(*), count(distinct (epoch, shard)), count(done) from training_lease");
    assert_eq!(counted.trim(), "6|6|6");
    let listed: Value =
        serde_json::from_str(&command(&["train", "status", "--json"]).finish(MOST).expect_code(0).stdout).unwrap();
    assert_eq!(listed["jobs"][0]["state"], "done");
}

#[test]
fn a_job_over_a_finished_run_is_stopped_and_put_back() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 8, 1, 200);
    let (database, broker) = (Postgres::shared().database(None), broker("retraining"));
    let shards = scratch.path().join("shards");
    let endpoint = simulator(&[]);
    let command = |args: &[&str]| of_fleet(longhand(args), &database.url(), &broker, &shards);
    command(&["migrate"]).finish(MOST).expect_code(0);
    let all = command(&["serve", "all", "--base-url", endpoint.url()]).start();
    let submit = Run::of(LONGHAND, ["submit".as_ref(), rows.as_os_str()]);
    let submit = of_fleet(submit, &database.url(), &broker, &shards);
    submit
        .args(["--model", "simulated", "--shard-size", "4", "--name", "essays", "--wait"])
        .finish(MOST)
        .expect_code(0);
    drained(all);

    let out = scratch.path().join("model");
    let train = command(&["train", "sft", "essays", "--model", "base", "--epochs", "2", "--out"]).arg(&out);
    let child = with_fake(train.clone(), "step_ms=80").start();
    until(MOST, "it trains", || trained(&out) >= 2);
    let place = out.to_str().expect("a path");
    command(&["train", "stop", place]).finish(MOST).expect_code(0);
    child.wait(MOST).expect_code(5);
    command(&["train", "start", place]).finish(MOST).expect_code(0).expect_stderr("serve trainer");
    let serve = with_fake(command(&["serve", "trainer"]), "").start();
    until(MOST, "the model is registered", || out.join("model.json").is_file());
    drained(serve);
    assert_each_once(&out, 2, 8, 2);
    // The command that began it finds it done.
    with_fake(train, "").finish(MOST).expect_code(0).expect_stderr("registered before");
}
