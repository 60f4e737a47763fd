//! What the panel says, as numbers: rates over the last minute, time left, money to come. Pure.

use std::time::Duration;

use agentwrite::ids::Timestamp;
use agentwrite::ports::{FailureGroup, Run, RunState, StatisticsRow, Totals};
use agentwrite::sample::SampleState;

/// Rates are taken over this long.
pub const WINDOW: Duration = Duration::from_mins(1);
/// From less than this no rate is taken: it would jump about.
const SHORTEST: Duration = Duration::from_secs(2);
/// Causes that are named.
const TOP: usize = 3;

/// Everything that a view is made from.
pub struct Parts<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its counters now.
    pub totals: Totals,
    /// Its counters at earlier times, oldest first.
    pub history: &'a [StatisticsRow],
    /// Sections that planned samples still lack.
    pub open_sections: u64,
    /// Failures by cause.
    pub failures: &'a [FailureGroup],
    /// Calls in flight.
    pub in_flight: u64,
    /// The model and its host, for people.
    pub title: &'a str,
    /// What the commands that help take: the run's folder.
    pub place: &'a str,
    /// Since when the work is watched.
    pub since: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// What the panel says.
#[derive(Debug, Clone, PartialEq)]
pub struct PanelView {
    /// The run's name.
    pub name: String,
    /// The model and its host, for people.
    pub title: String,
    /// What the commands that help take.
    pub place: String,
    /// Where the run stands.
    pub state: RunState,
    /// Why it is paused or failed.
    pub reason: Option<String>,
    /// A line for people that stands below everything: what is being waited for.
    pub note: Option<String>,
    /// When this was read.
    pub at: Timestamp,
    /// Time since the work is watched.
    pub elapsed: Duration,
    /// Time left at the rate of the last minute; none while nobody can tell.
    pub eta: Option<Duration>,
    /// Samples in the run.
    pub samples: u64,
    /// Counters.
    pub totals: Totals,
    /// Calls in flight.
    pub in_flight: u64,
    /// Sections a minute.
    pub sections_rate: Option<f64>,
    /// Words a minute.
    pub words_rate: Option<f64>,
    /// Whether the model has a price.
    pub priced: bool,
    /// Whether the model is the simulator, which costs nothing.
    pub synthetic: bool,
    /// The cap in nano-USD.
    pub cap: Option<u64>,
    /// Nano-USD a minute.
    pub cost_rate: Option<f64>,
    /// What the whole run will have cost, in nano-USD, at the price of the sections so far.
    pub projected: Option<u64>,
    /// Causes of failure, most samples first.
    pub top: Vec<(String, u64)>,
}

impl PanelView {
    /// Reckons a view.
    pub fn from(parts: &Parts<'_>) -> Self {
        let Parts { run, totals, now, .. } = parts;
        let remaining = remaining_sections(totals, parts.open_sections);
        let rates = Rates::over(parts.history, totals, *now);
        let at_work = matches!(run.state, RunState::Running | RunState::Pending);
        let eta = remaining.zip(rates.sections).filter(|(_, rate)| at_work && *rate > 0.0);
        let projected = remaining.filter(|_| totals.sections > 0).map(|remaining| {
            let share = remaining as f64 / totals.sections as f64;
            totals.settled_nanousd + (totals.settled_nanousd as f64 * share) as u64
        });
        Self {
            name: run.name.clone(),
            title: parts.title.to_owned(),
            place: parts.place.to_owned(),
            state: run.state,
            reason: run.reason.clone(),
            note: None,
            at: *now,
            elapsed: now.since(parts.since),
            eta: eta.map(|(remaining, rate)| Duration::from_secs_f64(remaining as f64 * 60.0 / rate)),
            samples: totals.states.iter().sum(),
            totals: *totals,
            in_flight: parts.in_flight,
            sections_rate: rates.sections,
            words_rate: rates.words,
            priced: run.limits.price.is_some(),
            synthetic: run.config.synthetic,
            cap: run.limits.max_cost_nanousd,
            cost_rate: rates.nanousd,
            projected,
            top: top(parts.failures),
        }
    }

    /// Samples in these states.
    pub fn count(&self, states: &[SampleState]) -> u64 {
        states.iter().map(|state| self.totals.state(*state)).sum()
    }

    /// Samples whose text is whole and not turned down.
    pub fn good(&self) -> u64 {
        self.count(&[SampleState::Packed, SampleState::Written])
    }

    /// Samples that failed or were turned down.
    pub fn bad(&self) -> u64 {
        self.count(&[SampleState::Failed, SampleState::Rejected])
    }

    /// Samples with a live task.
    pub fn working(&self) -> u64 {
        self.count(&[SampleState::Planning, SampleState::Writing])
    }

    /// Samples that wait for their turn.
    pub fn queued(&self) -> u64 {
        self.count(&[SampleState::Pending, SampleState::Planned])
    }
}

/// Sections still to write: those of standing plans, and for samples without a plan as many as planned ones have on
/// average. `None` while there is no plan to go by.
fn remaining_sections(totals: &Totals, open: u64) -> Option<u64> {
    let unplanned = totals.state(SampleState::Pending) + totals.state(SampleState::Planning);
    let all: u64 = totals.states.iter().sum();
    let planned = all.saturating_sub(unplanned);
    if unplanned == 0 {
        return Some(open);
    }
    let known = totals.sections + open;
    (planned > 0 && known > 0).then(|| open + (unplanned as f64 * known as f64 / planned as f64).round() as u64)
}

/// What happens in a minute.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Rates {
    sections: Option<f64>,
    words: Option<f64>,
    nanousd: Option<f64>,
}

impl Rates {
    /// From the oldest row inside the window to now.
    fn over(history: &[StatisticsRow], totals: &Totals, now: Timestamp) -> Self {
        let inside = |row: &&StatisticsRow| row.at <= now && now.since(row.at) <= WINDOW;
        let Some(old) = history.iter().find(inside) else { return Self::default() };
        let minutes = now.since(old.at).as_secs_f64() / 60.0;
        if now.since(old.at) < SHORTEST {
            return Self::default();
        }
        let rate = |new: u64, old: u64| Some(new.saturating_sub(old) as f64 / minutes);
        Self {
            sections: rate(totals.sections, old.totals.sections),
            words: rate(totals.words, old.totals.words),
            nanousd: rate(totals.settled_nanousd, old.totals.settled_nanousd),
        }
    }
}

fn top(failures: &[FailureGroup]) -> Vec<(String, u64)> {
    let named = failures.iter().filter(|group| !group.code.is_empty());
    named.take(TOP).map(|group| (group.code.clone(), group.samples)).collect()
}
