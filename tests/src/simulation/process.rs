//! One process: planner, writers and packer, wired as `services/longhand` wires them, over shaken ports.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agentwrite::config::Limits;
use agentwrite::ids::RunId;
use agentwrite::ports::{
    ChatModel, Clock, Dice, DispatchStore, PackStore, ReportStore, Run, RunStore, TaskQueue, TaskStore, TrafficStore,
};
use agentwrite::retry::RetryPolicy;
use agentwrite::task::LeaseTimes;
use dataset::DatasetFolder;
use planner::{PlanHandler, Planner, PlannerParts, PlannerSettings};
use section_writer::SectionHandler;
use shard_packer::{Packer, PackerParts, PackerSettings};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use worker::{
    Caller, CrashPoints, Doorbell, Endpoints, Handler, Pool, PoolParts, PoolSettings, RunConfigs, Spool, SpoolWhen,
    keep_leases,
};

use super::fate::{SimClock, SimDice};
use super::life::Life;
use super::store::ShakenStore;

/// Lease times of every simulation.
pub const LEASES: LeaseTimes =
    LeaseTimes { lease: Duration::from_secs(5), heartbeat: Duration::from_secs(1), rescue: Duration::from_secs(1) };

const ENDPOINT: &str = "default";
const CONTROL_EVERY: Duration = Duration::from_millis(400);

/// What a process is made of.
pub struct Parts {
    /// Its life.
    pub life: Arc<Life>,
    /// The store as it sees it.
    pub store: ShakenStore,
    /// The queue as it sees it.
    pub queue: Arc<dyn TaskQueue>,
    /// The model as it sees it.
    pub model: Arc<dyn ChatModel>,
    /// The clock.
    pub clock: Arc<SimClock>,
    /// Seeds its dice.
    pub seed: u64,
    /// The run.
    pub run: RunId,
    /// Where it spools, and where shards go if it packs.
    pub dir: PathBuf,
    /// Whether it packs.
    pub packs: bool,
    /// Whether it may take all other owners for dead at its start.
    pub alone: bool,
    /// A first signal.
    pub drain: CancellationToken,
    /// A second signal.
    pub abort: CancellationToken,
}

struct Bells {
    planner: Doorbell,
    packer: Doorbell,
}

impl Parts {
    fn store<P: ?Sized>(&self, cast: impl FnOnce(Arc<ShakenStore>) -> Arc<P>) -> Arc<P> {
        cast(Arc::new(self.store.clone()))
    }

    /// Lives until the run ends or pauses, a signal comes, or something breaks.
    ///
    /// # Errors
    /// What ended the process other than the run or a signal.
    pub async fn live(self) -> Result<(), String> {
        let run = self.recover().await?;
        let configs = loop {
            match RunConfigs::load(&self.store, &run).await {
                Ok(configs) => break Arc::new(configs),
                Err(error) => self.wait_after(&error).await,
            }
        };
        let (limits, live) = watch::channel(run.limits);
        let bells = Bells { planner: Doorbell::new(), packer: Doorbell::new() };
        let dice: Arc<dyn Dice> = Arc::new(SimDice::new(self.seed, self.life.owner.as_str()));
        let pool = self.pool(&run, &configs, &live, &bells, &dice);
        let planner = self.planner(&run, &live, &bells);
        let packer = if self.packs { Some(self.packer(&bells)?) } else { None };
        let packing = CancellationToken::new();
        let side = TaskTracker::new();
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let keeper = self.store(|store| store as Arc<dyn TaskStore>);
        side.spawn(keep_leases(keeper, self.life.owner.clone(), pool.in_hand(), LEASES, clock, packing.clone()));
        side.spawn(watch_control(self.store.clone(), run, limits, bells.planner.clone(), packing.clone()));
        let packing_done = async {
            let Some(packer) = &packer else { return Ok(()) };
            let result = packer.run(&packing).await;
            if result.is_err() {
                self.drain.cancel();
                return result;
            }
            last_rounds(packer).await
        };
        let working = async {
            let result = pool.run().await;
            self.drain.cancel();
            result
        };
        let planning = async {
            let state = planner.run(&self.drain).await;
            self.drain.cancel();
            state
        };
        let finish = async {
            let done = tokio::join!(working, planning);
            packing.cancel();
            done
        };
        let ((worked, over), done) = tokio::join!(finish, packing_done);
        side.close();
        side.wait().await;
        worked.map_err(|error| format!("the pool: {error}"))?;
        over.map_err(|error| format!("the planner: {error}"))?;
        done.map_err(|error| format!("the packer: {error}"))
    }

    /// A process that cannot reach its store at the start would exit and be started again; here it waits.
    async fn wait_after(&self, _error: &(dyn std::error::Error + Send + Sync)) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    fn spool(&self) -> Spool {
        Spool::new(self.dir.join("spool"), self.life.owner.as_str(), SpoolWhen::Refused)
    }

    async fn recover(&self) -> Result<Run, String> {
        while let Err(error) = self.spool().adopt(&self.store).await {
            self.wait_after(&error).await;
        }
        if self.alone {
            while let Err(error) = self.store.free_dead_owners(&self.life.owner, self.clock.now()).await {
                self.wait_after(&error).await;
            }
        }
        loop {
            match self.store.run(&self.run).await {
                Ok(Some(run)) => return Ok(run),
                Ok(None) => return Err("the run is gone".to_owned()),
                Err(error) => self.wait_after(&error).await,
            }
        }
    }

    fn pool(
        &self,
        run: &Run,
        configs: &Arc<RunConfigs>,
        live: &watch::Receiver<Limits>,
        bells: &Bells,
        dice: &Arc<dyn Dice>,
    ) -> Pool {
        let parts = PoolParts {
            observer: None,
            tasks: self.store(|store| store as Arc<dyn TaskStore>),
            outbox: self.store(|store| store as Arc<dyn DispatchStore>),
            runs: self.store(|store| store as Arc<dyn RunStore>),
            queue: Arc::clone(&self.queue),
            handlers: self.handlers(run, configs, live, dice),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            dice: Arc::clone(dice),
            planner: bells.planner.clone(),
            packer: bells.packer.clone(),
            spool: Some(self.spool()),
        };
        let settings = PoolSettings {
            owner: self.life.owner.clone(),
            leases: LEASES,
            limits: live.clone(),
            drain: self.drain.clone(),
            abort: self.abort.clone(),
            crash: CrashPoints::default(),
        };
        Pool::new(parts, settings)
    }

    fn handlers(
        &self,
        run: &Run,
        configs: &Arc<RunConfigs>,
        live: &watch::Receiver<Limits>,
        dice: &Arc<dyn Dice>,
    ) -> Vec<Arc<dyn Handler>> {
        let endpoints = Endpoints::one(ENDPOINT, Arc::clone(&self.model));
        let caller = || Caller {
            endpoints: Arc::clone(&endpoints),
            traffic: self.store(|store| store as Arc<dyn TrafficStore>),
            limits: live.clone(),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            drain: self.drain.clone(),
            abort: self.abort.clone(),
            crash: CrashPoints::default(),
        };
        let retry = RetryPolicy {
            attempts: run.config.attempts,
            crash_limit: run.config.crash_limit,
            ..RetryPolicy::default()
        };
        let clock = || Arc::clone(&self.clock) as Arc<dyn Clock>;
        vec![
            Arc::new(PlanHandler {
                configs: Arc::clone(configs),
                tasks: self.store(|store| store as Arc<dyn TaskStore>),
                caller: caller(),
                retry,
                clock: clock(),
                dice: Arc::clone(dice),
            }),
            Arc::new(SectionHandler {
                configs: Arc::clone(configs),
                tasks: self.store(|store| store as Arc<dyn TaskStore>),
                caller: caller(),
                context_tokens: None,
                retry,
                clock: clock(),
                dice: Arc::clone(dice),
            }),
        ]
    }

    fn planner(&self, run: &Run, live: &watch::Receiver<Limits>, bells: &Bells) -> Planner {
        Planner::new(
            PlannerParts {
                observer: None,
                store: self.store(|store| store as Arc<dyn DispatchStore>),
                runs: self.store(|store| store as Arc<dyn RunStore>),
                report: self.store(|store| store as Arc<dyn ReportStore>),
                queue: Arc::clone(&self.queue),
                clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
                bell: bells.planner.clone(),
                packer: bells.packer.clone(),
            },
            PlannerSettings {
                run: self.run.clone(),
                shard_size: run.config.shard_size,
                limits: live.clone(),
                leases: LEASES,
                rest: Duration::from_millis(4),
                crash: CrashPoints::default(),
            },
        )
    }

    fn packer(&self, bells: &Bells) -> Result<Packer, String> {
        let folder = DatasetFolder::open(&self.dir).map_err(|error| error.to_string())?;
        let parts = PackerParts {
            observer: None,
            packs: self.store(|store| store as Arc<dyn PackStore>),
            runs: self.store(|store| store as Arc<dyn RunStore>),
            report: self.store(|store| store as Arc<dyn ReportStore>),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            place: Arc::new(folder),
            bell: bells.packer.clone(),
            planner: bells.planner.clone(),
            finished: Doorbell::new(),
            crash: CrashPoints::default(),
        };
        let settings = PackerSettings {
            run: self.run.clone(),
            owner: self.life.owner.clone(),
            eval: None,
            rest: Duration::from_millis(50),
        };
        Ok(Packer::new(parts, settings))
    }
}

/// What the last calls finished is packed before the process ends. A store that refuses is left to the next start.
async fn last_rounds(packer: &Packer) -> Result<(), shard_packer::PackError> {
    loop {
        match packer.round().await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) if error.may_pass() => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Notices what operators did beside the process, as `services/longhand` does.
async fn watch_control(
    store: ShakenStore,
    run: Run,
    limits: watch::Sender<Limits>,
    planner: Doorbell,
    stop: CancellationToken,
) {
    let mut seen = run.control_epoch;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(CONTROL_EVERY) => {}
        }
        let Ok(Some(now)) = store.run(&run.id).await else { continue };
        if now.control_epoch != seen {
            seen = now.control_epoch;
            limits.send_replace(now.limits);
            planner.ring();
        }
    }
}
