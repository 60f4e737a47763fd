//! `record_result`: what accepted results leave behind, sorted by table.

use std::collections::BTreeMap;

use agentwrite::ports::{FollowUp, RecordResult, TaskResult};

use super::answers::text_hash;
use super::record::Batch;
use crate::columns::{Unsound, to_json};

/// Texts, sections, plans, and what becomes of the samples.
#[derive(Default)]
pub(super) struct Written<'a> {
    /// By hash.
    pub(super) texts: Vec<(String, &'a str)>,
    pub(super) sections: Vec<Section<'a>>,
    pub(super) plans: Vec<Plan<'a>>,
    /// Each sample once.
    pub(super) samples: Vec<Moved<'a>>,
}

/// An accepted section.
pub(super) struct Section<'a> {
    pub(super) record: &'a RecordResult,
    pub(super) hash: String,
    pub(super) chain: String,
    pub(super) words: u32,
    pub(super) flags: String,
}

/// An accepted plan.
pub(super) struct Plan<'a> {
    pub(super) record: &'a RecordResult,
    pub(super) body: String,
    pub(super) chain: String,
}

/// A sample that goes on.
pub(super) struct Moved<'a> {
    pub(super) run: &'a str,
    pub(super) sample: &'a str,
    /// It has a plan of so many places now.
    pub(super) places: Option<i64>,
    pub(super) filled: i64,
    pub(super) words: i64,
    pub(super) chain: String,
}

impl<'a> Written<'a> {
    /// What the accepted results of a batch leave behind.
    pub(super) fn of(batch: &Batch<'a>) -> Result<Self, Unsound> {
        let mut written = Self { samples: moved(batch), ..Self::default() };
        for record in batch.accepted() {
            match &record.result {
                TaskResult::Section { text, words, flags, chain } => {
                    let hash = text_hash(text);
                    written.texts.push((hash.clone(), text.as_str()));
                    let (chain, flags) = (chain.to_hex(), to_json(flags)?);
                    written.sections.push(Section { record, hash, chain, words: *words, flags });
                }
                TaskResult::Plan { plan, chain } => {
                    written.plans.push(Plan { record, body: to_json(plan)?, chain: chain.to_hex() });
                }
                TaskResult::Other(_) => {}
            }
        }
        Ok(written)
    }
}

/// Parallel mode can fill several places of a sample in one batch; an update sees a row once, so they are added up first.
fn moved<'a>(batch: &Batch<'a>) -> Vec<Moved<'a>> {
    let mut moved: BTreeMap<(&str, &str), Moved<'a>> = BTreeMap::new();
    for record in batch.accepted() {
        let (run, sample) = (record.task.run.as_str(), record.task.subject.as_str());
        for follow_up in &record.follow_ups {
            let (places, filled, words, chain) = match (follow_up, &record.result) {
                (FollowUp::SamplePlanned { places }, TaskResult::Plan { chain, .. }) => {
                    (Some(i64::from(*places)), 0, 0, chain)
                }
                (FollowUp::PlaceFilled, TaskResult::Section { words, chain, .. }) => {
                    (None, 1, i64::from(*words), chain)
                }
                _ => continue,
            };
            let fresh = || Moved { run, sample, places: None, filled: 0, words: 0, chain: String::new() };
            let entry = moved.entry((run, sample)).or_insert_with(fresh);
            entry.places = places.or(entry.places);
            entry.filled += filled;
            entry.words += words;
            entry.chain = chain.to_hex();
        }
    }
    moved.into_values().collect()
}
