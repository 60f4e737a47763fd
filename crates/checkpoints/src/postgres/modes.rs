//! What a commit may do with the tasks that follow, by run: read once in its transaction.

use std::collections::{BTreeSet, HashMap};

use agentwrite::ids::RunId;
use sqlx::PgConnection;

/// Runs that are running: whether each is ordered, and the slots that it may use where that is known.
#[derive(Debug, Default)]
pub(super) struct Modes(HashMap<String, (bool, Option<i64>)>);

impl Modes {
    /// Reads them.
    pub(super) async fn of<'a>(
        connection: &mut PgConnection,
        runs: impl Iterator<Item = &'a RunId>,
    ) -> Result<Self, sqlx::Error> {
        let runs: BTreeSet<&str> = runs.map(RunId::as_str).collect();
        if runs.is_empty() {
            return Ok(Self::default());
        }
        let rows: Vec<(String, String, bool, Option<i64>)> =
            sqlx::query_as(sql!("run_modes")).bind(runs.into_iter().collect::<Vec<_>>()).fetch_all(connection).await?;
        let running = rows.into_iter().filter(|(_, state, ..)| state == "running");
        Ok(Self(running.map(|(run, _, ordered, slots)| (run, (ordered, slots))).collect()))
    }

    /// Whether follow-ups go on at once: the run is running and not ordered.
    pub(super) fn go_on(&self, run: &RunId) -> bool {
        self.0.get(run.as_str()).is_some_and(|(ordered, _)| !ordered)
    }

    /// The slots of a run that is running and ordered; no limit where they are not known.
    pub(super) fn ordered_slots(&self, run: &RunId) -> Option<i64> {
        self.0.get(run.as_str()).and_then(|(ordered, slots)| ordered.then_some(slots.unwrap_or(i64::MAX)))
    }
}
