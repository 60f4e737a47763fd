//! `record_result`: what a result sets in motion, in the same transaction.

use agentwrite::config::{Limits, RunConfig};
use agentwrite::ports::{Admit, DispatchStore, Recorded, TaskStore};
use agentwrite::sample::SampleState;

use crate::material::{LEASE, sample, text};
use crate::scene::Scene;
use crate::{Fixture, checks};

/// A plan's result makes the sample planned, with its places to fill; nothing is claimed or published for it.
pub async fn a_plan_makes_the_sample_planned<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.planned(0, 4).await;
    let row = scene.detail(0).await.row;
    assert_eq!((row.state, row.sections, row.places, row.words), (SampleState::Planned, 0, 4, 0));
    assert!(scene.outbox().await.is_empty());
    scene.sound().await;
}

/// Every section fills a place; the last one makes the sample written.
pub async fn the_last_place_makes_the_sample_written<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let mut task = scene.writing(0, 3).await;
    for place in 0..3 {
        assert_eq!(scene.state(0).await, SampleState::Writing);
        let mut record = scene.section_result(&task, &text(0, place)).await;
        record.claim_next = Some(scene.claim_next());
        let (next, _) = scene.accept(&record).await;
        assert_eq!(next.is_some(), place < 2);
        task = next.unwrap_or(task);
        scene.sound().await;
    }
    assert_eq!(scene.state(0).await, SampleState::Written);
    assert_eq!(scene.totals().await.sections, 3);
}

/// A follow-up that is claimed with its commit starts an attempt, under the first fence, and owes no message.
pub async fn a_claimed_follow_up_starts_its_attempt<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 2).await;
    let mut record = scene.section_result(&task, &text(0, 0)).await;
    record.claim_next = Some(scene.claim_next());
    let (next, publish) = scene.accept(&record).await;
    let next = next.expect("the run is running and not ordered");
    assert_eq!((next.fence, &next.owner), (1, &scene.owner));
    assert_eq!(Some(&next.attempt), record.claim_next.as_ref().map(|claim| &claim.attempt));
    assert_eq!(next.key, scene.section_key(0, 1));
    assert!(publish.is_empty());
    assert!(scene.outbox().await.is_empty());
    assert_eq!(scene.outcome(0, &next.attempt).await.0, "started");
    assert_eq!(scene.try_claim(&next.key).await, None);
    scene.sound().await;
}

/// The claim of a follow-up lapses as any other.
pub async fn a_claimed_follow_up_has_a_lease<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 2).await;
    let mut record = scene.section_result(&task, &text(0, 0)).await;
    record.claim_next = Some(scene.claim_next());
    scene.accept(&record).await;
    let rescued = scene.store.rescue_stalled(LEASE * 9, scene.pass(LEASE * 2)).await.expect("rescue_stalled");
    assert_eq!(rescued.leases, 1);
    assert_eq!(scene.claim(&scene.section_key(0, 1)).await.fence, 2);
}

/// A follow-up that is not claimed is published: it has an outbox row, which the commit returns.
pub async fn an_unclaimed_follow_up_is_published<F: Fixture>() {
    checks::a_published_task_has_an_outbox_row(F::fresh().await.store()).await.expect("conforms");
}

/// In the tail (ordered) a commit claims what dispatch would choose, whatever its sample: the longest of all that wait.
pub async fn an_ordered_runs_commit_claims_the_best<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 3).await;
    for (index, steps) in [(0, 3), (1, 9), (2, 1)] {
        scene.planned(index, steps).await;
    }
    let admits: Vec<Admit> = (0..3).map(|index| Admit { sample: sample(index), write: true }).collect();
    scene.store.admit(&scene.run, &admits, true, scene.tick()).await.expect("admit");
    let mut task = scene.claim(&scene.section_key(0, 0)).await;
    for (index, place, next) in [(0, 0, (1, 0)), (1, 0, (1, 1))] {
        let mut record = scene.section_result(&task, &text(index, place)).await;
        record.claim_next = Some(scene.claim_next());
        let (claimed, published) = scene.accept(&record).await;
        task = claimed.expect("a task waits");
        assert_eq!((task.key.clone(), published.len()), (scene.section_key(next.0, next.1), 0));
        assert_eq!(scene.outcome(next.0, &task.attempt).await.0, "started");
    }
    scene.sound().await;
}

/// A slot of sections does not take a plan, which goes first: it is left to dispatch.
pub async fn an_ordered_runs_commit_claims_no_other_kind<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    let task = scene.writing(0, 2).await;
    scene.admit(1, false, true).await;
    let mut record = scene.section_result(&task, &text(0, 0)).await;
    record.claim_next = Some(scene.claim_next());
    assert_eq!(scene.accept(&record).await.0, None);
    let dispatched = scene.store.dispatch_ready(&scene.run, 1, scene.tick()).await.expect("dispatch_ready");
    assert_eq!(dispatched.rows[0].message.task, scene.plan_key(1));
}

/// Without a wish to go on, a follow-up in the tail is neither claimed nor published: dispatch chooses among all.
pub async fn an_ordered_runs_follow_up_waits<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 2).await;
    scene.store.admit(&scene.run, &[], true, scene.tick()).await.expect("admit");
    let record = scene.section_result(&task, &text(0, 0)).await;
    assert_eq!(scene.record(&record).await, Recorded::Accepted { next: None, publish: Vec::new() });
    assert!(scene.outbox().await.is_empty());
    let dispatched = scene.store.dispatch_ready(&scene.run, 1, scene.tick()).await.expect("dispatch_ready");
    assert_eq!(dispatched.rows.len(), 1);
    assert_eq!(dispatched.rows[0].message.task, scene.section_key(0, 1));
}

/// The same in a paused run; once it goes on the task is dispatched.
pub async fn a_paused_runs_follow_up_waits<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 2).await;
    scene.pause().await;
    let mut record = scene.section_result(&task, &text(0, 0)).await;
    record.claim_next = Some(scene.claim_next());
    assert_eq!(scene.record(&record).await, Recorded::Accepted { next: None, publish: Vec::new() });
    scene.control(agentwrite::ports::Control::Resume).await;
    let dispatched = scene.store.dispatch_ready(&scene.run, 4, scene.tick()).await.expect("dispatch_ready");
    assert_eq!(dispatched.rows.len(), 1);
    scene.sound().await;
}

/// The follow-up's context is what the chain says, and `load_sample` gives what it stands for.
pub async fn the_follow_up_continues_the_chain<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 2).await;
    let mut record = scene.section_result(&task, &text(0, 0)).await;
    record.claim_next = Some(scene.claim_next());
    let next = scene.accept(&record).await.0.expect("claimed");
    assert_eq!(next.context_hash, agentwrite::chain::with_section(task.context_hash, &text(0, 0)));
    let context = scene.store.load_sample(&next.key).await.expect("load_sample").expect("there");
    assert_eq!(context.sections.len(), 1);
    assert_eq!(context.plan, Some(crate::material::plan(2)));
    assert_eq!((context.ordinal, context.revision, context.model), (0, 0, None));
}

/// Two runs of one store do not see each other: the same samples, the same keys but for the run.
pub async fn runs_are_apart<F: Fixture>() {
    let fixture = F::fresh().await;
    let one = Scene::of(fixture.store(), 1).await;
    let two = Scene::with(fixture.store(), "run_b", &RunConfig::default(), &Limits::default(), 1).await;
    one.written(0, 2).await;
    assert_eq!(two.state(0).await, SampleState::Pending);
    two.written(0, 3).await;
    assert_eq!(one.detail(0).await.row.places, 2);
    assert_eq!(one.totals().await.sections, 2);
    assert_eq!(two.totals().await.sections, 3);
    one.sound().await;
    two.sound().await;
}
