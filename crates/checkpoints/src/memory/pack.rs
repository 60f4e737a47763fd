//! The store as the shard packer sees it.

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{RunId, SampleId, Timestamp};
use agentwrite::ports::{
    ClosedShard, CompleteSample, PackStore, PackedSample, PublishedShard, Range, RunState, ShardFile, StoreError,
    Verdict,
};
use agentwrite::sample::{SampleContext, SampleEvent, SampleState};
use async_trait::async_trait;

use super::rows::{Membership, Sample, Shard};
use super::state::{RunData, State};
use super::{MemoryError, MemoryStore, load};

fn record_verdict(
    state: &mut State,
    run: &RunId,
    id: &SampleId,
    revision: u32,
    verdict: &Verdict,
) -> Result<(), MemoryError> {
    let Some(run) = state.runs.get_mut(run) else { return Ok(()) };
    let judgeable = |sample: &Sample| sample.state == SampleState::Written && sample.revision == revision;
    if !run.samples.get(id).is_some_and(judgeable) {
        return Ok(());
    }
    if let Some((code, reason)) = &verdict.rejected {
        reject(run, id, *code, reason)?;
    }
    if let Some(sample) = run.samples.get_mut(id) {
        sample.verdict = Some(verdict.clone());
    }
    Ok(())
}

fn reject(run: &mut RunData, id: &SampleId, code: ErrorCode, reason: &str) -> Result<(), MemoryError> {
    let next = run.after(id, SampleEvent::GateRejected)?;
    run.move_to(id, next);
    if let Some(sample) = run.samples.get_mut(id) {
        sample.code = Some(code);
        sample.reason = Some(reason.to_owned());
    }
    Ok(())
}

/// Whether nothing more can happen to a sample before its shard closes.
fn is_settled(sample: &Sample) -> bool {
    sample.state.is_terminal() || (sample.state == SampleState::Written && sample.verdict.is_some())
}

/// Open ranges all of whose samples are settled. While input is being read no range is known to be whole.
fn closable(run: &RunData) -> Vec<Range> {
    if run.state == RunState::Pending {
        return Vec::new();
    }
    let mut ranges: Vec<Range> = run.samples.values().map(|sample| sample.range).collect();
    ranges.sort_unstable();
    ranges.dedup();
    ranges.retain(|range| !run.shards.contains_key(range) && run.of_range(*range).all(|(_, s)| is_settled(s)));
    ranges
}

fn close_range(
    state: &mut State,
    run: &RunId,
    range: Range,
    rejects: &[(SampleId, ErrorCode, String)],
) -> Result<Option<ClosedShard>, MemoryError> {
    let Some(run) = state.runs.get_mut(run) else { return Ok(None) };
    if let Some(shard) = run.shards.get_mut(&range) {
        shard.fence += 1;
        return Ok(Some(closed(run, range)));
    }
    if !closable(run).contains(&range) {
        return Ok(None);
    }
    let written: Vec<SampleId> = run
        .of_range(range)
        .filter(|(_, sample)| sample.state == SampleState::Written)
        .map(|(id, _)| id.clone())
        .collect();
    if let Some((sample, member)) = written.iter().find_map(|id| run.members.get_key_value(id)) {
        return Err(MemoryError::SecondShard { sample: sample.clone(), range: member.range });
    }
    let ordinals: Vec<u64> = run.of_range(range).map(|(_, sample)| sample.ordinal).collect();
    let mut rows = 0;
    for id in &written {
        if let Some((_, code, reason)) = rejects.iter().find(|(rejected, _, _)| rejected == id) {
            reject(run, id, *code, reason)?;
        } else {
            join(run, id, range)?;
            rows += 1;
        }
    }
    let ordinals = (ordinals.first().copied().unwrap_or(0), ordinals.last().copied().unwrap_or(0));
    // A range without rows has no files to wait for.
    run.shards.insert(range, Shard { published: rows == 0, fence: 1, rows, ordinals, files: Vec::new() });
    Ok(Some(closed(run, range)))
}

fn join(run: &mut RunData, id: &SampleId, range: Range) -> Result<(), MemoryError> {
    let next = run.after(id, SampleEvent::ShardClosed)?;
    run.move_to(id, next);
    let revision = run.samples.get(id).map_or(0, |sample| sample.revision);
    run.members.insert(id.clone(), Membership { range, revision });
    Ok(())
}

/// The members of a closed range in ordinal order.
fn members(run: &RunData, range: Range) -> impl Iterator<Item = (&SampleId, &Sample)> {
    run.in_order().filter(move |(id, _)| run.members.get(*id).is_some_and(|member| member.range == range))
}

fn closed(run: &RunData, range: Range) -> ClosedShard {
    let shard = run.shards.get(&range);
    ClosedShard {
        range,
        members: members(run, range).map(|(id, _)| id.clone()).collect(),
        ordinals: shard.map_or((0, 0), |shard| shard.ordinals),
        fence: shard.map_or(0, |shard| shard.fence),
    }
}

/// Fenced; a published shard never changes (I7), so a repeat must bring the same files.
fn publish(state: &mut State, run: &RunId, range: Range, fence: i64, rows: u64, files: &[ShardFile]) -> bool {
    let shard = state.runs.get_mut(run).and_then(|run| run.shards.get_mut(&range));
    match shard {
        None => false,
        Some(shard) if shard.published => shard.rows == rows && shard.files == files,
        Some(shard) if shard.fence != fence => false,
        Some(shard) => {
            (shard.published, shard.rows, shard.files) = (true, rows, files.to_vec());
            true
        }
    }
}

#[async_trait]
impl PackStore for MemoryStore {
    async fn unjudged(&self, run: &RunId, most: u32) -> Result<Vec<SampleContext>, StoreError> {
        self.read(|state| {
            let Some(run) = state.runs.get(run) else { return Vec::new() };
            run.in_order()
                .filter(|(_, sample)| sample.state == SampleState::Written && sample.verdict.is_none())
                .take(most as usize)
                .map(|(id, sample)| load::context(run, id, sample))
                .collect()
        })
    }

    async fn record_verdict(
        &self,
        run: &RunId,
        sample: &SampleId,
        revision: u32,
        verdict: &Verdict,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("record_verdict", |state| record_verdict(state, run, sample, revision, verdict))
    }

    async fn closable(&self, run: &RunId) -> Result<Vec<Range>, StoreError> {
        self.read(|state| state.runs.get(run).map_or_else(Vec::new, closable))
    }

    async fn range_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError> {
        self.read(|state| {
            let Some(run) = state.runs.get(run) else { return Vec::new() };
            run.of_range(range)
                .filter(|(_, sample)| sample.state == SampleState::Written)
                .filter_map(|(id, sample)| load::packed(run, id, sample))
                .collect()
        })
    }

    async fn close_range(
        &self,
        run: &RunId,
        range: Range,
        rejects: &[(SampleId, ErrorCode, String)],
        _now: Timestamp,
    ) -> Result<Option<ClosedShard>, StoreError> {
        self.write("close_range", |state| close_range(state, run, range, rejects))
    }

    async fn publish_shard(
        &self,
        run: &RunId,
        range: Range,
        fence: i64,
        rows: u64,
        files: &[ShardFile],
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write("publish_shard", |state| Ok(publish(state, run, range, fence, rows, files)))
    }

    async fn unpublished(&self, run: &RunId) -> Result<Vec<Range>, StoreError> {
        self.read(|state| {
            let Some(run) = state.runs.get(run) else { return Vec::new() };
            run.shards.iter().filter(|(_, shard)| !shard.published).map(|(range, _)| *range).collect()
        })
    }

    async fn published(&self, run: &RunId) -> Result<Vec<PublishedShard>, StoreError> {
        self.read(|state| {
            let Some(run) = state.runs.get(run) else { return Vec::new() };
            run.shards
                .iter()
                .filter(|(_, shard)| shard.published)
                .map(|(range, shard)| PublishedShard {
                    range: *range,
                    rows: shard.rows,
                    ordinals: shard.ordinals,
                    files: shard.files.clone(),
                })
                .collect()
        })
    }

    async fn packed_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError> {
        self.read(|state| {
            let Some(run) = state.runs.get(run) else { return Vec::new() };
            members(run, range).filter_map(|(id, sample)| load::packed(run, id, sample)).collect()
        })
    }

    async fn complete_samples(
        &self,
        run: &RunId,
        after: Option<u64>,
        most: u32,
    ) -> Result<Vec<CompleteSample>, StoreError> {
        self.read(|state| {
            let Some(run) = state.runs.get(run) else { return Vec::new() };
            let is_whole = |state| matches!(state, SampleState::Written | SampleState::Packed | SampleState::Rejected);
            run.in_order()
                .filter(|(_, sample)| is_whole(sample.state) && after.is_none_or(|after| sample.ordinal > after))
                .take(most as usize)
                .map(|(id, sample)| CompleteSample {
                    context: load::context(run, id, sample),
                    state: sample.state,
                    code: sample.code,
                    config_version: sample.config_version,
                })
                .collect()
        })
    }
}
