//! Intake: runs and their samples.

use agentwrite::config::{Limits, RunConfig};
use agentwrite::ids::{Hash, RunId, Timestamp};
use agentwrite::ports::{Added, Range, Run, RunState, Totals};
use agentwrite::sample::{Input, SampleState};

use super::MemoryError;
use super::rows::Sample;
use super::state::{RunData, State, count_state};

use std::collections::BTreeMap;

/// Creates a run, or returns the one that has this id.
pub(super) fn create_run(
    state: &mut State,
    id: &RunId,
    name: &str,
    config: &RunConfig,
    limits: &Limits,
    now: Timestamp,
) -> Run {
    let run = state.runs.entry(id.clone()).or_insert_with(|| RunData {
        id: id.clone(),
        name: name.to_owned(),
        state: RunState::Pending,
        reason: None,
        configs: vec![config.clone()],
        limits: *limits,
        ordered: false,
        created_at: now,
        control_epoch: 0,
        supplements: 0,
        samples: BTreeMap::new(),
        ordinals: BTreeMap::new(),
        plans: BTreeMap::new(),
        sections: BTreeMap::new(),
        results: BTreeMap::new(),
        tasks: BTreeMap::new(),
        attempts: BTreeMap::new(),
        tries: BTreeMap::new(),
        answers: BTreeMap::new(),
        shards: BTreeMap::new(),
        members: BTreeMap::new(),
        totals: Totals::default(),
        statistics: BTreeMap::new(),
        actions: Vec::new(),
    });
    run.view()
}

/// Adds samples with the next ordinals; a key that is there already adds nothing. A row whose range is closed goes to a
/// supplementary range, since a closed shard never changes (I7).
pub(super) fn add_samples(state: &mut State, run: &RunId, inputs: &[(Input, u32)]) -> Result<Added, MemoryError> {
    let run = state.run_mut(run)?;
    let mut added = Added::default();
    let mut supplement = None;
    for (input, estimate) in inputs {
        let id = input.sample_id();
        if run.samples.contains_key(&id) {
            added.present += 1;
            continue;
        }
        let ordinal = run.samples.len() as u64;
        let mut range = Range::Main((ordinal / u64::from(run.config().shard_size.max(1))) as u32);
        if run.shards.contains_key(&range) {
            range = *supplement.get_or_insert_with(|| {
                run.supplements += 1;
                Range::Supplement(run.supplements)
            });
        }
        let config_version = run.config_version();
        run.ordinals.insert(ordinal, id.clone());
        run.samples.insert(id, fresh(input, ordinal, range, *estimate, config_version));
        count_state(&mut run.totals, SampleState::Pending, 1);
        added.added += 1;
    }
    Ok(added)
}

fn fresh(input: &Input, ordinal: u64, range: Range, estimate: u32, config_version: u32) -> Sample {
    Sample {
        input: input.clone(),
        ordinal,
        state: SampleState::Pending,
        range,
        revision: 0,
        generation: 0,
        config_version,
        estimate,
        places: 0,
        filled: 0,
        words: 0,
        chain: None,
        model: None,
        code: None,
        reason: None,
        verdict: None,
    }
}

/// Ends intake. A run that was done goes on when rows were added.
pub(super) fn start_run(state: &mut State, run: &RunId) -> Result<(), MemoryError> {
    let run = state.run_mut(run)?;
    let open = run.samples.values().any(|sample| !sample.state.is_terminal());
    if run.state == RunState::Pending || (run.state == RunState::Done && open) {
        run.state = RunState::Running;
        run.reason = None;
    }
    Ok(())
}

/// The sample keys in ordinal order.
pub(super) fn sample_keys(state: &State, run: &RunId) -> Vec<Hash> {
    state.runs.get(run).map_or_else(Vec::new, |run| run.in_order().map(|(_, sample)| sample.input.key()).collect())
}

/// Marks a running run done if every sample is terminal and every range published.
pub(super) fn finish_run(state: &mut State, run: &RunId) -> Result<RunState, MemoryError> {
    let run = state.run_mut(run)?;
    let published = |range: &Range| run.shards.get(range).is_some_and(|shard| shard.published);
    let finished = |sample: &Sample| sample.state.is_terminal() && published(&sample.range);
    if run.state == RunState::Running && run.samples.values().all(finished) {
        run.state = RunState::Done;
    }
    Ok(run.state)
}
