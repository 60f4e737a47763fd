//! `dispatch_ready`, the outbox: what is published next, in which order.

use std::time::Duration;

use agentwrite::failure::ErrorCode;
use agentwrite::ports::{Admit, Control, DispatchStore, Dispatched};
use agentwrite::task::{AfterFailure, TaskKey};

use crate::Fixture;
use crate::material::{LEASE, again, sample, text};
use crate::scene::Scene;

fn tasks(dispatched: &Dispatched) -> Vec<TaskKey> {
    dispatched.rows.iter().map(|row| row.message.task.clone()).collect()
}

/// The longest remaining chain goes first, then input order; as many as there are slots.
pub async fn the_longest_goes_first<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 4).await;
    for (index, steps) in [(0, 2), (1, 9), (2, 5), (3, 9)] {
        scene.planned(index, steps).await;
    }
    let admits: Vec<Admit> = (0..4).map(|index| Admit { sample: sample(index), write: true }).collect();
    scene.store.admit(&scene.run, &admits, true, scene.tick()).await.expect("admit");
    let first = scene.store.dispatch_ready(&scene.run, 3, scene.tick()).await.expect("dispatch_ready");
    assert_eq!(tasks(&first), [1, 3, 2].map(|index| scene.section_key(index, 0)));
    let none = scene.store.dispatch_ready(&scene.run, 3, scene.tick()).await.expect("dispatch_ready");
    assert!(none.rows.is_empty(), "the slots are taken by messages on their way");
    let task = scene.claim(&scene.section_key(1, 0)).await;
    let none = scene.store.dispatch_ready(&scene.run, 3, scene.tick()).await.expect("dispatch_ready");
    assert!(none.rows.is_empty(), "a claim holds the slot of its message");
    scene.accept(&scene.section_result(&task, &text(1, 0)).await).await;
    let next = scene.store.dispatch_ready(&scene.run, 3, scene.tick()).await.expect("dispatch_ready");
    assert_eq!(tasks(&next), [scene.section_key(1, 1)], "eight to go still beats two");
}

/// Until it is planned a sample may be the longest of all: plans go before any section.
pub async fn plans_go_before_sections<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 3).await;
    scene.planned(0, 40).await;
    let admits: Vec<Admit> = (0..3).map(|index| Admit { sample: sample(index), write: index == 0 }).collect();
    scene.store.admit(&scene.run, &admits, true, scene.tick()).await.expect("admit");
    let first = scene.store.dispatch_ready(&scene.run, 2, scene.tick()).await.expect("dispatch_ready");
    assert_eq!(tasks(&first), [1, 2].map(|index| scene.plan_key(index)));
}

/// Fewer slots than are taken publish nothing; more slots publish the rest.
pub async fn slots_bound_what_is_published<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 5).await;
    for index in 0..5 {
        scene.admit(index, false, false).await;
    }
    for (slots, published) in [(0, 0), (2, 2), (1, 0), (4, 2), (100, 1)] {
        let dispatched = scene.store.dispatch_ready(&scene.run, slots, scene.tick()).await.expect("dispatch_ready");
        assert_eq!(dispatched.rows.len(), published, "{slots} slots");
    }
    assert_eq!(scene.outbox().await.len(), 5);
}

/// What waits is not dispatched; the earliest time at which something becomes due is told.
pub async fn the_next_due_time_is_told<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    let now = scene.now();
    for (index, seconds) in [(0, 40), (1, 20)] {
        scene.admit(index, false, false).await;
        let task = scene.claim(&scene.plan_key(index)).await;
        let due = now.after(Duration::from_secs(seconds));
        let mut failure = again(ErrorCode::Reset, due);
        failure.after = AfterFailure::RetryAt(due);
        scene.fail(&task, failure).await;
    }
    let early = scene.store.dispatch_ready(&scene.run, 9, scene.tick()).await.expect("dispatch_ready");
    assert_eq!((early.rows.len(), early.next_due), (0, Some(now.after(Duration::from_secs(20)))));
    let later = scene.store.dispatch_ready(&scene.run, 9, now.after(Duration::from_secs(20))).await;
    let later = later.expect("dispatch_ready");
    assert_eq!(tasks(&later), [scene.plan_key(1)]);
    assert_eq!(later.next_due, Some(now.after(Duration::from_secs(40))));
}

/// A paused run publishes nothing: its messages would find nothing to claim. What was under way when the pause came is sent
/// again afterwards.
pub async fn a_paused_run_publishes_nothing<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    scene.admit(0, false, false).await;
    scene.store.dispatch_ready(&scene.run, 9, scene.tick()).await.expect("dispatch_ready");
    scene.pause().await;
    scene.admit(1, false, false).await;
    let paused = scene.store.dispatch_ready(&scene.run, 9, scene.tick()).await.expect("dispatch_ready");
    assert_eq!(paused, Dispatched::default());
    scene.control(Control::Resume).await;
    let resumed = scene.store.dispatch_ready(&scene.run, 9, scene.tick()).await.expect("dispatch_ready");
    assert_eq!(tasks(&resumed), [0, 1].map(|index| scene.plan_key(index)));
}

/// The outbox gives rows older than asked, oldest first, as many as asked, until they are deleted.
pub async fn the_outbox_is_taken_by_age<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 3).await;
    for index in 0..3 {
        scene.admit(index, false, false).await;
        scene.store.dispatch_ready(&scene.run, 9, scene.pass(Duration::from_secs(1))).await.expect("dispatch_ready");
    }
    let old = Duration::from_millis(990);
    let rows = scene.store.take_outbox(old, 9, scene.now()).await.expect("take_outbox");
    let keys: Vec<TaskKey> = rows.iter().map(|row| row.message.task.clone()).collect();
    assert_eq!(keys, [0, 1].map(|index| scene.plan_key(index)));
    let one = scene.store.take_outbox(Duration::ZERO, 1, scene.now()).await.expect("take_outbox");
    assert_eq!(one, rows[..1]);
    scene.store.delete_outbox(&[rows[0].id]).await.expect("delete_outbox");
    scene.store.delete_outbox(&[rows[0].id]).await.expect("deleting twice deletes once");
    scene.store.delete_outbox(&[]).await.expect("deleting nothing is nothing");
    assert_eq!(scene.outbox().await, [1, 2].map(|index| scene.plan_key(index)));
}

/// A task has at most one outbox row, however often it is sent.
pub async fn a_task_has_one_outbox_row<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    for _ in 0..3 {
        let sent = scene.store.dispatch_ready(&scene.run, 1, scene.tick()).await.expect("dispatch_ready");
        assert_eq!(sent.rows.len(), 1);
        scene.store.rescue_stalled(Duration::from_secs(1), scene.pass(LEASE)).await.expect("rescue_stalled");
    }
    assert_eq!(scene.outbox().await, [scene.plan_key(0)]);
}

/// Who confirms an older message late does not delete the newer one of the same task.
pub async fn a_late_confirmation_deletes_nothing_newer<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    let mut older: Vec<i64> = Vec::new();
    for round in 0..4 {
        let sent = scene.store.dispatch_ready(&scene.run, 1, scene.tick()).await.expect("dispatch_ready");
        let id = sent.rows[0].id;
        assert!(!older.contains(&id));
        scene.store.delete_outbox(&older).await.expect("delete_outbox");
        assert_eq!(scene.outbox().await, [scene.plan_key(0)]);
        if round % 2 == 0 {
            scene.store.delete_outbox(&[id]).await.expect("delete_outbox");
        }
        older.push(id);
        scene.store.rescue_stalled(Duration::from_secs(1), scene.pass(LEASE)).await.expect("rescue_stalled");
    }
}

/// Admission sets whether the run is ordered, and only that decides whether unclaimed follow-ups are published.
pub async fn admission_sets_the_order<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 3).await;
    let mut next = task;
    for (ordered, place) in [(true, 0), (false, 1)] {
        scene.store.admit(&scene.run, &[], ordered, scene.tick()).await.expect("admit");
        let record = scene.section_result(&next, &text(0, place)).await;
        let (_, published) = scene.accept(&record).await;
        assert_eq!(published.is_empty(), ordered);
        next = scene.claim(&scene.section_key(0, place + 1)).await;
    }
    scene.sound().await;
}
