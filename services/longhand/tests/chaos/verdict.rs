//! The end of a trial: the run completes by itself, and everything is there once.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use agentwrite::ports::{RunState, Totals};
use harness::process::{Child, Folder, SampleState, Simulator};
use servers::s3::S3;

use crate::MOST;
use crate::figures::Outcome;
use crate::ground::calm;
use crate::trial::{BUCKET, PREFIX, SHARD_SIZE, Setting, Trial};

/// Waits for the run's end, stops the fleet in order and counts.
pub fn of(mut trial: Trial) -> Outcome {
    let totals = completed(&mut trial);
    let seconds = trial.started.elapsed().as_secs_f64();
    trial.assert_alive();
    for who in trial.running() {
        trial.drain(who);
    }
    let mut outcome = Outcome { seconds, resumes: std::mem::take(&mut trial.resumes), ..Outcome::default() };
    count(&trial, &totals, &mut outcome);
    shards(&trial, &mut outcome);
    outcome
}

/// Waits until the run is done and every shard is published.
fn completed(trial: &mut Trial) -> Totals {
    let since = Instant::now();
    loop {
        trial.assert_alive();
        let seen = trial.store.look(&trial.run);
        let published = || trial.count("select count(*) from shard where state <> 'published'") == 0;
        match &seen {
            Ok((RunState::Done, totals)) if published() => return *totals,
            Ok((RunState::Failed | RunState::Cancelled | RunState::Paused, _)) => panic!("the run ended as {seen:?}"),
            _ if since.elapsed() > trial.setting.most => {
                let tasks =
                    trial.database.sql("select state, published_at is null, kind, count(*) from task group by 1, 2, 3");
                let words = trial.last_words();
                panic!("the run is not complete after {:?}: {seen:?}\ntasks {tasks}\n{words}", trial.setting.most);
            }
            _ => std::thread::sleep(std::time::Duration::from_millis(50)),
        }
    }
}

fn count(trial: &Trial, totals: &Totals, outcome: &mut Outcome) {
    let setting = &trial.setting;
    let sections = (setting.samples * setting.sections) as u64;
    let rows = trial.count("select count(*) from section");
    let places = trial.count("select count(*) from (select distinct sample, place from section) as places");
    outcome.lost = sections.saturating_sub(places);
    outcome.duplicated = rows - places;
    outcome.orphaned = totals.orphaned_calls;
    let stats = trial.endpoint.stats();
    outcome.repeats = stats.count("repeats");
    let killed: Vec<String> = trial.killed.iter().map(u32::to_string).collect();
    let open = if killed.is_empty() {
        0
    } else {
        // What a killed process had open stays open until rescue, and is orphaned then.
        trial.count(&format!(
            "select count(*) from attempt where outcome in ('started', 'orphaned') and owner ~ '-({})-[^-]*$'",
            killed.join("|")
        ))
    };
    // Answers that were complete when nobody waited any more: each is a failed attempt, and is asked for again.
    let late = "select count(*) from attempt where code in ('first_token_timeout', 'idle_timeout')";
    outcome.bound = open + trial.count(late) + trial.allowed;
    let violations = trial.store.violations(&trial.run);
    outcome.broken = violations.iter().filter(|(name, _, _)| name == "I8").count() as u64;
    outcome.wrong.extend(violations.iter().map(|violation| format!("{violation:?}")));
    let packed = totals.state(SampleState::Packed);
    let mut wrong = |is_wrong: bool, what: String| outcome.wrong.extend(is_wrong.then_some(what));
    wrong(packed != setting.samples as u64, format!("{packed} samples are packed: {totals:?}"));
    wrong(rows != sections, format!("{rows} sections, {sections} were planned"));
    let started = trial.count("select count(*) from attempt where outcome = 'started'");
    wrong(started > 0, format!("{started} attempts are left open"));
    let live = trial.count("select count(*) from task where state in ('ready', 'claimed')");
    wrong(live > 0, format!("{live} tasks are left"));
}

/// The run's objects, as files in its folder.
fn fetch(trial: &Trial, s3: &S3) {
    let below = format!("{PREFIX}/{}/", trial.run);
    for (key, bytes) in s3.objects(BUCKET) {
        let name = key.strip_prefix(&below).unwrap_or_else(|| panic!("an object that is nobody's: {key}"));
        let path = trial.fleet.shards.join(trial.run.as_str()).join(name);
        let folder = path.parent().expect("a file is in a folder");
        std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, bytes)).expect("our folder can be written");
    }
}

/// What `doctor` says of the bucket.
fn examine(trial: &Trial, outcome: &mut Outcome) {
    let doctor = trial.to_bucket(trial.fleet.command(&["doctor", trial.run.as_str(), "--json"]));
    let ended = doctor.finish(MOST);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
    let looked =
        report["checks"].as_array().into_iter().flatten().any(|check| check["name"] == "I7" && check["ok"] == true);
    if ended.code != Some(0) || !looked {
        outcome.wrong.push(format!("doctor says {:?}: {}{}", ended.code, ended.stdout, ended.stderr));
    }
}

fn shards(trial: &Trial, outcome: &mut Outcome) {
    if let Some(s3) = &trial.s3 {
        fetch(trial, s3);
        examine(trial, outcome);
    }
    let folder = Folder::at(trial.fleet.shards.join(trial.run.as_str()));
    let rows = folder.rows();
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    outcome.duplicated += (rows.len() - ids.len()) as u64;
    let setting = &trial.setting;
    if rows.len() != setting.samples {
        outcome.wrong.push(format!("the shards hold {} rows", rows.len()));
    }
    if !folder.path().join("manifest.json").is_file() {
        outcome.wrong.push("there is no manifest".to_owned());
    }
    if setting.other_texts {
        return;
    }
    let (made, wanted) = (folder.shard_bytes(), calm(setting.samples, setting.sections, SHARD_SIZE));
    let names: BTreeSet<&String> = made.keys().chain(wanted.keys()).collect();
    let differ: Vec<_> = names.into_iter().filter(|name| made.get(*name) != wanted.get(*name)).collect();
    if !differ.is_empty() {
        outcome.wrong.push(format!("other bytes than the embedded edition's: {differ:?}"));
    }
}

/// The end of a run of the embedded edition, to which `child` brings it: everything is there once.
pub fn of_folder(child: Child, folder: &Path, endpoint: &Simulator, setting: &Setting, bound: u64) -> Outcome {
    let ended = child.wait(MOST);
    let folder = Folder::at(folder);
    let (store, rows) = (folder.store(), folder.rows());
    let (samples, packed) = (setting.samples as u64, store.count(SampleState::Packed));
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let mut wrong: Vec<String> = store.violations.iter().map(|violation| format!("{violation:?}")).collect();
    if ended.code != Some(0) {
        wrong.push(format!("ended with {:?}: {}", ended.code, ended.stderr));
    }
    if packed != samples {
        wrong.push(format!("{packed} samples are packed: {:?}", store.totals));
    }
    if folder.shard_bytes() != calm(setting.samples, setting.sections, SHARD_SIZE) {
        wrong.push("other bytes than those of an undisturbed run".to_owned());
    }
    Outcome {
        lost: (samples - packed) * setting.sections as u64,
        duplicated: (rows.len() - ids.len()) as u64,
        broken: store.violations.iter().filter(|(name, _, _)| name == "I8").count() as u64,
        repeats: endpoint.stats().count("repeats"),
        bound,
        orphaned: store.totals.orphaned_calls,
        wrong,
        ..Outcome::default()
    }
}
