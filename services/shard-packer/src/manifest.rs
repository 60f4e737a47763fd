//! Manifest and card of a run's published shards.

use std::collections::BTreeMap;

use agentwrite::ids::Timestamp;
use agentwrite::ports::{PublishedShard, Range, Run, Totals};
use agentwrite::sample::SampleState;
use dataset::{Accounting, CardOptions, DatasetPlace, Manifest, Models, OrdinalRange, SHARD_DIR, ShardFile, card};

use crate::PackError;
use crate::shard::Contents;

const NANO_PER_MICRO: u64 = 1_000;

/// The manifest of these shards. `states` stands beside `totals` because a repack has other states than its run.
pub(crate) fn describe(
    run: &Run,
    totals: &Totals,
    states: BTreeMap<String, u64>,
    shards: &[PublishedShard],
    contents: &Contents,
    now: Timestamp,
) -> Result<Manifest, PackError> {
    let text = &run.config.text;
    let models = |found: &std::collections::BTreeSet<String>, configured: &str| {
        // Without a row the configuration is all there is to say.
        if found.is_empty() { vec![configured.to_owned()] } else { found.iter().cloned().collect() }
    };
    let manifest = Manifest {
        name: run.name.clone(),
        files: shards.iter().flat_map(files).collect(),
        empty_ranges: shards.iter().filter_map(empty_range).collect(),
        states,
        tally: contents.tally.clone(),
        models: Models {
            plan: models(&contents.plan_models, &text.plan.model),
            write: models(&contents.write_models, &text.write.model),
        },
        prompt_version: text.prompts.version().to_hex(),
        config_hash: text.hash().to_hex(),
        accounting: accounting(run, totals, now),
        ..Manifest::default()
    };
    Ok(manifest.seal()?)
}

/// Samples by state, those that hold none left out.
pub(crate) fn states_of(totals: &Totals) -> BTreeMap<String, u64> {
    let states = SampleState::ALL.iter().zip(totals.states);
    states.filter(|(_, count)| *count > 0).map(|(state, count)| (state.as_str().to_owned(), count)).collect()
}

/// Puts the manifest and the card in place, each as a whole. The card goes last: it shows the manifest's hash.
pub(crate) fn write(
    place: &dyn DatasetPlace,
    manifest: &Manifest,
    synthetic: bool,
    suffix: &str,
) -> Result<(), PackError> {
    place.write_manifest(manifest, suffix)?;
    let options = CardOptions { synthetic, ..CardOptions::default() };
    Ok(place.write_card(&card(manifest, &options), suffix)?)
}

/// The manifest's entries of a shard's files.
pub(crate) fn files(shard: &PublishedShard) -> impl Iterator<Item = ShardFile> {
    let ordinals = OrdinalRange(shard.ordinals.0, shard.ordinals.1);
    shard.files.iter().map(move |file| ShardFile {
        name: format!("{SHARD_DIR}/{}", file.name),
        format: file.format.clone(),
        rows: shard.rows,
        bytes: file.bytes,
        sha256: file.sha256.clone(),
        ordinals,
    })
}

/// A main range without a row. The ordinals of an empty supplement are other ranges' business.
fn empty_range(shard: &PublishedShard) -> Option<OrdinalRange> {
    let is_empty = shard.rows == 0 && matches!(shard.range, Range::Main(_));
    is_empty.then_some(OrdinalRange(shard.ordinals.0, shard.ordinals.1))
}

fn accounting(run: &Run, totals: &Totals, now: Timestamp) -> Accounting {
    let attempts = [
        ("called", totals.calls),
        ("failed", totals.failed_calls),
        ("throttled", totals.throttled_calls),
        ("wasted", totals.wasted_calls),
        ("orphaned", totals.orphaned_calls),
    ];
    Accounting {
        run_id: run.id.as_str().to_owned(),
        submitted_at: rfc3339(run.created_at),
        written_at: rfc3339(now),
        attempts: attempts.map(|(outcome, count)| (outcome.to_owned(), count)).into(),
        prompt_tokens: totals.prompt_tokens,
        cached_prompt_tokens: totals.cached_tokens,
        completion_tokens: totals.completion_tokens,
        spend_micro_usd: totals.settled_nanousd.div_ceil(NANO_PER_MICRO),
        suspect_micro_usd: totals.reserved_nanousd.div_ceil(NANO_PER_MICRO),
    }
}

fn rfc3339(time: Timestamp) -> String {
    let time = chrono::DateTime::from_timestamp_millis(time.0).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(rfc3339(Timestamp(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
    }
}
