//! `kill -9` of the trainer and of its backend, at moments spread over the whole job by a seed, until the model is there.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::process::{Child, until};
use serde_json::Value;

use super::{Job, assert_each_once, killed, number, read, trained};
use crate::MOST;

const KILLS: u64 = 20;
/// 60 rows, two a step, two epochs.
const STEPS: u64 = 60;

/// The next number of a sequence that a seed names (splitmix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn kill_backend(out: &Path) -> bool {
    let noted = std::fs::read(out.join("backend.pid")).ok();
    let Some(id) = noted.and_then(|text| serde_json::from_slice::<Value>(&text).ok()?["id"].as_u64()) else {
        return false;
    };
    let kill = Command::new("sh").args(["-c", &format!("kill -9 {id}")]).stderr(Stdio::null()).status();
    kill.expect("there is a shell").success()
}

/// One seed: half of the kills hit the trainer, half its backend, each at some moment of the 60 steps.
fn killed_twenty_times(seed: u64) {
    let job = Job::over(60);
    let fake = "every=3,step_ms=15";
    let patient = |run: harness::process::Run| run.env("LONGHAND__TRAIN__RESTARTS", "100");
    let mut state = seed;
    let mut child: Option<Child> = None;
    let gate = job.out.join("rounds/gate");
    std::fs::create_dir_all(job.out.join("rounds")).expect("a folder");
    let (mut of_trainer, mut of_backend) = (0, 0);
    for kill in 0..KILLS {
        let target = STEPS * kill / (KILLS + 1) + random(&mut state) % 3;
        let pause = Duration::from_millis(random(&mut state) % 80);
        // However late this test is, the job is not done before its last kill.
        std::fs::write(&gate, (target + 2).to_string()).expect("a gate");
        let mut running = child.take().unwrap_or_else(|| patient(job.train(fake)).start());
        // Some steps of this life, or a moment in its start, its checkpoint or its end.
        until(MOST, "it comes to the next kill", || trained(&job.out) >= target || running.ended().is_some());
        std::thread::sleep(pause);
        assert!(running.ended().is_none(), "seed {seed}: it was done before kill {kill}: {}", running.stderr());
        if random(&mut state).is_multiple_of(2) {
            assert!(killed(&running.kill()), "seed {seed}");
            of_trainer += 1;
        } else {
            until(MOST, "there is a backend to kill", || running.ended().is_some() || kill_backend(&job.out));
            of_backend += 1;
            child = Some(running);
        }
    }
    std::fs::remove_file(&gate).expect("the gate");
    if let Some(running) = child {
        running.wait(MOST).expect_code(0);
    }
    patient(job.train(fake)).finish(MOST).expect_code(0);
    let model = assert_each_once(&job.out, 15, 60, 2);
    assert_eq!(model["step"], STEPS);
    let (sessions, redone) = (number(&model["sessions"]), number(&model["redone_steps"]));
    eprintln!(
        "seed {seed}: {of_trainer} kills of the trainer, {of_backend} of its backend: {sessions} sessions, {redone} steps again"
    );
    assert!(of_trainer >= 5 && of_backend >= 5, "{of_trainer} and {of_backend} kills");
    assert!(sessions > 4 && sessions <= 1 + KILLS, "{model}");
    assert!(redone <= KILLS * 4, "more than a checkpoint's worth was done again each time: {redone}");
    // Whatever the log shows beyond the steps of the job was reported.
    let log = std::fs::read_to_string(job.out.join("log.jsonl")).expect("a log");
    let progress = log.lines().filter(|line| line.contains(r#""event":"progress""#)).count() as u64;
    assert!(progress <= STEPS + redone, "{progress} steps were made, {redone} of them reported as done again");
    assert_eq!(job.model(), job.status()["model"], "one model, in the store as in the folder");
    assert_eq!(read(&job.out.join("rounds/00001/recipe.json"))["round"], 1);
}

#[test]
fn twenty_kills_of_trainer_and_backend_count_each_shard_once() {
    killed_twenty_times(6);
}
