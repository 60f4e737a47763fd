//! Reading: status, lists by key, one sample, failures by cause.

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, RunId, SampleId, Timestamp};
use agentwrite::ports::{
    AnswerRow, AttemptRow, FailureGroup, OperatorAction, ReportStore, SampleDetail, SampleFilter, SampleOutline,
    SamplePage, SampleRow, StatisticsRow, StoreError, Totals,
};
use agentwrite::sample::SampleState;
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::statement::{all, first, json, json_or_none};
use super::{SqliteStore, invariants, load, outlines};
use crate::columns::sample_state;

#[async_trait]
impl ReportStore for SqliteStore {
    async fn totals(&self, run: &RunId) -> Result<Totals, StoreError> {
        let run = run.clone();
        let totals = self.reader.run("totals", move |connection| read_totals(connection, &run)).await?;
        Ok(totals.unwrap_or_default())
    }

    async fn samples(&self, run: &RunId, filter: &SampleFilter, most: u32) -> Result<SamplePage, StoreError> {
        let (run, filter) = (run.clone(), filter.clone());
        let mut rows = self
            .reader
            .run("samples", move |connection| {
                let parameters = params![
                    run.as_str(),
                    filter.after.map_or(-1, |after| after as i64),
                    filter.state.map(SampleState::as_str),
                    filter.error.map(ErrorCode::as_str),
                    i64::from(most) + 1
                ];
                all(connection, sql!("sample_list"), parameters, sample_row)
            })
            .await?;
        // One more than asked for was read, so that the last page is known to be the last.
        let more = rows.len() > most as usize;
        rows.truncate(most as usize);
        let next = rows.last().filter(|_| more).map(|row| row.ordinal);
        Ok(SamplePage { rows, next })
    }

    async fn sample(&self, run: &RunId, sample: &SampleId) -> Result<Option<SampleDetail>, StoreError> {
        let (run, sample) = (run.clone(), sample.clone());
        self.reader.run("sample", move |connection| detail(connection, &run, &sample)).await
    }

    async fn outlines(&self, run: &RunId, samples: &[SampleId]) -> Result<Vec<SampleOutline>, StoreError> {
        let (run, samples) = (run.clone(), samples.to_vec());
        self.reader.run("outlines", move |connection| outlines::outlines(connection, &run, &samples)).await
    }

    async fn failures(&self, run: &RunId) -> Result<Vec<FailureGroup>, StoreError> {
        let run = run.clone();
        self.reader
            .run("failures", move |connection| {
                all(connection, sql!("failure_groups"), [run.as_str()], |row| {
                    Ok(FailureGroup {
                        state: state(row)?,
                        code: row.get::<_, Option<String>>("code")?.unwrap_or_default(),
                        samples: row.get::<_, i64>("samples")? as u64,
                        example: SampleId::new(row.get::<_, String>("example")?),
                        reason: row.get::<_, Option<String>>("reason")?.unwrap_or_default(),
                        evidence: row.get("evidence")?,
                    })
                })
            })
            .await
    }

    async fn attempt_codes(&self, run: &RunId) -> Result<Vec<(String, u64)>, StoreError> {
        let run = run.clone();
        self.reader
            .run("attempt_codes", move |connection| {
                all(connection, sql!("attempt_codes"), [run.as_str()], |row| {
                    Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))
                })
            })
            .await
    }

    async fn statistics(&self, run: &RunId, since: Timestamp) -> Result<Vec<StatisticsRow>, StoreError> {
        let run = run.clone();
        self.reader
            .run("statistics", move |connection| {
                all(connection, sql!("statistics_read"), params![run.as_str(), since.0], |row| {
                    Ok(StatisticsRow { at: Timestamp(row.get(0)?), totals: json(row, 1)? })
                })
            })
            .await
    }

    async fn actions(&self, run: &RunId) -> Result<Vec<OperatorAction>, StoreError> {
        let run = run.clone();
        self.reader
            .run("actions", move |connection| {
                all(connection, sql!("action_list"), [run.as_str()], |row| {
                    let at = Timestamp(row.get(0)?);
                    Ok(OperatorAction {
                        at,
                        who: row.get(1)?,
                        action: row.get(2)?,
                        before: row.get(3)?,
                        after: row.get(4)?,
                    })
                })
            })
            .await
    }

    async fn violations(&self, run: &RunId) -> Result<Vec<(String, String, String)>, StoreError> {
        let run = run.clone();
        // One transaction, so one snapshot, for all checks: a commit between two of them would look like a violation.
        self.reader.run("violations", move |connection| invariants::violations(connection, &run)).await
    }
}

pub(super) fn read_totals(connection: &Connection, run: &RunId) -> rusqlite::Result<Option<Totals>> {
    let counters = first(connection, sql!("totals_read"), [run.as_str()], |row| {
        let read = |name: &str| row.get::<_, i64>(name).map(|value| value.max(0) as u64);
        Ok(Totals {
            states: [0; 9],
            sections: read("sections")?,
            words: read("words")?,
            calls: read("calls")?,
            in_flight: read("in_flight")?,
            failed_calls: read("failed_calls")?,
            wasted_calls: read("wasted_calls")?,
            orphaned_calls: read("orphaned_calls")?,
            throttled_calls: read("throttled_calls")?,
            prompt_tokens: read("prompt_tokens")?,
            cached_tokens: read("cached_tokens")?,
            completion_tokens: read("completion_tokens")?,
            settled_nanousd: read("settled_nanousd")?,
            reserved_nanousd: read("reserved_nanousd")?,
        })
    })?;
    let Some(mut totals) = counters else { return Ok(None) };
    totals.states = samples_by_state(connection, run)?;
    Ok(Some(totals))
}

/// Samples of a run, in the order of [`SampleState::ALL`].
pub(super) fn samples_by_state(connection: &Connection, run: &RunId) -> rusqlite::Result<[u64; 9]> {
    let counts: Vec<(String, i64)> = all(connection, sql!("totals_states"), [run.as_str()], |row| row.try_into())?;
    let mut states = [0; 9];
    for (name, count) in counts {
        if let Some(index) = SampleState::ALL.iter().position(|state| state.as_str() == name) {
            states[index] = count.max(0) as u64;
        }
    }
    Ok(states)
}

/// Reads the column `state` of a sample.
pub(super) fn state(row: &Row<'_>) -> rusqlite::Result<SampleState> {
    Ok(sample_state(row.get_ref("state")?.as_str()?)?)
}

fn sample_row(row: &Row<'_>) -> rusqlite::Result<SampleRow> {
    Ok(SampleRow {
        sample: SampleId::new(row.get::<_, String>("sample")?),
        ordinal: row.get::<_, i64>("ordinal")? as u64,
        id: row.get("id")?,
        state: state(row)?,
        code: row.get("code")?,
        reason: row.get("reason")?,
        sections: row.get("filled")?,
        places: row.get("places")?,
        words: row.get::<_, i64>("words")? as u64,
        title: row.get::<_, Option<String>>("title")?.unwrap_or_default(),
        generation: row.get("generation")?,
    })
}

fn detail(connection: &Connection, run: &RunId, sample: &SampleId) -> rusqlite::Result<Option<SampleDetail>> {
    let key = params![run.as_str(), sample.as_str()];
    let Some(context) = load::load_context(connection, run, sample)? else { return Ok(None) };
    let attempts = all(connection, sql!("attempt_list"), key, attempt_row)?;
    let answers = all(connection, sql!("answer_list"), key, |row| {
        Ok(AnswerRow {
            attempt: AttemptId::new(row.get::<_, String>(0)?),
            place: row.get(1)?,
            gate: row.get(2)?,
            evidence: row.get(3)?,
            raw: row.get(4)?,
        })
    })?;
    first(connection, sql!("sample_read"), key, |row| {
        Ok(SampleDetail {
            row: sample_row(row)?,
            context,
            verdict: json_or_none(row, "verdict")?,
            attempts,
            answers,
            config_version: row.get("config_version")?,
        })
    })
}

/// Reads the columns of `attempt_list`, by their place: by name each would cost as much as reading it.
pub(super) fn attempt_row(row: &Row<'_>) -> rusqlite::Result<AttemptRow> {
    let tokens = |column: usize| row.get::<_, i64>(column).map(|value| value as u64);
    let money = |column: usize| row.get::<_, Option<i64>>(column).map(|value| value.map(|value| value as u64));
    Ok(AttemptRow {
        attempt: AttemptId::new(row.get::<_, String>(0)?),
        kind: row.get(1)?,
        place: row.get(2)?,
        revision: row.get(3)?,
        generation: row.get(4)?,
        outcome: row.get(5)?,
        code: row.get(6)?,
        message: row.get(7)?,
        started_at: Timestamp(row.get(8)?),
        ended_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
        model: row.get(10)?,
        endpoint: row.get(11)?,
        prompt_tokens: tokens(12)?,
        cached_tokens: tokens(13)?,
        completion_tokens: tokens(14)?,
        cost_nanousd: money(15)?,
        reserved_nanousd: money(16)?,
    })
}
