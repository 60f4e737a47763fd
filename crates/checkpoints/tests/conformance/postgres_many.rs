//! Several processes on one database: of two that want the same at once exactly one gets it, and nothing is miscounted.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use agentwrite::admission;
use agentwrite::config::{Limits, Mode, RunConfig};
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, Hash, Timestamp};
use agentwrite::ports::{
    Admit, Budget, Control, DispatchStore, PackStore, RecordResult, Recorded, Reservation, Reserve, RetryPlan,
    RunStore, TaskStore, TrafficStore,
};
use agentwrite::task::{ClaimedTask, Kind};
use checkpoints::postgres::PostgresStore;
use futures_util::future::join_all;

use crate::Fixture;
use crate::material::{COST, LEASE, again, fatal, input, kept, parallel, passes, sample, text};
use crate::numbers::Numbers;
use crate::postgres_fixture::PostgresFixture;
use crate::scene::Scene;

const ROUNDS: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_claims_one_wins() {
    let fixture = PostgresFixture::fresh().await;
    let other = fixture.beside().await;
    let here = Scene::of(fixture.store(), ROUNDS).await;
    let there = Scene::beside(&other, &here.run, "owner_b");
    for index in 0..ROUNDS {
        here.admit(index, false, false).await;
        let key = here.plan_key(index);
        let (one, two) = tokio::join!(here.try_claim(&key), there.try_claim(&key));
        assert!(one.is_some() != two.is_some(), "{one:?} {two:?}");
        assert_eq!(here.detail(index).await.attempts.len(), 1);
    }
    here.sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_results_for_one_place_one_stands() {
    let fixture = PostgresFixture::fresh().await;
    let other = fixture.beside().await;
    let here = Scene::of(fixture.store(), ROUNDS).await;
    let there = Scene::beside(&other, &here.run, "owner_b");
    let mut won = [0, 0];
    for index in 0..ROUNDS {
        here.admit(index, false, false).await;
        let early = here.claim(&here.plan_key(index)).await;
        here.store.rescue_stalled(LEASE, here.pass(LEASE * 2)).await.expect("rescue_stalled");
        here.store.rescue_stalled(LEASE, here.tick()).await.expect("rescue_stalled");
        there.pass(LEASE * 2);
        let late = there.claim(&there.plan_key(index)).await;
        let (one, two) = (here.plan_result(&early, 2), there.plan_result(&late, 3));
        let (one, two) = tokio::join!(here.record(&one), there.record(&two));
        match (&one, &two) {
            (Recorded::Accepted { .. }, Recorded::Wasted) => won[0] += 1,
            (Recorded::Wasted, Recorded::Accepted { .. }) => won[1] += 1,
            other => panic!("{other:?}"),
        }
        let steps = here.detail(index).await.context.plan.expect("a plan").steps.len();
        assert_eq!(steps, if matches!(one, Recorded::Accepted { .. }) { 2 } else { 3 });
    }
    here.sound().await;
    assert_eq!(here.totals().await.wasted_calls, ROUNDS, "{won:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_relays_each_row_goes_to_one() {
    let fixture = PostgresFixture::fresh().await;
    let other = fixture.beside().await;
    let scene = Scene::of(fixture.store(), 200).await;
    let admits: Vec<Admit> = (0..200).map(|index| Admit { sample: sample(index), write: false }).collect();
    scene.store.admit(&scene.run, &admits, false, scene.tick()).await.expect("admit");
    scene.store.dispatch_ready(&scene.run, 200, scene.tick()).await.expect("dispatch_ready");
    let now = scene.pass(Duration::from_secs(5));
    let relay = async |store: &PostgresStore| {
        let mut ids = Vec::new();
        loop {
            let rows = store.take_outbox(Duration::from_secs(1), 7, now).await.expect("take_outbox");
            if rows.is_empty() {
                return ids;
            }
            ids.extend(rows.iter().map(|row| row.id));
        }
    };
    let relays = join_all((0..8).map(|number| relay(if number % 2 == 0 { fixture.store() } else { &other })));
    let taken: Vec<i64> = relays.await.concat();
    let all: BTreeSet<i64> = taken.iter().copied().collect();
    assert_eq!((all.len(), taken.len()), (200, 200));
    // What a relay took and did not confirm is taken again later.
    let later = Timestamp(now.0 + 1_000);
    let again = other.take_outbox(Duration::from_secs(1), 500, later).await.expect("take_outbox");
    assert_eq!(again.len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_planners_each_sample_is_admitted_by_one() {
    let fixture = PostgresFixture::fresh().await;
    let other = fixture.beside().await;
    let scene = Scene::of(fixture.store(), ROUNDS).await;
    let run = &scene.run;
    let admits: Vec<Admit> = (0..ROUNDS).map(|index| Admit { sample: sample(index), write: false }).collect();
    let backwards: Vec<Admit> = admits.iter().rev().cloned().collect();
    let now = scene.tick();
    let (one, two) =
        tokio::join!(fixture.store().admit(run, &admits, false, now), other.admit(run, &backwards, false, now));
    assert_eq!(one.expect("admit") + two.expect("admit"), ROUNDS);
    let (one, two) = tokio::join!(fixture.store().dispatch_ready(run, 5, now), other.dispatch_ready(run, 5, now));
    assert_eq!(one.expect("dispatch").rows.len() + two.expect("dispatch").rows.len(), 5, "slots are counted once");
    scene.sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_holds_for_all_processes() {
    let fixture = PostgresFixture::fresh().await;
    let other = fixture.beside().await;
    let limits = Limits { max_cost_nanousd: Some(COST * 7), ..Limits::default() };
    let scene = Scene::with(fixture.store(), "run_a", &RunConfig::default(), &limits, 20).await;
    let mut wishes = Vec::new();
    for index in 0..20 {
        scene.admit(index, false, false).await;
        let attempt = scene.claim(&scene.plan_key(index)).await.attempt;
        let (run, budget, now) = (scene.run.clone(), Budget::of("default"), scene.tick());
        wishes.push(Reserve { run, budget, attempt, tokens: 1, worst_nanousd: Some(COST), now });
    }
    let stores = [fixture.store(), &other];
    let asked = wishes.into_iter().enumerate().map(|(index, wish)| stores[index % 2].reserve(wish));
    let answers = join_all(asked).await;
    let started = answers.iter().filter(|answer| matches!(answer, Ok(Reservation::StartAt(_)))).count();
    assert_eq!(started, 7);
    scene.sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_is_shared_by_all_processes() {
    let fixture = PostgresFixture::fresh().await;
    let other = fixture.beside().await;
    let limits = Limits { rpm: Some(60), ..Limits::default() };
    let scene = Scene::with(fixture.store(), "run_a", &RunConfig::default(), &limits, 0).await;
    let now = scene.now();
    let stores = [fixture.store(), &other];
    let asked = (0..30).map(|index| {
        let (run, budget, attempt) = (scene.run.clone(), Budget::of("default"), AttemptId::new(format!("a{index}")));
        stores[index % 2].reserve(Reserve { run, budget, attempt, tokens: 1, worst_nanousd: None, now })
    });
    let mut starts: Vec<i64> = join_all(asked)
        .await
        .into_iter()
        .map(|answer| match answer.expect("reserve") {
            Reservation::StartAt(start) => start.at().0 - now.0,
            Reservation::OverBudget => panic!("there is no cap"),
        })
        .collect();
    starts.sort_unstable();
    let wanted: Vec<i64> = (0..30).map(|second| second * 1_000).collect();
    assert_eq!(starts, wanted);
}

/// Callers of each process, and how often each acts: some seconds in all.
const CALLERS: u64 = 12;
const ACTS: usize = 50;

/// Two processes do everything at once on one run in parallel mode, where many tasks belong to one sample.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_stress_nothing_is_miscounted() {
    let fixture = PostgresFixture::fresh().await;
    let other = fixture.beside().await;
    let config = RunConfig { attempts: 100_000, crash_limit: 100_000, shard_size: 5, ..parallel() };
    let here = Scene::with(fixture.store(), "run_s", &config, &Limits::default(), 40).await;
    let there = Scene::beside(&other, &here.run, "owner_b");
    let callers = (0..CALLERS * 2).map(|seed| {
        let (mine, twin) = if seed % 2 == 0 { (&here, &there) } else { (&there, &here) };
        async move {
            let mut caller = Caller { mine, twin, numbers: Numbers(seed) };
            for _ in 0..ACTS {
                caller.act().await;
            }
        }
    });
    join_all(callers).await;
    here.sound().await;
    let totals = here.totals().await;
    let deadlocks = fixture.database().sql("select deadlocks from pg_stat_database where datname = current_database()");
    assert!(totals.sections > 30 && totals.failed_calls > 10 && totals.orphaned_calls > 0, "{totals:?}");
    assert_eq!(deadlocks.trim(), "0", "the order of locks was not kept to");
}

struct Caller<'a> {
    mine: &'a Scene<'a, PostgresStore>,
    twin: &'a Scene<'a, PostgresStore>,
    numbers: Numbers,
}

impl Caller<'_> {
    async fn act(&mut self) {
        match self.numbers.below(100) {
            0..20 => self.plan().await,
            20..85 => self.work().await,
            85..88 => self.rescue().await,
            88..92 => self.pack().await,
            92..96 => self.renew().await,
            _ => self.operate().await,
        }
    }

    async fn plan(&mut self) {
        let (store, run) = (self.mine.store, &self.mine.run);
        let view = store.admission_view(run, 40, 40, self.mine.tick()).await.expect("admission_view");
        let decided = admission::decide(&view, 20);
        store.admit(run, &decided.admits, decided.ordered, self.mine.tick()).await.expect("admit");
        store.dispatch_ready(run, 30, self.mine.tick()).await.expect("dispatch_ready");
    }

    async fn work(&mut self) {
        let scene = self.mine;
        let rows = scene.store.take_outbox(Duration::ZERO, 20, scene.tick()).await.expect("take_outbox");
        if rows.is_empty() {
            return self.plan().await;
        }
        let row = &rows[self.numbers.below(rows.len() as u64) as usize];
        let Some(task) = scene.try_claim(&row.message.task).await else {
            scene.store.delete_outbox(&[row.id]).await.expect("delete_outbox");
            return;
        };
        scene.store.delete_outbox(&[row.id]).await.expect("delete_outbox");
        match self.numbers.below(100) {
            0..70 => self.record(&task).await,
            70..85 => {
                let answer = kept("I cannot write that.", "refusal", true);
                let failure =
                    agentwrite::task::TaskFailure { answer: Some(answer), ..again(ErrorCode::Refusal, scene.now()) };
                scene.fail(&task, failure).await;
            }
            85..92 => {
                scene.fail(&task, fatal(ErrorCode::Reset)).await;
            }
            _ => {}
        }
    }

    /// Records, and now and then the other process records the same at the same time.
    async fn record(&mut self, task: &ClaimedTask) {
        let Some(record) = self.result(task).await else { return };
        if self.numbers.in_hundred(70) {
            self.mine.record(&record).await;
            return;
        }
        let (one, two) = tokio::join!(self.mine.record(&record), self.twin.record(&record));
        let accepted = |recorded: &Recorded| matches!(recorded, Recorded::Accepted { .. });
        assert!(!(accepted(&one) && accepted(&two)), "{one:?} {two:?}");
    }

    async fn result(&mut self, task: &ClaimedTask) -> Option<RecordResult> {
        if task.key.kind == Kind::PLAN {
            return Some(self.mine.plan_result(task, 3 + self.numbers.below(5) as u32));
        }
        let ordinal = self.mine.store.load_sample(&task.key).await.expect("load_sample")?.ordinal;
        Some(self.mine.section_result_in(Mode::Parallel, task, &text(ordinal % 3, task.key.place)).await)
    }

    async fn rescue(&mut self) {
        let lapsed = Timestamp(self.mine.now().0 + 200_000);
        self.mine.store.rescue_stalled(Duration::from_secs(1), lapsed).await.expect("rescue_stalled");
    }

    async fn pack(&mut self) {
        let (store, run) = (self.mine.store, &self.mine.run);
        for context in store.unjudged(run, 5).await.expect("unjudged") {
            let now = self.mine.tick();
            store.record_verdict(run, &context.sample, context.revision, &passes(), now).await.expect("record_verdict");
        }
        for range in store.closable(run).await.expect("closable") {
            store.close_range(run, range, &[], self.mine.tick()).await.expect("close_range");
        }
    }

    async fn renew(&mut self) {
        let attempts: Vec<AttemptId> =
            (0..200).map(|n| AttemptId::new(format!("att_{}_{}_{n:05}", self.mine.run, self.mine.owner))).collect();
        let (store, owner) = (self.mine.store, &self.mine.owner);
        store.renew_leases(owner, &attempts, LEASE, self.mine.tick()).await.expect("renew_leases");
    }

    async fn operate(&mut self) {
        let (store, run) = (self.mine.store, &self.mine.run);
        match self.numbers.below(4) {
            0 => {
                store.retry(run, "operator", &RetryPlan::default(), self.mine.tick()).await.expect("retry");
            }
            1 => {
                let first = 40 + self.numbers.below(40);
                let rows = [(input(first), 3), (input(first + 1), 3)];
                store.add_samples(run, &rows, self.mine.tick()).await.expect("add_samples");
            }
            2 => {
                let wish = Control::Pause { reason: "user".to_owned() };
                store.control(run, "operator", &wish, self.mine.tick()).await.expect("control");
                store.control(run, "operator", &Control::Resume, self.mine.tick()).await.expect("control");
            }
            _ => store.record_statistics(run, self.mine.tick()).await.expect("record_statistics"),
        }
    }
}

/// Claims and results a second of one process, with so many callers at once: `cargo test -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn how_many_calls_a_second() {
    const CALLERS: u64 = 256;
    const PLACES: u32 = 20;
    let server = servers::postgres::Postgres::start(servers::postgres::Settings::default());
    let database = server.database(None);
    PostgresStore::migrate(&database.url()).await.expect("migrate");
    let store = PostgresStore::connect(&database.url()).await.expect("connect");
    let scene = Scene::of(&store, CALLERS).await;
    let admits = |write| (0..CALLERS).map(|index| Admit { sample: sample(index), write }).collect::<Vec<_>>();
    store.admit(&scene.run, &admits(false), false, scene.tick()).await.expect("admit");
    let body = "word ".repeat(500);
    let started = Instant::now();
    join_all((0..CALLERS).map(|index| {
        let scene = &scene;
        async move {
            let task = scene.claim(&scene.plan_key(index)).await;
            scene.accept(&scene.plan_result(&task, PLACES)).await;
        }
    }))
    .await;
    println!("plans: {:.0} claims with results a second", CALLERS as f64 / started.elapsed().as_secs_f64());
    store.admit(&scene.run, &admits(true), false, scene.tick()).await.expect("admit");
    let started = Instant::now();
    join_all((0..CALLERS).map(|index| {
        let (scene, body) = (&scene, &body);
        async move {
            let mut task = Some(scene.claim(&scene.section_key(index, 0)).await);
            while let Some(claimed) = task {
                let text = format!("{index} {} {body}", claimed.key.place);
                task = scene.accept(&chained(scene, &claimed, &text, PLACES)).await.0;
            }
        }
    }))
    .await;
    let sections = CALLERS * u64::from(PLACES);
    println!("sections: {:.0} results with the next claim a second", sections as f64 / started.elapsed().as_secs_f64());
    scene.sound().await;
    store.close().await;
}

/// A section's result without reading the sample again.
fn chained(scene: &Scene<'_, PostgresStore>, task: &ClaimedTask, text: &str, places: u32) -> RecordResult {
    use agentwrite::ports::{FollowUp, TaskResult};
    use agentwrite::task::{NewTask, TaskKey};
    let chain: Hash = agentwrite::chain::with_section(task.context_hash, text);
    let mut follow_ups = vec![FollowUp::PlaceFilled];
    let next = task.key.place + 1;
    if next < places {
        let key = TaskKey { place: next, ..task.key.clone() };
        follow_ups.push(FollowUp::Task(NewTask { key, context_hash: chain, remaining: places - next }));
    }
    let result = TaskResult::Section { text: text.to_owned(), words: 500, flags: Vec::new(), chain };
    RecordResult { claim_next: Some(scene.claim_next()), ..scene.result(task, result, follow_ups) }
}
