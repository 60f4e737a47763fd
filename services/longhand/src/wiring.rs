//! The services on a store and a queue, whatever their adapters: both editions put them together here.
//!
//! To add a kind of task: its handler in [`Wiring::handlers`].

use std::sync::Arc;
use std::time::Duration;

use agentwrite::ids::{OwnerId, RunId};
use agentwrite::ports::{
    Clock, Dice, DispatchStore, Observer, PackStore, ReportStore, Run, RunStore, TaskQueue, TaskStore, TrafficStore,
};
use agentwrite::retry::RetryPolicy;
use agentwrite::task::LeaseTimes;
use dataset::DatasetPlace;
use planner::{PlanHandler, Planner, PlannerParts, PlannerSettings};
use section_writer::SectionHandler;
use shard_packer::{Packer, PackerParts, PackerSettings};
use tokio_util::sync::CancellationToken;
use worker::{
    Caller, CrashPoints, Doorbell, Endpoints, Handler, LiveLimits, Pool, PoolParts, PoolSettings, RunConfigs, Spool,
};

/// How long a planner gathers rings before it looks.
const PLANNER_REST: Duration = Duration::from_millis(4);
/// The same for a packer.
const PACKER_REST: Duration = Duration::from_millis(50);

/// Every port of a store.
pub trait Store: TaskStore + DispatchStore + RunStore + PackStore + TrafficStore + ReportStore {}
impl<S: TaskStore + DispatchStore + RunStore + PackStore + TrafficStore + ReportStore> Store for S {}

/// What all services of a process share.
#[derive(Clone)]
pub struct Wiring {
    pub store: Arc<dyn Store>,
    pub queue: Arc<dyn TaskQueue>,
    pub clock: Arc<dyn Clock>,
    pub dice: Arc<dyn Dice>,
    pub leases: LeaseTimes,
    pub crash: CrashPoints,
    /// No new work.
    pub drain: CancellationToken,
    /// No work at all.
    pub abort: CancellationToken,
    /// Who watches, if anybody does.
    pub observer: Option<Arc<dyn Observer>>,
}

/// Rung when there is something to do.
#[derive(Clone)]
pub struct Bells {
    pub planner: Doorbell,
    pub packer: Doorbell,
    /// For trainers: a shard is finished.
    pub shards: Doorbell,
}

impl Bells {
    /// Silent bells.
    pub fn new() -> Self {
        Self { planner: Doorbell::new(), packer: Doorbell::new(), shards: Doorbell::new() }
    }
}

/// The pools behind the roles of a run.
#[derive(Clone)]
pub struct Models {
    pub plan: Arc<Endpoints>,
    pub write: Arc<Endpoints>,
    /// Context of every model that writes, in tokens: the smallest that is known.
    pub context_tokens: Option<u32>,
}

impl Wiring {
    /// The handlers of a run's tasks, one a kind.
    pub fn handlers(
        &self,
        run: &Run,
        configs: &Arc<RunConfigs>,
        models: &Models,
        limits: &LiveLimits,
    ) -> Vec<Arc<dyn Handler>> {
        let retry = RetryPolicy {
            attempts: run.config.attempts,
            crash_limit: run.config.crash_limit,
            ..RetryPolicy::default()
        };
        vec![
            Arc::new(PlanHandler {
                configs: Arc::clone(configs),
                tasks: self.store.clone(),
                caller: self.caller(&models.plan, limits),
                retry,
                clock: Arc::clone(&self.clock),
                dice: Arc::clone(&self.dice),
            }),
            Arc::new(SectionHandler {
                configs: Arc::clone(configs),
                tasks: self.store.clone(),
                caller: self.caller(&models.write, limits),
                context_tokens: models.context_tokens,
                retry,
                clock: Arc::clone(&self.clock),
                dice: Arc::clone(&self.dice),
            }),
        ]
    }

    fn caller(&self, endpoints: &Arc<Endpoints>, limits: &LiveLimits) -> Caller {
        Caller {
            endpoints: Arc::clone(endpoints),
            traffic: self.store.clone(),
            limits: limits.clone(),
            clock: Arc::clone(&self.clock),
            drain: self.drain.clone(),
            abort: self.abort.clone(),
            crash: self.crash.clone(),
        }
    }

    /// A pool of workers; its slots follow `limits`.
    pub fn pool(
        &self,
        handlers: Vec<Arc<dyn Handler>>,
        owner: &OwnerId,
        limits: LiveLimits,
        bells: &Bells,
        spool: Option<Spool>,
    ) -> Pool {
        let parts = PoolParts {
            tasks: self.store.clone(),
            outbox: self.store.clone(),
            runs: self.store.clone(),
            queue: Arc::clone(&self.queue),
            handlers,
            clock: Arc::clone(&self.clock),
            dice: Arc::clone(&self.dice),
            planner: bells.planner.clone(),
            packer: bells.packer.clone(),
            spool,
            observer: self.observer.clone(),
        };
        let settings = PoolSettings {
            owner: owner.clone(),
            leases: self.leases,
            limits,
            drain: self.drain.clone(),
            abort: self.abort.clone(),
            crash: self.crash.clone(),
        };
        Pool::new(parts, settings)
    }

    /// The planner of a run.
    pub fn planner(&self, run: &Run, limits: LiveLimits, bells: &Bells) -> Planner {
        let parts = PlannerParts {
            store: self.store.clone(),
            runs: self.store.clone(),
            report: self.store.clone(),
            queue: Arc::clone(&self.queue),
            clock: Arc::clone(&self.clock),
            bell: bells.planner.clone(),
            packer: bells.packer.clone(),
            observer: self.observer.clone(),
        };
        let settings = PlannerSettings {
            run: run.id.clone(),
            shard_size: run.config.shard_size,
            limits,
            leases: self.leases,
            rest: PLANNER_REST,
            crash: self.crash.clone(),
        };
        Planner::new(parts, settings)
    }

    /// The packer of a run, which writes to a place of its own.
    pub fn packer(&self, run: &RunId, owner: &OwnerId, place: Arc<dyn DatasetPlace>, bells: &Bells) -> Packer {
        let parts = PackerParts {
            packs: self.store.clone(),
            runs: self.store.clone(),
            report: self.store.clone(),
            clock: Arc::clone(&self.clock),
            place,
            bell: bells.packer.clone(),
            planner: bells.planner.clone(),
            finished: bells.shards.clone(),
            crash: self.crash.clone(),
            observer: self.observer.clone(),
        };
        let settings = PackerSettings { run: run.clone(), owner: owner.clone(), eval: None, rest: PACKER_REST };
        Packer::new(parts, settings)
    }
}
