//! The planner's loop for one run: admit, dispatch, relay, rescue, count, notice the end.

use std::sync::Arc;
use std::time::Duration;

use agentwrite::admission;
use agentwrite::ids::{RunId, Timestamp};
use agentwrite::ports::{
    Clock, Control, DispatchStore, Observer, OutboxRow, QueueError, ReportStore, RunState, RunStore, RunView,
    StoreError, TaskQueue,
};
use agentwrite::task::LeaseTimes;
use tokio_util::sync::CancellationToken;
use worker::{CrashPoints, Doorbell, LiveLimits};

use crate::reach::Reach;
use crate::yield_guard::YieldGuard;

/// What a planner works with.
pub struct PlannerParts {
    /// Admission, dispatch, rescue.
    pub store: Arc<dyn DispatchStore>,
    /// The run's state.
    pub runs: Arc<dyn RunStore>,
    /// Counters, for the yield guard.
    pub report: Arc<dyn ReportStore>,
    /// Where tasks are published.
    pub queue: Arc<dyn TaskQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Rung by workers.
    pub bell: Doorbell,
    /// Rung when a range may be closable.
    pub packer: Doorbell,
    /// Who watches, if anybody does.
    pub observer: Option<Arc<dyn Observer>>,
}

/// How it behaves.
pub struct PlannerSettings {
    /// The run.
    pub run: RunId,
    /// Ordinals per shard.
    pub shard_size: u32,
    /// Slots follow `limits.concurrency`.
    pub limits: LiveLimits,
    /// Rescue interval.
    pub leases: LeaseTimes,
    /// How long the loop rests between rounds at least: rings in that time are answered together.
    pub rest: Duration,
    /// Test builds only.
    pub crash: CrashPoints,
}

/// Decides who starts next.
pub struct Planner {
    parts: PlannerParts,
    settings: PlannerSettings,
}

/// The planner could not go on.
#[derive(Debug, thiserror::Error)]
pub enum PlannerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// A message that nobody took for so many lease times is taken for lost.
const LOST_AFTER_LEASES: u32 = 2;
/// The relay takes rows that their own process did not publish within this time.
const RELAY_AGE: Duration = Duration::from_secs(1);
const STATISTICS_EVERY: Duration = Duration::from_secs(10);
/// How often whoever watches is told how the run stands.
const TELL_EVERY: Duration = Duration::from_secs(2);
const MOST_PATIENCE: Duration = Duration::from_millis(500);
/// A round is followed by a rest as long as itself, within reason: the planner asks more than any worker, and a database that
/// is slow to answer it has enough to do.
const MOST_REST: Duration = Duration::from_millis(40);
/// How often a run at work is asked whether it still runs.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What the loop did last and when.
struct Round {
    reach: Reach,
    rescued: Timestamp,
    relayed: Timestamp,
    counted: Timestamp,
    looked: Timestamp,
    told: Timestamp,
    ordered: Option<bool>,
    unfinished: u64,
    guard: YieldGuard,
}

impl Planner {
    /// A planner.
    pub fn new(parts: PlannerParts, settings: PlannerSettings) -> Self {
        Self { parts, settings }
    }

    /// Runs until the run has ended or is paused, or `stop` is cancelled. Returns the run's state.
    pub async fn run(&self, stop: &CancellationToken) -> Result<RunState, PlannerError> {
        let _watched = self.parts.observer.as_ref().map(|observer| observer.plans(&self.settings.run));
        let start = self.parts.clock.now();
        let mut round = Round {
            reach: Reach::default(),
            rescued: start,
            relayed: start,
            counted: Timestamp(0),
            looked: Timestamp(0),
            told: Timestamp(0),
            ordered: None,
            unfinished: 0,
            guard: YieldGuard::default(),
        };
        loop {
            let began = self.parts.clock.now();
            let outcome = self.round(&mut round).await;
            let succeeded = !matches!(outcome, Err(PlannerError::Store(_)));
            round.reach.looked(began, self.parts.clock.now(), succeeded, self.settings.leases.heartbeat);
            let next_due = match outcome {
                Ok(next_due) => next_due,
                Err(error) => {
                    // A store that refuses for a while (locked, disk full) must not end a week's run.
                    tracing::warn!(%error, "a round of the planner failed; it goes on");
                    None
                }
            };
            if let Some(state) = self.ended(&mut round).await {
                self.tell(state).await;
                return Ok(state);
            }
            if stop.is_cancelled() {
                return Ok(RunState::Running);
            }
            let took = self.parts.clock.now().since(began);
            self.rest(next_due, took, stop).await;
        }
    }

    /// The run's state if it is no longer running. While samples are in work it is looked at a few times a second only:
    /// each look is a transaction.
    async fn ended(&self, round: &mut Round) -> Option<RunState> {
        let now = self.parts.clock.now();
        if round.unfinished > 0 && now.since(round.looked) < LOOK_EVERY {
            return None;
        }
        round.looked = now;
        match self.parts.runs.finish_run(&self.settings.run, now).await {
            Ok(RunState::Pending | RunState::Running) => None,
            Ok(state) => Some(state),
            Err(error) => {
                tracing::warn!(%error, "the run's state could not be read; trying again");
                None
            }
        }
    }

    async fn rest(&self, next_due: Option<Timestamp>, took: Duration, stop: &CancellationToken) {
        let rest = took.min(MOST_REST).max(self.settings.rest);
        let now = self.parts.clock.now();
        let patience = next_due.map_or(MOST_PATIENCE, |due| due.since(now).min(MOST_PATIENCE));
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = self.parts.bell.heard_within(patience) => {}
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }

    async fn round(&self, round: &mut Round) -> Result<Option<Timestamp>, PlannerError> {
        let now = self.parts.clock.now();
        let slots = self.settings.limits.borrow().concurrency.max(1);
        self.admit(round, slots, now).await?;
        let dispatched = self.parts.store.dispatch_ready(&self.settings.run, slots, now).await?;
        self.publish(dispatched.rows).await?;
        if now.since(round.relayed) >= RELAY_AGE {
            round.relayed = now;
            let forgotten = self.parts.store.take_outbox(RELAY_AGE, 200, now).await?;
            if let Some(observer) = &self.parts.observer {
                observer.relayed(forgotten.len() as u64);
            }
            self.publish(forgotten).await?;
        }
        let leases = &self.settings.leases;
        if now.since(round.rescued) >= leases.rescue && round.reach.has_lasted(leases.lease, now) {
            round.rescued = now;
            self.rescue(now).await?;
        }
        if now.since(round.counted) >= STATISTICS_EVERY {
            round.counted = now;
            self.parts.store.record_statistics(&self.settings.run, now).await?;
            self.guard_yield(&mut round.guard, now).await?;
        }
        if now.since(round.told) >= TELL_EVERY {
            round.told = now;
            self.tell(RunState::Running).await;
        }
        Ok(dispatched.next_due)
    }

    async fn admit(&self, round: &mut Round, slots: u32, now: Timestamp) -> Result<(), PlannerError> {
        let run = &self.settings.run;
        let window = admission::window(self.settings.shard_size, slots);
        // Most rounds find few slots free or none: what is counted costs little, what is listed much.
        let mut view = self.parts.store.admission_view(run, window, 0, now).await?;
        let free = slots.saturating_sub(view.writing + view.planning);
        if admission::is_tail(view.unfinished, slots) {
            // In the tail everybody is admitted, wherever their ordinal lies.
            view = self.parts.store.admission_view(run, u64::from(u32::MAX), slots * 2, now).await?;
        } else if free > 0 {
            // Those who may start, and the stock of plans that is held beside them.
            view = self.parts.store.admission_view(run, window, free + slots.div_ceil(2), now).await?;
        }
        round.unfinished = view.unfinished;
        let plan = admission::decide(&view, slots);
        if !plan.admits.is_empty() || round.ordered != Some(plan.ordered) {
            self.parts.store.admit(run, &plan.admits, plan.ordered, now).await?;
            round.ordered = Some(plan.ordered);
        }
        Ok(())
    }

    async fn publish(&self, rows: Vec<OutboxRow>) -> Result<(), PlannerError> {
        if rows.is_empty() {
            return Ok(());
        }
        let (ids, messages): (Vec<i64>, Vec<_>) = rows.into_iter().map(|row| (row.id, row.message)).unzip();
        self.parts.queue.publish(&messages).await?;
        self.settings.crash.pass("after_publish");
        self.parts.store.delete_outbox(&ids).await?;
        Ok(())
    }

    async fn rescue(&self, now: Timestamp) -> Result<(), PlannerError> {
        let lost_after = self.settings.leases.lease * LOST_AFTER_LEASES;
        let rescued = self.parts.store.rescue_stalled(lost_after, now).await?;
        if rescued != agentwrite::ports::Rescued::default() {
            if let Some(observer) = &self.parts.observer {
                observer.rescued(&self.settings.run, &rescued);
            }
            tracing::info!(
                leases = rescued.leases,
                messages = rescued.messages,
                died = rescued.died,
                "rescued stalled work"
            );
        }
        if rescued.died > 0 {
            self.parts.packer.ring();
        }
        Ok(())
    }

    /// How the run stands, for whoever watches.
    async fn tell(&self, state: RunState) {
        let Some(observer) = &self.parts.observer else { return };
        let reason = if state == RunState::Paused {
            self.parts.runs.run(&self.settings.run).await.ok().flatten().and_then(|run| run.reason)
        } else {
            None
        };
        match self.parts.report.totals(&self.settings.run).await {
            Ok(totals) => {
                let limits = *self.settings.limits.borrow();
                observer.counted(&self.settings.run, RunView { state, reason, totals, limits });
            }
            Err(error) => tracing::debug!(%error, "the run could not be counted for who watches"),
        }
    }

    async fn guard_yield(&self, guard: &mut YieldGuard, now: Timestamp) -> Result<(), PlannerError> {
        let totals = self.parts.report.totals(&self.settings.run).await?;
        let due = guard.is_due(&totals);
        if !due {
            return Ok(());
        }
        let failures = self.parts.report.failures(&self.settings.run).await?;
        if let Some(code) = guard.verdict(&totals, &failures) {
            tracing::warn!(%code, "most samples fail for one cause; the run pauses");
            let wish = Control::Pause { reason: format!("yield:{code}") };
            self.parts.runs.control(&self.settings.run, "yield guard", &wish, now).await?;
        }
        Ok(())
    }
}
