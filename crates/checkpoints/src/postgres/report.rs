//! Reading: status, lists by key, one sample, failures by cause.

use agentwrite::ids::{AttemptId, RunId, SampleId, Timestamp};
use agentwrite::ports::{
    AnswerRow, AttemptRow, FailureGroup, OperatorAction, ReportStore, SampleDetail, SampleFilter, SampleOutline,
    SamplePage, SampleRow, StatisticsRow, StoreError, Totals,
};
use agentwrite::sample::SampleState;
use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::rows::{body, number};
use super::{PostgresStore, invariants, load, outlines};
use crate::columns::{json, sample_state};

#[async_trait]
impl ReportStore for PostgresStore {
    async fn totals(&self, run: &RunId) -> Result<Totals, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("totals {run}"), error);
        let mut connection = self.readers.acquire().await.map_err(fail)?;
        Ok(read_totals(&mut connection, run).await.map_err(fail)?.unwrap_or_default())
    }

    async fn samples(&self, run: &RunId, filter: &SampleFilter, most: u32) -> Result<SamplePage, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("samples {run}"), error);
        let rows = sqlx::query(sql!("sample_list"))
            .bind(run.as_str())
            .bind(filter.after.map_or(-1, |after| after as i64))
            .bind(filter.state.map(SampleState::as_str))
            .bind(filter.error.map(agentwrite::failure::ErrorCode::as_str))
            .bind(i64::from(most) + 1)
            .fetch_all(&self.readers)
            .await
            .map_err(fail)?;
        let mut rows: Vec<SampleRow> = rows.iter().map(sample_row).collect::<Result<_, _>>().map_err(fail)?;
        // One more than asked for was read, so that the last page is known to be the last.
        let more = rows.len() > most as usize;
        rows.truncate(most as usize);
        let next = rows.last().filter(|_| more).map(|row| row.ordinal);
        Ok(SamplePage { rows, next })
    }

    async fn sample(&self, run: &RunId, sample: &SampleId) -> Result<Option<SampleDetail>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("sample {sample}"), error);
        let mut connection = self.readers.acquire().await.map_err(fail)?;
        detail(&mut connection, run, sample).await.map_err(fail)
    }

    async fn outlines(&self, run: &RunId, samples: &[SampleId]) -> Result<Vec<SampleOutline>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("outlines {run}"), error);
        let mut connection = self.readers.acquire().await.map_err(fail)?;
        outlines::outlines(&mut connection, run, samples).await.map_err(fail)
    }

    async fn failures(&self, run: &RunId) -> Result<Vec<FailureGroup>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("failures {run}"), error);
        let rows =
            sqlx::query(sql!("failure_groups")).bind(run.as_str()).fetch_all(&self.readers).await.map_err(fail)?;
        rows.iter()
            .map(|row| {
                Ok(FailureGroup {
                    state: state(row)?,
                    code: row.try_get::<Option<String>, _>("code")?.unwrap_or_default(),
                    samples: number(row, "samples")?,
                    example: SampleId::new(row.try_get::<String, _>("example")?),
                    reason: row.try_get::<Option<String>, _>("reason")?.unwrap_or_default(),
                    evidence: row.try_get::<Option<Vec<u8>>, _>("evidence")?.map(body).transpose()?,
                })
            })
            .collect::<Result<_, _>>()
            .map_err(fail)
    }

    async fn attempt_codes(&self, run: &RunId) -> Result<Vec<(String, u64)>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(sql!("attempt_codes"))
            .bind(run.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(|error| StoreError::new(format!("attempt_codes {run}"), error))?;
        Ok(rows.into_iter().map(|(code, count)| (code, count as u64)).collect())
    }

    async fn statistics(&self, run: &RunId, since: Timestamp) -> Result<Vec<StatisticsRow>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("statistics {run}"), error);
        let rows: Vec<(i64, String)> = sqlx::query_as(sql!("statistics_read"))
            .bind(run.as_str())
            .bind(since.0)
            .fetch_all(&self.readers)
            .await
            .map_err(fail)?;
        rows.into_iter()
            .map(|(at, totals)| Ok(StatisticsRow { at: Timestamp(at), totals: json(&totals)? }))
            .collect::<Result<_, _>>()
            .map_err(fail)
    }

    async fn actions(&self, run: &RunId) -> Result<Vec<OperatorAction>, StoreError> {
        let rows: Vec<(i64, String, String, String, String)> = sqlx::query_as(sql!("action_list"))
            .bind(run.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(|error| StoreError::new(format!("actions {run}"), error))?;
        let action =
            |(at, who, action, before, after)| OperatorAction { at: Timestamp(at), who, action, before, after };
        Ok(rows.into_iter().map(action).collect())
    }

    async fn violations(&self, run: &RunId) -> Result<Vec<(String, String, String)>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("violations {run}"), error);
        // One snapshot for all checks: a commit between two of them would look like a violation.
        let mut snapshot =
            self.readers.begin_with("begin isolation level repeatable read read only").await.map_err(fail)?;
        invariants::violations(&mut snapshot, run).await.map_err(fail)
    }
}

pub(super) async fn read_totals(connection: &mut PgConnection, run: &RunId) -> Result<Option<Totals>, sqlx::Error> {
    let row = sqlx::query(sql!("totals_read")).bind(run.as_str()).fetch_optional(&mut *connection).await?;
    let Some(row) = row else { return Ok(None) };
    let read = |name: &str| row.try_get::<i64, _>(name).map(|value| value.max(0) as u64);
    let mut totals = Totals {
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
    };
    let states: Vec<(String, i64)> =
        sqlx::query_as(sql!("totals_states")).bind(run.as_str()).fetch_all(connection).await?;
    for (name, count) in states {
        if let Some(index) = SampleState::ALL.iter().position(|state| state.as_str() == name) {
            totals.states[index] = count.max(0) as u64;
        }
    }
    Ok(Some(totals))
}

pub(super) fn state(row: &PgRow) -> Result<SampleState, sqlx::Error> {
    Ok(sample_state(row.try_get("state")?)?)
}

fn sample_row(row: &PgRow) -> Result<SampleRow, sqlx::Error> {
    Ok(SampleRow {
        sample: SampleId::new(row.try_get::<String, _>("sample")?),
        ordinal: number(row, "ordinal")?,
        id: row.try_get("id")?,
        state: state(row)?,
        code: row.try_get("code")?,
        reason: row.try_get("reason")?,
        sections: number(row, "filled")?,
        places: number(row, "places")?,
        words: number(row, "words")?,
        title: row.try_get("title")?,
        generation: number(row, "generation")?,
    })
}

async fn detail(
    connection: &mut PgConnection,
    run: &RunId,
    sample: &SampleId,
) -> Result<Option<SampleDetail>, sqlx::Error> {
    let row = sqlx::query(sql!("sample_read"))
        .bind(run.as_str())
        .bind(sample.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let (Some(row), Some(context)) = (row, load::load_context(connection, run, sample).await?) else {
        return Ok(None);
    };
    let attempts =
        sqlx::query(sql!("attempt_list")).bind(run.as_str()).bind(sample.as_str()).fetch_all(&mut *connection).await?;
    let answers =
        sqlx::query(sql!("answer_list")).bind(run.as_str()).bind(sample.as_str()).fetch_all(connection).await?;
    Ok(Some(SampleDetail {
        row: sample_row(&row)?,
        context,
        verdict: row.try_get::<Option<&str>, _>("verdict")?.map(json).transpose()?,
        attempts: attempts.iter().map(attempt_row).collect::<Result<_, _>>()?,
        answers: answers.iter().map(answer_row).collect::<Result<_, _>>()?,
        config_version: number(&row, "config_version")?,
    }))
}

fn answer_row(row: &PgRow) -> Result<AnswerRow, sqlx::Error> {
    Ok(AnswerRow {
        attempt: AttemptId::new(row.try_get::<String, _>(0)?),
        place: number(row, 1)?,
        gate: row.try_get(2)?,
        evidence: row.try_get(3)?,
        raw: body(row.try_get(4)?)?,
    })
}

pub(super) fn attempt_row(row: &PgRow) -> Result<AttemptRow, sqlx::Error> {
    let tokens = |name: &str| row.try_get::<i64, _>(name).map(|value| value as u64);
    let money = |name: &str| row.try_get::<Option<i64>, _>(name).map(|value| value.map(|value| value as u64));
    Ok(AttemptRow {
        attempt: AttemptId::new(row.try_get::<String, _>("attempt")?),
        kind: row.try_get("kind")?,
        place: number(row, "place")?,
        revision: number(row, "revision")?,
        generation: number(row, "generation")?,
        outcome: row.try_get("outcome")?,
        code: row.try_get("code")?,
        message: row.try_get("message")?,
        started_at: Timestamp(row.try_get("started_at")?),
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(Timestamp),
        model: row.try_get("model")?,
        endpoint: row.try_get("endpoint")?,
        prompt_tokens: tokens("prompt_tokens")?,
        cached_tokens: tokens("cached_tokens")?,
        completion_tokens: tokens("completion_tokens")?,
        cost_nanousd: money("cost_nanousd")?,
        reserved_nanousd: money("reserved_nanousd")?,
    })
}
