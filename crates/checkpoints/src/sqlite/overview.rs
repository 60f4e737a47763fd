//! Reads for the command line that no service needs: what is left to do, samples by name, lengths, costs, the file itself.

use agentwrite::ids::{RunId, SampleId, Timestamp};
use agentwrite::length::RequiredLength;
use agentwrite::ports::{OutcomeTotals, OverviewStore, RunRow, StoreError, WholeLength};
use async_trait::async_trait;
use rusqlite::{Row, params};

use super::SqliteStore;
use super::report::{samples_by_state, state};
use super::statement::{all, json, json_or_none, one};
use crate::columns::run_state;

#[async_trait]
impl OverviewStore for SqliteStore {
    async fn run_list(&self, name: Option<&str>) -> Result<Vec<RunRow>, StoreError> {
        let name = name.map(str::to_owned);
        self.reader
            .run("run_list", move |connection| {
                let mut runs = all(connection, sql!("run_list"), [name.as_deref()], run_row)?;
                for run in &mut runs {
                    run.states = samples_by_state(connection, &run.run)?;
                }
                Ok(runs)
            })
            .await
    }

    async fn open_sections(&self, run: &RunId) -> Result<u64, StoreError> {
        let run = run.clone();
        let open: i64 = self
            .reader
            .run("open_sections", move |connection| {
                one(connection, sql!("open_sections"), [run.as_str()], |row| row.get(0))
            })
            .await?;
        Ok(open.max(0) as u64)
    }

    async fn samples_named(&self, run: &RunId, name: &str, most: u32) -> Result<Vec<SampleId>, StoreError> {
        let (run, name) = (run.clone(), name.to_owned());
        self.reader
            .run("samples_named", move |connection| {
                let read = |row: &Row<'_>| Ok(SampleId::new(row.get::<_, String>(0)?));
                let prefix = params![run.as_str(), name, format!("{name}\u{10ffff}"), most];
                let found = all(connection, sql!("sample_prefix"), prefix, read)?;
                if !found.is_empty() {
                    return Ok(found);
                }
                all(connection, sql!("sample_own_id"), params![run.as_str(), name, most], read)
            })
            .await
    }

    async fn whole_lengths(&self, run: &RunId) -> Result<Vec<WholeLength>, StoreError> {
        let run = run.clone();
        self.reader
            .run("whole_lengths", move |connection| {
                all(connection, sql!("whole_lengths"), [run.as_str()], |row| {
                    Ok(WholeLength {
                        state: state(row)?,
                        words: row.get::<_, i64>("words")?.max(0) as u64,
                        required: json_or_none::<Option<RequiredLength>>(row, "length")?.flatten(),
                        score: row.get("score")?,
                    })
                })
            })
            .await
    }

    async fn attempt_outcomes(&self, run: &RunId) -> Result<Vec<OutcomeTotals>, StoreError> {
        let run = run.clone();
        self.reader
            .run("attempt_outcomes", move |connection| {
                all(connection, sql!("attempt_outcomes"), [run.as_str()], |row| {
                    let read = |name: &str| row.get::<_, i64>(name).map(|value| value.max(0) as u64);
                    Ok(OutcomeTotals {
                        outcome: row.get("outcome")?,
                        attempts: read("attempts")?,
                        called: read("called")?,
                        cost_nanousd: read("cost")?,
                        reserved_nanousd: read("reserved")?,
                        prompt_tokens: read("prompt_tokens")?,
                        completion_tokens: read("completion_tokens")?,
                    })
                })
            })
            .await
    }

    async fn unbacked(&self, run: &RunId) -> Result<Vec<(String, String)>, StoreError> {
        let run = run.clone();
        self.reader
            .run("unbacked", move |connection| all(connection, sql!("check_i2"), [run.as_str()], |row| row.try_into()))
            .await
    }
}

impl SqliteStore {
    /// What SQLite finds wrong with the file; empty if nothing is.
    pub async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let said: Vec<String> = self
            .reader
            .run("integrity", |connection| all(connection, "pragma integrity_check(100)", [], |row| row.get(0)))
            .await?;
        Ok(said.into_iter().filter(|line| line != "ok").collect())
    }
}

fn run_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        run: RunId::new(row.get::<_, String>("run")?),
        name: row.get("name")?,
        state: run_state(row.get_ref("state")?.as_str()?)?,
        reason: row.get("reason")?,
        limits: json(row, "limits")?,
        created_at: Timestamp(row.get("created_at")?),
        states: [0; 9],
    })
}
