//! Reads the store for the panel: counters at every look, what costs more now and then.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use agentwrite::ids::Timestamp;
use agentwrite::ports::{Clock, FailureGroup, Run, StatisticsRow, StoreError};

use super::view::{PanelView, Parts, WINDOW};
use crate::place::Checkpoints;

/// How old open sections and failures may be.
const SELDOM: Duration = Duration::from_secs(2);
/// Between two rows of the history.
const ROW_EVERY: Duration = Duration::from_secs(1);

/// A run under watch.
pub struct Feed {
    store: Arc<dyn Checkpoints>,
    clock: Arc<dyn Clock>,
    run: Run,
    title: String,
    place: String,
    since: Timestamp,
    history: VecDeque<StatisticsRow>,
    seldom_at: Option<Timestamp>,
    failures: Vec<FailureGroup>,
    open_sections: u64,
}

impl Feed {
    /// Starts watching. `title` is the model for people, `place` what commands take for the run, `since` when the work
    /// began that is watched.
    pub fn new(
        store: Arc<dyn Checkpoints>,
        clock: Arc<dyn Clock>,
        run: Run,
        title: &str,
        place: &str,
        since: Timestamp,
    ) -> Self {
        Self {
            store,
            clock,
            run,
            title: title.to_owned(),
            place: place.to_owned(),
            since,
            history: VecDeque::new(),
            seldom_at: None,
            failures: Vec::new(),
            open_sections: 0,
        }
    }

    /// The run as of the last look.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Looks. `in_flight` is the number of calls where the caller knows it better than the store, which counts claims.
    pub async fn look(&mut self, in_flight: Option<u64>) -> Result<PanelView, StoreError> {
        let now = self.clock.now();
        if self.seldom_at.is_none() {
            let rows = self.store.statistics(&self.run.id, Timestamp(now.0 - 60_000)).await?;
            // A row bears the start of its 10 s slot, which may lie before the run began.
            let begun = self.run.created_at;
            self.history.extend(rows.into_iter().map(|row| StatisticsRow { at: row.at.max(begun), ..row }));
        }
        if self.seldom_at.is_none_or(|at| now.since(at) >= SELDOM) {
            self.seldom_at = Some(now);
            self.failures = self.store.failures(&self.run.id).await?;
            self.open_sections = self.store.open_sections(&self.run.id).await?;
        }
        if let Some(run) = self.store.run(&self.run.id).await? {
            self.run = run;
        }
        let totals = self.store.totals(&self.run.id).await?;
        let view = PanelView::from(&Parts {
            run: &self.run,
            totals,
            history: self.history.make_contiguous(),
            open_sections: self.open_sections,
            failures: &self.failures,
            in_flight: in_flight.unwrap_or(totals.in_flight),
            title: &self.title,
            place: &self.place,
            since: self.since,
            now,
        });
        if self.history.back().is_none_or(|row| now.since(row.at) >= ROW_EVERY) {
            self.history.push_back(StatisticsRow { at: now, totals });
        }
        while self.history.front().is_some_and(|row| now.since(row.at) > WINDOW) {
            self.history.pop_front();
        }
        Ok(view)
    }
}
