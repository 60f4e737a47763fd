//! What may never be, as far as it can be read from the store, the files and the endpoint.

use std::collections::{BTreeMap, BTreeSet};

use agentwrite::ports::{RunState, SampleDetail, SampleFilter};
use agentwrite::sample::SampleState;
use llm_simulator::MARKER;

use super::script::What;
use super::world::World;

/// The first violation that the store itself sees.
pub(super) async fn invariants(world: &World) -> Option<(String, String)> {
    let found = world.line.ground.wait(world.line.ground.store().violations(&world.run)).await;
    let found = found.expect("the store below the faults answers");
    found.into_iter().next().map(|(invariant, subject, what)| (invariant, format!("{subject}: {what}")))
}

/// Whether no written sample and no closed range waits.
pub(super) async fn all_is_packed(world: &World) -> bool {
    let ground = &world.line.ground;
    let totals = ground.wait(ground.store().totals(&world.run)).await.expect("the store answers");
    let closed = ground.wait(ground.store().unpublished(&world.run)).await.expect("the store answers");
    let closable = ground.wait(ground.store().closable(&world.run)).await.expect("the store answers");
    totals.state(SampleState::Written) == 0 && closed.is_empty() && closable.is_empty()
}

/// For a person who wonders why the run is not over.
pub(super) async fn what_is_left(world: &World) -> String {
    let ground = &world.line.ground;
    let totals = ground.wait(ground.store().totals(&world.run)).await.expect("the store answers");
    let states = SampleState::ALL.iter().filter(|state| totals.state(**state) > 0);
    let counts: Vec<String> = states.map(|state| format!("{} {}", totals.state(*state), state.as_str())).collect();
    format!("run {}, {}, {} calls open", world.state().await.as_str(), counts.join(", "), totals.in_flight)
}

/// SHA-256 of the published files by name.
pub(super) async fn shards(world: &World) -> BTreeMap<String, String> {
    let ground = &world.line.ground;
    let published = ground.wait(ground.store().published(&world.run)).await.expect("the store answers");
    published.into_iter().flat_map(|shard| shard.files).map(|file| (file.name, file.sha256)).collect()
}

/// Everything that must hold once the run is over.
pub(super) async fn at_the_end(world: &World) {
    let details = samples(world).await;
    let oracle = &world.line.oracle;
    for detail in &details {
        if let Some(wrong) = unsettled(detail) {
            oracle.violated("end", format!("{}: {wrong}", detail.row.sample));
        }
        if let Some(section) = detail.context.sections.iter().find(|section| section.text.contains(MARKER)) {
            let (sample, text) = (&detail.row.sample, &section.text);
            oracle.violated("poison", format!("a planted fault got into {sample} {}: {text}", section.place));
        }
    }
    if details.len() != world.rows as usize {
        oracle.violated("end", format!("{} rows went in, {} samples came out", world.rows, details.len()));
    }
    let state = world.state().await;
    if !matches!(state, RunState::Done | RunState::Cancelled) {
        oracle.violated("end", format!("the run is {}", state.as_str()));
    }
    files(world, &details).await;
    calls(world).await;
    if world.script.keeps_texts() && details.iter().any(|detail| detail.row.state != SampleState::Packed) {
        let lost = details.iter().find(|detail| detail.row.state != SampleState::Packed);
        oracle.violated("end", format!("nothing went wrong with it, yet: {:?}", lost.map(|detail| &detail.row)));
    }
}

async fn samples(world: &World) -> Vec<SampleDetail> {
    let ground = &world.line.ground;
    let page = ground.wait(ground.store().samples(&world.run, &SampleFilter::default(), 1_000)).await;
    let mut details = Vec::new();
    for row in page.expect("the store answers").rows {
        let detail = ground.wait(ground.store().sample(&world.run, &row.sample)).await;
        details.push(detail.expect("the store answers").expect("a listed sample is there"));
    }
    details
}

/// Every sample is packed, or stopped with a reason.
fn unsettled(detail: &SampleDetail) -> Option<String> {
    match detail.row.state {
        SampleState::Failed | SampleState::Rejected if detail.row.code.is_none() => Some("no reason".to_owned()),
        SampleState::Packed | SampleState::Failed | SampleState::Rejected | SampleState::Cancelled => None,
        other => Some(format!("is {}", other.as_str())),
    }
}

/// The files are those that were published, hold every packed sample once, and nothing that was planted.
async fn files(world: &World, details: &[SampleDetail]) {
    let oracle = &world.line.oracle;
    let ground = &world.line.ground;
    let published = ground.wait(ground.store().published(&world.run)).await.expect("the store answers");
    let mut rows = 0;
    for file in published.iter().flat_map(|shard| &shard.files) {
        let bytes = std::fs::read(world.dir.join("shards").join(&file.name)).unwrap_or_default();
        if bytes.len() as u64 != file.bytes {
            oracle.violated("I7", format!("{} has {} bytes, {} were published", file.name, bytes.len(), file.bytes));
        }
        if file.format == "jsonl" {
            let text = String::from_utf8_lossy(&bytes);
            rows += text.lines().count();
            if let Some(at) = text.find(MARKER) {
                let around: String = text[..at].chars().rev().take(150).collect();
                let around: String = around.chars().rev().chain(text[at..].chars().take(60)).collect();
                oracle.violated("poison", format!("a planted fault got into {}: {around}", file.name));
            }
        }
    }
    let packed = details.iter().filter(|detail| detail.row.state == SampleState::Packed).count();
    if rows != packed {
        oracle.violated("I3", format!("{packed} samples are packed, the shards hold {rows} rows"));
    }
}

/// Nothing that was paid for is asked for again, but for what was in flight; the books agree with the endpoint's.
async fn calls(world: &World) {
    let oracle = &world.line.oracle;
    let stats = world.simulator.stats(false);
    let tally = oracle.tally();
    // A call that is repeated for good reason may meet planted faults and be asked several times more.
    let distinct: BTreeSet<&str> = stats.repeated_requests.iter().map(|repeat| repeat.request.as_str()).collect();
    let repeated = if world.script.endpoint_faults == 0 { stats.repeats } else { distinct.len() as u64 };
    let discards = |what: &What| matches!(what, What::Retry { .. } | What::Replan { .. });
    if !world.script.ops.iter().any(|op| discards(&op.what)) && repeated > tally.interrupted {
        let what = format!("{repeated} calls repeated, {} were interrupted", tally.interrupted);
        oracle.violated("repeats", what);
    }
    if world.script.ops.is_empty() && world.script.store_faults == 0 && tally.rescued == 0 {
        let ground = &world.line.ground;
        let totals = ground.wait(ground.store().totals(&world.run)).await.expect("the store answers");
        if totals.calls != stats.requests {
            oracle.violated("I6", format!("{} calls in the books, {} requests", totals.calls, stats.requests));
        }
    }
}
