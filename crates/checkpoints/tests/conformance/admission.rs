//! `admission_view`, `admit`: who starts next.

use std::time::Duration;

use agentwrite::chain;
use agentwrite::config::{Limits, Mode, RunConfig};
use agentwrite::failure::ErrorCode;
use agentwrite::ids::RunId;
use agentwrite::ports::{AdmissionView, Admit, Control, DispatchStore};
use agentwrite::sample::SampleState;
use agentwrite::task::AfterFailure;

use crate::Fixture;
use crate::material::{again, input, parallel, plan, sample, text};
use crate::scene::Scene;

/// The view counts what needs calls and what holds a slot, and lists candidates: planned ones longest first, pending ones in
/// input order.
pub async fn the_view_shows_what_stands<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 8).await;
    scene.written(0, 1).await;
    scene.planned(1, 3).await;
    scene.planned(2, 7).await;
    scene.planned(3, 7).await;
    scene.admit(4, false, false).await;
    let first = scene.writing(5, 4).await;
    let view = scene.store.admission_view(&scene.run, 100, 100, scene.tick()).await.expect("admission_view");
    assert_eq!((view.unfinished, view.planning, view.writing, view.window_start), (7, 1, 1, 1));
    let planned: Vec<(u64, u32, bool)> = view.planned.iter().map(|c| (c.ordinal, c.remaining, c.planned)).collect();
    assert_eq!(planned, [(2, 7, true), (3, 7, true), (1, 3, true)]);
    let pending: Vec<(u64, u32, bool)> = view.pending.iter().map(|c| (c.ordinal, c.remaining, c.planned)).collect();
    assert_eq!(pending, [(6, 6, false), (7, 6, false)], "an estimate of five steps, and the plan");
    assert_eq!(view.pending[0].sample, sample(6));
    scene.accept(&scene.section_result(&first, &text(5, 0)).await).await;
    let view = scene.store.admission_view(&scene.run, 100, 100, scene.tick()).await.expect("admission_view");
    assert_eq!(view.writing, 1, "the follow-up holds the slot");
}

/// Only the window from the first unfinished ordinal on is offered, and no more than was asked for.
pub async fn the_view_keeps_to_the_window<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 10).await;
    scene.written(0, 1).await;
    scene.failed(1, ErrorCode::PlanEmpty).await;
    scene.planned(9, 50).await;
    let view = scene.store.admission_view(&scene.run, 4, 3, scene.tick()).await.expect("admission_view");
    assert_eq!(view.window_start, 2);
    assert!(view.planned.is_empty(), "ordinal 9 lies outside");
    let pending: Vec<u64> = view.pending.iter().map(|candidate| candidate.ordinal).collect();
    assert_eq!(pending, [2, 3, 4], "at most three of the four");
    assert_eq!(view.unfinished, 8);
}

/// A task that waits longer than five seconds for its time gives its place up; one that comes sooner keeps it.
pub async fn a_long_wait_gives_the_place_up<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    let long = scene.writing(0, 1).await;
    let short = scene.writing(1, 1).await;
    let now = scene.now();
    for (task, seconds) in [(long, 60), (short, 4)] {
        let due = now.after(Duration::from_secs(seconds));
        let mut failure = again(ErrorCode::RateLimited, due);
        failure.after = AfterFailure::RetryAt(due);
        scene.fail(&task, failure).await;
    }
    let view = scene.store.admission_view(&scene.run, 9, 9, scene.now()).await.expect("admission_view");
    assert_eq!((view.writing, view.unfinished), (1, 2));
    let later = scene.pass(Duration::from_secs(56));
    let view = scene.store.admission_view(&scene.run, 9, 9, later).await.expect("admission_view");
    assert_eq!(view.writing, 2);
}

/// A run that is not there has nothing to admit.
pub async fn an_unknown_run_has_an_empty_view<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let unknown = RunId::new("run_unknown");
    let view = scene.store.admission_view(&unknown, 9, 9, scene.tick()).await.expect("admission_view");
    assert_eq!(view, AdmissionView::default());
}

/// Admission to planning makes the plan's task: ready, unpublished, its context the root of the sample.
pub async fn planning_is_admitted_with_the_root<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    assert!(scene.admit(0, false, false).await);
    assert_eq!(scene.state(0).await, SampleState::Planning);
    assert!(scene.outbox().await.is_empty());
    let task = scene.claim(&scene.plan_key(0)).await;
    let text = scene.view().await.config.text.hash();
    assert_eq!(task.context_hash, chain::root(input(0).key(), text, None, 0));
    scene.sound().await;
}

/// Serial mode: one task, the first empty place, its context the head of the chain.
pub async fn serial_writing_is_admitted_with_the_first_place<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let first = scene.writing(0, 3).await;
    let text = scene.view().await.config.text.hash();
    let root = chain::root(input(0).key(), text, None, 0);
    assert_eq!(first.context_hash, chain::with_plan(root, &plan(3)));
    assert_eq!(scene.try_claim(&scene.section_key(0, 1)).await, None);
    scene.sound().await;
}

/// Parallel mode: a task for every empty place, all with the plan as context.
pub async fn parallel_writing_is_admitted_with_all_places<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::with(fixture.store(), "run_p", &parallel(), &Limits::default(), 1).await;
    scene.planned(0, 4).await;
    assert!(scene.admit(0, true, false).await);
    scene.sound().await;
    let mut contexts = Vec::new();
    for place in 0..4 {
        contexts.push(scene.claim(&scene.section_key(0, place)).await.context_hash);
    }
    contexts.dedup();
    assert_eq!(contexts.len(), 1);
    let view = scene.store.admission_view(&scene.run, 9, 9, scene.tick()).await.expect("admission_view");
    assert_eq!((view.writing, view.unfinished), (4, 1));
}

/// A sample that is not in the expected state any more is passed over; admitting twice admits once.
pub async fn admitting_twice_admits_once<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    let admits = [0, 1, 0].map(|index| Admit { sample: sample(index), write: false });
    let admitted = scene.store.admit(&scene.run, &admits, false, scene.tick()).await.expect("admit");
    assert_eq!(admitted, 2);
    let again = scene.store.admit(&scene.run, &admits, false, scene.tick()).await.expect("admit");
    assert_eq!(again, 0);
    assert!(!scene.admit(0, true, false).await, "not planned yet");
    scene.sound().await;
}

/// A paused run still admits, which is cheap and spends nothing; a cancelled one does not.
pub async fn only_a_live_run_admits<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    scene.pause().await;
    assert!(scene.admit(0, false, false).await);
    scene.control(Control::Cancel).await;
    assert!(!scene.admit(1, false, false).await);
    scene.sound().await;
}

/// A sample is planned under the configuration of the moment and keeps to it: a new one is for samples not yet planned.
pub async fn a_sample_keeps_its_configuration<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 3).await;
    scene.planned(0, 2).await;
    let mut config = RunConfig::default();
    config.text.seed = 7;
    config.text.mode = Mode::Parallel;
    let run = scene.control(Control::Configure(Box::new(config.clone()))).await;
    assert_eq!((run.config_version, run.config.text.seed), (2, 7));
    scene.planned(1, 2).await;
    assert_eq!((scene.detail(0).await.config_version, scene.detail(1).await.config_version), (1, 2));
    scene.admit(0, true, false).await;
    scene.admit(1, true, false).await;
    let task = scene.claim(&scene.section_key(0, 0)).await;
    assert_eq!(scene.try_claim(&scene.section_key(0, 1)).await, None, "serial");
    assert!(scene.try_claim(&scene.section_key(1, 1)).await.is_some(), "parallel");
    let root = chain::root(input(0).key(), RunConfig::default().text.hash(), None, 0);
    assert_eq!(task.context_hash, chain::with_plan(root, &plan(2)));
    scene.sound().await;
}
