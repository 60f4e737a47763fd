//! `longhand train status [JOB|DIR] [--watch]`.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use agentwrite::ports::{Training, TrainingState, TrainingView};
use serde_json::{Value, json};
use trainer::{Phase, Standing, TrainingSpec, last_standing};

use super::foreground::base_model;
use super::home::{Found, Jobs};
use super::panel::{Title, TrainPanel, on_stdout};
use crate::cli::TrainStatusArgs;
use crate::fault::{Exit, Fault};
use crate::folder::Folder;
use crate::output::{put, put_json};
use crate::settings;
use crate::tables::{Align, Table, count, duration, rfc3339};

/// How often a watched job is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Shows.
pub async fn run(config_file: Option<&Path>, args: &TrainStatusArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let Some(place) = &args.place else { return list(config_file, args.json, out).await };
    let found = Found::named(config_file, place, false).await?;
    let mut view = found.view().await?;
    let title = title(&view);
    if args.watch {
        let mut panel = TrainPanel::new(title.clone());
        loop {
            let alone = !at_work(&found, &view);
            let last = view.training.state != TrainingState::Running || alone;
            panel.show(&standing(&found, &view), last);
            if last {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            view = found.view().await?;
        }
    }
    let standing = standing(&found, &view);
    if args.json {
        put_json(out, &as_json(&found, &view, &standing))?;
    } else {
        if !args.watch {
            put(out, &on_stdout(&title, &standing))?;
        }
        put(out, &next(&found, &view))?;
    }
    let exit = match view.training.state {
        TrainingState::Done | TrainingState::Running => Exit::Done,
        TrainingState::Stopped => Exit::Limit,
        TrainingState::Failed => Exit::WorkFailed,
    };
    found.jobs.close().await;
    Ok(exit)
}

fn title(view: &TrainingView) -> Title {
    let spec: Option<TrainingSpec> = serde_json::from_value(view.training.spec.clone()).ok();
    Title {
        job: view.training.id.to_string(),
        kind: spec.as_ref().map_or("?", |spec| spec.kind.as_str()),
        model: spec.as_ref().map_or_else(String::new, base_model),
    }
}

/// Whether some trainer works on the job.
fn at_work(found: &Found, view: &TrainingView) -> bool {
    let leased = view.training.held.as_ref().is_some_and(|(_, until)| *until > found.jobs.clock.now());
    found.out.as_deref().filter(|out| out.join(super::home::LOCK).is_file()).map_or(leased, Folder::has_runner)
}

/// Where it stands: as its trainer wrote it down here, else what the store knows.
fn standing(found: &Found, view: &TrainingView) -> Standing {
    let mut standing = found.out.as_deref().and_then(last_standing).unwrap_or_else(|| from_store(view));
    if !at_work(found, view) {
        // A job of a folder is nobody's but the command's that began it.
        let is_untaken = view.sessions.is_empty()
            && view.training.state == TrainingState::Running
            && found.jobs.database().is_some();
        standing.phase = if is_untaken { Phase::Waiting } else { Phase::Ended };
    }
    standing
}

fn from_store(view: &TrainingView) -> Standing {
    let seen = view.training.seen;
    let before = view.checkpoints.iter().rev().find(|it| !it.superseded && it.round < seen.round);
    let start_step = before.map_or(0, |checkpoint| checkpoint.step);
    let round = view.rounds.iter().find(|round| round.number == seen.round);
    Standing {
        at: view.checkpoints.last().map_or(view.training.created_at, |checkpoint| checkpoint.at),
        phase: Phase::Training,
        round: seen.round,
        shards: round.map_or(0, |round| round.shards.len() as u64),
        rows: round.map_or(0, |round| round.shards.iter().map(|shard| shard.rows).sum()),
        epochs: round.map_or(0, |round| round.epochs),
        start_step,
        step: seen.step.saturating_sub(start_step),
        checkpoint: view.standing().map(|checkpoint| checkpoint.step.saturating_sub(start_step)),
        session: view.sessions.len() as u32,
        redone_steps: view.sessions.iter().map(|session| session.redone_steps).sum(),
        ..Standing::default()
    }
}

/// The state in words, and the command that comes next.
fn next(found: &Found, view: &TrainingView) -> String {
    let training = &view.training;
    let reason = training.reason.as_deref().unwrap_or("user");
    let name = &found.name;
    let again = if found.jobs.database().is_some() {
        format!("longhand train start {}", training.id)
    } else {
        "the same `longhand train` command goes on from the last checkpoint".to_owned()
    };
    let (state, next) = match training.state {
        TrainingState::Running if training.stop_asked => {
            ("running, asked to stop".to_owned(), format!("longhand train status {name} --watch"))
        }
        TrainingState::Running if at_work(found, view) => {
            ("running".to_owned(), format!("longhand train status {name} --watch"))
        }
        TrainingState::Running if found.jobs.database().is_some() => {
            ("no trainer has taken it up".to_owned(), "longhand serve trainer".to_owned())
        }
        TrainingState::Running => ("interrupted: no trainer is at work, the last checkpoint stays".to_owned(), again),
        TrainingState::Stopped => (format!("stopped ({reason})"), again),
        TrainingState::Failed => (format!("failed: {reason}"), format!("longhand train logs {name}")),
        TrainingState::Done => {
            let path = training.model.as_ref().and_then(|model| model["model_path"].as_str()).unwrap_or_default();
            ("done".to_owned(), format!("the model is in {path}"))
        }
    };
    format!("job      {state}\nnext     {next}\n")
}

fn as_json(found: &Found, view: &TrainingView, standing: &Standing) -> Value {
    let training = &view.training;
    let done = view.leases.iter().filter(|lease| lease.done.is_some()).count();
    json!({
        "schema": 1, "job": training.id, "state": training.state, "reason": training.reason,
        "at_work": at_work(found, view), "stop_asked": training.stop_asked, "folder": training.spec["out"],
        "created_at": rfc3339(training.created_at), "standing": standing,
        "rounds": view.rounds.len(), "passes": {"done": done, "total": view.leases.len()},
        "checkpoint": view.standing().map(|checkpoint| json!({
            "number": checkpoint.number, "round": checkpoint.round, "step": checkpoint.step, "path": checkpoint.path,
        })),
        "sessions": view.sessions.len(), "model": training.model,
    })
}

/// All jobs of the distributed edition.
async fn list(config_file: Option<&Path>, as_json: bool, out: &mut dyn Write) -> Result<Exit, Fault> {
    let (settings, _) = settings::load(config_file, toml::Table::new())?;
    if !settings.database.is_named() {
        return Err(Fault::usage("no_url", "no database is named whose training jobs could be listed")
            .because("a job over folders and files has a folder: `longhand train status DIR`")
            .help("export LONGHAND__DATABASE__URL=postgres://USER:PASSWORD@HOST:5432/DATABASE"));
    }
    let jobs = Jobs::of_fleet(&settings).await?;
    let (known, now) = (jobs.store.trainings().await?, jobs.clock.now());
    jobs.close().await;
    if as_json {
        let list: Vec<Value> = known.iter().map(listed).collect();
        put_json(out, &json!({"schema": 1, "jobs": list}))?;
        return Ok(Exit::Done);
    }
    if known.is_empty() {
        eprintln!("no training job yet: `longhand train sft RUN --model MODEL` makes one");
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        ("job", Align::Left),
        ("state", Align::Left),
        ("round", Align::Right),
        ("step", Align::Right),
        ("age", Align::Right),
        ("folder", Align::Left),
    ]);
    for job in &known {
        let state = match (&job.state, &job.reason) {
            (TrainingState::Stopped | TrainingState::Failed, Some(reason)) => {
                format!("{} ({reason})", job.state.as_str())
            }
            (state, _) => state.as_str().to_owned(),
        };
        table.row([
            job.id.to_string(),
            state,
            job.seen.round.to_string(),
            count(job.seen.step),
            duration(now.since(job.created_at)),
            job.spec["out"].as_str().unwrap_or_default().to_owned(),
        ]);
    }
    put(out, &table.render(0))?;
    Ok(Exit::Done)
}

fn listed(job: &Training) -> Value {
    json!({
        "job": job.id, "state": job.state, "reason": job.reason, "round": job.seen.round, "step": job.seen.step,
        "folder": job.spec["out"], "created_at": rfc3339(job.created_at),
    })
}
