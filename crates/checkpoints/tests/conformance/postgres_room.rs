//! Slots by kind: a task that waits for a process which takes its kind keeps no other kind from slots that are free.

use std::time::Duration;

use agentwrite::ids::OwnerId;
use agentwrite::ports::DispatchStore;
use agentwrite::task::Kind;

use crate::Fixture;
use crate::postgres_fixture::PostgresFixture;
use crate::scene::Scene;

const MINUTE: Duration = Duration::from_secs(60);

/// Three samples that may be written, five that may be planned, everything waiting to be dispatched.
async fn crowd(scene: &Scene<'_, checkpoints::postgres::PostgresStore>) {
    for index in 0..3 {
        scene.planned(index, 4).await;
    }
    for index in 0..8 {
        assert!(scene.admit(index, index < 3, true).await);
    }
}

async fn dispatched(scene: &Scene<'_, checkpoints::postgres::PostgresStore>, slots: u32) -> [usize; 2] {
    let rows = scene.store.dispatch_ready(&scene.run, slots, scene.tick()).await.expect("dispatch_ready").rows;
    let plans = rows.iter().filter(|row| row.message.task.kind == Kind::PLAN).count();
    [plans, rows.len() - plans]
}

#[tokio::test]
async fn plans_fill_their_own_slots_alone() {
    let fixture = PostgresFixture::fresh().await;
    let scene = Scene::of(fixture.store(), 8).await;
    let (planner, writer) = (OwnerId::new("planner"), OwnerId::new("writer"));
    scene.store.announce(&planner, &[Kind::PLAN], 2, MINUTE).await.expect("announce");
    scene.store.announce(&writer, &[Kind::SECTION], 4, MINUTE).await.expect("announce");
    crowd(&scene).await;
    assert_eq!(
        dispatched(&scene, 4).await,
        [2, 2],
        "four slots: two plans, all that the planner can take, and two sections"
    );
    assert_eq!(dispatched(&scene, 16).await, [0, 1], "more slots: the last section, no plan that nobody could take");
    scene.sound().await;
}

#[tokio::test]
async fn the_slot_of_a_section_goes_on_with_a_section_while_plans_wait_for_a_planner() {
    let fixture = PostgresFixture::fresh().await;
    let scene = Scene::of(fixture.store(), 8).await;
    let (planner, writer) = (OwnerId::new("planner"), OwnerId::new("writer"));
    scene.store.announce(&planner, &[Kind::PLAN], 2, MINUTE).await.expect("announce");
    scene.store.announce(&writer, &[Kind::SECTION], 1, MINUTE).await.expect("announce");
    crowd(&scene).await;
    assert_eq!(dispatched(&scene, 3).await, [2, 1]);
    let section = scene.claim(&scene.section_key(0, 0)).await;
    let mut record = scene.section_result(&section, "The first part of it.").await;
    record.claim_next = Some(scene.claim_next());
    let (next, _) = scene.accept(&record).await;
    assert_eq!(next.map(|next| next.key.kind), Some(Kind::SECTION));
    scene.sound().await;
}

#[tokio::test]
async fn where_nobody_says_what_he_takes_plans_go_first() {
    let fixture = PostgresFixture::fresh().await;
    let scene = Scene::of(fixture.store(), 8).await;
    crowd(&scene).await;
    assert_eq!(dispatched(&scene, 6).await, [5, 1]);
    scene.sound().await;
}
