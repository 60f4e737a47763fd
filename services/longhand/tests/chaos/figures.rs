//! What the trials came to.

use std::sync::{Mutex, PoisonError};

/// One trial.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Seconds from the fleet's start to the end of the run.
    pub seconds: f64,
    /// Sections that are not there.
    pub lost: u64,
    /// Places with two texts, samples that are in the shards twice.
    pub duplicated: u64,
    /// Samples whose hash chain does not recompute.
    pub broken: u64,
    /// Byte-identical requests after a complete answer, as the endpoint counts them.
    pub repeats: u64,
    /// How many of them are allowed: calls open at the kills, or given up by the client before their answer.
    pub bound: u64,
    /// Attempts whose outcome nobody knows.
    pub orphaned: u64,
    /// Seconds from the end of each fault to the next call answered.
    pub resumes: Vec<f64>,
    /// What else is wrong, in words.
    pub wrong: Vec<String>,
}

/// The trials of a row.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    row: String,
    seeds: Vec<u64>,
    sum: Outcome,
}

/// Of all rows of this process.
static ALL: Mutex<Option<Figures>> = Mutex::new(None);

impl Figures {
    pub fn of(row: &str) -> Self {
        Self { row: row.to_owned(), ..Self::default() }
    }

    /// Counts a trial in; panics if it shows a promise broken.
    pub fn add(&mut self, seed: u64, outcome: Outcome) {
        self.seeds.push(seed);
        self.sum.add(&outcome);
        {
            let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
            let all = all.get_or_insert_with(|| Self::of("all rows so far"));
            all.seeds.push(seed);
            all.sum.add(&outcome);
        }
        let whole = outcome.lost + outcome.duplicated + outcome.broken == 0;
        if !whole || outcome.repeats > outcome.bound || !outcome.wrong.is_empty() {
            self.report();
            panic!("seed {seed}: {outcome:#?}");
        }
    }

    /// Prints the row, and all rows so far.
    pub fn report(&self) {
        let all = ALL.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
        eprintln!("{}\n{}", self.line(), all.line());
    }

    fn line(&self) -> String {
        let (sum, trials) = (&self.sum, self.seeds.len());
        let mut resumes = sum.resumes.clone();
        resumes.sort_by(f64::total_cmp);
        let at = |share: f64| resumes.get(((resumes.len() as f64 - 1.0) * share).round() as usize).copied();
        let times = match (at(0.5), at(0.95), at(1.0)) {
            (Some(p50), Some(p95), Some(most)) => format!("{p50:.2}/{p95:.2}/{most:.2} s"),
            _ => "-".to_owned(),
        };
        let seeds = self.seeds.iter().min().zip(self.seeds.iter().max());
        let seeds = seeds.map_or(String::new(), |(first, last)| format!("{first}..={last}"));
        format!(
            "chaos | {} | trials {trials} (violations below {:.1} % at 95 %) | seeds {seeds} | lost {} | duplicated {} \
             | broken chains {} | calls repeated {} of {} allowed | orphaned {} | resume p50/p95/max {times} | {:.1} s a trial",
            self.row,
            300.0 / trials.max(1) as f64,
            sum.lost,
            sum.duplicated,
            sum.broken,
            sum.repeats,
            sum.bound,
            sum.orphaned,
            sum.seconds / trials.max(1) as f64,
        )
    }
}

impl Outcome {
    fn add(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.broken += other.broken;
        self.repeats += other.repeats;
        self.bound += other.bound;
        self.orphaned += other.orphaned;
        self.resumes.extend(&other.resumes);
    }
}
