//! The distributed edition: the same services over PostgreSQL and RabbitMQ, in as many processes as one likes.
//!
//! A process drives every run in the store. Its tasks come from the queue, whatever run they belong to ([`desk`] finds the
//! run's configuration); what only one process may do for a run at a time, planning and packing, is done by the one that
//! holds the run's lease ([`lead`]). All times that the store sees are those of the database's clock ([`clock`]).
//!
//! To add a role: a field of [`Roles`], its handler in `desk.rs` or its loop in `runs.rs`.

mod clock;
mod depths;
mod desk;
pub mod lead;
mod refill;
mod runs;
pub mod servers;
pub mod shards;

use std::sync::Arc;
use std::time::Duration;

use agentwrite::config::Limits;
use agentwrite::ids::OwnerId;
use agentwrite::ports::{Clock, ReportStore, TaskQueue, TaskStore};
use agentwrite::task::{Kind, LeaseTimes};
use checkpoints::postgres::PostgresStore;
use task_queue::RabbitMq;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use worker::{CrashPoints, Handler, LiveLimits, Pool, RandomDice, Spool, adopt_forever, keep_leases};

use crate::endpoint::Endpoint;
use crate::fault::{Exit, Fault, chain_of};
use crate::settings::SpoolSettings;
use crate::signals::Stop;
use crate::watch::Watch;
use crate::wiring::{Bells, Store, Wiring};

pub use clock::StoreClock;
use desk::{ByRun, Desk};
use runs::Runs;
pub use runs::SHARD;
use servers::GOODBYE;
use shards::Shards;

/// How soon slots are announced again when that failed.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(1);

/// What a process does.
#[derive(Debug, Clone)]
pub struct Roles {
    /// Kinds of tasks that it works on.
    pub kinds: Vec<Kind>,
    /// Whether it admits, dispatches and rescues.
    pub plans: bool,
    /// Where all shards go, if it packs.
    pub packs: Option<Shards>,
}

/// A process of the fleet.
pub struct Fleet {
    /// What it does.
    pub roles: Roles,
    /// The store.
    pub store: Arc<PostgresStore>,
    /// The queue.
    pub queue: Arc<RabbitMq>,
    /// The model, if it works on tasks.
    pub endpoint: Option<Endpoint>,
    /// Where it keeps answers while the database is away, if it works on tasks.
    pub spool: SpoolSettings,
    /// Most calls in flight of this process.
    pub concurrency: u32,
    /// Lease times.
    pub leases: LeaseTimes,
    /// How long a drain may take.
    pub grace: Duration,
    /// Test builds only.
    pub crash: CrashPoints,
    /// What is shown of it.
    pub watch: Watch,
}

/// What the loops of a process share.
#[derive(Clone)]
struct Shared {
    store: Arc<PostgresStore>,
    dice: Arc<RandomDice>,
    wiring: Wiring,
    /// Nothing is at work any more: what serves the workers may end.
    done: CancellationToken,
    /// Rung by workers, for all runs.
    bells: Bells,
}

impl Fleet {
    /// Works until a signal stops the process.
    pub async fn serve(self) -> Result<Exit, Fault> {
        let clock = StoreClock::start(&self.store).await?;
        let dice = Arc::new(RandomDice::default());
        let owner = OwnerId::new(process_name(&dice));
        let watching = self.watch.telemetry.watch(Arc::clone(&self.store) as Arc<dyn ReportStore>);
        let wiring = Wiring {
            observer: watching.observer(),
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            queue: Arc::clone(&self.queue) as Arc<dyn TaskQueue>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            dice: dice.clone(),
            leases: self.leases,
            crash: self.crash,
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
        };
        let store = Arc::clone(&self.store);
        let shared = Shared { store, dice, wiring, done: CancellationToken::new(), bells: Bells::new() };
        let spool = if self.endpoint.is_some() { self.spool.spool(owner.as_str())? } else { None };
        let stop = Stop::listen(shared.wiring.drain.clone(), shared.wiring.abort.clone(), self.grace);
        let members = self.endpoint.as_ref().map(Endpoint::members);
        let desk = self.endpoint.map(|endpoint| Desk::new(shared.clone(), endpoint));
        let runs = Runs::new(shared.clone(), Arc::clone(&self.queue), &self.roles, desk.clone());
        let side = TaskTracker::new();
        side.spawn(Arc::clone(&clock).follow(self.store, shared.done.clone()));
        if self.roles.plans {
            let (queue, store) = (Arc::clone(&self.queue), Arc::clone(&shared.store));
            side.spawn(refill::refill(queue, store, shared.bells.planner.clone(), shared.done.clone()));
        }
        let shown = CancellationToken::new();
        self.watch.serve(&side, shown.clone()).await?;
        if self.roles.plans && self.watch.telemetry.is_on() {
            let (queue, telemetry) = (Arc::clone(&self.queue), self.watch.telemetry.clone());
            side.spawn(depths::show(queue, telemetry, shared.done.clone()));
        }
        eprintln!("{owner} serves");
        let worked = match desk {
            Some(desk) => {
                // Of a process's limits only the number of its slots counts: the others are the runs'.
                let (_, slots) = watch::channel(Limits { concurrency: self.concurrency.max(1), ..Limits::default() });
                let stage = if let [kind] = self.roles.kinds.as_slice() { kind.as_str() } else { "all" };
                self.watch.show(
                    stage,
                    slots.clone(),
                    members.unwrap_or_default(),
                    Arc::clone(&clock) as Arc<dyn Clock>,
                );
                let pool = pool(&shared, &desk, &self.roles.kinds, &owner, slots, spool.clone());
                let tasks = Arc::clone(&shared.store) as Arc<dyn TaskStore>;
                if let Some(spool) = &spool {
                    side.spawn(adopt_forever(spool.clone(), Arc::clone(&tasks), shared.done.clone()));
                }
                let kinds = self.roles.kinds.clone();
                side.spawn(announce(shared.clone(), owner.clone(), kinds, self.concurrency.max(1)));
                side.spawn(keep_leases(
                    tasks,
                    owner,
                    pool.in_hand(),
                    shared.wiring.leases,
                    clock as Arc<dyn Clock>,
                    shared.done.clone(),
                ));
                tokio::join!(work(&pool, &shared), runs.drive()).0
            }
            None => {
                let packing = async {
                    shared.wiring.drain.cancelled().await;
                    shared.done.cancel();
                };
                tokio::join!(packing, runs.drive());
                Ok(())
            }
        };
        watching.finish().await;
        shown.cancel();
        side.close();
        side.wait().await;
        if let Some(spool) = spool {
            spool.leave();
        }
        drop(stop);
        self.queue.close(GOODBYE).await;
        shared.store.close().await;
        worked.map(|()| Exit::Done)
    }
}

/// Says with every heartbeat how many slots this process has, until it drains: runs share what the fleet has.
async fn announce(shared: Shared, owner: OwnerId, kinds: Vec<Kind>, slots: u32) {
    let Wiring { leases, drain, .. } = &shared.wiring;
    while !drain.is_cancelled() {
        let pause = match shared.store.announce(&owner, &kinds, slots, leases.lease).await {
            Ok(()) => leases.heartbeat,
            Err(error) => {
                tracing::warn!(%error, "the slots of this process could not be announced");
                leases.heartbeat.min(ANNOUNCE_AGAIN)
            }
        };
        tokio::select! {
            () = drain.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    if let Err(error) = shared.store.withdraw(&owner).await {
        tracing::debug!(%error, "the slots of this process lapse by themselves");
    }
}

/// Works until drained; whatever else ends the pool stops the process.
async fn work(pool: &Pool, shared: &Shared) -> Result<(), Fault> {
    let outcome = pool.run().await;
    let drained = shared.wiring.drain.is_cancelled();
    shared.wiring.drain.cancel();
    shared.done.cancel();
    match outcome {
        Err(error) => {
            Err(Fault::new("queue", Exit::Unreachable, "the queue cannot be consumed").because(chain_of(&error)))
        }
        Ok(()) if !drained => Err(Fault::new("internal", Exit::Unreachable, "the queue ended")),
        Ok(()) => Ok(()),
    }
}

fn pool(
    shared: &Shared,
    desk: &Arc<Desk>,
    kinds: &[Kind],
    owner: &OwnerId,
    slots: LiveLimits,
    spool: Option<Spool>,
) -> Pool {
    let handlers =
        kinds.iter().map(|kind| Arc::new(ByRun::new(kind.clone(), Arc::clone(desk))) as Arc<dyn Handler>).collect();
    shared.wiring.pool(handlers, owner, slots, &shared.bells, spool)
}

/// Host, process id and chance: unique in the fleet, and a person finds the process by it. At most 40 characters that may
/// stand in a file name.
fn process_name(dice: &RandomDice) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(16).collect();
    let id = dice.id("own");
    format!("{host}-{}-{}", std::process::id(), &id[id.len() - 8..])
}
