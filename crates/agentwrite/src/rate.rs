//! Rates as virtual schedules: a bucket is one number, the time at which its next unit is free, in milliseconds since 1970.
//! A call starts no earlier than that, less what a burst may run ahead, and moves it on by the time that its units take. So
//! the order of asking is the order of starting.
//!
//! Endpoints count before a call all the tokens that it may take, and give back what it did not use when it ends. Most of a
//! reservation comes back so, and whoever waits then must go earlier, or the endpoint's bucket stays full while calls queue
//! here for what nobody took. Hence a bucket of tokens has a second number: what has come back to it. It puts the clock of the
//! schedule forward: a waiting call's [`Start`] is read against it again and again, and nobody loses its place. What comes back
//! to a bucket that is full is lost to all: a call that waited says so before it starts ([`Start::claims`]).

use std::time::Duration;

use crate::call::StatedLimits;
use crate::config::Limits;
use crate::ids::Timestamp;
use crate::ports::{Budget, Reserve, Unused};

/// Milliseconds per minute, and how much a quiet endpoint may be asked for at once.
const MINUTE_MS: f64 = 60_000.0;
const BURST_MS: f64 = 1_000.0;
/// By how much a call keeps behind the endpoint's bucket of tokens: estimates of a prompt are a few tokens off, and one call
/// takes longer to arrive than the next.
const SLACK_MS: f64 = 100.0;

/// What a call takes from one bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// The bucket's name.
    pub bucket: String,
    /// The name under which is kept what comes back to it; none where nothing does.
    pub returned: Option<String>,
    /// How long its units take at the bucket's rate, in milliseconds.
    takes_ms: f64,
    /// How far it may run ahead of the schedule, in milliseconds.
    ahead_ms: f64,
}

/// What a call takes, always in the same order: the run's rates from the pool's buckets, the endpoint's from its own.
pub fn draws(reserve: &Reserve, limits: &Limits) -> Vec<Draw> {
    let budget = &reserve.budget;
    request_draws(budget, limits).chain(token_draws(reserve.tokens as f64, budget, limits)).collect()
}

fn request_draws(budget: &Budget, limits: &Limits) -> impl Iterator<Item = Draw> {
    let buckets = [(limits.rpm, format!("requests {}", budget.pool)), (budget.rpm, own("requests", &budget.endpoint))];
    buckets.into_iter().filter_map(|(rpm, bucket)| {
        let takes_ms = MINUTE_MS / f64::from(rpm?.max(1));
        // The request itself is part of the burst, and one request always is.
        Some(Draw { bucket, returned: None, takes_ms, ahead_ms: (BURST_MS - takes_ms).max(0.0) })
    })
}

fn token_draws(tokens: f64, budget: &Budget, limits: &Limits) -> impl Iterator<Item = Draw> {
    let buckets = [(limits.tpm, format!("tokens {}", budget.pool)), (budget.tpm, own("tokens", &budget.endpoint))];
    buckets.into_iter().filter_map(move |(tpm, bucket)| {
        let takes_ms = tokens * MINUTE_MS / f64::from(tpm?.max(1));
        let returned = Some(format!("{bucket}, returned"));
        // The call's tokens must be there when it starts; one that needs more than a burst starts when the bucket is full.
        Some(Draw { bucket, returned, takes_ms, ahead_ms: (BURST_MS - takes_ms).max(0.0) - SLACK_MS })
    })
}

/// The bucket of an endpoint's own rate.
fn own(what: &str, endpoint: &str) -> String {
    format!("{what} of {endpoint}")
}

/// Finds a call's place in the schedules of its buckets.
#[derive(Debug)]
pub struct Booking {
    not_before: f64,
    drawn: Vec<Drawn>,
}

#[derive(Debug)]
struct Drawn {
    draw: Draw,
    free_at: f64,
    returned: Option<f64>,
}

impl Booking {
    /// For a call that may start at this time at the earliest: now, or when the endpoint's gate opens.
    pub fn from(not_before: Timestamp) -> Self {
        Self { not_before: not_before.0 as f64, drawn: Vec::new() }
    }

    /// Takes a bucket in, given its two numbers as they are stored; none where nothing is stored yet.
    pub fn take(&mut self, draw: Draw, free_at: Option<f64>, returned: Option<f64>) {
        // A store's own word for "nobody drew from it yet" may be minus infinity.
        let free_at = free_at.unwrap_or(f64::MIN).max(f64::MIN);
        self.drawn.push(Drawn { draw, free_at, returned });
    }

    /// When the call may start.
    pub fn start(&self) -> Start {
        let at = self.at();
        let mut start = Start { not_before: self.not_before, turns: Vec::new(), returned: Vec::new() };
        for drawn in &self.drawn {
            match &drawn.draw.returned {
                None => start.not_before = start.not_before.max(drawn.turn()),
                Some(name) => {
                    start.turns.push(Turn { name: name.clone(), starts_at: drawn.turn(), full_at: drawn.place(at) });
                    start.returned.push(drawn.returned());
                }
            }
        }
        start
    }

    /// What is to be stored once the call has its place, by name.
    pub fn numbers(&self) -> Vec<(&str, f64)> {
        let at = self.at();
        let mut numbers = Vec::with_capacity(self.drawn.len());
        for drawn in &self.drawn {
            numbers.push((drawn.draw.bucket.as_str(), drawn.place(at) + drawn.draw.takes_ms));
            if let (Some(name), None) = (&drawn.draw.returned, drawn.returned) {
                numbers.push((name, 0.0));
            }
        }
        numbers
    }

    fn at(&self) -> f64 {
        self.drawn.iter().map(|drawn| drawn.turn() - drawn.returned()).fold(self.not_before, f64::max)
    }
}

impl Drawn {
    fn returned(&self) -> f64 {
        self.returned.unwrap_or(0.0)
    }

    /// When it is the call's turn, on the clock that what comes back puts forward.
    fn turn(&self) -> f64 {
        self.free_at - self.draw.ahead_ms
    }

    /// From when on the call's units are reckoned if it starts at `at`. What fell due while another bucket or the gate held it
    /// back is gone, or the gate would open onto a burst.
    fn place(&self, at: f64) -> f64 {
        self.free_at.max(at + self.returned())
    }
}

/// When a call may start, as far as is known: earlier once others give back what they did not use.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Whatever comes back, no earlier; milliseconds since 1970.
    not_before: f64,
    /// Its turns in the schedules of tokens.
    turns: Vec<Turn>,
    /// What had come back to each when this was last looked at, in milliseconds of its rate.
    returned: Vec<f64>,
}

/// A place in the schedule of one bucket, on a clock that what comes back puts forward.
#[derive(Debug, Clone, PartialEq)]
struct Turn {
    /// The name under which is kept what comes back.
    name: String,
    /// When the call may start.
    starts_at: f64,
    /// When the bucket is full, if the call has not started by then.
    full_at: f64,
}

/// What somebody who waits wants to know of a bucket of tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The name under which is kept what comes back to it.
    pub name: String,
    /// What has come back beyond this found the bucket full, and is to be forgotten; none to look only.
    pub at_most: Option<f64>,
}

impl From<Timestamp> for Start {
    /// A time that nothing moves.
    fn from(at: Timestamp) -> Self {
        Self { not_before: at.0 as f64, turns: Vec::new(), returned: Vec::new() }
    }
}

impl Start {
    /// The time, as far as is known.
    pub fn at(&self) -> Timestamp {
        Timestamp(self.at_ms().ceil() as i64)
    }

    fn at_ms(&self) -> f64 {
        let turns = self.turns.iter().zip(&self.returned).map(|(turn, returned)| turn.starts_at - returned);
        turns.fold(self.not_before, f64::max)
    }

    /// Whether what others give back moves it.
    pub fn moves(&self) -> bool {
        !self.turns.is_empty()
    }

    /// What to ask for while it is waited for.
    pub fn looks(&self) -> Vec<Claim> {
        self.turns.iter().map(|turn| Claim { name: turn.name.clone(), at_most: None }).collect()
    }

    /// Its places: by the name of what moves them, when that bucket is full if the call has not started by then.
    pub fn places(&self) -> Vec<(String, f64)> {
        self.turns.iter().map(|turn| (turn.name.clone(), turn.full_at)).collect()
    }

    /// What to ask for when the call is about to start. Those who wait have not started until now, so what filled a bucket
    /// beyond the first of their places (`waiting`, this call's or others') is lost.
    pub fn claims(&self, now: Timestamp, waiting: &[(String, f64)]) -> Vec<Claim> {
        let first = |turn: &Turn| {
            let places = waiting.iter().filter(|(name, _)| *name == turn.name).map(|(_, full_at)| *full_at);
            places.fold(turn.full_at, f64::min)
        };
        let claim = |turn: &Turn| Claim { name: turn.name.clone(), at_most: Some(first(turn) - now.0 as f64) };
        self.turns.iter().map(claim).collect()
    }

    /// Takes in what has come back by now, in the order of what was asked for.
    pub fn look(&mut self, returned: Vec<f64>) {
        debug_assert_eq!(returned.len(), self.turns.len());
        self.returned = returned;
    }
}

/// What is added to the stored numbers when a call ends or is not made after all, by name.
///
/// A call that was made gives back what it did not use (negative: it owes what it used beyond): that is what waiting calls
/// go earlier for. One that was not made only leaves its place: those before it have no use for that.
pub fn give_back(budget: &Budget, unused: Unused, limits: &Limits) -> Vec<(String, f64)> {
    match unused {
        Unused::Tokens(tokens) => token_draws(tokens as f64, budget, limits)
            .filter_map(|draw| Some((draw.returned?, draw.takes_ms)))
            .collect(),
        Unused::Call { tokens } => {
            let draws = request_draws(budget, limits).chain(token_draws(tokens as f64, budget, limits));
            draws.map(|draw| (draw.bucket, -draw.takes_ms)).collect()
        }
    }
}

/// The longest that stated limits close a gate; what is still exhausted then is stated again.
const LONGEST_STATED: Duration = Duration::from_secs(3_600);

/// For how long the endpoint's own headers say that nothing is left. Dimensions that are limited here anyway do not count:
/// calls then come at the rate that was agreed on, and a bucket that is empty at the moment is what that looks like.
pub fn exhausted(stated: &StatedLimits, rpm_known: bool, tpm_known: bool) -> Option<Duration> {
    let closed = |remaining: Option<u64>, reset: Option<Duration>, known: bool| {
        reset.filter(|reset| !known && remaining == Some(0) && !reset.is_zero())
    };
    let requests = closed(stated.remaining_requests, stated.reset_requests, rpm_known);
    let tokens = closed(stated.remaining_tokens, stated.reset_tokens, tpm_known);
    requests.max(tokens).map(|reset| reset.min(LONGEST_STATED))
}

#[cfg(test)]
mod tests;
