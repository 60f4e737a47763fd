//! `record_failure`: the attempt ends in any case, the task moves only under the standing fence.

use std::time::Duration;

use agentwrite::config::Limits;
use agentwrite::continuation::part_hash;
use agentwrite::failure::ErrorCode;
use agentwrite::ports::{DispatchStore, RecordFailure, Recorded, TaskStore};
use agentwrite::sample::SampleState;
use agentwrite::task::{AfterFailure, CountAs, Hint, TaskFailure};

use crate::material::{COST, again, fatal, kept, paid, parallel, text};
use crate::scene::Scene;
use crate::{Fixture, checks};

/// A stale fence ends the attempt and leaves the task alone.
pub async fn a_stale_fence_ends_the_attempt_only<F: Fixture>() {
    checks::a_stale_fence_is_refused(F::fresh().await.store()).await.expect("conforms");
}

/// A failed attempt has code, message, end and price, and is counted.
pub async fn a_failed_attempt_has_its_reason_and_price<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let before = scene.totals().await;
    assert!(scene.fail(&task, again(ErrorCode::Refusal, scene.now())).await);
    let row = scene.detail(0).await.attempts.pop().expect("two attempts");
    assert_eq!(row.attempt, task.attempt);
    assert_eq!((row.outcome.as_str(), row.code.as_deref()), ("failed", Some("refusal")));
    assert_eq!(row.message.as_deref(), Some("it was refusal"));
    assert_eq!((row.ended_at, row.cost_nanousd), (Some(scene.now()), Some(COST)));
    assert_eq!((row.endpoint.as_deref(), row.model.as_deref()), (Some("default"), Some("writer")));
    let after = scene.totals().await;
    assert_eq!((after.failed_calls, after.throttled_calls), (before.failed_calls + 1, 0));
    assert_eq!(after.settled_nanousd, before.settled_nanousd + COST);
    scene.sound().await;
}

/// Throttling is counted by itself, besides the failure.
pub async fn throttling_is_counted<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let failure = TaskFailure { count: CountAs::Nothing, ..again(ErrorCode::RateLimited, scene.now()) };
    scene.fail(&task, failure).await;
    let totals = scene.totals().await;
    assert_eq!((totals.failed_calls, totals.throttled_calls), (1, 1));
    assert_eq!(scene.claim(&task.key).await.failures, 0);
}

/// The three counters stay apart: failures, crashes, and bad answers, which change the seed.
pub async fn each_failure_counts_as_it_says<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let key = scene.writing(0, 1).await;
    let mut task = key.clone();
    for (count, bad_answer) in [
        (CountAs::Failure, false),
        (CountAs::Failure, true),
        (CountAs::Crash, false),
        (CountAs::Nothing, false),
        (CountAs::Nothing, true),
    ] {
        scene.fail(&task, TaskFailure { count, bad_answer, ..again(ErrorCode::Cut, scene.now()) }).await;
        task = scene.claim(&key.key).await;
    }
    assert_eq!((task.failures, task.crashes, task.bad_answers), (2, 1, 2));
    scene.sound().await;
}

/// A retry time delays the task and takes its message back: dispatch sends it again when it is due.
pub async fn a_retry_time_delays_the_task<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    scene.store.dispatch_ready(&scene.run, 1, scene.tick()).await.expect("dispatch_ready");
    let task = scene.claim(&scene.plan_key(0)).await;
    let due = scene.now().after(Duration::from_secs(20));
    scene.fail(&task, TaskFailure { after: AfterFailure::RetryAt(due), ..again(ErrorCode::Reset, due) }).await;
    let early = scene.store.dispatch_ready(&scene.run, 1, scene.tick()).await.expect("dispatch_ready");
    assert_eq!((early.rows.len(), early.next_due), (0, Some(due)));
    let late = scene.store.dispatch_ready(&scene.run, 1, scene.pass(Duration::from_secs(30))).await;
    assert_eq!(late.expect("dispatch_ready").rows.len(), 1);
}

/// What a failure leaves for the next try comes with the next claim.
pub async fn the_hint_comes_with_the_next_claim<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    assert_eq!(task.hint, Hint::default());
    let hint = Hint {
        fault: Some("too short".to_owned()),
        doublings: 2,
        asked_again: true,
        waited_ms: 750,
        parts: vec![part_hash("A part.")],
    };
    scene.fail(&task, TaskFailure { hint: hint.clone(), ..again(ErrorCode::Length, scene.now()) }).await;
    assert_eq!(scene.claim(&task.key).await.hint, hint);
}

/// A dead task fails its sample with code and reason; nothing of it is live any more.
pub async fn a_dead_task_fails_its_sample<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 2).await;
    assert!(scene.fail(&task, fatal(ErrorCode::ContextTooSmall)).await);
    let row = scene.detail(0).await.row;
    assert_eq!((row.state, row.code.as_deref()), (SampleState::Failed, Some("context_too_small")));
    assert_eq!(row.reason.as_deref(), Some("it was context_too_small"));
    assert_eq!(scene.try_claim(&task.key).await, None);
    scene.sound().await;
}

/// In parallel mode the other tasks of a failed sample are dropped (I5): no more is spent on it, and what is in flight for
/// it comes too late.
pub async fn a_dead_task_takes_its_siblings_along<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::with(fixture.store(), "run_p", &parallel(), &Limits::default(), 1).await;
    scene.planned(0, 3).await;
    assert!(scene.admit(0, true, false).await);
    let doomed = scene.claim(&scene.section_key(0, 1)).await;
    let sibling = scene.claim(&scene.section_key(0, 2)).await;
    assert!(scene.fail(&doomed, fatal(ErrorCode::ContentFilter)).await);
    scene.sound().await;
    assert_eq!(scene.try_claim(&scene.section_key(0, 0)).await, None);
    let late = scene.section_result(&sibling, &text(0, 2)).await;
    assert_eq!(scene.record(&late).await, Recorded::Wasted);
    assert_eq!(scene.state(0).await, SampleState::Failed);
    scene.sound().await;
}

/// Repeating the intent changes nothing: neither counters nor the task, also when it is claimed anew.
pub async fn a_repeated_failure_changes_nothing<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let mut failure = again(ErrorCode::Loop, scene.now());
    failure.bad_answer = true;
    failure.answer = Some(kept("A loop.", "loop", false));
    let record = RecordFailure {
        task: task.key.clone(),
        fence: task.fence,
        attempt: task.attempt.clone(),
        end: paid(),
        failure,
        now: scene.tick(),
    };
    assert!(scene.store.record_failure(record.clone()).await.expect("record_failure"));
    let (detail, totals) = (scene.detail(0).await, scene.totals().await);
    scene.store.record_failure(record.clone()).await.expect("record_failure");
    assert_eq!((scene.detail(0).await, scene.totals().await), (detail, totals));
    let next = scene.claim(&task.key).await;
    assert_eq!((next.failures, next.bad_answers), (1, 1));
    assert!(!scene.store.record_failure(record).await.expect("record_failure"), "its fence is stale now");
    assert_eq!(scene.try_claim(&task.key).await, None);
    scene.sound().await;
}

/// A rejected answer is kept with its gate and what that saw.
pub async fn a_rejected_answer_is_kept<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let mut failure = again(ErrorCode::Refusal, scene.now());
    failure.answer = Some(kept("I cannot do that.", "refusal", false));
    scene.fail(&task, failure).await;
    let answers = scene.detail(0).await.answers;
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].gate.as_str(), answers[0].raw.as_str()), ("refusal", "I cannot do that."));
    assert_eq!((&answers[0].attempt, answers[0].evidence.as_str()), (&task.attempt, "seen"));
}

/// A failure of a task that nobody knows holds no fence.
pub async fn a_failure_of_an_unknown_task_holds_nothing<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let mut task = scene.writing(0, 1).await;
    task.key.place = 8;
    task.attempt = scene.attempt();
    assert!(!scene.fail(&task, fatal(ErrorCode::Internal)).await);
    assert_eq!(scene.state(0).await, SampleState::Writing);
    scene.sound().await;
}
