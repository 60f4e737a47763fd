//! The embedded edition: planner, writers and packer in one process over SQLite and the in-process queue.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agentwrite::config::Limits;
use agentwrite::ids::OwnerId;
use agentwrite::ports::{Clock, DispatchStore, ReportStore, Run, RunState, RunStore, TaskStore};
use checkpoints::sqlite::SqliteStore;
use dataset::DatasetFolder;
use task_queue::InProcessQueue;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use worker::{
    Adopted, CrashPoints, Doorbell, Member, RandomDice, RunConfigs, Spool, SpoolWhen, SteadyClock, keep_leases,
};

use crate::endpoint::Endpoint;
use crate::fault::{Exit, Fault, chain_of};
use crate::place::Checkpoints;
use crate::signals::{Stop, Stopped};
use crate::watch::Watch;
use crate::wiring::{Bells, Store, Wiring};

/// The folder, in a run's folder, of answers that its store refused.
pub const SPOOL: &str = "spool";
/// How often a runner looks for an operator's wish.
const CONTROL_EVERY: Duration = Duration::from_millis(400);
/// How often the panel is drawn.
const PANEL_EVERY: Duration = Duration::from_millis(250);

/// A run about to be driven.
pub struct Embedded {
    /// Its folder.
    pub dir: PathBuf,
    /// Its store.
    pub store: Arc<SqliteStore>,
    /// The run.
    pub run: Run,
    /// The endpoints of its roles.
    pub endpoint: Endpoint,
    /// Lease times.
    pub leases: agentwrite::task::LeaseTimes,
    /// How long a drain may take.
    pub grace: Duration,
    /// Test builds only.
    pub crash: CrashPoints,
    /// What is shown of it.
    pub watch: Watch,
}

/// How driving a run ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The run as it stands.
    pub run: Run,
    /// Whether a signal stopped the process.
    pub stopped: Option<Stopped>,
}

struct Tokens {
    drain: CancellationToken,
    abort: CancellationToken,
    packing: CancellationToken,
}

impl Embedded {
    /// Drives the run until it ends, pauses, or a signal stops the process.
    pub async fn drive(self) -> Result<Ended, Fault> {
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::start());
        let dice = Arc::new(RandomDice::default());
        let owner = OwnerId::new(dice.id("own"));
        let spool = Spool::new(self.dir.join(SPOOL), owner.as_str(), SpoolWhen::Refused);
        self.recover(&spool, &owner, &*clock).await?;
        let tokens = Tokens {
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
            packing: CancellationToken::new(),
        };
        let (limits, live) = watch::channel(self.run.limits);
        let configs = RunConfigs::load(&*self.store, &self.run).await.map_err(|error| {
            Fault::new("config_version", Exit::Unreachable, "the run's configuration cannot be used")
                .because(chain_of(&error))
        })?;
        let watching = self.watch.telemetry.watch(Arc::clone(&self.store) as Arc<dyn ReportStore>);
        let wiring = Wiring {
            observer: watching.observer(),
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            queue: Arc::new(InProcessQueue::new()),
            clock: Arc::clone(&clock),
            dice,
            leases: self.leases,
            crash: self.crash.clone(),
            drain: tokens.drain.clone(),
            abort: tokens.abort.clone(),
        };
        let bells = Bells::new();
        let models = self.endpoint.models();
        let handlers = wiring.handlers(&self.run, &Arc::new(configs), &models, &live);
        let pool = wiring.pool(handlers, &owner, live.clone(), &bells, Some(spool.clone()));
        let planner = wiring.planner(&self.run, live.clone(), &bells);
        let place = DatasetFolder::open(self.dir.clone()).map_err(|error| {
            Fault::new("storage", Exit::Unreachable, "the folder of the shards cannot be opened")
                .because(chain_of(&error))
        })?;
        let packer = wiring.packer(&self.run.id, &owner, Arc::new(place), &bells);
        let side = TaskTracker::new();
        let shown = CancellationToken::new();
        self.watch.show("all", live.clone(), self.endpoint.members(), Arc::clone(&clock));
        self.watch.serve(&side, shown.clone()).await?;
        side.spawn(keep_leases(
            Arc::clone(&self.store) as Arc<dyn TaskStore>,
            owner,
            pool.in_hand(),
            self.leases,
            Arc::clone(&clock),
            tokens.packing.clone(),
        ));
        side.spawn(watch_control(
            Arc::clone(&self.store),
            self.run.clone(),
            limits,
            bells.planner,
            tokens.packing.clone(),
        ));
        let panel = crate::panel::Panel::new();
        side.spawn(draw(
            panel,
            crate::panel::Feed::new(
                Arc::clone(&self.store) as Arc<dyn Checkpoints>,
                Arc::clone(&clock),
                self.run.clone(),
                &self.endpoint.title,
                &self.dir.display().to_string(),
                clock.now(),
            ),
            self.endpoint.members(),
            tokens.packing.clone(),
        ));
        let stop = Stop::listen(tokens.drain.clone(), tokens.abort.clone(), self.grace);
        let packing = tokens.packing.clone();
        let packed = async {
            let result = packer.run(&packing).await;
            if result.is_err() {
                tokens.drain.cancel();
                return result;
            }
            // What the last calls finished is packed before the process ends.
            loop {
                match packer.round().await {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(error) if error.may_pass() && stop.stopped().is_some() => {
                        tracing::warn!(%error, "what is not packed yet will be packed by the next start");
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let worked = async {
            let result = pool.run().await;
            tokens.drain.cancel();
            result
        };
        let planned = async {
            let state = planner.run(&tokens.drain).await;
            tokens.drain.cancel();
            state
        };
        let finish = async {
            let (worked, planned) = tokio::join!(worked, planned);
            tokens.packing.cancel();
            (worked, planned)
        };
        let ((worked, planned), packed) = tokio::join!(finish, packed);
        watching.finish().await;
        shown.cancel();
        side.close();
        side.wait().await;
        spool.leave();
        let stopped = stop.stopped();
        let internal = |what: &str, error: &(dyn std::error::Error + 'static)| {
            Fault::new("internal", Exit::Unreachable, what.to_owned()).because(chain_of(error))
        };
        worked.map_err(|error| internal("the queue failed", &error))?;
        planned.map_err(|error| internal("the planner failed", &error))?;
        packed.map_err(|error| internal("the shards could not be written", &error))?;
        let run = self.store.run(&self.run.id).await?.unwrap_or(self.run);
        Ok(Ended { run, stopped })
    }

    /// Everything that an earlier process of this folder left: answers in the spool, leases, messages.
    async fn recover(&self, spool: &Spool, owner: &OwnerId, clock: &dyn Clock) -> Result<(), Fault> {
        let adopted = spool.adopt(&*self.store).await.map_err(|error| {
            Fault::new("spool", Exit::Unreachable, "answers in the spool could not be recorded")
                .because(chain_of(&error))
        })?;
        if adopted != Adopted::default() {
            let Adopted { accepted, wasted } = adopted;
            tracing::info!(accepted, wasted, "answers of an earlier process were recorded");
        }
        let rescued = self.store.free_dead_owners(owner, clock.now()).await?;
        if rescued.leases > 0 {
            tracing::info!(leases = rescued.leases, "work of an earlier process goes on");
        }
        Ok(())
    }
}

/// Notices what operators wrote beside the runner: limits at once, a pause or cancel through the planner.
async fn watch_control(
    store: Arc<SqliteStore>,
    run: Run,
    limits: watch::Sender<Limits>,
    planner: Doorbell,
    stop: CancellationToken,
) {
    let mut seen = run.control_epoch;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(CONTROL_EVERY) => {}
        }
        let Ok(Some(now)) = store.run(&run.id).await else { continue };
        if now.control_epoch != seen {
            seen = now.control_epoch;
            limits.send_replace(now.limits);
            if now.state != RunState::Running {
                tracing::info!(state = now.state.as_str(), "an operator's wish");
            }
            planner.ring();
        }
    }
}

/// Draws the panel until the run ends, and once more then.
async fn draw(
    mut panel: crate::panel::Panel,
    mut feed: crate::panel::Feed,
    endpoints: Vec<Arc<Member>>,
    stop: CancellationToken,
) {
    loop {
        let last = stop.is_cancelled();
        let in_flight = endpoints.iter().map(|member| u64::from(member.in_flight())).sum();
        match feed.look(Some(in_flight)).await {
            Ok(view) => panel.show(&view, last),
            Err(error) => tracing::debug!(%error, "the panel could not be drawn"),
        }
        if last {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(PANEL_EVERY) => {}
        }
    }
}
