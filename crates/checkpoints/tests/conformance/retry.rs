//! `retry`: stopped samples start again, as a new generation, and where something is discarded as a new revision.

use agentwrite::chain;
use agentwrite::config::Limits;
use agentwrite::failure::ErrorCode;
use agentwrite::ports::{
    Control, PackStore, Range, RecordResult, Recorded, ReportStore, Retried, RetryPlan, RunState, RunStore, TaskStore,
};
use agentwrite::sample::SampleState;
use agentwrite::task::{Hint, Kind, TaskFailure};

use crate::material::{again, fatal, input, kept, parallel, plan, rejects, sample, sharded, text};
use crate::scene::Scene;
use crate::{Fixture, Stores};

async fn retry<S: Stores>(scene: &Scene<'_, S>, plan: RetryPlan) -> Retried {
    scene.store.retry(&scene.run, "operator", &plan, scene.tick()).await.expect("retry")
}

/// Leads sample `index` to failed at its section `at` of four.
async fn failed_at<S: Stores>(scene: &Scene<'_, S>, index: u64, at: u32) {
    let mut task = scene.writing(index, 4).await;
    for place in 0..at {
        let mut record = scene.section_result(&task, &text(index, place)).await;
        record.claim_next = Some(scene.claim_next());
        task = scene.accept(&record).await.0.expect("claimed");
    }
    scene.fail(&task, fatal(ErrorCode::ContentFilter)).await;
    assert_eq!(scene.state(index).await, SampleState::Failed);
}

/// A failed sample goes on where it stopped: the same revision, a new generation, plan and sections kept, counters anew.
pub async fn a_failed_sample_goes_on<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    failed_at(&scene, 0, 2).await;
    let retried = retry(&scene, RetryPlan::default()).await;
    assert_eq!(retried, Retried { samples: vec![sample(0)], kept_sections: 2, supplement: None });
    let detail = scene.detail(0).await;
    assert_eq!((detail.row.state, detail.row.code, detail.row.reason), (SampleState::Planned, None, None));
    assert_eq!((detail.row.sections, detail.row.generation, detail.context.revision), (2, 1, 0));
    scene.sound().await;
    assert!(scene.admit(0, true, false).await, "a retried dead task is admitted again");
    let task = scene.claim(&scene.section_key(0, 2)).await;
    assert_eq!((task.generation, task.failures, task.crashes, task.fence), (1, 0, 0, 2));
    scene.write_from(0, task).await;
    assert_eq!(scene.state(0).await, SampleState::Written);
    assert_eq!(scene.totals().await.sections, 4, "nothing was written twice");
    scene.sound().await;
}

/// A new generation starts without hint and counts anew, but keeps the number of bad answers: its seed must differ.
pub async fn a_new_generation_counts_anew<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let hint = Hint { fault: Some("too short".to_owned()), asked_again: true, ..Hint::default() };
    let failure = TaskFailure { bad_answer: true, hint, ..again(ErrorCode::Length, scene.now()) };
    scene.fail(&task, failure).await;
    let task = scene.claim(&task.key).await;
    scene.fail(&task, TaskFailure { bad_answer: true, ..fatal(ErrorCode::Loop) }).await;
    retry(&scene, RetryPlan::default()).await;
    scene.admit(0, true, false).await;
    let task = scene.claim(&task.key).await;
    assert_eq!((task.generation, task.failures, task.bad_answers), (1, 0, 2));
    assert_eq!(task.hint, Hint::default());
}

/// A sample whose plan died starts with its plan.
pub async fn a_failed_plan_is_planned_again<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.failed(0, ErrorCode::PlanEmpty).await;
    assert_eq!(retry(&scene, RetryPlan::default()).await.kept_sections, 0);
    assert_eq!(scene.state(0).await, SampleState::Pending);
    scene.planned(0, 2).await;
    scene.sound().await;
}

/// From a section on: a new revision keeps the plan and what stands before it, by reference, on a chain of its own root.
pub async fn from_a_section_on<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    failed_at(&scene, 0, 3).await;
    let before = scene.detail(0).await.context;
    let retried = retry(&scene, RetryPlan { from_section: Some(2), ..RetryPlan::default() }).await;
    assert_eq!(retried.kept_sections, 1);
    let context = scene.detail(0).await.context;
    assert_eq!((context.revision, context.plan.as_ref()), (1, Some(&plan(4))));
    assert_eq!(context.sections, before.sections[..1], "text and attempt are the kept ones");
    scene.sound().await;
    scene.admit(0, true, false).await;
    let task = scene.claim(&scene.key(&Kind::SECTION, 0, 1, 1)).await;
    let root = chain::root(input(0).key(), scene.view().await.config.text.hash(), None, 1);
    assert_eq!(task.context_hash, chain::with_section(chain::with_plan(root, &plan(4)), &text(0, 0)));
    scene.write_from(0, task).await;
    assert_eq!(scene.state(0).await, SampleState::Written);
    scene.sound().await;
}

/// From section 0 on discards the plan too.
pub async fn from_section_zero_discards_the_plan<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    failed_at(&scene, 0, 2).await;
    let retried = retry(&scene, RetryPlan { from_section: Some(0), ..RetryPlan::default() }).await;
    assert_eq!(retried.kept_sections, 0);
    let detail = scene.detail(0).await;
    assert_eq!((detail.row.state, detail.row.places, detail.row.words), (SampleState::Pending, 0, 0));
    assert_eq!((detail.context.revision, detail.context.plan), (1, None));
    scene.planned(0, 3).await;
    scene.sound().await;
}

/// An answer that was under way for the old revision comes too late for the new one.
pub async fn an_old_revisions_answer_is_wasted<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 2).await;
    let late: RecordResult = scene.section_result(&task, &text(0, 0)).await;
    scene.control(Control::Cancel).await;
    retry(&scene, RetryPlan { from_section: Some(1), ..RetryPlan::default() }).await;
    scene.admit(0, true, false).await;
    assert_eq!(scene.record(&late).await, Recorded::Wasted);
    assert_eq!(scene.state(0).await, SampleState::Writing);
    scene.sound().await;
}

/// Another model is a new revision that keeps what stands: the context of what is written from now on differs.
pub async fn another_model_is_a_new_revision<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    failed_at(&scene, 0, 2).await;
    let plan_of = RetryPlan { model: Some("larger".to_owned()), ..RetryPlan::default() };
    assert_eq!(retry(&scene, plan_of).await.kept_sections, 2);
    let context = scene.detail(0).await.context;
    assert_eq!((context.revision, context.model.as_deref()), (1, Some("larger")));
    assert_eq!(context.sections.len(), 2);
    scene.sound().await;
    scene.admit(0, true, false).await;
    let task = scene.claim(&scene.key(&Kind::SECTION, 0, 2, 1)).await;
    scene.fail(&task, fatal(ErrorCode::Refusal)).await;
    retry(&scene, RetryPlan { from_section: Some(1), ..RetryPlan::default() }).await;
    assert_eq!(scene.detail(0).await.context.model.as_deref(), Some("larger"), "it stays until another is named");
    scene.sound().await;
}

/// A rejected sample discards everything unless told otherwise, also with another model: the same text would be rejected
/// again.
pub async fn a_rejected_sample_discards_all<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 3).await;
    for index in 0..3 {
        scene.written(index, 3).await;
        scene.verdict(index, &rejects(ErrorCode::LengthScore)).await;
        assert_eq!(scene.state(index).await, SampleState::Rejected);
    }
    let only = |index, plan| RetryPlan { samples: vec![sample(index)], ..plan };
    let default = RetryPlan::default();
    assert_eq!(retry(&scene, only(0, default.clone())).await.kept_sections, 0);
    let model = RetryPlan { model: Some("larger".to_owned()), ..default.clone() };
    assert_eq!(retry(&scene, only(1, model)).await.kept_sections, 0);
    let third = RetryPlan { from_section: Some(3), ..default };
    assert_eq!(retry(&scene, only(2, third)).await.kept_sections, 2);
    for (index, state) in [(0, SampleState::Pending), (1, SampleState::Pending), (2, SampleState::Planned)] {
        let detail = scene.detail(index).await;
        assert_eq!((detail.row.state, detail.context.revision, detail.verdict), (state, 1, None));
    }
    scene.sound().await;
}

/// A cancelled run's samples go on, and with them the run.
pub async fn a_cancelled_run_goes_on<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    let task = scene.writing(0, 3).await;
    scene.accept(&scene.section_result(&task, &text(0, 0)).await).await;
    scene.control(Control::Cancel).await;
    let retried = retry(&scene, RetryPlan::default()).await;
    assert_eq!((retried.samples, retried.kept_sections), (vec![sample(0), sample(1)], 1));
    assert_eq!(scene.view().await.state, RunState::Running);
    assert_eq!(scene.state(1).await, SampleState::Pending);
    scene.admit(0, true, false).await;
    let task = scene.claim(&scene.section_key(0, 1)).await;
    scene.write_from(0, task).await;
    scene.sound().await;
}

/// Only the named samples, only those with the code; what has not stopped is left alone. In input order, each once.
pub async fn a_retry_can_be_narrowed<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 4).await;
    scene.failed(0, ErrorCode::PlanEmpty).await;
    scene.failed(1, ErrorCode::Refusal).await;
    scene.failed(2, ErrorCode::PlanEmpty).await;
    let by_code = RetryPlan { error: Some(ErrorCode::PlanEmpty), dry_run: true, ..RetryPlan::default() };
    assert_eq!(retry(&scene, by_code).await.samples, [0, 2].map(sample));
    let named = vec![sample(3), sample(2), sample(1), sample(2)];
    let by_name = RetryPlan { samples: named.clone(), dry_run: true, ..RetryPlan::default() };
    assert_eq!(retry(&scene, by_name).await.samples, [1, 2].map(sample));
    let both = RetryPlan { samples: named, error: Some(ErrorCode::PlanEmpty), ..RetryPlan::default() };
    assert_eq!(retry(&scene, both).await.samples, [sample(2)]);
    assert_eq!(scene.state(1).await, SampleState::Failed);
    assert_eq!(scene.state(2).await, SampleState::Pending);
    scene.sound().await;
}

/// A dry run only counts.
pub async fn a_dry_run_changes_nothing<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    failed_at(&scene, 0, 2).await;
    scene.store.close_range(&scene.run, Range::Main(0), &[], scene.tick()).await.expect("close_range");
    let (run, detail) = (scene.view().await, scene.detail(0).await);
    let dry = retry(&scene, RetryPlan { dry_run: true, ..RetryPlan::default() }).await;
    assert_eq!(dry, Retried { samples: vec![sample(0)], kept_sections: 2, supplement: Some(1) });
    assert_eq!((scene.view().await, scene.detail(0).await), (run, detail));
    assert!(scene.store.actions(&scene.run).await.expect("actions").is_empty());
    assert_eq!(retry(&scene, RetryPlan::default()).await, dry, "and the retry does what it said");
}

/// A sample whose range is closed goes to the supplementary shard of the retry, all of one retry to one, those of the next
/// to the next; a done run goes on for them.
pub async fn closed_ranges_are_left_for_a_supplement<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::with(fixture.store(), "run_x", &sharded(1), &Limits::default(), 3).await;
    for index in 0..3 {
        scene.failed(index, ErrorCode::PlanEmpty).await;
    }
    for range in [0, 1] {
        scene.store.close_range(&scene.run, Range::Main(range), &[], scene.tick()).await.expect("close_range");
    }
    let retried = retry(&scene, RetryPlan::default()).await;
    assert_eq!(retried.supplement, Some(1));
    scene.failed(1, ErrorCode::PlanEmpty).await;
    scene.judged(0, 1).await;
    scene.judged(2, 1).await;
    assert_eq!(
        scene.store.closable(&scene.run).await.expect("closable"),
        [Range::Main(2), Range::Supplement(1)],
        "sample 2 stayed in its open range"
    );
    for range in [Range::Main(2), Range::Supplement(1)] {
        let shard = scene.store.close_range(&scene.run, range, &[], scene.tick()).await.expect("close_range");
        let fence = shard.expect("closable").fence;
        scene.store.publish_shard(&scene.run, range, fence, 1, &[], scene.tick()).await.expect("publish_shard");
    }
    let state = scene.store.finish_run(&scene.run, scene.tick()).await.expect("finish_run");
    assert_eq!(state, RunState::Done);
    let again = retry(&scene, RetryPlan::default()).await;
    assert_eq!((again.samples, again.supplement), (vec![sample(1)], Some(2)));
    assert_eq!(scene.view().await.state, RunState::Running);
    scene.sound().await;
}

/// In parallel mode what is kept is kept by place, gaps and all.
pub async fn parallel_sections_are_kept_by_place<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::with(fixture.store(), "run_p", &parallel(), &Limits::default(), 1).await;
    scene.planned(0, 5).await;
    scene.admit(0, true, false).await;
    for place in [0, 2, 4] {
        let task = scene.claim(&scene.section_key(0, place)).await;
        scene.accept(&scene.section_result(&task, &text(0, place)).await).await;
    }
    let task = scene.claim(&scene.section_key(0, 1)).await;
    scene.fail(&task, fatal(ErrorCode::Loop)).await;
    let retried = retry(&scene, RetryPlan { from_section: Some(4), ..RetryPlan::default() }).await;
    assert_eq!(retried.kept_sections, 2);
    let places: Vec<u32> = scene.detail(0).await.context.sections.iter().map(|section| section.place).collect();
    assert_eq!(places, [0, 2]);
    scene.sound().await;
    assert!(scene.admit(0, true, false).await);
    scene.sound().await;
    for place in [1, 3, 4] {
        let task = scene.claim(&scene.key(&Kind::SECTION, 0, place, 1)).await;
        scene.accept(&scene.section_result(&task, &text(0, place)).await).await;
    }
    assert_eq!(scene.state(0).await, SampleState::Written);
    scene.sound().await;
}

/// A retry is written down and seen by the runner; one that finds nothing is not.
pub async fn a_retry_is_written_down<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    let before = scene.view().await;
    assert_eq!(retry(&scene, RetryPlan::default()).await, Retried::default());
    assert_eq!(scene.view().await, before);
    scene.failed(0, ErrorCode::PlanEmpty).await;
    retry(&scene, RetryPlan::default()).await;
    assert!(scene.view().await.control_epoch > before.control_epoch);
    let actions = scene.store.actions(&scene.run).await.expect("actions");
    assert_eq!(actions.len(), 1);
    assert_eq!((actions[0].action.as_str(), actions[0].who.as_str()), ("retry", "operator"));
}

/// Candidates of the revision before are no candidates of the new one: they were answers to another prompt.
pub async fn candidates_do_not_cross_revisions<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 2).await;
    let answer = Some(kept("A candidate.", "length", true));
    scene.fail(&task, TaskFailure { answer, ..fatal(ErrorCode::Length) }).await;
    let of = async |revision| {
        let key = scene.key(&Kind::SECTION, 0, 0, revision);
        scene.store.load_sample(&key).await.expect("load_sample").expect("there").candidates.len()
    };
    assert_eq!(of(0).await, 1);
    retry(&scene, RetryPlan { from_section: Some(1), ..RetryPlan::default() }).await;
    scene.admit(0, true, false).await;
    assert_eq!(of(1).await, 0);
}
