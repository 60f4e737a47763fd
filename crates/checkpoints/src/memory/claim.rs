//! Claims and leases.

use std::time::Duration;

use agentwrite::ids::{AttemptId, OwnerId, Timestamp};
use agentwrite::ports::{ClaimTask, RunState};
use agentwrite::task::{ClaimedTask, TaskKey, TaskState};

use super::MemoryError;
use super::rows::Claim;
use super::state::State;

/// Claims a task that is ready and due, of a running run. A lapsed lease is not claimable: only rescue frees it.
pub(super) fn claim_task(state: &mut State, claim: &ClaimTask) -> Result<Option<ClaimedTask>, MemoryError> {
    let lease_test = state.guards.lease_test;
    let Some(run) = state.runs.get_mut(&claim.task.run) else { return Ok(None) };
    let Some(task) = run.tasks.get(&claim.task) else { return Ok(None) };
    let free = task.state == TaskState::Ready || (!lease_test && task.state == TaskState::Claimed);
    if !free || task.due_at > claim.now || run.state != RunState::Running {
        return Ok(None);
    }
    run.check_new(&claim.attempt)?;
    run.start_attempt(&claim.attempt, &claim.task, &claim.owner, claim.now);
    let Some(task) = run.tasks.get_mut(&claim.task) else { return Ok(None) };
    task.state = TaskState::Claimed;
    task.fence += 1;
    task.claim = Some(Claim {
        owner: claim.owner.clone(),
        lease_until: claim.now.after(claim.lease),
        attempt: claim.attempt.clone(),
    });
    Ok(Some(task.claimed(&claim.task, &claim.owner, &claim.attempt)))
}

/// Prolongs what an owner still holds and works on; a lease that lapsed and that nobody freed yet is held again.
pub(super) fn renew_leases(
    state: &mut State,
    owner: &OwnerId,
    attempts: &[AttemptId],
    lease: Duration,
    now: Timestamp,
) -> Vec<(TaskKey, i64)> {
    let tasks = state.runs.values_mut().flat_map(|run| run.tasks.iter_mut());
    tasks
        .filter_map(|(key, task)| {
            let claim =
                task.claim.as_mut().filter(|claim| claim.owner == *owner && attempts.contains(&claim.attempt))?;
            claim.lease_until = now.after(lease);
            Some((key.clone(), task.fence))
        })
        .collect()
}
