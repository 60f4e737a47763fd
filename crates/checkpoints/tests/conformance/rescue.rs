//! `rescue_stalled`, `free_dead_owners`: work whose worker is gone or whose message was lost.

use std::time::Duration;

use agentwrite::config::{Limits, RunConfig};
use agentwrite::ids::OwnerId;
use agentwrite::ports::{ClaimTask, Control, DispatchStore, Recorded, Rescued, Reserve, TaskStore, TrafficStore};
use agentwrite::sample::SampleState;
use agentwrite::task::{Kind, TaskKey};

use crate::material::{COST, LEASE, parallel, text};
use crate::scene::Scene;
use crate::{Fixture, checks};

/// Longer than any message is on its way in this suite.
const LONG: Duration = Duration::from_secs(100_000);

/// Rescue frees a lapsed lease and sends a lost message again.
pub async fn stalled_work_is_rescued<F: Fixture>() {
    checks::stalled_work_is_rescued(F::fresh().await.store()).await.expect("conforms");
}

/// A lease that has not lapsed and a message that is young are left alone.
pub async fn work_in_progress_is_left_alone<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    scene.admit(0, false, false).await;
    scene.admit(1, false, false).await;
    scene.claim(&scene.plan_key(0)).await;
    scene.store.dispatch_ready(&scene.run, 8, scene.tick()).await.expect("dispatch_ready");
    let now = scene.pass(LEASE / 2);
    let rescued = scene.store.rescue_stalled(LEASE, now).await.expect("rescue_stalled");
    assert_eq!(rescued, Rescued::default());
    assert_eq!(scene.try_claim(&scene.plan_key(0)).await, None);
    scene.sound().await;
}

/// A claim that lapsed ends its attempt as orphaned, with its end; a crash is counted, a failure is not.
pub async fn a_lapsed_claims_attempt_is_orphaned<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let now = scene.pass(LEASE * 2);
    scene.store.rescue_stalled(LONG, now).await.expect("rescue_stalled");
    let row = scene.detail(0).await.attempts.pop().expect("two attempts");
    assert_eq!((row.attempt, row.outcome.as_str(), row.ended_at), (task.attempt, "orphaned", Some(now)));
    let totals = scene.totals().await;
    assert_eq!((totals.orphaned_calls, totals.in_flight, totals.failed_calls), (1, 0, 0));
    let again = scene.claim(&task.key).await;
    assert_eq!((again.crashes, again.failures, again.bad_answers), (1, 0, 0));
    scene.sound().await;
}

/// Rescue twice is rescue once.
pub async fn rescuing_again_changes_nothing<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let now = scene.pass(LEASE * 2);
    scene.store.rescue_stalled(LONG, now).await.expect("rescue_stalled");
    assert_eq!(scene.store.rescue_stalled(LONG, now).await.expect("rescue_stalled"), Rescued::default());
    assert_eq!(scene.claim(&task.key).await.crashes, 1);
}

/// A task that crashes too often dies of it, and its sample fails with `crash_loop`.
pub async fn too_many_crashes_kill_the_task<F: Fixture>() {
    let fixture = F::fresh().await;
    let config = RunConfig { crash_limit: 3, ..RunConfig::default() };
    let scene = Scene::with(fixture.store(), "run_c", &config, &Limits::default(), 1).await;
    scene.admit(0, false, false).await;
    for crash in 1..=3 {
        scene.claim(&scene.plan_key(0)).await;
        let rescued = scene.store.rescue_stalled(LONG, scene.pass(LEASE * 2)).await.expect("rescue_stalled");
        assert_eq!((rescued.leases, rescued.died), (1, u64::from(crash == 3)));
        scene.sound().await;
    }
    let row = scene.detail(0).await.row;
    assert_eq!((row.state, row.code.as_deref()), (SampleState::Failed, Some("crash_loop")));
    assert!(row.reason.is_some());
    assert_eq!(scene.try_claim(&scene.plan_key(0)).await, None);
    assert_eq!(scene.totals().await.orphaned_calls, 3);
}

/// In parallel mode a death takes the sample's other tasks along, also those whose claim lapsed with it: their attempts are
/// orphaned, and none of them comes back to life.
pub async fn a_death_takes_lapsed_siblings_along<F: Fixture>() {
    let fixture = F::fresh().await;
    let config = RunConfig { crash_limit: 1, ..parallel() };
    let scene = Scene::with(fixture.store(), "run_p", &config, &Limits::default(), 1).await;
    scene.planned(0, 3).await;
    assert!(scene.admit(0, true, false).await);
    for place in 0..3 {
        scene.claim(&scene.section_key(0, place)).await;
    }
    let rescued = scene.store.rescue_stalled(LONG, scene.pass(LEASE * 2)).await.expect("rescue_stalled");
    assert_eq!((rescued.leases, rescued.died), (3, 1));
    assert_eq!(scene.state(0).await, SampleState::Failed);
    assert_eq!(scene.totals().await.orphaned_calls, 3);
    for place in 0..3 {
        assert_eq!(scene.try_claim(&scene.section_key(0, place)).await, None);
    }
    scene.sound().await;
}

/// An orphaned call keeps its reservation as suspect spend: whether it was paid for is unknown.
pub async fn an_orphans_reservation_is_suspect<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let wish = Reserve {
        run: scene.run.clone(),
        budget: agentwrite::ports::Budget::of("default"),
        attempt: task.attempt.clone(),
        tokens: 10,
        worst_nanousd: Some(5 * COST),
        now: scene.tick(),
    };
    scene.store.reserve(wish).await.expect("reserve");
    let before = scene.totals().await;
    scene.store.rescue_stalled(LONG, scene.pass(LEASE * 2)).await.expect("rescue_stalled");
    let after = scene.totals().await;
    assert_eq!((after.reserved_nanousd, after.settled_nanousd), (5 * COST, before.settled_nanousd));
    scene.sound().await;
}

/// A message that nobody took for longer than `lost_after` is sent again, and the task is not harmed: no crash, no attempt.
pub async fn a_lost_message_is_sent_again<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    scene.store.dispatch_ready(&scene.run, 1, scene.tick()).await.expect("dispatch_ready");
    let lost_after = Duration::from_secs(30);
    let young = scene.store.rescue_stalled(lost_after, scene.pass(lost_after)).await.expect("rescue_stalled");
    assert_eq!(young.messages, 0, "exactly as old as allowed");
    let old = scene.store.rescue_stalled(lost_after, scene.tick()).await.expect("rescue_stalled");
    assert_eq!((old.messages, old.leases), (1, 0));
    let dispatched = scene.store.dispatch_ready(&scene.run, 1, scene.tick()).await.expect("dispatch_ready");
    assert_eq!(dispatched.rows.len(), 1);
    assert_eq!(scene.outbox().await, [scene.plan_key(0)], "a task has at most one row");
    assert_eq!(scene.claim(&scene.plan_key(0)).await.crashes, 0);
}

/// Freeing dead owners frees every claim but one's own, at once, whatever the leases say.
pub async fn dead_owners_claims_are_freed<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    scene.admit(0, false, false).await;
    scene.admit(1, false, false).await;
    scene.claim(&scene.plan_key(0)).await;
    let wish = ClaimTask { owner: OwnerId::new("owner_b"), ..scene.wish(&scene.plan_key(1)) };
    scene.store.claim_task(wish).await.expect("claim_task").expect("ready");
    let rescued = scene.store.free_dead_owners(&OwnerId::new("owner_b"), scene.tick()).await.expect("free_dead_owners");
    assert_eq!((rescued.leases, rescued.died), (1, 0));
    assert_eq!(scene.try_claim(&scene.plan_key(1)).await, None);
    let again = scene.claim(&scene.plan_key(0)).await;
    assert_eq!((again.fence, again.crashes), (2, 1));
    scene.sound().await;
}

/// The queue died with its process: every ready task is unpublished, and the outbox is empty.
pub async fn dead_owners_messages_are_forgotten<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    scene.admit(0, false, false).await;
    scene.admit(1, false, false).await;
    let sent = scene.store.dispatch_ready(&scene.run, 8, scene.tick()).await.expect("dispatch_ready");
    assert_eq!(sent.rows.len(), 2);
    let rescued = scene.store.free_dead_owners(&scene.owner, scene.tick()).await.expect("free_dead_owners");
    assert_eq!((rescued.leases, rescued.messages), (0, 2));
    assert!(scene.outbox().await.is_empty());
    let sent = scene.store.dispatch_ready(&scene.run, 8, scene.tick()).await.expect("dispatch_ready");
    assert_eq!(sent.rows.len(), 2);
}

/// Attempts of dead owners that are open without a claim, since their task was dropped, are orphaned too.
pub async fn dead_owners_attempts_are_orphaned<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.writing(0, 1).await;
    scene.control(Control::Cancel).await;
    assert_eq!(scene.totals().await.in_flight, 1, "the call goes on for now");
    let rescued = scene.store.free_dead_owners(&OwnerId::new("owner_b"), scene.tick()).await.expect("free_dead_owners");
    assert_eq!(rescued.leases, 0);
    let totals = scene.totals().await;
    assert_eq!((totals.in_flight, totals.orphaned_calls), (0, 1));
    scene.sound().await;
}

/// A task of another kind that is about a sample dies of its crashes alone: the sample goes on.
pub async fn another_kinds_death_leaves_the_sample_alone<F: Fixture>() {
    let fixture = F::fresh().await;
    let config = RunConfig { crash_limit: 1, ..RunConfig::default() };
    let scene = Scene::with(fixture.store(), "run_k", &config, &Limits::default(), 1).await;
    let task = scene.writing(0, 2).await;
    let judge = TaskKey { kind: Kind::new("judge"), ..scene.section_key(0, 0) };
    let mut record = scene.section_result(&task, &text(0, 0)).await;
    record.follow_ups.push(agentwrite::ports::FollowUp::Task(agentwrite::task::NewTask {
        key: judge.clone(),
        context_hash: crate::material::strange(),
        remaining: 1,
    }));
    assert!(matches!(scene.record(&record).await, Recorded::Accepted { .. }));
    scene.claim(&judge).await;
    let rescued = scene.store.rescue_stalled(LONG, scene.pass(LEASE * 2)).await.expect("rescue_stalled");
    assert_eq!((rescued.leases, rescued.died), (1, 1));
    assert_eq!(scene.state(0).await, SampleState::Writing);
    scene.sound().await;
}
