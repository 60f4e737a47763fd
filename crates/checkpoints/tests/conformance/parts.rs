//! Parts of an answer that was cut: kept before the next call, counted as no failure, and there for whoever goes on.

use agentwrite::continuation::{JOINED, PART, part_hash};
use agentwrite::failure::ErrorCode;
use agentwrite::ids::Timestamp;
use agentwrite::ports::{RecordFailure, ReportStore, RetryPlan, RunStore, TaskStore};
use agentwrite::task::{CountAs, Hint, TaskFailure};

use crate::material::{COST, again, fatal, kept, paid, text};
use crate::scene::Scene;
use crate::{Fixture, Stores};

/// A part that follows those of these hashes.
fn part(raw: &str, before: &[&str], now: Timestamp) -> TaskFailure {
    let parts = before.iter().chain([&raw]).map(|raw| part_hash(raw)).collect();
    TaskFailure {
        count: CountAs::Part,
        hint: Hint { parts, ..Hint::default() },
        answer: Some(kept(raw, PART, false)),
        ..again(ErrorCode::Cut, now)
    }
}

async fn parts_at<S: Stores>(scene: &Scene<'_, S>, place: u32) -> Vec<String> {
    let context = scene.store.load_sample(&scene.section_key(0, place)).await.expect("load_sample").expect("there");
    context.parts.into_iter().map(|part| part.raw).collect()
}

/// A part is paid for and is no failure: no counter of failures moves, neither the task's nor the run's, and no code is told.
pub async fn a_part_is_no_failure<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let before = scene.totals().await;
    assert!(scene.fail(&task, part("The first half.", &[], scene.now())).await);
    let row = scene.detail(0).await.attempts.pop().expect("two attempts");
    assert_eq!((row.outcome.as_str(), row.code), ("part", None));
    assert_eq!((row.ended_at, row.cost_nanousd), (Some(scene.now()), Some(COST)));
    let after = scene.totals().await;
    assert_eq!((after.failed_calls, after.calls), (before.failed_calls, before.calls + 1));
    assert_eq!((after.sections, after.settled_nanousd), (before.sections, before.settled_nanousd + COST));
    assert_eq!(scene.store.attempt_codes(&scene.run).await.expect("attempt_codes"), []);
    let next = scene.claim(&task.key).await;
    assert_eq!((next.failures, next.crashes, next.bad_answers), (0, 0, 0));
    scene.sound().await;
}

/// Whoever claims the task next finds the parts in their order, by the hashes of their texts, and the joined section counts
/// once.
pub async fn the_next_call_finds_its_parts<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let first = scene.writing(0, 2).await;
    scene.fail(&first, part("One.", &[], scene.now())).await;
    let second = scene.claim(&first.key).await;
    assert_eq!(second.hint.parts, [part_hash("One.")]);
    assert_eq!(second.context_hash, first.context_hash);
    assert_eq!(parts_at(&scene, 0).await, ["One."]);
    scene.fail(&second, part("Two.", &["One."], scene.now())).await;
    let third = Scene::beside(scene.store, &scene.run, "owner_b").claim(&first.key).await;
    assert_eq!(third.hint.parts, [part_hash("One."), part_hash("Two.")]);
    assert_eq!(parts_at(&scene, 0).await, ["One.", "Two."]);
    let mut record = scene.section_result(&third, "One. Two. Three.").await;
    record.answer = Some(kept("Three.", JOINED, false));
    scene.accept(&record).await;
    assert_eq!(scene.totals().await.sections, 1);
    assert_eq!(parts_at(&scene, 1).await, [""; 0], "another place");
    assert_eq!(scene.store.attempt_codes(&scene.run).await.expect("attempt_codes"), []);
    let gates: Vec<String> = scene.detail(0).await.answers.into_iter().map(|answer| answer.gate).collect();
    assert_eq!(gates, [PART, PART, JOINED]);
    scene.sound().await;
}

/// A failed continuation leaves the parts where they are.
pub async fn a_failed_continuation_keeps_the_parts<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let first = scene.writing(0, 1).await;
    scene.fail(&first, part("One.", &[], scene.now())).await;
    let second = scene.claim(&first.key).await;
    scene.fail(&second, TaskFailure { hint: second.hint.clone(), ..again(ErrorCode::Reset, scene.now()) }).await;
    let third = scene.claim(&first.key).await;
    assert_eq!((third.failures, third.hint.parts), (1, vec![part_hash("One.")]));
    assert_eq!(parts_at(&scene, 0).await, ["One."]);
    scene.sound().await;
}

/// A part whose worker was taken for dead is kept, and leaves the task to whoever has it now; repeating it changes nothing.
pub async fn a_late_part_is_kept_and_moves_nothing<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let failure = part("One.", &[], scene.now());
    let (key, attempt, end, now) = (task.key.clone(), task.attempt.clone(), paid(), scene.tick());
    let stale = RecordFailure { task: key, fence: task.fence - 1, attempt, end, failure, now };
    assert!(!scene.store.record_failure(stale.clone()).await.expect("record_failure"));
    let (detail, totals) = (scene.detail(0).await, scene.totals().await);
    assert_eq!(detail.answers.len(), 1);
    assert!(!scene.store.record_failure(stale).await.expect("record_failure"));
    assert_eq!((scene.detail(0).await, scene.totals().await), (detail, totals));
    scene.sound().await;
}

/// Parts of the revision before are no parts of the new one: they were answers to another prompt.
pub async fn parts_do_not_cross_revisions<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let first = scene.writing(0, 1).await;
    scene.fail(&first, part("One.", &[], scene.now())).await;
    let second = scene.claim(&first.key).await;
    scene.fail(&second, fatal(ErrorCode::Refusal)).await;
    let wish = RetryPlan { model: Some("other".to_owned()), ..RetryPlan::default() };
    scene.store.retry(&scene.run, "operator", &wish, scene.tick()).await.expect("retry");
    assert!(scene.admit(0, true, false).await);
    let fresh = scene.claim(&scene.key(&first.key.kind, 0, 0, 1)).await;
    assert_eq!(fresh.hint, Hint::default());
    let context = scene.store.load_sample(&fresh.key).await.expect("load_sample").expect("there");
    assert_eq!(context.parts, []);
    scene.sound().await;
}

/// A continuing call's prompt holds more than the chain: the next prompt is compared with the last one that did not.
pub async fn a_continuing_prompt_is_not_the_chains<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let first = scene.writing(0, 3).await;
    let mut record = scene.section_result(&first, &text(0, 0)).await;
    record.end.usage.prompt_tokens = 111;
    record.claim_next = Some(scene.claim_next());
    let second = scene.accept(&record).await.0.expect("claimed");
    scene.fail(&second, part("One.", &[], scene.now())).await;
    let again = scene.claim(&second.key).await;
    let mut record = scene.section_result(&again, &text(0, 1)).await;
    record.end.usage.prompt_tokens = 999;
    scene.accept(&record).await;
    let third = scene.store.load_sample(&scene.section_key(0, 2)).await.expect("load_sample").expect("there");
    assert_eq!(third.last_prompt_tokens, Some(111));
}
