//! Reads for the command line that no service needs: what is left to do, samples by name, lengths, costs.

use std::collections::HashMap;

use agentwrite::ids::{RunId, SampleId, Timestamp};
use agentwrite::ports::{OutcomeTotals, OverviewStore, RunRow, StoreError, WholeLength};
use agentwrite::sample::SampleState;
use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::report::state;
use super::rows::remark;
use crate::columns::{json, run_state};

#[async_trait]
impl OverviewStore for PostgresStore {
    async fn run_list(&self, name: Option<&str>) -> Result<Vec<RunRow>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new("run_list", error);
        let rows = sqlx::query(sql!("run_list")).bind(name.map(remark)).fetch_all(&self.readers).await.map_err(fail)?;
        let mut runs: Vec<RunRow> = rows.iter().map(run_row).collect::<Result<_, _>>().map_err(fail)?;
        let ids: Vec<&str> = runs.iter().map(|run| run.run.as_str()).collect();
        let counts: Vec<(String, String, i64)> =
            sqlx::query_as(sql!("run_list_states")).bind(ids).fetch_all(&self.readers).await.map_err(fail)?;
        let at: HashMap<String, usize> = (0..).zip(&runs).map(|(at, run)| (run.run.to_string(), at)).collect();
        for (run, name, count) in counts {
            let state = SampleState::ALL.iter().position(|state| state.as_str() == name);
            if let (Some(at), Some(state)) = (at.get(&run), state) {
                runs[*at].states[state] = count.max(0) as u64;
            }
        }
        Ok(runs)
    }

    async fn open_sections(&self, run: &RunId) -> Result<u64, StoreError> {
        let open: i64 = sqlx::query_scalar(sql!("open_sections"))
            .bind(run.as_str())
            .fetch_one(&self.readers)
            .await
            .map_err(|error| StoreError::new(format!("open_sections {run}"), error))?;
        Ok(open.max(0) as u64)
    }

    async fn samples_named(&self, run: &RunId, name: &str, most: u32) -> Result<Vec<SampleId>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("samples_named {name}"), error);
        let mut found: Vec<String> = sqlx::query_scalar(sql!("sample_prefix"))
            .bind(run.as_str())
            .bind(remark(name))
            .bind(format!("{}\u{10ffff}", remark(name)))
            .bind(i64::from(most))
            .fetch_all(&self.readers)
            .await
            .map_err(fail)?;
        if found.is_empty() {
            found = sqlx::query_scalar(sql!("sample_own_id"))
                .bind(run.as_str())
                .bind(remark(name))
                .bind(i64::from(most))
                .fetch_all(&self.readers)
                .await
                .map_err(fail)?;
        }
        Ok(found.into_iter().map(SampleId::new).collect())
    }

    async fn whole_lengths(&self, run: &RunId) -> Result<Vec<WholeLength>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("whole_lengths {run}"), error);
        let rows =
            sqlx::query(sql!("whole_lengths")).bind(run.as_str()).fetch_all(&self.readers).await.map_err(fail)?;
        rows.iter()
            .map(|row| {
                Ok(WholeLength {
                    state: state(row)?,
                    words: row.try_get::<i64, _>("words")?.max(0) as u64,
                    required: row.try_get::<Option<&str>, _>("length")?.map(json).transpose()?.flatten(),
                    score: row.try_get("score")?,
                })
            })
            .collect::<Result<_, _>>()
            .map_err(fail)
    }

    async fn attempt_outcomes(&self, run: &RunId) -> Result<Vec<OutcomeTotals>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("attempt_outcomes {run}"), error);
        let rows =
            sqlx::query(sql!("attempt_outcomes")).bind(run.as_str()).fetch_all(&self.readers).await.map_err(fail)?;
        rows.iter()
            .map(|row| {
                let read = |name: &str| row.try_get::<i64, _>(name).map(|value| value.max(0) as u64);
                Ok(OutcomeTotals {
                    outcome: row.try_get("outcome")?,
                    attempts: read("attempts")?,
                    called: read("called")?,
                    cost_nanousd: read("cost")?,
                    reserved_nanousd: read("reserved")?,
                    prompt_tokens: read("prompt_tokens")?,
                    completion_tokens: read("completion_tokens")?,
                })
            })
            .collect::<Result<_, _>>()
            .map_err(fail)
    }

    async fn unbacked(&self, run: &RunId) -> Result<Vec<(String, String)>, StoreError> {
        sqlx::query_as(sql!("check_i2"))
            .bind(run.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(|error| StoreError::new(format!("unbacked {run}"), error))
    }
}

fn run_row(row: &PgRow) -> Result<RunRow, sqlx::Error> {
    Ok(RunRow {
        run: RunId::new(row.try_get::<String, _>("run")?),
        name: row.try_get("name")?,
        state: run_state(row.try_get("state")?)?,
        reason: row.try_get("reason")?,
        limits: json(row.try_get("limits")?)?,
        created_at: Timestamp(row.try_get("created_at")?),
        states: [0; 9],
    })
}
