//! The slots of a process: each works off one chain at a time; their number may change while they run.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use agentwrite::ids::OwnerId;
use agentwrite::ports::{Clock, Dice, DispatchStore, Observer, QueueError, RunStore, TaskQueue, TaskStore};
use agentwrite::task::{Kind, LeaseTimes};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::caller::LiveLimits;
use crate::chain::{Handler, Shared};
use crate::{CrashPoints, Doorbell, InHand, Spool};

/// What a pool is made of.
pub struct PoolParts {
    /// The store as a worker sees it.
    pub tasks: Arc<dyn TaskStore>,
    /// The store's outbox.
    pub outbox: Arc<dyn DispatchStore>,
    /// For pausing a run whose calls cannot succeed.
    pub runs: Arc<dyn RunStore>,
    /// The queue.
    pub queue: Arc<dyn TaskQueue>,
    /// One per kind.
    pub handlers: Vec<Arc<dyn Handler>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Ids and jitter.
    pub dice: Arc<dyn Dice>,
    /// Rung when a slot is free or a task waits.
    pub planner: Doorbell,
    /// Rung when a sample may be finished.
    pub packer: Doorbell,
    /// Where answers go that the store refuses.
    pub spool: Option<Spool>,
    /// Who watches, if anybody does.
    pub observer: Option<Arc<dyn Observer>>,
}

/// How a pool behaves.
pub struct PoolSettings {
    /// This process.
    pub owner: OwnerId,
    /// Leases.
    pub leases: LeaseTimes,
    /// Slots follow `limits.concurrency`; they stay as they are once the sender is gone.
    pub limits: LiveLimits,
    /// Take no new task, finish what runs.
    pub drain: CancellationToken,
    /// Abort what runs.
    pub abort: CancellationToken,
    /// Test builds only.
    pub crash: CrashPoints,
}

/// The slots of a process.
pub struct Pool {
    shared: Arc<Shared>,
    kinds: Vec<Kind>,
    limits: LiveLimits,
    busy: Arc<AtomicU32>,
}

impl Pool {
    /// Puts a pool together.
    pub fn new(parts: PoolParts, settings: PoolSettings) -> Self {
        let handlers: HashMap<Kind, Arc<dyn Handler>> =
            parts.handlers.into_iter().map(|handler| (handler.kind(), handler)).collect();
        let mut kinds: Vec<Kind> = handlers.keys().cloned().collect();
        kinds.sort();
        Self {
            kinds,
            limits: settings.limits,
            busy: Arc::default(),
            shared: Arc::new(Shared {
                tasks: parts.tasks,
                outbox: parts.outbox,
                runs: parts.runs,
                queue: parts.queue,
                handlers,
                owner: settings.owner,
                leases: settings.leases,
                clock: parts.clock,
                dice: parts.dice,
                planner: parts.planner,
                packer: parts.packer,
                spool: parts.spool,
                crash: settings.crash,
                drain: settings.drain,
                abort: settings.abort,
                in_hand: InHand::default(),
                observer: parts.observer,
            }),
        }
    }

    /// What it works on, for the heartbeat.
    pub fn in_hand(&self) -> InHand {
        self.shared.in_hand.clone()
    }

    /// Works until drained; returns when every chain has ended.
    pub async fn run(&self) -> Result<(), QueueError> {
        const MOST_SLOTS: u32 = 65_536;
        let mut limits = self.limits.clone();
        let mut prefetch = limits.borrow().concurrency.clamp(1, MOST_SLOTS);
        let mut consumer = self.shared.queue.consume(&self.kinds, prefetch).await?;
        let chains = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(0));
        let mut open = 0;
        while !self.shared.drain.is_cancelled() {
            let wanted = limits.borrow_and_update().concurrency.clamp(1, MOST_SLOTS);
            open = resize(&slots, open, wanted);
            if wanted > prefetch {
                // What the old consumer has not handed out goes back before the new one asks for more.
                drop(consumer);
                consumer = self.shared.queue.consume(&self.kinds, wanted).await?;
                prefetch = wanted;
            }
            let slot = tokio::select! {
                biased;
                () = self.shared.drain.cancelled() => break,
                Ok(()) = limits.changed() => continue,
                slot = Arc::clone(&slots).acquire_owned() => slot.expect("the semaphore is never closed"),
            };
            let delivery = tokio::select! {
                biased;
                () = self.shared.drain.cancelled() => break,
                Ok(()) = limits.changed() => continue,
                delivery = consumer.next() => delivery,
            };
            let Some(delivery) = delivery else { break };
            let shared = Arc::clone(&self.shared);
            let (busy, limits) = (Arc::clone(&self.busy), self.limits.clone());
            busy.fetch_add(1, Ordering::Relaxed);
            chains.spawn(async move {
                let go_on =
                    || !shared.drain.is_cancelled() && busy.load(Ordering::Relaxed) <= limits.borrow().concurrency;
                shared.work(delivery, go_on).await;
                busy.fetch_sub(1, Ordering::Relaxed);
                drop(slot);
            });
        }
        // What waits here is somebody else's from now on; a chain may take long to end.
        drop(consumer);
        chains.close();
        chains.wait().await;
        Ok(())
    }
}

/// Opens or closes slots; a slot in use closes when its chain ends. Returns how many are open or about to be.
fn resize(slots: &Arc<Semaphore>, open: u32, wanted: u32) -> u32 {
    if wanted >= open {
        slots.add_permits((wanted - open) as usize);
        return wanted;
    }
    open - slots.forget_permits((open - wanted) as usize) as u32
}
