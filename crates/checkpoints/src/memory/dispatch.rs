//! The store as the planner sees it.

use std::cmp::Reverse;
use std::time::Duration;

use agentwrite::ids::{OwnerId, RunId, Timestamp};
use agentwrite::ports::{AdmissionView, Admit, DispatchStore, Dispatched, OutboxRow, Rescued, RunState, StoreError};
use agentwrite::task::{Kind, TaskKey, TaskState};
use async_trait::async_trait;

use super::admission::PATIENCE;
use super::rows::Task;
use super::state::{RunData, State};
use super::{MemoryStore, admission, rescue};

/// Length of a statistics slot in milliseconds.
const SLOT_MS: i64 = 10_000;

/// Publishes ready tasks, plans before the longest remaining chains, while there are free slots. A run that is not running gets none:
/// its messages would find nothing to claim.
fn dispatch_ready(state: &mut State, run: &RunId, slots: u32, now: Timestamp) -> Dispatched {
    let Some(run) = state.runs.get_mut(run).filter(|run| run.state == RunState::Running) else {
        return Dispatched::default();
    };
    let mut waiting = waiting(run, now);
    let next_due = run.tasks.values().filter(|task| waits(task) && task.due_at > now).map(|task| task.due_at).min();
    waiting.truncate(slots.saturating_sub(in_hand(run, now)) as usize);
    for (_, key) in &waiting {
        if let Some(task) = run.tasks.get_mut(key) {
            task.published_at = Some(now);
        }
    }
    let rows = waiting.iter().filter_map(|(_, key)| state.owe(key, now)).collect();
    Dispatched { rows, next_due }
}

/// Where a task stands in the queue for dispatch: plans, then the longest remaining chain, then input order.
type Rank = (Reverse<(bool, u32)>, u64);

/// The unpublished tasks that are due, in the order in which they are dispatched.
pub(super) fn waiting(run: &RunData, now: Timestamp) -> Vec<(Rank, TaskKey)> {
    let mut waiting: Vec<_> = run
        .tasks
        .iter()
        .filter(|(_, task)| waits(task) && task.due_at <= now)
        .map(|(key, task)| ((Reverse((key.kind == Kind::PLAN, task.remaining)), task.ordinal), key.clone()))
        .collect();
    waiting.sort();
    waiting
}

fn waits(task: &Task) -> bool {
    task.state == TaskState::Ready && task.published_at.is_none()
}

/// Tasks that take a slot: published or claimed, and not far from due.
fn in_hand(run: &RunData, now: Timestamp) -> u32 {
    let takes_slot = |task: &&Task| task.is_live() && !waits(task) && task.due_at <= now.after(PATIENCE);
    run.tasks.values().filter(takes_slot).count() as u32
}

fn record_statistics(state: &mut State, run: &RunId, now: Timestamp) {
    if let Some(run) = state.runs.get_mut(run) {
        let slot = now.0 - now.0.rem_euclid(SLOT_MS);
        let totals = run.totals;
        run.statistics.entry(slot).or_insert(totals);
    }
}

#[async_trait]
impl DispatchStore for MemoryStore {
    async fn admission_view(
        &self,
        run: &RunId,
        window: u64,
        most: u32,
        now: Timestamp,
    ) -> Result<AdmissionView, StoreError> {
        self.read(|state| admission::admission_view(state, run, window, most, now))
    }

    async fn admit(&self, run: &RunId, admits: &[Admit], ordered: bool, now: Timestamp) -> Result<u64, StoreError> {
        self.write("admit", |state| admission::admit(state, run, admits, ordered, now))
    }

    async fn dispatch_ready(&self, run: &RunId, slots: u32, now: Timestamp) -> Result<Dispatched, StoreError> {
        self.write("dispatch_ready", |state| Ok(dispatch_ready(state, run, slots, now)))
    }

    async fn rescue_stalled(&self, lost_after: Duration, now: Timestamp) -> Result<Rescued, StoreError> {
        self.write("rescue_stalled", |state| rescue::rescue_stalled(state, lost_after, now))
    }

    async fn free_dead_owners(&self, owner: &OwnerId, now: Timestamp) -> Result<Rescued, StoreError> {
        self.write("free_dead_owners", |state| rescue::free_dead_owners(state, owner, now))
    }

    async fn take_outbox(&self, age: Duration, most: u32, now: Timestamp) -> Result<Vec<OutboxRow>, StoreError> {
        self.read(|state| state.take_outbox(age, most, now))
    }

    async fn delete_outbox(&self, ids: &[i64]) -> Result<(), StoreError> {
        self.write("delete_outbox", |state| {
            state.outbox.retain(|id, _| !ids.contains(id));
            Ok(())
        })
    }

    async fn record_statistics(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError> {
        self.write("record_statistics", |state| {
            record_statistics(state, run, now);
            Ok(())
        })
    }
}
