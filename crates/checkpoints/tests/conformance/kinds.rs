//! Kinds are open: a made-up second kind with k independent places per subject, as judging and selection will have.

use agentwrite::ids::Hash;
use agentwrite::ports::{DispatchStore, FollowUp, RecordResult, Recorded, TaskResult};
use agentwrite::sample::SampleState;
use agentwrite::task::{ClaimedTask, Kind, NewTask, TaskKey};
use serde_json::json;

use crate::material::{LEASE, fatal, text};
use crate::scene::Scene;
use crate::{Fixture, Stores};

const PLACES: u32 = 5;

fn judge<S>(scene: &Scene<'_, S>, place: u32) -> TaskKey {
    TaskKey { run: scene.run.clone(), kind: Kind::new("judge"), subject: "row-1".to_owned(), place, revision: 0 }
}

fn new(key: TaskKey) -> FollowUp {
    let context_hash = Hash::of("judge", &[key.subject.as_bytes(), &key.place.to_le_bytes()]);
    FollowUp::Task(NewTask { key, context_hash, remaining: 1 })
}

/// A section's result that also sets five judge tasks in motion; the row it works on is its own subject.
async fn judged<S: Stores>(scene: &Scene<'_, S>, claim: bool) -> (Option<ClaimedTask>, Vec<TaskKey>) {
    let task = scene.writing(0, 1).await;
    let mut record = scene.section_result(&task, &text(0, 0)).await;
    record.follow_ups.extend((0..PLACES).map(|place| new(judge(scene, place))));
    record.claim_next = claim.then(|| scene.claim_next());
    let (next, publish) = scene.accept(&record).await;
    (next, publish.into_iter().map(|row| row.message.task).collect())
}

fn verdict<S: Stores>(scene: &Scene<'_, S>, task: &ClaimedTask, more: Vec<FollowUp>) -> RecordResult {
    scene.result(task, TaskResult::Other(json!({"score": 7, "place": task.key.place})), more)
}

/// Several follow-ups of one result are published, each with its row.
pub async fn several_follow_ups_are_published<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let (next, published) = judged(&scene, false).await;
    let all: Vec<TaskKey> = (0..PLACES).map(|place| judge(&scene, place)).collect();
    assert_eq!((next, &published), (None, &all));
    assert_eq!(scene.outbox().await, all);
    scene.sound().await;
}

/// One attempt was offered, so one follow-up is claimed, the first; the others are published.
pub async fn one_of_several_follow_ups_is_claimed<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let (next, published) = judged(&scene, true).await;
    assert_eq!(next.map(|task| (task.key, task.fence)), Some((judge(&scene, 0), 1)));
    let rest: Vec<TaskKey> = (1..PLACES).map(|place| judge(&scene, place)).collect();
    assert_eq!(published, rest);
    scene.sound().await;
}

/// The places are independent: any order, each accepted once, by content as every kind.
pub async fn places_are_filled_in_any_order<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    judged(&scene, false).await;
    for place in [3, 0, 4, 1, 2] {
        let task = scene.claim(&judge(&scene, place)).await;
        let record = verdict(&scene, &task, Vec::new());
        let strange = RecordResult { context_hash: crate::material::strange(), ..record.clone() };
        assert_eq!(scene.record(&strange).await, Recorded::Wasted);
        let task = scene.store.rescue_stalled(LEASE, scene.pass(LEASE * 2)).await.map(|_| judge(&scene, place));
        let task = scene.claim(&task.expect("rescue_stalled")).await;
        let record = verdict(&scene, &task, Vec::new());
        scene.accept(&record).await;
        assert_eq!(scene.record(&record).await, Recorded::Repeated);
        assert_eq!(scene.try_claim(&judge(&scene, place)).await, None);
    }
    assert_eq!(scene.totals().await.wasted_calls, u64::from(PLACES));
    assert_eq!(scene.state(0).await, SampleState::Written, "what judges do leaves the sample alone");
    scene.sound().await;
}

/// A follow-up that several results ask for is made once: who comes later neither claims nor publishes it, and it stays as
/// it is.
pub async fn a_shared_follow_up_is_made_once<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    judged(&scene, false).await;
    let select = TaskKey { kind: Kind::new("select"), ..judge(&scene, 0) };
    let mut made = None;
    for place in 0..PLACES {
        let task = scene.claim(&judge(&scene, place)).await;
        let mut record = verdict(&scene, &task, vec![new(select.clone())]);
        record.claim_next = Some(scene.claim_next());
        let (next, publish) = scene.accept(&record).await;
        assert_eq!(next.is_some(), place == 0, "place {place}");
        assert!(publish.is_empty());
        made = made.or(next);
    }
    let selected = made.expect("the first made it");
    scene.accept(&scene.result(&selected, TaskResult::Other(json!([1, 2])), Vec::new())).await;
    assert_eq!(scene.try_claim(&select).await, None);
    assert_eq!(scene.totals().await.in_flight, 0);
    scene.sound().await;
}

/// A judge that dies takes nobody along, neither its siblings nor a sample of that name.
pub async fn a_dead_judge_dies_alone<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    judged(&scene, false).await;
    let task = scene.claim(&judge(&scene, 2)).await;
    assert!(scene.fail(&task, fatal(agentwrite::failure::ErrorCode::BadResponse)).await);
    assert_eq!(scene.try_claim(&judge(&scene, 2)).await, None);
    assert!(scene.try_claim(&judge(&scene, 3)).await.is_some());
    assert_eq!(scene.state(0).await, SampleState::Written);
    scene.sound().await;
}
