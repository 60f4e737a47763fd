//! Slots by kind: a task that waits for a process which takes its kind keeps no other kind from slots that are free.

use std::time::Duration;

use agentwrite::config::{Limits, RunConfig};
use agentwrite::ids::OwnerId;
use agentwrite::ports::DispatchStore;
use agentwrite::shares::turn;
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

/// Two runs of weights 2 and 1 on 64 slots: in three turns the heavier one has exactly twice the slots of the other, and what a
/// turn gave is what commits keep to until the next.
#[tokio::test]
async fn runs_take_turns_with_the_slots_that_their_weights_divide() {
    let fixture = PostgresFixture::fresh().await;
    let store = fixture.store();
    for (run, weight) in [("run_a", 2), ("run_b", 1)] {
        let limits = Limits { weight, concurrency: 100, ..Limits::default() };
        Scene::with(store, run, &RunConfig::default(), &limits, 80).await;
    }
    assert_eq!(store.share_slots().await.expect("share_slots"), [], "nobody offers slots");
    store.announce(&OwnerId::new("planner"), &[Kind::PLAN], 8, MINUTE).await.expect("announce");
    for writer in ["writer_a", "writer_b"] {
        store.announce(&OwnerId::new(writer), &[Kind::SECTION], 32, MINUTE).await.expect("announce");
    }
    let (slots, now) = store.offered_slots().await.expect("offered_slots");
    assert_eq!(slots, 64, "those of the kind with the most");
    assert!((1_600_000_000_000..10_000_000_000_000).contains(&now.0), "milliseconds since 1970: {now:?}");
    let mut sums = [0, 0];
    for turn in 7..10 {
        let shares = store.share_among_runs(slots, turn).await.expect("share_among_runs");
        let [(run_a, a), (run_b, b)] = &shares[..] else { panic!("{shares:?}") };
        assert_eq!([run_a.as_str(), run_b.as_str()], ["run_a", "run_b"]);
        let kept = fixture.database().sql("select string_agg(run || ' ' || slots, ', ' order by run) from run_slots");
        assert_eq!(kept.trim(), format!("run_a {a}, run_b {b}"));
        sums = [sums[0] + a, sums[1] + b];
    }
    assert_eq!(sums, [128, 64]);
    let of_now = store.share_slots().await.expect("share_slots");
    let (_, later) = store.offered_slots().await.expect("offered_slots");
    let mut of_turns = Vec::new();
    for moment in [now, later] {
        of_turns.push(store.share_among_runs(slots, turn(moment)).await.expect("share_among_runs"));
    }
    assert!(of_turns.contains(&of_now), "{of_now:?} is of neither of {of_turns:?}");
}

#[tokio::test]
async fn where_nobody_says_what_he_takes_plans_go_first() {
    let fixture = PostgresFixture::fresh().await;
    let scene = Scene::of(fixture.store(), 8).await;
    crowd(&scene).await;
    assert_eq!(dispatched(&scene, 6).await, [5, 1]);
    scene.sound().await;
}
