//! Every run in the store: a planner's loop and a packer's loop each, started when the run is there to be worked on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentwrite::config::Limits;
use agentwrite::ids::{OwnerId, RunId};
use agentwrite::ports::{ReportStore, Run, RunState, RunStore, RunView, StoreError};
use task_queue::{Ear, RabbitMq, Wire, Words};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::desk::Desk;
use super::lead::{self, Candidate};
use super::shards::Shards;
use super::{Roles, Shared};
use crate::fault::chain_of;
use crate::wiring::Bells;

/// How often the store is asked for its runs.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often whoever watches is told of runs that are paused.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How often the last shards of a run are tried again.
const TRY_AGAIN_EVERY: Duration = Duration::from_secs(8);
/// How long rings of one process are gathered for all runs.
const RING_EVERY: Duration = Duration::from_millis(4);

/// Words on the wire between processes: there is something to plan, to pack.
const PLAN: Words = 1;
const PACK: Words = 2;
/// A shard is finished: there is something to train on.
pub const SHARD: Words = 4;

/// One run.
struct Known {
    /// The run's, with the slots that it may use now as its concurrency.
    limits: watch::Sender<Limits>,
    bells: Bells,
    /// Cancelled when the run is no longer running; none before its first loop.
    planning: Option<CancellationToken>,
    /// Cancelled when the run has ended: what is whole is packed then.
    packing: Option<CancellationToken>,
}

/// The loops of a process.
pub struct Runs {
    shared: Shared,
    queue: Arc<RabbitMq>,
    plans: bool,
    packs: Option<Shards>,
    desk: Option<Arc<Desk>>,
    loops: TaskTracker,
}

impl Runs {
    /// No loop yet.
    pub fn new(shared: Shared, queue: Arc<RabbitMq>, roles: &Roles, desk: Option<Arc<Desk>>) -> Self {
        let (plans, packs) = (roles.plans, roles.packs.clone());
        Self { shared, queue, plans, packs, desk, loops: TaskTracker::new() }
    }

    /// Looks after all runs until drained, and waits until every loop has ended.
    pub async fn drive(&self) {
        let mut known = HashMap::new();
        let far = Bells::new();
        let wire = self.wire(&far);
        let mut told = None;
        while !self.shared.wiring.drain.is_cancelled() {
            match self.look().await {
                Ok((runs, shares)) => {
                    if self.plans && told.is_none_or(|told: Instant| told.elapsed() >= TELL_EVERY) {
                        told = Some(Instant::now());
                        self.tell_paused(&runs).await;
                    }
                    for run in &runs {
                        self.look_after(&mut known, run, &shares);
                    }
                }
                Err(error) => tracing::warn!(%error, "the runs could not be read; trying again"),
            }
            let plan = || known.values().for_each(|run| run.bells.planner.ring());
            let pack = || known.values().for_each(|run| run.bells.packer.ring());
            let look = tokio::time::sleep(LOOK_EVERY);
            tokio::pin!(look);
            loop {
                tokio::select! {
                    biased;
                    () = self.shared.wiring.drain.cancelled() => break,
                    () = &mut look => break,
                    () = self.shared.bells.planner.heard_within(LOOK_EVERY) => {
                        plan();
                        wire.say(PLAN);
                    }
                    () = self.shared.bells.packer.heard_within(LOOK_EVERY) => {
                        pack();
                        wire.say(PACK);
                    }
                    () = self.shared.bells.shards.heard_within(LOOK_EVERY) => wire.say(SHARD),
                    () = far.planner.heard_within(LOOK_EVERY) => plan(),
                    () = far.packer.heard_within(LOOK_EVERY) => pack(),
                }
                tokio::time::sleep(RING_EVERY).await;
            }
        }
        self.loops.close();
        self.loops.wait().await;
    }

    /// Nobody plans a paused run, and yet somebody must say that it is there.
    async fn tell_paused(&self, runs: &[Run]) {
        let Some(observer) = &self.shared.wiring.observer else { return };
        for run in runs.iter().filter(|run| run.state == RunState::Paused) {
            match self.shared.store.totals(&run.id).await {
                Ok(totals) => {
                    let view = RunView { state: run.state, reason: run.reason.clone(), totals, limits: run.limits };
                    observer.counted(&run.id, view);
                }
                Err(error) => tracing::debug!(run = %run.id, %error, "a paused run could not be counted"),
            }
        }
    }

    /// Tells the other processes what this one's workers ring for, and rings `far` for theirs.
    fn wire(&self, far: &Bells) -> Wire {
        let far = far.clone();
        let listens = self.plans || self.packs.is_some();
        let ear: Ear = Box::new(move |words| {
            if words & PLAN != 0 {
                far.planner.ring();
            }
            if words & PACK != 0 {
                far.packer.ring();
            }
        });
        self.queue.wire(listens.then_some(ear))
    }

    /// All runs, and for a planner the slots that those at work may use.
    async fn look(&self) -> Result<(Vec<Run>, HashMap<RunId, u32>), StoreError> {
        if let Some(desk) = &self.desk {
            desk.follow_gates().await?;
        }
        let shares = if self.plans { self.shared.store.share_slots().await? } else { Vec::new() };
        Ok((self.shared.store.runs().await?, shares.into_iter().collect()))
    }

    fn look_after(&self, known: &mut HashMap<RunId, Known>, run: &Run, shares: &HashMap<RunId, u32>) {
        if let Some(desk) = &self.desk {
            desk.refresh(run);
        }
        let entry = known.entry(run.id.clone()).or_insert_with(|| Known {
            limits: watch::channel(run.limits).0,
            bells: Bells::new(),
            planning: None,
            packing: None,
        });
        // Its part of the fleet; while nobody offers slots, what it had.
        let before = *entry.limits.borrow();
        let slots = shares.get(&run.id).copied().unwrap_or(before.concurrency).clamp(1, run.limits.concurrency.max(1));
        let limits = Limits { concurrency: slots, ..run.limits };
        if before != limits {
            entry.limits.send_replace(limits);
            entry.bells.planner.ring();
        }
        if self.plans {
            self.plan(entry, run);
        }
        if let Some(shards) = &self.packs {
            self.pack(entry, run, shards.clone());
        }
    }

    fn plan(&self, known: &mut Known, run: &Run) {
        if run.state != RunState::Running {
            if let Some(planning) = &known.planning {
                planning.cancel();
            }
            return;
        }
        if known.planning.as_ref().is_some_and(|planning| !planning.is_cancelled()) {
            return;
        }
        let stop = self.shared.wiring.drain.child_token();
        known.planning = Some(stop.clone());
        let candidate = self.candidate("planner", &run.id).0;
        let planner = self.shared.wiring.planner(run, known.limits.subscribe(), &known.bells);
        self.loops.spawn(async move {
            // Until the run is seen to have ended or paused: the state that one round read may be another by now.
            while let Some(term) = candidate.elected(&stop).await {
                let lost = stop.child_token();
                if let Err(error) = candidate.leading(term, &lost, planner.run(&lost)).await {
                    tracing::warn!(%error, "a planner failed; it goes on");
                }
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        });
    }

    fn pack(&self, known: &mut Known, run: &Run, shards: Shards) {
        let ended = matches!(run.state, RunState::Done | RunState::Failed | RunState::Cancelled);
        let over = match &known.packing {
            Some(over) if ended => return over.cancel(),
            Some(over) if !over.is_cancelled() => return,
            // Not packed by this process yet, or at work again. A run that has ended may still lack its last shard.
            _ => self.shared.done.child_token(),
        };
        known.packing = Some(over.clone());
        if ended {
            over.cancel();
        }
        let (candidate, owner) = self.candidate("packer", &run.id);
        let shared = self.shared.clone();
        // Whoever trains listens to all runs at once.
        let bells = Bells { shards: shared.bells.shards.clone(), ..known.bells.clone() };
        let run = run.id.clone();
        self.loops.spawn(async move {
            // A volume that is not there yet, or is full, is no reason to leave a run without its shards.
            let place = loop {
                match shards.place(&run) {
                    Ok(place) => break place,
                    Err(error) => {
                        tracing::error!(%run, %error, "the folder of the shards cannot be used; trying again");
                    }
                }
                tokio::select! {
                    () = shared.done.cancelled() => return,
                    () = tokio::time::sleep(TRY_AGAIN_EVERY) => {}
                }
            };
            let packer = shared.wiring.packer(&run, &owner, place, &bells);
            while let Some(term) = candidate.elected(&shared.done).await {
                let lost = over.child_token();
                let alone = CancellationToken::new();
                let work = async {
                    packer.run(&lost).await?;
                    // What the last calls finished is packed before the process ends, unless another process does that.
                    while !alone.is_cancelled() && packer.round().await? {}
                    Ok::<(), shard_packer::PackError>(())
                };
                let outcome = candidate.leading(term, &alone, async {
                    tokio::select! {
                        biased;
                        outcome = work => outcome,
                        () = async { alone.cancelled().await; lost.cancel(); std::future::pending().await } => Ok(()),
                    }
                });
                match outcome.await {
                    // A disk or a bucket that is away must not keep a run's last shards for ever.
                    Err(error) if error.may_pass() => {
                        tracing::warn!(%run, error = chain_of(&error), "the last shards are not written yet");
                        tokio::select! {
                            () = shared.done.cancelled() => {}
                            () = tokio::time::sleep(TRY_AGAIN_EVERY) => {}
                        }
                        continue;
                    }
                    Err(error) => {
                        return tracing::error!(%run, error = chain_of(&error), "the shards could not be written");
                    }
                    Ok(()) => {}
                }
                if over.is_cancelled() {
                    return;
                }
            }
        });
    }

    fn candidate(&self, role: &str, run: &RunId) -> (Candidate, OwnerId) {
        let owner = OwnerId::new(self.shared.dice.id(role.get(..3).unwrap_or(role)));
        let lease = self.shared.wiring.leases.lease;
        (Candidate::new(Arc::clone(&self.shared.store), lead::name(role, run), owner.clone(), lease), owner)
    }
}
