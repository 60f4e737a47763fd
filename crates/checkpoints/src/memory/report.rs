//! The store as readers see it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, RunId, SampleId, Timestamp};
use agentwrite::ports::{
    AnswerRow, AttemptRow, FailureGroup, OperatorAction, ReportStore, SampleDetail, SampleFilter, SampleOutline,
    SamplePage, SampleRow, StatisticsRow, StoreError, Totals,
};
use agentwrite::sample::SampleState;
use async_trait::async_trait;

use super::rows::{Attempt, Sample};
use super::state::RunData;
use super::{MemoryStore, load, outlines, violations};

fn row(id: &SampleId, sample: &Sample) -> SampleRow {
    SampleRow {
        sample: id.clone(),
        ordinal: sample.ordinal,
        id: sample.input.id.clone(),
        state: sample.state,
        code: sample.code.map(|code| code.as_str().to_owned()),
        reason: sample.reason.clone(),
        sections: sample.filled,
        places: sample.places,
        words: sample.words,
        title: sample.input.instruction().chars().take(120).collect(),
        generation: sample.generation,
    }
}

fn page(run: &RunData, filter: &SampleFilter, most: u32) -> SamplePage {
    let fits = |sample: &Sample| {
        filter.after.is_none_or(|after| sample.ordinal > after)
            && filter.state.is_none_or(|state| sample.state == state)
            && filter.error.is_none_or(|code| sample.code == Some(code))
    };
    let mut rows: Vec<SampleRow> = run
        .in_order()
        .filter(|(_, sample)| fits(sample))
        .take(most as usize + 1)
        .map(|(id, sample)| row(id, sample))
        .collect();
    let more = rows.len() > most as usize;
    rows.truncate(most as usize);
    let next = rows.last().filter(|_| more).map(|row| row.ordinal);
    SamplePage { rows, next }
}

fn detail(run: &RunData, id: &SampleId) -> Option<SampleDetail> {
    let sample = run.samples.get(id)?;
    let answers = run.answers.get(id.as_str()).map_or(&[][..], Vec::as_slice);
    Some(SampleDetail {
        row: row(id, sample),
        context: load::context(run, id, sample),
        verdict: sample.verdict.clone(),
        attempts: attempts(run, id).collect(),
        answers: answers
            .iter()
            .map(|answer| AnswerRow {
                attempt: answer.attempt.clone(),
                place: answer.key.place,
                gate: answer.kept.gate.clone(),
                evidence: answer.kept.evidence.clone(),
                raw: answer.kept.raw.clone(),
            })
            .collect(),
        config_version: sample.config_version,
    })
}

/// All tries, oldest first.
pub(super) fn attempts(run: &RunData, id: &SampleId) -> impl Iterator<Item = AttemptRow> {
    let tries = run.tries.get(id.as_str()).map_or(&[][..], Vec::as_slice);
    tries.iter().filter_map(|id| Some(attempt_row(id, run.attempts.get(id)?)))
}

fn attempt_row(id: &AttemptId, attempt: &Attempt) -> AttemptRow {
    let end = attempt.end.as_ref();
    AttemptRow {
        attempt: id.clone(),
        kind: attempt.key.kind.as_str().to_owned(),
        place: attempt.key.place,
        revision: attempt.key.revision,
        generation: attempt.generation,
        outcome: attempt.outcome.as_str().to_owned(),
        code: attempt.code.clone(),
        message: attempt.message.clone(),
        started_at: attempt.started_at,
        ended_at: attempt.ended_at,
        model: end.map(|end| end.model.clone()),
        endpoint: end.map(|end| end.endpoint.clone()),
        prompt_tokens: end.map_or(0, |end| end.usage.prompt_tokens),
        cached_tokens: end.map_or(0, |end| end.usage.cached_tokens),
        completion_tokens: end.map_or(0, |end| end.usage.completion_tokens),
        cost_nanousd: end.and_then(|end| end.cost_nanousd),
        reserved_nanousd: attempt.reserved_nanousd,
    }
}

fn failures(run: &RunData) -> Vec<FailureGroup> {
    let mut groups: BTreeMap<(SampleState, Option<ErrorCode>), FailureGroup> = BTreeMap::new();
    let stopped = |state| matches!(state, SampleState::Failed | SampleState::Rejected);
    for (id, sample) in run.in_order().filter(|(_, sample)| stopped(sample.state)) {
        let group = groups.entry((sample.state, sample.code)).or_insert_with(|| FailureGroup {
            state: sample.state,
            code: sample.code.map(|code| code.as_str().to_owned()).unwrap_or_default(),
            samples: 0,
            example: id.clone(),
            reason: sample.reason.clone().unwrap_or_default(),
            evidence: evidence(run, id.as_str(), sample.state),
        });
        group.samples += 1;
    }
    let mut groups: Vec<FailureGroup> = groups.into_values().collect();
    groups.sort_by_key(|group| (Reverse(group.samples), group.code.clone(), group.state.as_str()));
    groups
}

/// The last answer that was turned down; a sample gate turns down a whole text, of which no answer is evidence.
fn evidence(run: &RunData, id: &str, state: SampleState) -> Option<String> {
    let answers = run.answers.get(id).filter(|_| state == SampleState::Failed)?;
    let turned_down = answers.iter().rev().find(|answer| answer.kept.was_turned_down())?;
    Some(turned_down.kept.raw.clone())
}

/// Codes of failed attempts and gates of rejected answers; an attempt that has both of the same name counts once.
fn attempt_codes(run: &RunData) -> Vec<(String, u64)> {
    let mut seen: BTreeSet<(String, AttemptId)> = BTreeSet::new();
    for (id, attempt) in &run.attempts {
        seen.extend(attempt.code.clone().map(|code| (code, id.clone())));
    }
    for answer in run.answers.values().flatten().filter(|answer| answer.kept.was_turned_down()) {
        seen.insert((answer.kept.gate.clone(), answer.attempt.clone()));
    }
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (code, _) in seen {
        *counts.entry(code).or_default() += 1;
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts
}

#[async_trait]
impl ReportStore for MemoryStore {
    async fn totals(&self, run: &RunId) -> Result<Totals, StoreError> {
        self.read(|state| state.runs.get(run).map_or_else(Totals::default, |run| run.totals))
    }

    async fn samples(&self, run: &RunId, filter: &SampleFilter, most: u32) -> Result<SamplePage, StoreError> {
        self.read(|state| state.runs.get(run).map_or_else(SamplePage::default, |run| page(run, filter, most)))
    }

    async fn sample(&self, run: &RunId, sample: &SampleId) -> Result<Option<SampleDetail>, StoreError> {
        self.read(|state| state.runs.get(run).and_then(|run| detail(run, sample)))
    }

    async fn outlines(&self, run: &RunId, samples: &[SampleId]) -> Result<Vec<SampleOutline>, StoreError> {
        self.read(|state| state.runs.get(run).map_or_else(Vec::new, |run| outlines::outlines(run, samples)))
    }

    async fn failures(&self, run: &RunId) -> Result<Vec<FailureGroup>, StoreError> {
        self.read(|state| state.runs.get(run).map_or_else(Vec::new, failures))
    }

    async fn attempt_codes(&self, run: &RunId) -> Result<Vec<(String, u64)>, StoreError> {
        self.read(|state| state.runs.get(run).map_or_else(Vec::new, attempt_codes))
    }

    async fn statistics(&self, run: &RunId, since: Timestamp) -> Result<Vec<StatisticsRow>, StoreError> {
        self.read(|state| {
            let Some(run) = state.runs.get(run) else { return Vec::new() };
            let rows = run.statistics.range(since.0..);
            rows.map(|(at, totals)| StatisticsRow { at: Timestamp(*at), totals: *totals }).collect()
        })
    }

    async fn actions(&self, run: &RunId) -> Result<Vec<OperatorAction>, StoreError> {
        self.read(|state| state.runs.get(run).map_or_else(Vec::new, |run| run.actions.clone()))
    }

    async fn violations(&self, run: &RunId) -> Result<Vec<(String, String, String)>, StoreError> {
        self.read(|state| state.runs.get(run).map_or_else(Vec::new, violations::violations))
    }
}
