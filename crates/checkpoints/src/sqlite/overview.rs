//! Reads for the command line that no service needs: what is left to do, samples by name, lengths, costs, the file itself.

use agentwrite::ids::{RunId, SampleId};
use agentwrite::length::RequiredLength;
use agentwrite::ports::StoreError;
use agentwrite::sample::SampleState;
use rusqlite::{Row, params};

use super::SqliteStore;
use super::report::state;
use super::statement::{all, json_or_none, one};

/// The length of a whole text.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeLength {
    /// Written, packed or rejected.
    pub state: SampleState,
    /// Words by the sample's counter.
    pub words: u64,
    /// What was asked for.
    pub required: Option<RequiredLength>,
    /// S_l, where a length is required and the sample is judged.
    pub score: Option<f64>,
}

/// Attempts that ended alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeTotals {
    /// How they ended.
    pub outcome: String,
    /// How many there are.
    pub attempts: u64,
    /// Those that sent a request.
    pub called: u64,
    /// Settled price in nano-USD.
    pub cost_nanousd: u64,
    /// Reservations that still stand, in nano-USD.
    pub reserved_nanousd: u64,
    /// Prompt tokens.
    pub prompt_tokens: u64,
    /// Answer tokens.
    pub completion_tokens: u64,
}

impl SqliteStore {
    /// Sections that samples with a plan still lack.
    pub async fn open_sections(&self, run: &RunId) -> Result<u64, StoreError> {
        let run = run.clone();
        let open: i64 = self
            .reader
            .run("open_sections", move |connection| {
                one(connection, sql!("open_sections"), [run.as_str()], |row| row.get(0))
            })
            .await?;
        Ok(open.max(0) as u64)
    }

    /// Samples whose id starts with `name`, or else whose input row has the id `name`; at most `most`.
    pub async fn samples_named(&self, run: &RunId, name: &str, most: u32) -> Result<Vec<SampleId>, StoreError> {
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

    /// Lengths of all whole texts, in input order.
    pub async fn whole_lengths(&self, run: &RunId) -> Result<Vec<WholeLength>, StoreError> {
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

    /// Attempts by how they ended.
    pub async fn attempt_outcomes(&self, run: &RunId) -> Result<Vec<OutcomeTotals>, StoreError> {
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

    /// Violations of I2 as far as the store shows it: `(subject, what)`.
    pub async fn unbacked(&self, run: &RunId) -> Result<Vec<(String, String)>, StoreError> {
        let run = run.clone();
        self.reader
            .run("unbacked", move |connection| all(connection, sql!("check_i2"), [run.as_str()], |row| row.try_into()))
            .await
    }

    /// What SQLite finds wrong with the file; empty if nothing is.
    pub async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let said: Vec<String> = self
            .reader
            .run("integrity", |connection| all(connection, "pragma integrity_check(100)", [], |row| row.get(0)))
            .await?;
        Ok(said.into_iter().filter(|line| line != "ok").collect())
    }
}
