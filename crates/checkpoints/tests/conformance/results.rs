//! `record_result`: accepted by content, not by owner; what is not accepted keeps its price.

use std::time::Duration;

use agentwrite::failure::ErrorCode;
use agentwrite::ids::AttemptId;
use agentwrite::ports::{
    DispatchStore, FollowUp, RecordResult, Recorded, Reserve, RetryPlan, RunStore, TaskResult, TaskStore, TrafficStore,
};
use agentwrite::sample::SampleState;
use agentwrite::task::TaskKey;
use futures_util::future::join_all;

use crate::material::{COST, LEASE, again, kept, paid, parallel, strange, text};
use crate::scene::Scene;
use crate::{Fixture, checks};

/// A result made for the standing context of a claimed task is accepted; the text stands, and its attempt is committed.
pub async fn a_result_for_the_standing_context_is_accepted<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 2).await;
    scene.accept(&scene.section_result(&task, &text(0, 0)).await).await;
    let detail = scene.detail(0).await;
    let section = &detail.context.sections[0];
    assert_eq!((section.place, section.text.as_str(), &section.attempt), (0, text(0, 0).as_str(), &task.attempt));
    assert_eq!(scene.outcome(0, &task.attempt).await, ("committed".to_owned(), None));
    assert_eq!((detail.row.sections, detail.row.places, detail.row.words), (1, 2, u64::from(section.words)));
    scene.sound().await;
}

/// Who holds the lease does not matter: the task was rescued and is ready again, the answer that was paid for still counts.
pub async fn a_result_for_a_ready_task_is_accepted<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    scene.store.rescue_stalled(LEASE, scene.pass(LEASE * 2)).await.expect("rescue_stalled");
    scene.accept(&scene.section_result(&task, &text(0, 0)).await).await;
    assert_eq!(scene.state(0).await, SampleState::Written);
    scene.sound().await;
}

/// The same while somebody else holds the new lease; the other's answer then comes too late.
pub async fn the_first_of_two_owners_wins<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let first = scene.writing(0, 1).await;
    scene.store.rescue_stalled(LEASE, scene.pass(LEASE * 2)).await.expect("rescue_stalled");
    let second = scene.claim(&first.key).await;
    scene.accept(&scene.section_result(&first, "The first answer.").await).await;
    let late = scene.section_result(&second, "The second answer.").await;
    assert_eq!(scene.record(&late).await, Recorded::Wasted);
    assert_eq!(scene.detail(0).await.context.sections[0].text, "The first answer.");
    scene.sound().await;
}

/// A result for another context changes nothing but the ledger.
pub async fn a_result_for_another_context_is_wasted<F: Fixture>() {
    checks::another_context_is_wasted(F::fresh().await.store()).await.expect("conforms");
}

/// A wasted answer has its price: attempt and counters show it.
pub async fn a_wasted_answer_keeps_its_price<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let before = scene.totals().await;
    let record = RecordResult { context_hash: strange(), ..scene.section_result(&task, &text(0, 0)).await };
    assert_eq!(scene.record(&record).await, Recorded::Wasted);
    let after = scene.totals().await;
    assert_eq!(after.wasted_calls, before.wasted_calls + 1);
    assert_eq!(after.settled_nanousd, before.settled_nanousd + COST);
    assert_eq!(after.in_flight, before.in_flight - 1);
    assert_eq!(after.completion_tokens, before.completion_tokens + paid().usage.completion_tokens);
    assert_eq!((after.sections, after.words), (before.sections, before.words));
    assert_eq!(scene.outcome(0, &task.attempt).await.0, "wasted");
    scene.sound().await;
}

/// A second result for a filled place is wasted, and the first stands.
pub async fn a_second_result_for_a_place_is_wasted<F: Fixture>() {
    checks::a_second_result_is_wasted(F::fresh().await.store()).await.expect("conforms");
}

/// What was wasted stays wasted: a repeated intent is not accepted later, when its context happens to stand again, since its
/// attempt was settled.
pub async fn a_wasted_attempt_is_not_accepted_later<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let record = scene.section_result(&task, &text(0, 0)).await;
    scene.control(agentwrite::ports::Control::Cancel).await;
    assert_eq!(scene.record(&record).await, Recorded::Wasted);
    scene.store.retry(&scene.run, "operator", &RetryPlan::default(), scene.tick()).await.expect("retry");
    scene.admit(0, true, false).await;
    let totals = scene.totals().await;
    assert_eq!(scene.record(&record).await, Recorded::Wasted);
    assert_eq!(scene.totals().await, totals);
    assert_eq!(scene.state(0).await, SampleState::Writing);
    scene.sound().await;
}

/// A result for a task that nobody knows is wasted, not an error.
pub async fn a_result_for_an_unknown_task_is_wasted<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let record = scene.section_result(&task, &text(0, 0)).await;
    let record = RecordResult { task: TaskKey { place: 9, ..task.key.clone() }, ..record };
    assert_eq!(scene.record(&record).await, Recorded::Wasted);
    assert_eq!(scene.state(0).await, SampleState::Writing);
}

/// The same attempt again is a repeated intent: nothing changes, nothing is counted twice, nothing new starts.
pub async fn a_repeated_result_changes_nothing<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 3).await;
    let mut record = scene.section_result(&task, &text(0, 0)).await;
    record.claim_next = Some(scene.claim_next());
    scene.accept(&record).await;
    let (detail, totals, outbox) = (scene.detail(0).await, scene.totals().await, scene.outbox().await);
    assert_eq!(scene.record(&record).await, Recorded::Repeated);
    assert_eq!(scene.detail(0).await, detail);
    assert_eq!(scene.totals().await, totals);
    assert_eq!(scene.outbox().await, outbox);
}

/// A repeated plan likewise.
pub async fn a_repeated_plan_changes_nothing<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    scene.admit(0, false, false).await;
    let task = scene.claim(&scene.plan_key(0)).await;
    let record = scene.plan_result(&task, 4);
    scene.accept(&record).await;
    let (detail, totals) = (scene.detail(0).await, scene.totals().await);
    assert_eq!(scene.record(&record).await, Recorded::Repeated);
    assert_eq!((scene.detail(0).await, scene.totals().await), (detail, totals));
    assert_eq!(scene.state(0).await, SampleState::Planned);
}

/// The best candidate may be an earlier attempt's: that one is committed and counts as a failure no more, the attempt that
/// ended with this failed by its gate.
pub async fn an_earlier_candidate_can_be_accepted<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let first = scene.writing(0, 1).await;
    let mut failure = again(ErrorCode::Length, scene.now());
    failure.answer = Some(kept("The earlier answer.", "length", true));
    scene.fail(&first, failure).await;
    let second = scene.claim(&first.key).await;
    let mut record = scene.section_result(&second, "The earlier answer.").await;
    record.origin = first.attempt.clone();
    record.answer = Some(kept("The later answer.", "recap", true));
    scene.accept(&record).await;
    assert_eq!(scene.outcome(0, &first.attempt).await.0, "committed");
    assert_eq!(scene.outcome(0, &second.attempt).await, ("failed".to_owned(), Some("recap".to_owned())));
    assert_eq!(scene.detail(0).await.context.sections[0].attempt, first.attempt);
    let totals = scene.totals().await;
    assert_eq!((totals.failed_calls, totals.settled_nanousd), (1, 3 * COST));
    scene.sound().await;
    assert_eq!(scene.record(&record).await, Recorded::Repeated, "repeated with an origin of its own");
    assert_eq!(scene.totals().await, totals);
}

/// An attempt that was taken for orphaned and brings its answer after all is settled: its reservation is suspect no more,
/// and it is no orphan any more.
pub async fn an_orphaned_attempt_is_settled_later<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let reserve = Reserve {
        run: scene.run.clone(),
        budget: agentwrite::ports::Budget::of("default"),
        attempt: task.attempt.clone(),
        tokens: 500,
        worst_nanousd: Some(7 * COST),
        now: scene.tick(),
    };
    scene.store.reserve(reserve).await.expect("reserve");
    scene.store.rescue_stalled(LEASE, scene.pass(LEASE * 2)).await.expect("rescue_stalled");
    let suspect = scene.totals().await;
    assert_eq!((suspect.orphaned_calls, suspect.reserved_nanousd, suspect.in_flight), (1, 7 * COST, 0));
    scene.sound().await;
    scene.accept(&scene.section_result(&task, &text(0, 0)).await).await;
    let settled = scene.totals().await;
    assert_eq!((settled.orphaned_calls, settled.reserved_nanousd), (0, 0));
    assert_eq!(settled.settled_nanousd, suspect.settled_nanousd + COST);
    assert_eq!(scene.outcome(0, &task.attempt).await.0, "committed");
    scene.sound().await;
}

/// Flags are stored with the section, kept answers beside it.
pub async fn flags_and_kept_answers_are_stored<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    let mut record = scene.section_result(&task, &text(0, 0)).await;
    if let TaskResult::Section { flags, .. } = &mut record.result {
        *flags = vec!["length".to_owned(), "recap".to_owned()];
    }
    record.answer = Some(kept("Sure! What there is to say.", "cleaned", false));
    scene.accept(&record).await;
    let detail = scene.detail(0).await;
    assert_eq!(detail.context.sections[0].flags, ["length", "recap"]);
    assert_eq!(detail.answers.len(), 1);
    let answer = &detail.answers[0];
    assert_eq!((&answer.attempt, answer.place, answer.gate.as_str()), (&task.attempt, 0, "cleaned"));
    assert_eq!((answer.evidence.as_str(), answer.raw.as_str()), ("seen", "Sure! What there is to say."));
}

/// The candidates that `load_sample` returns were made for the task's standing context: those of an earlier revision, of
/// another place and of a hard gate are not among them.
pub async fn candidates_belong_to_the_standing_context<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let first = scene.writing(0, 2).await;
    let mut soft = again(ErrorCode::Length, scene.now());
    soft.answer = Some(kept("A candidate.", "length", true));
    scene.fail(&first, soft).await;
    let second = scene.claim(&first.key).await;
    let mut hard = again(ErrorCode::Loop, scene.now());
    hard.answer = Some(kept("A loop a loop a loop.", "loop", false));
    scene.fail(&second, hard).await;
    let context = scene.store.load_sample(&first.key).await.expect("load_sample").expect("there");
    assert_eq!(context.candidates.len(), 1);
    assert_eq!((&context.candidates[0].attempt, context.candidates[0].raw.as_str()), (&first.attempt, "A candidate."));
    let third = scene.claim(&first.key).await;
    scene.accept(&scene.section_result(&third, &text(0, 0)).await).await;
    let next = scene.store.load_sample(&scene.section_key(0, 1)).await.expect("load_sample").expect("there");
    assert!(next.candidates.is_empty(), "another place");
}

/// The previous prompt's size is that of the last committed call of the same kind and revision: a plan's prompt is no part
/// of the sections' chain.
pub async fn the_last_prompt_is_of_the_same_chain<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let first = scene.writing(0, 2).await;
    let before = scene.store.load_sample(&first.key).await.expect("load_sample").expect("there");
    assert_eq!(before.last_prompt_tokens, None, "only a plan was committed");
    let mut record = scene.section_result(&first, &text(0, 0)).await;
    record.end.usage.prompt_tokens = 321;
    scene.accept(&record).await;
    let after = scene.store.load_sample(&scene.section_key(0, 1)).await.expect("load_sample").expect("there");
    assert_eq!(after.last_prompt_tokens, Some(321));
}

/// A sample that is not there is no error.
pub async fn an_unknown_sample_loads_as_nothing<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let key = TaskKey { subject: "smp_unknown".to_owned(), ..scene.plan_key(0) };
    assert_eq!(scene.store.load_sample(&key).await.expect("load_sample"), None);
}

/// A paused run takes no claims but records what its calls in flight bring.
pub async fn a_paused_run_records_results<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    scene.pause().await;
    scene.accept(&scene.section_result(&task, &text(0, 0)).await).await;
    assert_eq!(scene.state(0).await, SampleState::Written);
}

/// What comes for a cancelled sample is wasted.
pub async fn a_cancelled_samples_result_is_wasted<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 1).await;
    scene.control(agentwrite::ports::Control::Cancel).await;
    let record = scene.section_result(&task, &text(0, 0)).await;
    assert_eq!(scene.record(&record).await, Recorded::Wasted);
    assert_eq!(scene.state(0).await, SampleState::Cancelled);
    scene.sound().await;
}

/// Two results for one place at once: exactly one is accepted, whichever adapter groups them how.
pub async fn of_two_results_at_once_one_is_accepted<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let first = scene.writing(0, 1).await;
    scene.store.rescue_stalled(LEASE, scene.pass(LEASE * 2)).await.expect("rescue_stalled");
    let second = scene.claim(&first.key).await;
    let records = [scene.section_result(&first, "One.").await, scene.section_result(&second, "Two.").await];
    let recorded = join_all(records.iter().map(|record| scene.store.record_result(record.clone()))).await;
    let accepted = recorded.iter().filter(|recorded| matches!(recorded, Ok(Recorded::Accepted { .. }))).count();
    let wasted = recorded.iter().filter(|recorded| matches!(recorded, Ok(Recorded::Wasted))).count();
    assert_eq!((accepted, wasted), (1, 1), "{recorded:?}");
    assert_eq!(scene.state(0).await, SampleState::Written);
    scene.sound().await;
}

/// Of 200 results at once one brings a taken attempt id for its follow-up, which is an error; the others are not touched
/// by it, and of the one in error nothing is recorded.
pub async fn a_conflict_among_two_hundred_stays_alone<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 200).await;
    let mut records = Vec::new();
    for index in 0..200 {
        assert!(scene.admit(index, false, false).await);
        let plan = scene.claim(&scene.plan_key(index)).await;
        records.push(scene.plan_result(&plan, 2));
    }
    let known: AttemptId = records[3].attempt.clone();
    let next = agentwrite::task::NewTask { key: scene.section_key(77, 0), context_hash: strange(), remaining: 2 };
    records[77].follow_ups.push(FollowUp::Task(next));
    records[77].claim_next = Some(agentwrite::ports::ClaimNext { attempt: known, lease: Duration::from_secs(1) });
    let recorded = join_all(records.iter().map(|record| scene.store.record_result(record.clone()))).await;
    for (index, recorded) in recorded.iter().enumerate() {
        match recorded {
            Ok(Recorded::Accepted { .. }) => assert_ne!(index, 77),
            Err(_) => assert_eq!(index, 77),
            other => panic!("result {index} was {other:?}"),
        }
    }
    assert_eq!(scene.state(77).await, SampleState::Planning);
    assert_eq!(scene.outcome(77, &records[77].attempt).await.0, "started");
    assert_eq!(scene.totals().await.state(SampleState::Planned), 199);
    scene.sound().await;
}

/// In parallel mode several places of one sample may be filled at once, each counted once.
pub async fn parallel_places_are_filled_at_once<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::with(fixture.store(), "run_p", &parallel(), &agentwrite::config::Limits::default(), 1).await;
    scene.planned(0, 6).await;
    assert!(scene.admit(0, true, false).await);
    let mut records = Vec::new();
    for place in 0..6 {
        let task = scene.claim(&scene.section_key(0, place)).await;
        records.push(scene.section_result(&task, &text(0, place)).await);
    }
    let last = records.pop().expect("six records");
    let recorded = join_all(records.iter().map(|record| scene.store.record_result(record.clone()))).await;
    assert!(recorded.iter().all(|recorded| matches!(recorded, Ok(Recorded::Accepted { .. }))), "{recorded:?}");
    assert_eq!(scene.state(0).await, SampleState::Writing);
    scene.sound().await;
    scene.accept(&last).await;
    let detail = scene.detail(0).await;
    assert_eq!((detail.row.state, detail.row.sections), (SampleState::Written, 6));
    let places: Vec<u32> = detail.context.sections.iter().map(|section| section.place).collect();
    assert_eq!(places, [0, 1, 2, 3, 4, 5]);
    scene.sound().await;
}
