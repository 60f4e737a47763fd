//! `claim_task`, `renew_leases`: the exclusive, expiring, fenced right to work.

use std::time::Duration;

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, OwnerId, RunId};
use agentwrite::ports::{ClaimTask, Control, DispatchStore, TaskStore};
use agentwrite::sample::SampleState;
use agentwrite::task::{AfterFailure, TaskKey};
use futures_util::future::join_all;

use crate::material::{LEASE, again};
use crate::scene::Scene;
use crate::{Fixture, checks};

/// A ready, due task of a running run is claimed; the claim carries what the prompt must be made from.
pub async fn a_ready_task_is_claimed<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    let wish = scene.wish(&scene.plan_key(0));
    let task = scene.store.claim_task(wish.clone()).await.expect("claim_task").expect("ready");
    assert_eq!((&task.key, &task.owner, &task.attempt), (&wish.task, &wish.owner, &wish.attempt));
    assert_eq!((task.fence, task.generation, task.failures, task.bad_answers, task.crashes), (1, 0, 0, 0, 0));
    scene.sound().await;
}

/// The attempt row stands before the call: started, with its start, nothing spent.
pub async fn an_attempt_starts_with_the_claim<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    let task = scene.claim(&scene.plan_key(0)).await;
    let attempts = scene.detail(0).await.attempts;
    assert_eq!(attempts.len(), 1);
    let row = &attempts[0];
    assert_eq!((&row.attempt, row.kind.as_str(), row.outcome.as_str()), (&task.attempt, "plan", "started"));
    assert_eq!((row.started_at, row.ended_at, row.cost_nanousd), (scene.now(), None, None));
    let totals = scene.totals().await;
    assert_eq!((totals.in_flight, totals.calls, totals.settled_nanousd), (1, 0, 0));
}

/// An attempt id is used once: a claim that brings a known one is an error and claims nothing.
pub async fn a_known_attempt_id_is_refused<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    scene.admit(0, false, false).await;
    scene.admit(1, false, false).await;
    let first = scene.claim(&scene.plan_key(0)).await;
    let wish = ClaimTask { attempt: first.attempt.clone(), ..scene.wish(&scene.plan_key(1)) };
    assert!(scene.store.claim_task(wish).await.is_err());
    assert!(scene.try_claim(&scene.plan_key(1)).await.is_some(), "the refused claim left the task alone");
}

/// A claimed task is nobody else's: a duplicate message finds nothing, and starts no attempt.
pub async fn a_claimed_task_is_not_claimable<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    scene.claim(&scene.plan_key(0)).await;
    assert_eq!(scene.try_claim(&scene.plan_key(0)).await, None);
    assert_eq!(scene.detail(0).await.attempts.len(), 1);
}

/// A lapsed lease is not claimable by itself: only rescue frees it.
pub async fn a_lapsed_lease_is_not_claimable<F: Fixture>() {
    checks::a_claimed_task_stays_claimed(F::fresh().await.store()).await.expect("conforms");
}

/// The fence grows with every claim of the task.
pub async fn the_fence_grows<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    for fence in 1..=4 {
        let task = scene.claim(&scene.plan_key(0)).await;
        assert_eq!(task.fence, fence);
        assert!(scene.fail(&task, again(ErrorCode::ServerError, scene.now())).await);
    }
}

/// A task that waits for its time is claimed when that has come, and not a millisecond earlier.
pub async fn a_task_is_not_claimable_before_it_is_due<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    let task = scene.claim(&scene.plan_key(0)).await;
    let due = scene.now().after(Duration::from_secs(30));
    let mut failure = again(ErrorCode::ServerError, due);
    failure.after = AfterFailure::RetryAt(due);
    assert!(scene.fail(&task, failure).await);
    let early = ClaimTask { now: agentwrite::ids::Timestamp(due.0 - 1), ..scene.wish(&task.key) };
    assert_eq!(scene.store.claim_task(early).await.expect("claim_task"), None);
    let on_time = ClaimTask { now: due, ..scene.wish(&task.key) };
    assert!(scene.store.claim_task(on_time).await.expect("claim_task").is_some());
}

/// Neither an unknown task nor an unknown run is an error: that is how stale messages end.
pub async fn unknown_tasks_and_runs_are_nothing_to_claim<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    assert_eq!(scene.try_claim(&scene.plan_key(0)).await, None, "not admitted");
    let strange = TaskKey { run: RunId::new("run_unknown"), ..scene.plan_key(0) };
    assert_eq!(scene.try_claim(&strange).await, None);
    scene.admit(0, false, false).await;
    assert_eq!(scene.try_claim(&TaskKey { revision: 7, ..scene.plan_key(0) }).await, None);
}

/// A paused run gives out no claims; a resumed one does.
pub async fn a_paused_run_gives_no_claims<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    scene.pause().await;
    assert_eq!(scene.try_claim(&scene.plan_key(0)).await, None);
    scene.control(Control::Resume).await;
    assert!(scene.try_claim(&scene.plan_key(0)).await.is_some());
}

/// A cancelled run gives out no claims.
pub async fn a_cancelled_run_gives_no_claims<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    scene.control(Control::Cancel).await;
    assert_eq!(scene.try_claim(&scene.plan_key(0)).await, None);
    assert_eq!(scene.state(0).await, SampleState::Cancelled);
}

/// Of 50 claims at once exactly one wins, and exactly one attempt was started.
pub async fn of_fifty_claims_at_once_one_wins<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    let wishes: Vec<ClaimTask> = (0..50)
        .map(|index| ClaimTask {
            owner: OwnerId::new(format!("owner_{index}")),
            attempt: AttemptId::new(format!("att_{index}")),
            ..scene.wish(&scene.plan_key(0))
        })
        .collect();
    let claims = join_all(wishes.into_iter().map(|wish| scene.store.claim_task(wish))).await;
    let won: Vec<_> = claims.into_iter().filter_map(|claim| claim.expect("claim_task")).collect();
    assert_eq!(won.len(), 1);
    let attempts = scene.detail(0).await.attempts;
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].attempt, won[0].attempt);
    scene.sound().await;
}

/// Renewing prolongs what the owner holds, and only that, and returns the fences.
pub async fn renewing_prolongs_the_owners_leases<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    scene.admit(0, false, false).await;
    scene.admit(1, false, false).await;
    let mine = scene.claim(&scene.plan_key(0)).await;
    let other = ClaimTask { owner: OwnerId::new("owner_b"), ..scene.wish(&scene.plan_key(1)) };
    scene.store.claim_task(other).await.expect("claim_task").expect("ready");
    let half = scene.pass(LEASE / 2);
    let held = scene
        .store
        .renew_leases(&scene.owner, std::slice::from_ref(&mine.attempt), LEASE, half)
        .await
        .expect("renew_leases");
    assert_eq!(held, [(mine.key.clone(), mine.fence)]);
    let now = scene.pass(LEASE / 2 + Duration::from_secs(1));
    let rescued = scene.store.rescue_stalled(Duration::from_secs(1_000), now).await.expect("rescue_stalled");
    assert_eq!(rescued.leases, 1, "the other owner's lease lapsed, the renewed one did not");
    assert_eq!(scene.try_claim(&mine.key).await, None);
}

/// A claim that was given up, by a failure or by rescue, is not in the renewed ones.
pub async fn renewing_does_not_return_what_is_gone<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    let task = scene.claim(&scene.plan_key(0)).await;
    scene.fail(&task, again(ErrorCode::ServerError, scene.now())).await;
    let held = scene
        .store
        .renew_leases(&scene.owner, std::slice::from_ref(&task.attempt), LEASE, scene.tick())
        .await
        .expect("renew_leases");
    assert!(held.is_empty());
}
