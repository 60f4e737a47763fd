//! Claims and commits stay as quick with a million sections in the store as with none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agentwrite::call::{Message, Usage};
use agentwrite::chain;
use agentwrite::config::{Limits, RunConfig};
use agentwrite::ids::{AttemptId, OwnerId, RunId, Timestamp};
use agentwrite::plan::{Plan, Step};
use agentwrite::ports::{Admit, ClaimTask, DispatchStore, FollowUp, RecordResult, RunStore, TaskResult, TaskStore};
use agentwrite::sample::Input;
use agentwrite::task::{AttemptEnd, ClaimedTask, Kind, NewTask, TaskKey};
use checkpoints::postgres::PostgresStore;
use checkpoints::sqlite::SqliteStore;
use rusqlite::Connection;
use serde_json::json;
use servers::postgres::{Postgres, Settings};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::row::{Goal, Row};
use crate::scenario::Bench;

const RUN: &str = "run_million";
const LEASE: Duration = Duration::from_secs(90);
/// Sections of each sample that is written before the clock; the fills make samples of the same size.
const SECTIONS_EACH: u64 = 20;
/// At once, and how many sections each writes.
const LOADS: [(u64, u32); 2] = [(1, 800), (16, 100)];

/// 1,000,000 written sections of 50,000 samples against none, at concurrency 1 and 16, on both stores.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let samples = bench.scale(1_000_000, 20_000) / SECTIONS_EACH;
    let runtime = Runtime::new().expect("a runtime starts");
    let mut rows = on_postgres(&runtime, samples);
    rows.extend(on_sqlite(&runtime, samples));
    rows
}

fn on_postgres(runtime: &Runtime, samples: u64) -> Vec<Row> {
    let server = Postgres::start(Settings::default());
    let database = server.database(None);
    let url = database.url();
    let store = runtime.block_on(async {
        PostgresStore::migrate(&url).await.expect("an empty database is migrated");
        PostgresStore::connect(&url).await.expect("a migrated database connects")
    });
    let fill = format!("set synchronous_commit = off;\n{}", include_str!("../sql/fill_postgres.sql"));
    let rows = compare("PostgreSQL", runtime, Arc::new(store), || {
        database.sql(&fill.replace(":samples", &samples.to_string()));
        // Not in the middle of the measurement, as a server at work would have it done long before.
        database.sql("checkpoint");
    });
    drop(database);
    rows
}

fn on_sqlite(runtime: &Runtime, samples: u64) -> Vec<Row> {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("longhand.db");
    let store = runtime.block_on(SqliteStore::open(&path)).expect("a fresh database opens");
    compare("SQLite", runtime, Arc::new(store), || {
        let connection = Connection::open(&path).expect("the database opens");
        let fill = include_str!("../sql/fill_sqlite.sql").replace(":samples", &samples.to_string());
        connection.execute_batch(&fill).expect("the database can be filled");
    })
}

/// Measures, fills, measures again.
fn compare<S>(name: &str, runtime: &Runtime, store: Arc<S>, fill: impl FnOnce()) -> Vec<Row>
where
    S: TaskStore + RunStore + DispatchStore + 'static,
{
    runtime.block_on(prepared(&*store));
    let mut next = 0;
    let mut round = || -> Vec<Vec<f64>> {
        let load = |(at_once, sections)| {
            let first = next;
            next += at_once;
            runtime.block_on(written(&store, first, at_once, sections))
        };
        LOADS.map(load).into()
    };
    round();
    let empty = round();
    let start = Instant::now();
    fill();
    eprintln!("  {name}: filled in {:.0} s", start.elapsed().as_secs_f64());
    round();
    let full = round();
    let row = |((at_once, _), (empty, full)): ((u64, u32), (Vec<f64>, Vec<f64>))| {
        let detail = json!({"empty_p50_ms": quantile(&empty, 0.5), "full_p50_ms": quantile(&full, 0.5),
            "empty_p99_ms": quantile(&empty, 0.99), "full_p99_ms": quantile(&full, 0.99), "measured": full.len()});
        eprintln!("  {name}, {at_once} at once: {detail}");
        let title = format!("million sections, {name}: p99 of claim + commit, {at_once} at once");
        Row::ratio(&title, quantile(&full, 0.99), quantile(&empty, 0.99), "ms", Goal::AtMost(2.0), detail)
    };
    LOADS.into_iter().zip(empty.into_iter().zip(full)).map(row).collect()
}

async fn prepared<S: RunStore>(store: &S) {
    let run = RunId::new(RUN);
    let (config, limits) = (RunConfig::default(), Limits::default());
    store.create_run(&run, RUN, &config, &limits, Timestamp(1_000)).await.expect("a run can be made");
    store.start_run(&run, Timestamp(1_000)).await.expect("the run starts");
}

/// So many samples write so many sections each, one after another; the milliseconds that claim and commit of each took.
async fn written<S>(store: &Arc<S>, first: u64, at_once: u64, sections: u32) -> Vec<f64>
where
    S: TaskStore + RunStore + DispatchStore + 'static,
{
    let mut writers = JoinSet::new();
    for index in first..first + at_once {
        let writer = Writer { store: Arc::clone(store), index, sections };
        let key = writer.admitted().await;
        writers.spawn(async move { writer.write(key).await });
    }
    writers.join_all().await.concat()
}

/// One sample and who writes it.
struct Writer<S> {
    store: Arc<S>,
    index: u64,
    sections: u32,
}

impl<S: TaskStore + RunStore + DispatchStore> Writer<S> {
    /// Plans the sample and lets it be written; its first section's task.
    async fn admitted(&self) -> TaskKey {
        let input = Input {
            messages: vec![Message::user(format!("Write about subject {}.", self.index))],
            length: None,
            language: None,
            variant: 0,
            id: None,
            meta: None,
        };
        let (run, sample) = (RunId::new(RUN), input.sample_id());
        self.store.add_samples(&run, &[(input, self.sections)], now()).await.expect("a sample can be added");
        let admit = |write| [Admit { sample: sample.clone(), write }];
        self.store.admit(&run, &admit(false), false, now()).await.expect("it is admitted");
        let key =
            |kind, place| TaskKey { run: run.clone(), kind, subject: sample.as_str().to_owned(), place, revision: 0 };
        let task = self.claimed(key(Kind::PLAN, 0)).await;
        let steps = (1..=self.sections).map(|step| Step { main_point: format!("Point {step}"), words: 300 });
        let plan = Plan { steps: steps.collect() };
        let chain = chain::with_plan(task.context_hash, &plan);
        let planned = FollowUp::SamplePlanned { places: self.sections };
        self.record(&task, TaskResult::Plan { plan, chain }, vec![planned]).await;
        self.store.admit(&run, &admit(true), false, now()).await.expect("it is admitted");
        key(Kind::SECTION, 0)
    }

    async fn write(&self, mut key: TaskKey) -> Vec<f64> {
        let mut times = Vec::new();
        for place in 0..self.sections {
            let start = Instant::now();
            let task = self.claimed(key.clone()).await;
            let text = format!("What there is to say about subject {} in part {place}. ", self.index).repeat(40);
            let chain = chain::with_section(task.context_hash, &text);
            let next = TaskKey { place: place + 1, ..key.clone() };
            let mut follow_ups = vec![FollowUp::PlaceFilled];
            if place + 1 < self.sections {
                let remaining = self.sections - place - 1;
                follow_ups.push(FollowUp::Task(NewTask { key: next.clone(), context_hash: chain, remaining }));
            }
            let section = TaskResult::Section { text, words: 360, flags: Vec::new(), chain };
            self.record(&task, section, follow_ups).await;
            times.push(start.elapsed().as_secs_f64() * 1000.0);
            key = next;
        }
        times
    }

    async fn claimed(&self, task: TaskKey) -> ClaimedTask {
        let attempt = AttemptId::new(format!("att_{}_{}_{}", self.index, task.kind.as_str(), task.place));
        let claim = ClaimTask { task, owner: OwnerId::new("bench"), attempt, lease: LEASE, now: now() };
        self.store.claim_task(claim).await.expect("the store works").expect("the task is there to be claimed")
    }

    async fn record(&self, task: &ClaimedTask, result: TaskResult, follow_ups: Vec<FollowUp>) {
        let usage = Usage { prompt_tokens: 1_000, completion_tokens: 500, reported: true, ..Usage::default() };
        let record = RecordResult {
            task: task.key.clone(),
            context_hash: task.context_hash,
            owner: task.owner.clone(),
            attempt: task.attempt.clone(),
            origin: task.attempt.clone(),
            end: AttemptEnd { usage, total_ms: 50, called: true, ..AttemptEnd::default() },
            result,
            answer: None,
            follow_ups,
            claim_next: None,
            now: now(),
        };
        let recorded = self.store.record_result(record).await.expect("the store works");
        assert!(matches!(recorded, agentwrite::ports::Recorded::Accepted { .. }), "the result stands");
    }
}

/// Nothing here depends on the time: leases never lapse.
fn now() -> Timestamp {
    Timestamp(1_000_000)
}

fn quantile(times: &[f64], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)]
}
