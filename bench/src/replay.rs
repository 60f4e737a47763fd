//! The calls of a finished run, made again from its store in another order: what the same work would have had from a prefix
//! cache if it had been asked for differently. Inside this process, without HTTP and latency: only the order counts.

use std::sync::Arc;
use std::time::Duration;

use agentwrite::call::ChatRequest;
use agentwrite::ids::{AttemptId, Hash, OwnerId};
use agentwrite::manuscript::Manuscript;
use agentwrite::planning;
use agentwrite::ports::{ChatModel, ReportStore, RunStore, SampleDetail, SampleRow};
use agentwrite::task::{ClaimedTask, Hint, Kind, TaskKey};
use checkpoints::sqlite::SqliteStore;
use harness::process::Folder;
use llm_simulator::{InProcess, Simulator, SimulatorConfig};
use worker::Settled;

/// The share of the repeatable prefix that a cache of so many tokens serves if all samples of a run take turns: all plans, all
/// first sections, all second ones. In percent.
pub fn breadth_first(folder: &Folder, cache_tokens: u64) -> f64 {
    let rows = folder.store().samples;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let (settled, samples) = read(folder, &rows).await;
        // The seed of `simulate-llm`: the same prompts get the same answers.
        let simulator = Simulator::new(SimulatorConfig { seed: 0, cache_tokens, ..SimulatorConfig::default() });
        let endpoint = InProcess::new(Arc::clone(&simulator), Duration::from_secs(1));
        let rounds = samples.iter().map(sections).max().unwrap_or(0);
        for number in 0..=rounds {
            for sample in samples.iter().filter(|sample| number <= sections(sample)) {
                let answer = endpoint.chat(request(&settled, sample, number as u32)).await.expect("it answers");
                let same = number == 0 || answer.text.contains(&sample.context.sections[number - 1].text);
                assert!(same, "the same answer as in the run");
            }
        }
        let stats = simulator.stats(false);
        stats.cached_tokens as f64 / stats.cacheable_tokens as f64 * 100.0
    })
}

/// The requests of the plans and sections of a run's first samples, each as it was at its first ask.
pub fn first_requests(folder: &Folder, samples: usize) -> Vec<ChatRequest> {
    let mut rows = folder.store().samples;
    rows.truncate(samples);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let (settled, samples) = runtime.block_on(read(folder, &rows));
    let of_sample = |sample| (0..=sections(sample) as u32).map(|number| request(&settled, sample, number));
    samples.iter().flat_map(of_sample).collect()
}

fn sections(sample: &SampleDetail) -> usize {
    sample.context.sections.len()
}

async fn read(folder: &Folder, rows: &[SampleRow]) -> (Settled, Vec<SampleDetail>) {
    let path = folder.path().join("longhand.db");
    let store = SqliteStore::open_read_only(&path).await.expect("the store opens");
    let run = store.runs().await.expect("the store can be read").into_iter().next().expect("it holds a run");
    let mut samples = Vec::new();
    for row in rows {
        samples.push(
            store.sample(&run.id, &row.sample).await.expect("the store can be read").expect("the sample is there"),
        );
    }
    store.close().await;
    (Settled::new(run.config).expect("the run's prompts can be read"), samples)
}

/// The request of a section, counted from 1, or of the plan (0), as it was at its first ask.
fn request(settled: &Settled, sample: &SampleDetail, number: u32) -> ChatRequest {
    let text = &settled.config.text;
    if number == 0 {
        return planning::request(text, &settled.prompts, &sample.context, &task(sample, Kind::PLAN, 0));
    }
    let task = task(sample, Kind::SECTION, number - 1);
    let mut context = sample.context.clone();
    context.sections.truncate(number as usize - 1);
    Manuscript::new(context, task.context_hash).request(text, &settled.prompts, &task)
}

fn task(sample: &SampleDetail, kind: Kind, place: u32) -> ClaimedTask {
    ClaimedTask {
        key: TaskKey {
            run: sample.context.run.clone(),
            kind,
            subject: sample.row.sample.to_string(),
            place,
            revision: sample.context.revision,
        },
        context_hash: Hash::of("replay", &[""]),
        owner: OwnerId::new("replay"),
        fence: 0,
        attempt: AttemptId::new("replay"),
        generation: 0,
        failures: 0,
        bad_answers: 0,
        crashes: 0,
        hint: Hint::default(),
    }
}
