//! What a commit may do with the tasks that follow, by run: read once in its transaction.

use std::collections::HashMap;

use agentwrite::ids::RunId;

/// Runs that are running: whether each is ordered, and the slots that it may use where that is known.
#[derive(Debug, Default)]
pub(super) struct Modes(HashMap<String, (bool, Option<i64>)>);

impl Modes {
    /// Adds what was read of a run.
    pub(super) fn add(&mut self, run: &RunId, running: bool, ordered: bool, slots: Option<i64>) {
        if running && !self.0.contains_key(run.as_str()) {
            self.0.insert(run.as_str().to_owned(), (ordered, slots));
        }
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
