//! `train sft|dpo` in this process, or left to the trainers of a fleet.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agentwrite::ids::{OwnerId, TrainingId};
use agentwrite::ports::{Training, TrainingState};
use serde_json::{Map, Value, json};
use telemetry::{Telemetry, TrainingView};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trainer::{
    MACHINE_FIELDS, Outcome, Standing, TrainError, Trainer, TrainerParts, TrainerSettings, TrainingSpec, leave_record,
};
use worker::RandomDice;

use super::faults::fault_of;
use super::home::{JobFile, Jobs};
use super::panel::{Title, TrainPanel};
use super::request::Request;
use super::sources;
use crate::fault::{Exit, Fault};
use crate::fleet::servers;
use crate::folder::Folder;
use crate::output::{put, put_json};
use crate::settings::Settings;
use crate::signals::{Stop, Stopped};
use crate::watch::Watch;

/// How often the panel is drawn.
const PANEL_EVERY: Duration = Duration::from_millis(250);
/// What a stop takes besides the backend's own time.
const BESIDES: Duration = Duration::from_secs(30);

/// One job about to be trained by this process.
pub struct Work<'a> {
    /// All settings.
    pub settings: &'a Settings,
    /// Its store.
    pub jobs: &'a Jobs,
    /// The job.
    pub id: TrainingId,
    /// Who holds it.
    pub owner: OwnerId,
    /// What it is.
    pub spec: TrainingSpec,
    /// Rung when there may be new shards.
    pub bell: Arc<Notify>,
    /// Stop after a checkpoint.
    pub stop: CancellationToken,
    /// Stop at once.
    pub abort: CancellationToken,
    /// A process of the fleet: stopped by a signal, it leaves the job to the others.
    pub serves: bool,
    /// Where it is shown besides.
    pub telemetry: Telemetry,
}

impl Work<'_> {
    /// Trains, with a panel beside it.
    pub async fn train(self) -> Result<Outcome, Fault> {
        let Self { settings, jobs, id, owner, spec, bell, stop, abort, serves, telemetry } = self;
        let title = Title { job: id.to_string(), kind: spec.kind.as_str(), model: base_model(&spec) };
        let source = sources::open(settings, &spec, jobs.database())?;
        let (standing, seen) = watch::channel(Standing::default());
        let (job, looked_at) = (id.to_string(), seen.clone());
        let _shown = telemetry.show_training(move || shown(&job, &looked_at.borrow()));
        let parts = TrainerParts {
            store: Arc::clone(&jobs.store),
            source,
            cache: settings.train.cache(&spec.out),
            clock: Arc::clone(&jobs.clock),
            bell,
            standing,
        };
        let trainer_settings = TrainerSettings {
            job: id,
            owner,
            leases: settings.lease_times(),
            backend: settings.train.backend(),
            machine: machine_fields(&spec),
            stop,
            abort,
            serves,
        };
        let faulty = |error: TrainError| fault_of(&error, &spec.out);
        let trainer = Trainer::new(parts, trainer_settings, &spec.out).map_err(faulty)?;
        let done = CancellationToken::new();
        let work = async {
            let outcome = trainer.run().await;
            done.cancel();
            outcome
        };
        let (outcome, ()) = tokio::join!(work, draw(title, seen, done.clone()));
        outcome.map_err(faulty)
    }
}

/// A job as its gauges show it: steps count over all rounds.
fn shown(job: &str, standing: &Standing) -> TrainingView {
    let before = standing.start_step;
    TrainingView {
        job: job.to_owned(),
        phase: standing.phase.as_str(),
        round: standing.round,
        shards: standing.shards,
        step: before + standing.step,
        steps: standing.of.map(|steps| before + steps),
        checkpoint: standing.checkpoint.map(|step| before + step),
        loss: standing.loss,
        learning_rate: standing.learning_rate,
        tokens: standing.tokens,
        tokens_per_second: standing.tokens_per_second,
        memory_bytes: standing.memory_bytes,
        sessions: standing.session,
        redone_steps: standing.redone_steps,
    }
}

async fn draw(title: Title, seen: watch::Receiver<Standing>, done: CancellationToken) {
    let mut panel = TrainPanel::new(title);
    loop {
        let last = done.is_cancelled();
        let standing = seen.borrow().clone();
        panel.show(&standing, last);
        if last {
            return;
        }
        tokio::select! {
            () = done.cancelled() => {}
            () = tokio::time::sleep(PANEL_EVERY) => {}
        }
    }
}

/// The model that a job starts from.
pub fn base_model(spec: &TrainingSpec) -> String {
    spec.recipe.get("base_model").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn machine_fields(spec: &TrainingSpec) -> Map<String, Value> {
    let mut fields = spec.recipe.clone();
    fields.retain(|name, _| MACHINE_FIELDS.contains(&name.as_str()));
    fields
}

/// Trains in this process.
pub async fn run(settings: &Settings, request: Request, as_json: bool, out: &mut dyn Write) -> Result<Exit, Fault> {
    let Request { spec, out_named } = request;
    let dir = spec.out.clone();
    if !out_named {
        eprintln!("folder {}", dir.display());
    }
    let folder = lock(&dir)?;
    let in_fleet = sources::in_fleet(&spec);
    let JobFile { job, .. } = JobFile::of(&dir, in_fleet)?;
    let jobs = if in_fleet { Jobs::of_fleet(settings).await? } else { Jobs::of_folder(&dir).await? };
    let known = begin(&jobs, &job, &spec).await?;
    if known.model.is_none() && spec.general.is_empty() && spec.kind == trainer::TrainingKind::Sft {
        eprintln!(
            "warning: no general data is mixed in (--general FILE=WEIGHT); the paper trains on 6 k long samples with 180 k \
             general ones"
        );
    }
    let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
    let grace = settings.train.stop_grace();
    let message = format!(
        "\nthe backend writes a checkpoint (up to {} s); Ctrl-C again stops now. The last checkpoint stays.\n",
        grace.as_secs()
    );
    let signals = Stop::listen_saying(stop.clone(), abort.clone(), grace + BESIDES, message);
    let bell = Arc::new(Notify::new());
    let queue = if in_fleet { listen(settings, &bell).await? } else { None };
    // Whoever holds the folder's lock is the one trainer of its job: the one before is dead.
    let owner = OwnerId::new(format!("holder of {job}"));
    let (side, shown) = (TaskTracker::new(), CancellationToken::new());
    let observed = Watch::start(settings, "trainer")?;
    observed.serve(&side, shown.clone()).await?;
    let telemetry = observed.telemetry.clone();
    let work =
        Work { settings, jobs: &jobs, id: job.clone(), owner, spec, bell, stop, abort, serves: false, telemetry };
    let outcome = work.train().await;
    shown.cancel();
    side.close();
    side.wait().await;
    observed.finish().await;
    if let Some(queue) = queue {
        queue.close(servers::GOODBYE).await;
    }
    jobs.close().await;
    drop(folder);
    report(&job, &dir, outcome?, signals.stopped(), as_json, out)
}

/// Hears of new shards, where a queue is configured.
pub async fn listen(settings: &Settings, bell: &Arc<Notify>) -> Result<Option<task_queue::RabbitMq>, Fault> {
    if !settings.queue.is_named() {
        return Ok(None);
    }
    let queue = servers::queue(settings, "train").await?;
    let bell = Arc::clone(bell);
    queue.wire(Some(Box::new(move |words| {
        if words & crate::fleet::SHARD != 0 {
            bell.notify_one();
        }
    })));
    Ok(Some(queue))
}

/// Locks a job's folder.
pub fn lock(dir: &Path) -> Result<Folder, Fault> {
    Folder::lock(dir).map_err(|fault| match fault.code {
        "already_running" => Fault { what: format!("{} has a trainer already", dir.display()), help: None, ..fault }
            .help(format!("watch it with `longhand train status {} --watch`", dir.display())),
        _ => fault,
    })
}

/// The job in its store, begun now or before; another than this is refused.
async fn begin(jobs: &Jobs, job: &TrainingId, spec: &TrainingSpec) -> Result<Training, Fault> {
    let value = serde_json::to_value(spec).expect("plain values");
    let training = jobs.store.create_training(job, &value, jobs.clock.now()).await?;
    let begun: Result<TrainingSpec, _> = serde_json::from_value(training.spec.clone());
    let differences = begun.map_or_else(|error| vec![error.to_string()], |begun| spec.differences(&begun));
    if differences.is_empty() {
        return Ok(training);
    }
    Err(Fault::new(
        "changed_recipe",
        Exit::Conflict,
        format!("{} was begun as another training job", spec.out.display()),
    )
    .because(differences.join("\n         "))
    .help("choose another folder with --out DIR, or take the changes back"))
}

fn report(
    job: &TrainingId,
    dir: &Path,
    outcome: Outcome,
    signal: Option<Stopped>,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<Exit, Fault> {
    let (state, model, exit) = match outcome {
        Outcome::Registered(model) => (TrainingState::Done, Some(model), Exit::Done),
        Outcome::Already(model) => {
            // Should the process have died between the store and the folder.
            leave_record(dir, &model).map_err(|error| fault_of(&error, dir))?;
            eprintln!("the model was registered before; nothing is left to do");
            (TrainingState::Done, Some(model), Exit::Done)
        }
        Outcome::Stopped { asked } => {
            eprintln!("stopped; the same command goes on from the last checkpoint");
            let exit = match signal {
                Some(Stopped::Interrupt) => Exit::Interrupted,
                Some(Stopped::Terminate) => Exit::Terminated,
                None if asked => Exit::Limit,
                None => Exit::Done,
            };
            (TrainingState::Stopped, None, exit)
        }
    };
    if let Some(model) = &model {
        let path = model["model_path"].as_str().unwrap_or_default();
        let redone = model["redone_steps"].as_u64().unwrap_or(0);
        eprintln!(
            "registered {path}: step {}, {} shards, {} sessions, {redone} steps done again; {}",
            model["step"],
            model["shards"].as_array().map_or(0, Vec::len),
            model["sessions"],
            dir.join(trainer::MODEL_FILE).display(),
        );
    }
    if as_json {
        put_json(out, &json!({"schema": 1, "job": job, "folder": dir, "state": state, "model": model}))?;
    }
    Ok(exit)
}

/// Leaves the job to the trainers of the fleet.
pub async fn detach(settings: &Settings, request: Request, as_json: bool, out: &mut dyn Write) -> Result<Exit, Fault> {
    let Request { mut spec, out_named } = request;
    let jobs = Jobs::of_fleet(settings).await?;
    let job = TrainingId::new(RandomDice::default().id("trn"));
    if !out_named {
        let output = PathBuf::from(&settings.train.output);
        spec.out = std::path::absolute(&output).unwrap_or(output).join(job.as_str());
    }
    begin(&jobs, &job, &spec).await?;
    jobs.close().await;
    eprintln!("`longhand serve trainer` takes it up; its folder there is {}", spec.out.display());
    if as_json {
        put_json(out, &json!({"schema": 1, "job": job, "folder": spec.out}))?;
    } else {
        put(out, &format!("{job}\n"))?;
    }
    Ok(Exit::Done)
}

/// How long a process may go on after a signal.
pub fn grace(settings: &Settings) -> Duration {
    settings.train.stop_grace() + BESIDES
}
