//! What readers see: counters, lists by key, one sample, failures by cause.

use std::time::Duration;

use agentwrite::config::{Limits, RunConfig};
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{RunId, Timestamp};
use agentwrite::length::{Bound, LengthSource, RequiredLength};
use agentwrite::ports::{
    DispatchStore, FailureGroup, RecordResult, ReportStore, RetryPlan, RunStore, SampleDetail, SampleFilter,
    SampleOutline, SamplePage, SectionOutline, TaskResult, Totals,
};
use agentwrite::sample::SampleState;
use agentwrite::task::{CountAs, Kind, TaskFailure};

use crate::material::{LEASE, again, fatal, input, kept, rejects, sample, strange, text};
use crate::scene::Scene;
use crate::{Fixture, Stores};

/// Everything that can be recounted from what readers see of single samples.
async fn recount<S: Stores>(scene: &Scene<'_, S>, samples: u64) -> Totals {
    let mut totals = Totals::default();
    for index in 0..samples {
        let detail = scene.detail(index).await;
        let place = SampleState::ALL.iter().position(|state| *state == detail.row.state).expect("a state");
        totals.states[place] += 1;
        totals.sections += u64::from(detail.row.sections);
        totals.words += detail.row.words;
        for attempt in detail.attempts {
            let is = |outcome: &str| u64::from(attempt.outcome == outcome);
            totals.in_flight += is("started");
            totals.failed_calls += is("failed");
            totals.wasted_calls += is("wasted");
            totals.orphaned_calls += is("orphaned");
            totals.throttled_calls += u64::from(attempt.code.as_deref() == Some("rate_limited"));
            totals.calls += u64::from(attempt.endpoint.is_some());
            totals.prompt_tokens += attempt.prompt_tokens;
            totals.cached_tokens += attempt.cached_tokens;
            totals.completion_tokens += attempt.completion_tokens;
            totals.settled_nanousd += attempt.cost_nanousd.unwrap_or(0);
            if attempt.outcome == "started" || attempt.outcome == "orphaned" {
                totals.reserved_nanousd += attempt.reserved_nanousd.unwrap_or(0);
            }
        }
    }
    totals
}

/// The counters equal a recount after a run of twenty samples in which everything happened.
pub async fn totals_equal_a_recount<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 20).await;
    for index in 0..6 {
        scene.judged(index, 1 + index as u32).await;
    }
    for index in 6..9 {
        scene.written(index, 2).await;
    }
    scene.verdict(6, &rejects(ErrorCode::LengthScore)).await;
    scene.failed(9, ErrorCode::PlanEmpty).await;
    for index in 10..14 {
        let task = scene.writing(index, 3).await;
        let failure = TaskFailure { count: CountAs::Nothing, ..again(ErrorCode::RateLimited, scene.now()) };
        scene.fail(&task, failure).await;
        let task = scene.claim(&task.key).await;
        match index {
            10 => drop(scene.fail(&task, fatal(ErrorCode::Refusal)).await),
            11 => {
                let record = scene.section_result(&task, &text(index, 0)).await;
                scene.record(&RecordResult { context_hash: strange(), ..record }).await;
            }
            12 => {
                let mut record = scene.section_result(&task, &text(index, 0)).await;
                record.claim_next = Some(scene.claim_next());
                scene.accept(&record).await;
            }
            _ => {}
        }
    }
    scene.store.rescue_stalled(LEASE, scene.pass(LEASE * 2)).await.expect("rescue_stalled");
    scene.planned(14, 3).await;
    scene.admit(15, false, false).await;
    scene.claim(&scene.plan_key(15)).await;
    let totals = scene.totals().await;
    assert_eq!(totals, recount(&scene, 20).await);
    assert_eq!((totals.throttled_calls, totals.wasted_calls, totals.in_flight), (4, 1, 1));
    assert_eq!((totals.orphaned_calls, totals.state(SampleState::Written)), (2, 8));
    assert_eq!(totals.finished(), 3);
    scene.sound().await;
}

/// A run that is not there has counted nothing, and violates nothing.
pub async fn an_unknown_run_is_empty<F: Fixture>() {
    let fixture = F::fresh().await;
    let (store, run) = (fixture.store(), RunId::new("run_unknown"));
    assert_eq!(store.totals(&run).await.expect("totals"), Totals::default());
    assert_eq!(store.samples(&run, &SampleFilter::default(), 9).await.expect("samples"), SamplePage::default());
    assert_eq!(store.sample(&run, &sample(0)).await.expect("sample"), None);
    assert_eq!(store.outlines(&run, &[sample(0)]).await.expect("outlines"), []);
    assert_eq!(store.failures(&run).await.expect("failures"), []);
    assert_eq!(store.attempt_codes(&run).await.expect("attempt_codes"), []);
    assert_eq!(store.actions(&run).await.expect("actions"), []);
    store.record_statistics(&run, Timestamp(5)).await.expect("record_statistics");
    assert_eq!(store.statistics(&run, Timestamp(0)).await.expect("statistics"), []);
    assert_eq!(store.violations(&run).await.expect("violations"), []);
}

/// A list of 1,000 samples is read by key: every sample once, in order, and the last page says that it is the last.
pub async fn samples_page_by_key<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1_000).await;
    for most in [100, 333] {
        let mut after = None;
        let mut seen = Vec::new();
        loop {
            let filter = SampleFilter { after, ..SampleFilter::default() };
            let page = scene.store.samples(&scene.run, &filter, most).await.expect("samples");
            assert!(!page.rows.is_empty() && page.rows.len() <= most as usize);
            seen.extend(page.rows.iter().map(|row| row.ordinal));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..1_000).collect::<Vec<u64>>());
    }
}

/// Rows show what the sample is; filters by state and code.
pub async fn samples_are_filtered<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 5).await;
    scene.failed(1, ErrorCode::Refusal).await;
    scene.failed(3, ErrorCode::PlanEmpty).await;
    scene.planned(4, 6).await;
    let list = async |state, error, after| {
        let filter = SampleFilter { state, error, after };
        let page = scene.store.samples(&scene.run, &filter, 10).await.expect("samples");
        assert_eq!(page.next, None);
        page.rows
    };
    let ordinals = |rows: Vec<agentwrite::ports::SampleRow>| rows.iter().map(|row| row.ordinal).collect::<Vec<_>>();
    assert_eq!(ordinals(list(Some(SampleState::Failed), None, None).await), [1, 3]);
    assert_eq!(ordinals(list(Some(SampleState::Failed), None, Some(1)).await), [3]);
    assert_eq!(ordinals(list(None, Some(ErrorCode::Refusal), None).await), [1]);
    assert_eq!(ordinals(list(Some(SampleState::Pending), Some(ErrorCode::Refusal), None).await), [0_u64; 0]);
    let row = &list(Some(SampleState::Planned), None, None).await[0];
    assert_eq!((&row.sample, row.id.as_deref(), row.places), (&sample(4), Some("row-4"), 6));
    assert_eq!(row.title, input(4).instruction());
    assert_eq!(*row, scene.detail(4).await.row);
}

/// A title is the first 120 characters of the instruction, whatever their size in bytes.
pub async fn a_title_is_cut_by_characters<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 0).await;
    let mut row = input(0);
    row.messages[0].content = "写一篇长文。".repeat(50);
    let id = row.sample_id();
    scene.store.add_samples(&scene.run, &[(row.clone(), 1)], scene.tick()).await.expect("add_samples");
    let detail = scene.store.sample(&scene.run, &id).await.expect("sample").expect("there");
    assert_eq!(detail.row.title, row.instruction().chars().take(120).collect::<String>());
    assert_eq!(detail.context.input, row);
}

/// Failures and rejections are grouped by cause, most samples first, with the first sample as example and its last answer
/// as evidence.
pub async fn failures_are_grouped_by_cause<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 5).await;
    scene.failed(0, ErrorCode::PlanEmpty).await;
    for index in [2, 1] {
        let task = scene.writing(index, 1).await;
        let answer = Some(kept(&format!("I cannot write {index}."), "refusal", false));
        scene.fail(&task, TaskFailure { answer, ..fatal(ErrorCode::Refusal) }).await;
    }
    scene.written(3, 1).await;
    scene.verdict(3, &rejects(ErrorCode::TooShort)).await;
    let groups = scene.store.failures(&scene.run).await.expect("failures");
    let first = FailureGroup {
        state: SampleState::Failed,
        code: "refusal".to_owned(),
        samples: 2,
        example: sample(1),
        reason: "it was refusal".to_owned(),
        evidence: Some("I cannot write 1.".to_owned()),
    };
    assert_eq!(groups[0], first);
    let rest: Vec<(SampleState, &str)> = groups[1..].iter().map(|group| (group.state, group.code.as_str())).collect();
    assert_eq!(rest, [(SampleState::Failed, "plan_empty"), (SampleState::Rejected, "too_short")]);
}

/// Codes of failed attempts and gates of rejected answers, each attempt once per name; what cleaning changed was not
/// rejected.
pub async fn attempts_are_counted_by_code<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let mut task = scene.writing(0, 1).await;
    for code in [ErrorCode::Length, ErrorCode::Recap] {
        let answer = Some(kept(code.as_str(), code.as_str(), true));
        scene.fail(&task, TaskFailure { answer, ..again(code, scene.now()) }).await;
        task = scene.claim(&task.key).await;
    }
    scene.fail(&task, again(ErrorCode::Recap, scene.now())).await;
    task = scene.claim(&task.key).await;
    let mut record = scene.section_result(&task, &text(0, 0)).await;
    record.answer = Some(kept("Sure.", "cleaned", false));
    scene.accept(&record).await;
    let codes = scene.store.attempt_codes(&scene.run).await.expect("attempt_codes");
    assert_eq!(codes, [("recap".to_owned(), 2), ("length".to_owned(), 1)]);
}

/// One statistics row per run and ten seconds, with the counters of its first recording; read since a time, oldest first.
pub async fn statistics_have_ten_second_slots<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    let start = scene.now().0 / 10_000 * 10_000 + 20_000;
    let at = |ms: i64| Timestamp(start + ms);
    scene.store.record_statistics(&scene.run, at(1)).await.expect("record_statistics");
    let before = scene.totals().await;
    scene.planned(0, 2).await;
    scene.store.record_statistics(&scene.run, at(9_999)).await.expect("record_statistics");
    scene.store.record_statistics(&scene.run, at(10_000)).await.expect("record_statistics");
    let rows = scene.store.statistics(&scene.run, at(0)).await.expect("statistics");
    assert_eq!(rows.iter().map(|row| row.at).collect::<Vec<_>>(), [at(0), at(10_000)]);
    assert_eq!((rows[0].totals, rows[1].totals), (before, scene.totals().await));
    let late = scene.store.statistics(&scene.run, at(1)).await.expect("statistics");
    assert_eq!(late, rows[1..]);
}

/// A sample is shown whole: attempts and answers oldest first, each with its times.
pub async fn a_sample_is_shown_whole<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::with(fixture.store(), "run_x", &RunConfig::default(), &Limits::default(), 1).await;
    let task = scene.writing(0, 1).await;
    scene.pass(Duration::from_secs(3));
    let answer = Some(kept("Short.", "length", true));
    scene.fail(&task, TaskFailure { answer, ..again(ErrorCode::Length, scene.now()) }).await;
    let task = scene.claim(&task.key).await;
    let mut record = scene.section_result(&task, &text(0, 0)).await;
    record.answer = Some(kept("Sure. Text.", "cleaned", false));
    scene.accept(&record).await;
    let detail = scene.detail(0).await;
    let tries: Vec<(&str, &str)> =
        detail.attempts.iter().map(|row| (row.kind.as_str(), row.outcome.as_str())).collect();
    assert_eq!(tries, [("plan", "committed"), ("section", "failed"), ("section", "committed")]);
    assert!(detail.attempts.windows(2).all(|pair| pair[0].started_at < pair[1].started_at));
    assert!(detail.attempts.iter().all(|row| row.ended_at > Some(row.started_at)));
    let answers: Vec<&str> = detail.answers.iter().map(|answer| answer.raw.as_str()).collect();
    assert_eq!(answers, ["Short.", "Sure. Text."]);
    assert_eq!((detail.verdict, detail.config_version), (None, 1));
    assert_eq!(detail.context.sample, sample(0));
}

/// What the whole sample says, without its texts.
fn outline(whole: SampleDetail) -> SampleOutline {
    let (row, context) = (whole.row, whole.context);
    let sections = context.sections.into_iter();
    SampleOutline {
        sample: row.sample,
        ordinal: row.ordinal,
        state: row.state,
        code: row.code,
        generation: row.generation,
        revision: context.revision,
        asked: context.input.length,
        steps: context.plan.map(|plan| plan.steps.iter().map(|step| step.words).collect()),
        sections: sections.map(|it| SectionOutline { place: it.place, words: it.words, flags: it.flags }).collect(),
        words: row.words,
        length_score: whole.verdict.and_then(|verdict| verdict.length_score),
        attempts: whole.attempts.into_iter().filter(|it| it.generation == row.generation).collect(),
    }
}

/// An outline says the same as the whole sample: its standing revision and verdict, the tries of its generation. Samples that are
/// there come in the order in which they were asked for.
pub async fn an_outline_is_the_sample_without_its_texts<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 5).await;
    scene.judged(0, 3).await;
    scene.written(1, 2).await;
    scene.verdict(1, &rejects(ErrorCode::LengthScore)).await;
    let again = RetryPlan { samples: vec![sample(1)], from_section: Some(2), ..RetryPlan::default() };
    scene.store.retry(&scene.run, "operator", &again, scene.tick()).await.expect("retry");
    assert!(scene.admit(1, true, false).await, "it was planned before");
    let task = scene.claim(&scene.key(&Kind::SECTION, 1, 1, 1)).await;
    let mut record = scene.section_result(&task, &text(1, 9)).await;
    if let TaskResult::Section { flags, .. } = &mut record.result {
        flags.push("recap".to_owned());
    }
    scene.accept(&record).await;
    scene.failed(2, ErrorCode::PlanEmpty).await;
    scene.planned(3, 6).await;
    let mut wide = input(5);
    wide.length = Some(RequiredLength { bound: Bound::Range, low: 900, high: 1_100, source: LengthSource::Column });
    scene.store.add_samples(&scene.run, &[(wide.clone(), 1)], scene.tick()).await.expect("add_samples");
    let ids = [wide.sample_id(), sample(3), sample(99), sample(1), sample(4), sample(0), sample(2)];
    let found = scene.store.outlines(&scene.run, &ids).await.expect("outlines");
    let mut wanted = Vec::new();
    for id in &ids {
        wanted.extend(scene.store.sample(&scene.run, id).await.expect("sample").map(outline));
    }
    assert_eq!((found.len(), &found), (6, &wanted));
    assert_eq!(found[0].asked, wide.length);
    let (revised, passed) = (&found[2], &found[4]);
    assert_eq!((revised.generation, revised.revision, revised.attempts.len()), (1, 1, 1), "{revised:#?}");
    assert_eq!(revised.sections.iter().map(|it| it.flags.len()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!((revised.length_score, passed.length_score, passed.attempts.len()), (None, Some(92.5), 4));
    assert_eq!(passed.steps.as_ref().map(Vec::len), Some(3));
    assert_eq!((&found[1].sections[..], found[3].steps.as_ref()), (&[][..], None));
}
