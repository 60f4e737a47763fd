//! Claims and commits are as fast in a store of a million sections as in an empty one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agentwrite::call::Message;
use agentwrite::chain;
use agentwrite::config::{Limits, RunConfig};
use agentwrite::ids::{AttemptId, OwnerId, RunId, SampleId};
use agentwrite::plan::{Plan, Step};
use agentwrite::ports::{
    Admit, ClaimTask, DispatchStore, FollowUp, RecordResult, Recorded, RunStore, TaskResult, TaskStore,
};
use agentwrite::sample::Input;
use agentwrite::task::{AttemptEnd, ClaimedTask, Kind, NewTask, TaskKey};
use checkpoints::postgres::PostgresStore;
use serde_json::json;
use servers::postgres::Database;

use crate::fleet::postgres;
use crate::row::{Goal, Row};
use crate::scenario::Bench;

const SECTIONS: u32 = 20;
/// Samples that are written at once.
const CHAINS: usize = 8;
/// About 500 words.
const WORDS: usize = 500;

/// 99th of a hundred claims with their commits, of 160 samples of 20 sections written 8 at a time, before and after
/// 50,000 samples of 20 sections are put beside them in the same run.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let server = postgres();
    let database = server.database(None);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let samples = bench.scale(160, 16);
    let many = bench.scale(50_000, 500);
    let (empty, full) = runtime.block_on(async {
        PostgresStore::migrate(&database.url()).await.expect("the schema can be made");
        let run = prepared(&database.url()).await;
        let empty = written(&database.url(), &run, samples, "empty").await;
        let filling = Instant::now();
        fill(&database, &run, many);
        eprintln!("  {} sections are there after {:.0} s", many * SECTIONS as usize, filling.elapsed().as_secs_f64());
        // A process that comes later plans its statements anew, as after any restart.
        let full = written(&database.url(), &run, samples, "full").await;
        (empty, full)
    });
    let detail = json!({"sections": many * SECTIONS as usize, "measured": empty.len(),
        "empty_ms": shares(&empty), "full_ms": shares(&full)});
    let name = "claim and commit of a section, p99, 1,000,000 sections in PostgreSQL; the bound is an empty one";
    vec![Row::ratio(name, at(&full, 0.99), at(&empty, 0.99), "ms", Goal::AtMost(2.0), detail)]
}

/// A running run without samples.
async fn prepared(url: &str) -> RunId {
    let store = PostgresStore::connect(url).await.expect("the database can be connected to");
    let run = RunId::new("run_bench");
    let now = store.time().await.expect("a time");
    store.create_run(&run, "bench", &RunConfig::default(), &Limits::default(), now).await.expect("a run");
    add(&store, &run, 0, 1).await;
    store.start_run(&run, now).await.expect("a start");
    store.close().await;
    run
}

fn input(number: usize) -> Input {
    Input {
        messages: vec![Message::user(format!("Write the history of the imaginary river number {number}."))],
        length: None,
        language: None,
        variant: 0,
        id: Some(format!("row-{number}")),
        meta: None,
    }
}

async fn add(store: &PostgresStore, run: &RunId, first: usize, count: usize) -> Vec<SampleId> {
    let inputs: Vec<(Input, u32)> = (first..first + count).map(|number| (input(number), SECTIONS)).collect();
    let now = store.time().await.expect("a time");
    store.add_samples(run, &inputs, now).await.expect("samples");
    inputs.iter().map(|(input, _)| input.sample_id()).collect()
}

/// Adds samples, writes them, and gives the milliseconds of each section's claim and commit, in order.
async fn written(url: &str, run: &RunId, samples: usize, name: &'static str) -> Vec<f64> {
    let store = Arc::new(PostgresStore::connect(url).await.expect("the database can be connected to"));
    let first = if name == "empty" { 1_000_000 } else { 2_000_000 };
    let ids = add(&store, run, first, samples).await;
    let mut chains = tokio::task::JoinSet::new();
    for (number, part) in ids.chunks(samples.div_ceil(CHAINS)).enumerate() {
        let desk =
            Desk { store: Arc::clone(&store), run: run.clone(), owner: OwnerId::new(format!("{name}_{number}")) };
        let part = part.to_vec();
        chains.spawn(async move {
            let mut times = Vec::new();
            for sample in &part {
                desk.write(sample, &mut times).await;
            }
            times
        });
    }
    let mut times: Vec<f64> = chains.join_all().await.concat();
    times.sort_by(f64::total_cmp);
    store.close().await;
    times
}

/// One slot at work.
struct Desk {
    store: Arc<PostgresStore>,
    run: RunId,
    owner: OwnerId,
}

impl Desk {
    /// Plans and writes a sample.
    async fn write(&self, sample: &SampleId, times: &mut Vec<f64>) {
        let steps = (1..=SECTIONS).map(|step| Step { main_point: format!("Bend {step}"), words: WORDS as u32 });
        let plan = Plan { steps: steps.collect() };
        self.admit(sample, false).await;
        let task = self.claim(sample, Kind::PLAN, 0).await;
        let chain = chain::with_plan(task.context_hash, &plan);
        self.record(&task, TaskResult::Plan { plan, chain }, vec![FollowUp::SamplePlanned { places: SECTIONS }]).await;
        self.admit(sample, true).await;
        for place in 0..SECTIONS {
            let since = Instant::now();
            let task = self.claim(sample, Kind::SECTION, place).await;
            let claimed = since.elapsed();
            let text = format!("{sample} {place} {}", "word ".repeat(WORDS));
            let chain = chain::with_section(task.context_hash, &text);
            let mut follow_ups = vec![FollowUp::PlaceFilled];
            if place + 1 < SECTIONS {
                let key = TaskKey { place: place + 1, ..task.key.clone() };
                follow_ups.push(FollowUp::Task(NewTask { key, context_hash: chain, remaining: SECTIONS - place - 1 }));
            }
            let result = TaskResult::Section { text, words: WORDS as u32, flags: Vec::new(), chain };
            let since = Instant::now();
            self.record(&task, result, follow_ups).await;
            times.push((claimed + since.elapsed()).as_secs_f64() * 1000.0);
        }
    }

    async fn admit(&self, sample: &SampleId, write: bool) {
        let now = self.store.time().await.expect("a time");
        let admits = [Admit { sample: sample.clone(), write }];
        assert_eq!(self.store.admit(&self.run, &admits, false, now).await.expect("admission"), 1);
    }

    async fn claim(&self, sample: &SampleId, kind: Kind, place: u32) -> ClaimedTask {
        let attempt = AttemptId::new(format!("att_{sample}_{}_{place}", kind.as_str()));
        let subject = sample.as_str().to_owned();
        let task = TaskKey { run: self.run.clone(), kind, subject, place, revision: 0 };
        let lease = Duration::from_secs(90);
        // Due at once, whatever the clocks say.
        let now = agentwrite::ids::Timestamp(i64::MAX / 4);
        let claim = ClaimTask { task, owner: self.owner.clone(), attempt, lease, now };
        self.store.claim_task(claim).await.expect("a claim").expect("the task is there")
    }

    async fn record(&self, task: &ClaimedTask, result: TaskResult, follow_ups: Vec<FollowUp>) {
        let record = RecordResult {
            task: task.key.clone(),
            context_hash: task.context_hash,
            owner: task.owner.clone(),
            attempt: task.attempt.clone(),
            origin: task.attempt.clone(),
            end: AttemptEnd::default(),
            result,
            answer: None,
            follow_ups,
            claim_next: None,
            now: agentwrite::ids::Timestamp(i64::MAX / 4),
        };
        let recorded = self.store.record_result(record).await.expect("a commit");
        assert!(matches!(recorded, Recorded::Accepted { .. }), "{recorded:?}");
    }
}

/// Puts finished samples of the run into every table that claims and commits look at. Texts are short: they stand beside
/// the rows, not in them.
fn fill(database: &Database<'_>, run: &RunId, samples: usize) {
    let (many, last) = (samples - 1, SECTIONS - 1);
    let each = format!("generate_series(0, {many}) as i");
    let all = format!("{each}, generate_series(0, {last}) as j");
    let hash = "md5(i || '-' || j) || md5(j || '-' || i)";
    for statement in [
        format!(
            "insert into sample (run, sample, ordinal, key, state, range, config_version, estimate, places, filled, words, chain) \
             select '{run}', 'smp_' || md5(i::text), 3000000 + i, md5(i::text) || md5(i::text), 'packed', i / 256, 1, \
             {SECTIONS}, {SECTIONS}, {SECTIONS}, {SECTIONS} * {WORDS}, md5(i::text) || md5(i::text) from {each}"
        ),
        format!(
            "insert into plan (run, sample, revision, plan, chain, attempt) select '{run}', 'smp_' || md5(i::text), 0, \
             '{{\"steps\":[]}}', md5(i::text) || md5(i::text), 'fil_' || i || '_p' from {each}"
        ),
        format!("insert into text (hash, body) select {hash}, 'filled'::bytea from {all} on conflict do nothing"),
        format!(
            "insert into section (run, sample, revision, place, hash, chain, words, flags, attempt) select '{run}', \
             'smp_' || md5(i::text), 0, j, {hash}, {hash}, {WORDS}, '[]', 'fil_' || i || '_' || j from {all}"
        ),
        format!(
            "insert into task (run, kind, subject, place, revision, context_hash, state, remaining) select '{run}', 'section', \
             'smp_' || md5(i::text), j, 0, {hash}, 'done', {SECTIONS} - j from {all}"
        ),
        format!(
            "insert into attempt (attempt, run, kind, subject, place, revision, generation, fence, owner, outcome, started_at, called) \
             select 'fil_' || i || '_' || j, '{run}', 'section', 'smp_' || md5(i::text), j, 0, 0, 1, 'filled', 'committed', \
             i, true from {all}"
        ),
    ] {
        // Without the trigger that counts samples by state: nobody asks for that count here.
        database.sql(&format!("set session_replication_role = replica; {statement}"));
    }
    database.sql("vacuum analyze");
    // What the filling left to be written is not the measured calls' affair.
    database.sql("checkpoint");
}

/// The figure at a share of the sorted ones.
fn at(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

fn shares(sorted: &[f64]) -> serde_json::Value {
    json!({"p50": at(sorted, 0.5), "p95": at(sorted, 0.95), "p99": at(sorted, 0.99), "max": at(sorted, 1.0)})
}
