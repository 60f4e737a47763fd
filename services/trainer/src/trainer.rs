//! The loop of a training job: take it, round by round fetch, verify, start the backend, record what it says, register the model.
//!
//! What survives a crash at any moment: a checkpoint is on disk before its line is read, and recorded together with the shards
//! that it contains; a session is written down with the checkpoint that it goes on from before its backend starts. So whatever
//! dies, the next start finds the newest checkpoint, does again what came after it, and says how much that is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agentwrite::ids::{OwnerId, Timestamp, TrainingId};
use agentwrite::ports::{
    Clock, OpenRound, StoreError, TrainingDesk, TrainingEnd, TrainingPosition, TrainingRound, TrainingShard,
    TrainingStore, TrainingView,
};
use agentwrite::task::LeaseTimes;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::backend::{BackendSettings, end_earlier};
use crate::cache::Cache;
use crate::files::{blocking, replace};
use crate::journal::{Journal, Phase, Speaker, Standing, last_standing, last_step};
use crate::protocol::Hello;
use crate::recipe::Start;
use crate::rounds::{Before, Next, RoundDetail, ShardDetail, next};
use crate::source::{Offered, Source, look_at};
use crate::spec::TrainingSpec;
use crate::{TrainError, model};

/// The model's record in the job's folder.
pub const MODEL_FILE: &str = "model.json";
/// The link to the model in the job's folder.
pub const MODEL_LINK: &str = "model";

/// How often a source is looked at while nothing rings.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often an intent that the store failed is tried again.
const AGAIN_EVERY: Duration = Duration::from_secs(1);
/// How often where the job stands is written down.
const WRITTEN_EVERY: Duration = Duration::from_millis(200);

/// The store of training jobs.
pub trait Store: TrainingStore + TrainingDesk {}
impl<S: TrainingStore + TrainingDesk> Store for S {}

/// What a trainer works with.
pub struct TrainerParts {
    /// Jobs, rounds, checkpoints.
    pub store: Arc<dyn Store>,
    /// Shards.
    pub source: Arc<dyn Source>,
    /// Where they are kept.
    pub cache: Cache,
    /// The clock that decides leases.
    pub clock: Arc<dyn Clock>,
    /// Rung when there may be new shards.
    pub bell: Arc<Notify>,
    /// Where the job stands, for a panel.
    pub standing: watch::Sender<Standing>,
}

/// How a trainer works.
pub struct TrainerSettings {
    /// The job.
    pub job: TrainingId,
    /// Who holds it.
    pub owner: OwnerId,
    /// Lease times.
    pub leases: LeaseTimes,
    /// The backend.
    pub backend: BackendSettings,
    /// Fields of the recipe that are this machine's, instead of those of the job.
    pub machine: serde_json::Map<String, Value>,
    /// Cancelled to stop after a checkpoint.
    pub stop: CancellationToken,
    /// Cancelled to stop at once.
    pub abort: CancellationToken,
    /// A process of a fleet: stopped by a signal, it leaves the job to the others.
    pub serves: bool,
}

/// How training ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The model is registered; its record.
    Registered(Value),
    /// It had been registered before; its record.
    Already(Value),
    /// It was stopped, by an operator's wish or by a signal.
    Stopped {
        /// Whether an operator wished it.
        asked: bool,
    },
}

/// A trainer of one job.
pub struct Trainer {
    parts: TrainerParts,
    settings: TrainerSettings,
    journal: Mutex<Journal>,
    written: Mutex<Option<Timestamp>>,
    /// How far the work has come, checkpoint or not; not lowered before a session that goes back is written down.
    seen: Mutex<TrainingPosition>,
    asked: AtomicBool,
    lost: CancellationToken,
}

/// A round at work.
struct Work<'a> {
    fence: i64,
    spec: &'a TrainingSpec,
    round: &'a TrainingRound,
    start: &'a Start,
    /// SHA-256 by the name in the recipe.
    names: BTreeMap<&'a str, &'a str>,
}

/// What comes after the rounds that are whole.
enum Coming {
    /// Another one.
    Round(TrainingRound),
    /// None: the model is to be registered.
    Nothing,
    /// It was stopped before that was known.
    Stopped,
}

/// What a session learned from its backend.
#[derive(Default)]
struct Learned {
    hello: Option<Hello>,
    checkpoints: u32,
}

impl Trainer {
    /// A trainer of a job that is in the store. Makes the job's folder.
    pub fn new(parts: TrainerParts, settings: TrainerSettings, out: &Path) -> Result<Self, TrainError> {
        std::fs::create_dir_all(out).map_err(TrainError::io("create", out))?;
        Ok(Self {
            parts,
            settings,
            journal: Mutex::new(Journal::open(out)?),
            written: Mutex::new(None),
            seen: Mutex::default(),
            asked: AtomicBool::new(false),
            lost: CancellationToken::new(),
        })
    }

    /// Trains until the model is registered, or until it is stopped.
    ///
    /// # Errors
    /// See [`TrainError`]. The last good checkpoint stays, and the same job may be run again.
    pub async fn run(&self) -> Result<Outcome, TrainError> {
        let TrainerSettings { job, owner, leases, .. } = &self.settings;
        let view = self.view().await?;
        if let Some(model) = view.training.model {
            return Ok(Outcome::Already(model));
        }
        let fence = self.parts.store.take_training(job, owner, leases.lease, self.now()).await?;
        let Some(fence) = fence else {
            let holder = self.view().await?.training.held.map_or_else(String::new, |(owner, _)| owner.to_string());
            return Err(TrainError::Held { job: job.clone(), owner: holder });
        };
        let outcome = tokio::select! {
            biased;
            outcome = self.work(fence) => outcome,
            never = self.keep(fence) => match never {},
        };
        let end = match &outcome {
            Ok(Outcome::Registered(_) | Outcome::Already(_)) | Err(TrainError::Lost(_)) => None,
            Ok(Outcome::Stopped { asked: true }) => Some(TrainingEnd::Stopped("user".to_owned())),
            Ok(Outcome::Stopped { asked: false }) if self.settings.serves => Some(TrainingEnd::Released),
            Ok(Outcome::Stopped { asked: false }) => Some(TrainingEnd::Stopped("signal".to_owned())),
            Err(error) if error.fails_the_job() => Some(TrainingEnd::Failed(error.code().to_owned())),
            Err(_) => Some(TrainingEnd::Released),
        };
        if let Some(end) = end {
            // Should this fail, the lease lapses by itself.
            if let Err(error) = self.parts.store.give_back_training(job, fence, &end, self.now()).await {
                tracing::warn!(%error, "the training job could not be given back");
            }
        }
        self.change(true, |standing| standing.phase = Phase::Ended);
        outcome
    }

    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    async fn view(&self) -> Result<TrainingView, TrainError> {
        let view = self.parts.store.training(&self.settings.job).await?;
        view.ok_or_else(|| TrainError::NoJob(self.settings.job.clone()))
    }

    /// Renews the lease for as long as the job is worked on, and hears of an operator's wish.
    async fn keep(&self, fence: i64) -> std::convert::Infallible {
        let TrainerSettings { job, leases, stop, .. } = &self.settings;
        loop {
            tokio::time::sleep(leases.heartbeat).await;
            let seen = self.seen();
            match self.parts.store.renew_training(job, fence, leases.lease, seen, self.now()).await {
                Ok(Some(true)) => {
                    self.asked.store(true, Ordering::Relaxed);
                    stop.cancel();
                }
                Ok(Some(false)) => {}
                Ok(None) => {
                    self.lost.cancel();
                    return std::future::pending().await;
                }
                // Nobody can take the job over while the store is away.
                Err(error) => tracing::warn!(%error, "the lease of the training job could not be renewed"),
            }
        }
    }

    fn seen(&self) -> TrainingPosition {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see(&self, seen: TrainingPosition) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    /// Changes where the job stands, and now and then, or `at_once`, writes that down.
    fn change(&self, at_once: bool, change: impl FnOnce(&mut Standing)) {
        let now = self.now();
        self.parts.standing.send_modify(|standing| {
            change(standing);
            standing.at = now;
        });
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if at_once || written.is_none_or(|written| now.since(written) >= WRITTEN_EVERY) {
            *written = Some(now);
            self.journal().progress(&self.parts.standing.borrow());
        }
    }

    fn journal(&self) -> std::sync::MutexGuard<'_, Journal> {
        // Each holder appends or replaces: a panic leaves nothing half changed.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, text: &str) {
        self.journal().line(Speaker::Trainer, text, self.now());
    }

    /// Tries an intent until the store has taken it; a fence that is stale is [`TrainError::Lost`].
    async fn held<T>(&self, mut intent: impl AsyncFnMut() -> Result<Option<T>, StoreError>) -> Result<T, TrainError> {
        loop {
            match intent().await {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => return Err(TrainError::Lost(self.settings.job.clone())),
                Err(error) => tracing::warn!(%error, "the store failed; trying again"),
            }
            tokio::select! {
                () = self.settings.abort.cancelled() => {
                    return Err(TrainError::Store(StoreError::new("training", "stopped before the store answered")));
                }
                () = self.lost.cancelled() => return Err(TrainError::Lost(self.settings.job.clone())),
                () = tokio::time::sleep(AGAIN_EVERY) => {}
            }
        }
    }

    async fn work(&self, fence: i64) -> Result<Outcome, TrainError> {
        let view = self.view().await?;
        let mut spec: TrainingSpec = serde_json::from_value(view.training.spec.clone())
            .map_err(|error| TrainError::Store(StoreError::new(format!("training {}", self.settings.job), error)))?;
        spec.recipe.extend(self.settings.machine.clone());
        self.take_up(fence, &view, &spec).await?;
        loop {
            let view = self.view().await?;
            let round = match view.rounds.iter().find(|round| !round.closed) {
                Some(round) => round.clone(),
                None => match self.next_round(fence, &view, &spec).await? {
                    Coming::Round(round) => round,
                    Coming::Nothing => return self.register(fence, &spec).await,
                    Coming::Stopped => return Ok(self.stopped()),
                },
            };
            if !self.train(fence, &spec, &round).await? {
                return Ok(self.stopped());
            }
        }
    }

    fn stopped(&self) -> Outcome {
        Outcome::Stopped { asked: self.asked.load(Ordering::Relaxed) }
    }

    /// What an earlier trainer left: its backend, and how far that had come.
    async fn take_up(&self, fence: i64, view: &TrainingView, spec: &TrainingSpec) -> Result<(), TrainError> {
        if end_earlier(&spec.out, self.settings.backend.stop_grace).await? {
            tracing::warn!("the backend of an earlier trainer was still there and was ended");
        }
        let mut seen = view.training.seen;
        if let Some(last) = last_standing(&spec.out) {
            let step = last.step.max(last_step(&spec.out).unwrap_or(0));
            seen = seen.max(TrainingPosition { round: last.round, step: last.start_step + step });
        }
        self.see(seen);
        let sessions = &view.sessions;
        self.change(false, |standing| {
            standing.session = sessions.len() as u32;
            standing.redone_steps = sessions.iter().map(|session| session.redone_steps).sum();
        });
        let TrainerSettings { job, leases, .. } = &self.settings;
        self.held(async || {
            let renewed = self.parts.store.renew_training(job, fence, leases.lease, seen, self.now()).await?;
            Ok(renewed.map(|_| ()))
        })
        .await
    }

    /// The next round, opened, once its shards are there.
    async fn next_round(&self, fence: i64, view: &TrainingView, spec: &TrainingSpec) -> Result<Coming, TrainError> {
        let before: Vec<Before> = view.rounds.iter().map(before).collect::<Result<_, _>>()?;
        let taken: BTreeSet<&str> = view.leases.iter().map(|lease| lease.shard.as_str()).collect();
        loop {
            if before.last().is_some_and(|round| round.last) {
                return Ok(Coming::Nothing);
            }
            let offer = self.parts.source.offer().await?;
            let fresh = offer.shards.iter().filter(|shard| !taken.contains(shard.sha256.as_str())).cloned().collect();
            match next(&offer, fresh, &before, spec.stream) {
                Next::Finished => return Ok(Coming::Nothing),
                Next::Nothing => return Err(TrainError::NothingToTrain(offer.standing)),
                Next::Open { shards, last, schedule, general_share } => {
                    let general = general(spec, general_share).await?;
                    let detail = RoundDetail {
                        last,
                        schedule,
                        general_share,
                        shards: shards.iter().map(shard_detail).collect(),
                        general,
                    };
                    let open = OpenRound {
                        number: view.rounds.len() as u32 + 1,
                        epochs: spec.epochs(),
                        shards: shards.into_iter().map(training_shard).collect(),
                        detail: serde_json::to_value(&detail).expect("plain values"),
                    };
                    let job = &self.settings.job;
                    let round = self.held(async || self.parts.store.open_round(job, fence, &open, self.now()).await);
                    return Ok(Coming::Round(round.await?));
                }
                Next::Wait => {
                    let ready = offer.shards.len() - taken.len().min(offer.shards.len());
                    self.change(true, |standing| {
                        standing.phase = Phase::Waiting;
                        standing.note = Some(format!("{}; {ready} shards wait", offer.standing));
                    });
                }
            }
            tokio::select! {
                () = self.settings.stop.cancelled() => return Ok(Coming::Stopped),
                () = self.settings.abort.cancelled() => return Ok(Coming::Stopped),
                () = self.lost.cancelled() => return Err(TrainError::Lost(self.settings.job.clone())),
                () = self.parts.bell.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Registers the model, once, and leaves its record in the job's folder.
    async fn register(&self, fence: i64, spec: &TrainingSpec) -> Result<Outcome, TrainError> {
        let view = self.view().await?;
        let record = model::record(&view, spec, self.now());
        let job = &self.settings.job;
        let registered =
            self.held(async || self.parts.store.register_model(job, fence, &record, self.now()).await).await?;
        if registered == agentwrite::ports::Registered::Incomplete {
            let missing = view.leases.iter().find(|lease| lease.done.is_none());
            let missing = missing.map_or_else(String::new, |lease| format!("{} in epoch {}", lease.shard, lease.epoch));
            return Err(TrainError::Incomplete { round: view.rounds.len() as u32, missing });
        }
        let model = self.view().await?.training.model.unwrap_or(record);
        leave_record(&spec.out, &model)?;
        Ok(Outcome::Registered(model))
    }
}

/// Puts a registered model's record, and a link to the model, into the job's folder. Repeatable.
pub fn leave_record(out: &Path, model: &Value) -> Result<(), TrainError> {
    replace(&out.join(MODEL_FILE), format!("{model:#}\n").as_bytes())?;
    if let Some(path) = model["model_path"].as_str() {
        let path = Path::new(path);
        let link = out.join(MODEL_LINK);
        let target = path.strip_prefix(std::path::absolute(out).unwrap_or_default()).unwrap_or(path);
        let staged = out.join(format!("{MODEL_LINK}.tmp"));
        let _ = std::fs::remove_file(&staged);
        std::os::unix::fs::symlink(target, &staged)
            .and_then(|()| std::fs::rename(&staged, &link))
            .map_err(TrainError::io("link", &link))?;
    }
    Ok(())
}

/// General data as the recipe has it, hashed now; `share` of its weight falls to the round.
pub(crate) async fn general(spec: &TrainingSpec, share: f64) -> Result<Vec<Value>, TrainError> {
    let general = spec.general.clone();
    blocking(move || {
        let mut sources = Vec::new();
        for (number, source) in general.iter().enumerate().filter(|_| share > 0.0) {
            let file = look_at(&source.path)?;
            sources.push(json!({
                "name": format!("general-{number}"), "path": source.path, "format": file.format,
                "sha256": file.sha256, "rows": file.rows, "weight": source.weight * share,
            }));
        }
        Ok(sources)
    })
    .await
}

fn detail_of(round: &TrainingRound) -> Result<RoundDetail, TrainError> {
    serde_json::from_value(round.detail.clone())
        .map_err(|error| TrainError::Store(StoreError::new(format!("round {}", round.number), error)))
}

fn before(round: &TrainingRound) -> Result<Before, TrainError> {
    let detail = detail_of(round)?;
    let rows = round.shards.iter().map(|shard| shard.rows).sum();
    Ok(Before { rows, general_share: detail.general_share, last: detail.last })
}

/// Where a round starts: at the last checkpoint of the round before.
fn start_of(view: &TrainingView, round: u32) -> Start {
    let before = view.checkpoints.iter().rev().find(|it| !it.superseded && it.round < round);
    before.map_or_else(Start::default, |checkpoint| Start {
        continue_from: Some(checkpoint.path.clone()),
        step: checkpoint.step,
    })
}

pub(crate) fn shard_detail(shard: &Offered) -> ShardDetail {
    ShardDetail { sha256: shard.sha256.clone(), format: shard.format.clone(), bytes: shard.bytes }
}

pub(crate) fn training_shard(shard: Offered) -> TrainingShard {
    TrainingShard { sha256: shard.sha256, name: shard.name, rows: shard.rows }
}

mod round;
mod session;
#[cfg(test)]
mod tests;
mod unrecorded;
