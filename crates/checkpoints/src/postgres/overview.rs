//! Reads for the command line that no service needs: what is left to do, samples by name, lengths, costs.

use agentwrite::ids::{RunId, SampleId};
use agentwrite::ports::StoreError;
use sqlx::Row;

use super::PostgresStore;
use super::report::state;
use super::rows::remark;
use crate::columns::json;
use crate::sqlite::{OutcomeTotals, WholeLength};

impl PostgresStore {
    /// Sections that samples with a plan still lack.
    pub async fn open_sections(&self, run: &RunId) -> Result<u64, StoreError> {
        let open: i64 = sqlx::query_scalar(sql!("open_sections"))
            .bind(run.as_str())
            .fetch_one(&self.readers)
            .await
            .map_err(|error| StoreError::new(format!("open_sections {run}"), error))?;
        Ok(open.max(0) as u64)
    }

    /// Samples whose id starts with `name`, or else whose input row has the id `name`; at most `most`.
    pub async fn samples_named(&self, run: &RunId, name: &str, most: u32) -> Result<Vec<SampleId>, StoreError> {
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

    /// Lengths of all whole texts, in input order.
    pub async fn whole_lengths(&self, run: &RunId) -> Result<Vec<WholeLength>, StoreError> {
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

    /// Attempts by how they ended.
    pub async fn attempt_outcomes(&self, run: &RunId) -> Result<Vec<OutcomeTotals>, StoreError> {
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

    /// Violations of I2 as far as the store shows it: `(subject, what)`.
    pub async fn unbacked(&self, run: &RunId) -> Result<Vec<(String, String)>, StoreError> {
        sqlx::query_as(sql!("check_i2"))
            .bind(run.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(|error| StoreError::new(format!("unbacked {run}"), error))
    }
}
