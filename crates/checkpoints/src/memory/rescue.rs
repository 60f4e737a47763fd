//! Rescue: work whose worker is gone or whose message was lost becomes ready again.

use std::time::Duration;

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, OwnerId, Timestamp};
use agentwrite::ports::Rescued;
use agentwrite::sample::SampleEvent;
use agentwrite::task::{TaskKey, TaskState};

use super::MemoryError;
use super::rows::Claim;
use super::state::{RunData, State};

/// Frees lapsed leases and takes old unclaimed messages for lost.
pub(super) fn rescue_stalled(state: &mut State, lost_after: Duration, now: Timestamp) -> Result<Rescued, MemoryError> {
    if !state.guards.rescue {
        return Ok(Rescued::default());
    }
    let mut rescued = free_claims(state, |claim| claim.lease_until < now, now)?;
    rescued.messages = unpublish(state, |published_at| now.since(published_at) > lost_after);
    Ok(rescued)
}

/// Frees everything that other owners hold and forgets all messages: the queue died with its process.
pub(super) fn free_dead_owners(state: &mut State, owner: &OwnerId, now: Timestamp) -> Result<Rescued, MemoryError> {
    let mut rescued = free_claims(state, |claim| claim.owner != *owner, now)?;
    rescued.messages = unpublish(state, |_| true);
    state.outbox.clear();
    // Attempts may be open without a claim: their task was done by another, or dropped.
    for run in state.runs.values_mut() {
        let gone: Vec<AttemptId> =
            run.attempts.iter().filter(|(_, attempt)| attempt.owner != *owner).map(|(id, _)| id.clone()).collect();
        for id in &gone {
            run.orphan_attempt(id, now);
        }
    }
    Ok(rescued)
}

fn free_claims(state: &mut State, gone: impl Fn(&Claim) -> bool, now: Timestamp) -> Result<Rescued, MemoryError> {
    let lapsed: Vec<(TaskKey, AttemptId)> = state
        .runs
        .values()
        .flat_map(|run| run.tasks.iter())
        .filter_map(|(key, task)| {
            let claim = task.claim.as_ref().filter(|claim| gone(claim))?;
            Some((key.clone(), claim.attempt.clone()))
        })
        .collect();
    for (key, _) in &lapsed {
        check(state.run_mut(&key.run)?, key)?;
    }
    // All attempts first: a task that dies takes the other tasks of its sample along, claims included.
    for (key, attempt) in &lapsed {
        state.run_mut(&key.run)?.orphan_attempt(attempt, now);
    }
    let mut rescued = Rescued::default();
    for (key, _) in &lapsed {
        rescued.leases += 1;
        rescued.died += u64::from(free(state.run_mut(&key.run)?, key, now));
    }
    Ok(rescued)
}

fn is_last_crash(run: &RunData, key: &TaskKey) -> bool {
    run.tasks.get(key).is_some_and(|task| task.crashes + 1 >= run.config().crash_limit)
}

fn check(run: &RunData, key: &TaskKey) -> Result<(), MemoryError> {
    match run.sample_served(key).filter(|_| is_last_crash(run, key)) {
        Some(id) => run.after(&id, SampleEvent::TaskDied).map(|_| ()),
        None => Ok(()),
    }
}

/// Frees one claim; returns whether the task died of it.
fn free(run: &mut RunData, key: &TaskKey, now: Timestamp) -> bool {
    let dies = is_last_crash(run, key);
    let Some(task) = run.tasks.get_mut(key).filter(|task| task.claim.is_some()) else { return false };
    task.crashes += 1;
    let reason = format!("work on it ended in a crash {} times", task.crashes);
    task.due_at = now;
    task.leave(if dies { TaskState::Dead } else { TaskState::Ready });
    if let Some(id) = run.sample_served(key).filter(|_| dies) {
        run.fail_sample(&id, ErrorCode::CrashLoop, &reason);
    }
    dies
}

/// Makes ready tasks unpublished whose message is as asked; returns how many.
fn unpublish(state: &mut State, lost: impl Fn(Timestamp) -> bool) -> u64 {
    let tasks = state.runs.values_mut().flat_map(|run| run.tasks.values_mut());
    let mut count = 0;
    for task in tasks.filter(|task| task.state == TaskState::Ready) {
        if task.published_at.is_some_and(&lost) {
            task.published_at = None;
            count += 1;
        }
    }
    count
}
