//! `longhand serve trainer`: takes up the training jobs of the distributed edition, one at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agentwrite::ids::{OwnerId, TrainingId};
use agentwrite::ports::{Training, TrainingState};
use telemetry::Telemetry;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trainer::{Outcome, TrainingSpec};
use worker::RandomDice;

use super::foreground::{Work, grace, listen, lock};
use super::home::{JobFile, Jobs};
use crate::fault::{Exit, Fault};
use crate::fleet::{StoreClock, servers};
use crate::settings::Settings;
use crate::signals::Stop;
use crate::watch::Watch;

/// After this a job that could not be trained is tried again, if it is still free.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// How often the store is asked for jobs.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Serves until a signal stops it.
pub async fn run(settings: &Settings, watch: &Watch) -> Result<Exit, Fault> {
    let database = Arc::new(servers::database(settings).await?);
    let clock = StoreClock::start(&database).await?;
    let done = CancellationToken::new();
    let jobs = Jobs::served(database.clone(), clock.clone());
    let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
    let grace = grace(settings);
    let message = format!("\nthe backend writes a checkpoint (up to {} s)\n", grace.as_secs());
    let signals = Stop::listen_saying(stop.clone(), abort.clone(), grace, message);
    let bell = Arc::new(Notify::new());
    let queue = listen(settings, &bell).await?;
    let owner = OwnerId::new(RandomDice::default().id("own"));
    let side = TaskTracker::new();
    watch.serve(&side, done.clone()).await?;
    eprintln!("{owner} serves");
    let server = Server { settings, jobs: &jobs, owner, bell, stop, abort, telemetry: watch.telemetry.clone() };
    let work = async {
        server.work_on_jobs().await;
        done.cancel();
    };
    tokio::join!(work, clock.follow(database.clone(), done.clone()));
    side.close();
    side.wait().await;
    drop(signals);
    if let Some(queue) = queue {
        queue.close(servers::GOODBYE).await;
    }
    jobs.close().await;
    Ok(Exit::Done)
}

/// What a process that serves works with.
struct Server<'a> {
    settings: &'a Settings,
    jobs: &'a Jobs,
    owner: OwnerId,
    bell: Arc<Notify>,
    stop: CancellationToken,
    abort: CancellationToken,
    telemetry: Telemetry,
}

impl Server<'_> {
    async fn work_on_jobs(&self) {
        // Until when jobs rest that this process could not train: their folder is another's, a server was away.
        let mut resting: BTreeMap<TrainingId, Instant> = BTreeMap::new();
        while !self.stop.is_cancelled() {
            resting.retain(|_, until| *until > Instant::now());
            match self.jobs.store.trainings().await {
                Ok(known) => {
                    // Oldest first.
                    let free = known.iter().rev().find(|job| is_free(job, self.jobs) && !resting.contains_key(&job.id));
                    if let Some(job) = free {
                        if let Err(fault) = self.train(job).await {
                            eprintln!("{}: {}", job.id, fault.render());
                            resting.insert(job.id.clone(), Instant::now() + AGAIN_AFTER);
                        }
                        continue;
                    }
                }
                Err(error) => tracing::warn!(%error, "the training jobs could not be read; trying again"),
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn train(&self, job: &Training) -> Result<(), Fault> {
        let spec: TrainingSpec = serde_json::from_value(job.spec.clone()).map_err(|error| {
            Fault::usage("bad_recipe", "the job was made by another version of longhand").because(error)
        })?;
        let folder = lock(&spec.out)?;
        let file = JobFile { job: job.id.clone(), in_database: true };
        if JobFile::read(&spec.out)?.is_none() {
            file.write(&spec.out)?;
        }
        eprintln!("training {} in {}", job.id, spec.out.display());
        // A wish to stop this job is not one to stop this process.
        let work = Work {
            settings: self.settings,
            jobs: self.jobs,
            id: job.id.clone(),
            owner: self.owner.clone(),
            spec,
            bell: Arc::clone(&self.bell),
            stop: self.stop.child_token(),
            abort: self.abort.clone(),
            serves: true,
            telemetry: self.telemetry.clone(),
        };
        let outcome = work.train().await?;
        drop(folder);
        match outcome {
            Outcome::Registered(model) | Outcome::Already(model) => {
                eprintln!("registered {} of {}", model["model_path"].as_str().unwrap_or_default(), job.id);
            }
            Outcome::Stopped { .. } => eprintln!("{} is stopped", job.id),
        }
        Ok(())
    }
}

/// Whether nobody works on a job that is to go on.
fn is_free(job: &Training, jobs: &Jobs) -> bool {
    let held = job.held.as_ref().is_some_and(|(_, until)| *until > jobs.clock.now());
    job.state == TrainingState::Running && !held
}
