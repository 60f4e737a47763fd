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
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::ids::{AttemptId, RunId};

    fn reserve(tokens: u64) -> Reserve {
        Reserve {
            run: RunId::new("run_1"),
            budget: Budget::of("e"),
            attempt: AttemptId::new("att_1"),
            tokens,
            worst_nanousd: None,
            now: Timestamp(0),
        }
    }

    fn limits(rpm: Option<u32>, tpm: Option<u32>) -> Limits {
        Limits { rpm, tpm, ..Limits::default() }
    }

    /// Buckets as a store keeps them.
    #[derive(Default)]
    struct Stored(HashMap<String, f64>);

    impl Stored {
        fn book(&mut self, tokens: u64, limits: &Limits, now: i64) -> Start {
            let mut booking = Booking::from(Timestamp(now));
            for draw in draws(&reserve(tokens), limits) {
                let number = |name: &str| self.0.get(name).copied();
                let (free_at, returned) = (number(&draw.bucket), draw.returned.as_deref().and_then(number));
                booking.take(draw, free_at, returned);
            }
            let numbers: Vec<(String, f64)> =
                booking.numbers().into_iter().map(|(name, number)| (name.to_owned(), number)).collect();
            self.0.extend(numbers);
            booking.start()
        }

        fn give_back(&mut self, unused: Unused, limits: &Limits) {
            for (name, change) in give_back(&Budget::of("e"), unused, limits) {
                *self.0.get_mut(&name).expect("it was drawn from") += change;
            }
        }

        fn returned(&mut self, claims: Vec<Claim>) -> Vec<f64> {
            let mut answer = Vec::new();
            for Claim { name, at_most } in claims {
                let number = self.0.get_mut(&name).expect("it was drawn from");
                *number = number.min(at_most.unwrap_or(f64::MAX));
                answer.push(*number);
            }
            answer
        }

        /// When a call that waits may start, with what has come back by now.
        fn look(&mut self, start: &mut Start) -> i64 {
            start.look(self.returned(start.looks()));
            start.at().0
        }
    }

    #[test]
    fn calls_start_at_the_rate_after_a_burst_of_one_second() {
        let (mut stored, limits) = (Stored::default(), limits(Some(600), None));
        let starts: Vec<i64> = (0..13).map(|_| stored.book(0, &limits, 0).at().0).collect();
        assert_eq!(starts, [&[0; 10][..], &[100, 200, 300]].concat());
    }

    #[test]
    fn a_call_s_tokens_are_there_when_it_starts() {
        let (mut stored, limits) = (Stored::default(), limits(None, Some(60_000)));
        let starts = [400, 400, 400, 100, 2_000, 100].map(|tokens| stored.book(tokens, &limits, 0).at().0);
        // The third finds 200 of the burst of 1,000; the fifth needs a full bucket, whose debt the sixth waits for.
        assert_eq!(starts, [0, 0, 300, 400, 1_400, 2_600]);
    }

    #[test]
    fn what_comes_back_moves_those_who_wait_and_keeps_their_order() {
        let (mut stored, limits) = (Stored::default(), limits(None, Some(60_000)));
        let mut starts: Vec<Start> = (0..4).map(|_| stored.book(1_000, &limits, 0)).collect();
        assert_eq!(starts.iter().map(|start| start.at().0).collect::<Vec<_>>(), [0, 1_100, 2_200, 3_300]);
        stored.give_back(Unused::Tokens(900), &limits);
        assert_eq!(starts[1..].iter_mut().map(|start| stored.look(start)).collect::<Vec<_>>(), [200, 1_300, 2_400]);
        assert_eq!(stored.book(1_000, &limits, 0).at().0, 3_500, "who comes later goes later");
        stored.give_back(Unused::Tokens(-500), &limits);
        assert_eq!(stored.look(&mut starts[1]), 700, "what was used beyond the reservation is owed");
    }

    #[test]
    fn a_call_that_is_not_made_leaves_its_place_to_those_who_come() {
        let (mut stored, limits) = (Stored::default(), limits(Some(60), Some(60_000)));
        let mut starts: Vec<Start> = (0..3).map(|_| stored.book(500, &limits, 0)).collect();
        stored.give_back(Unused::Call { tokens: 500 }, &limits);
        assert_eq!(stored.look(&mut starts[1]), 1_000, "nobody before it gains");
        assert_eq!(stored.book(500, &limits, 0).at(), starts[2].at());
    }

    #[test]
    fn a_quiet_time_and_what_comes_back_to_a_full_bucket_are_not_saved_up() {
        let (mut stored, limits) = (Stored::default(), limits(None, Some(60_000)));
        stored.book(900, &limits, 0);
        stored.give_back(Unused::Tokens(900), &limits);
        let starts = [500, 500, 500].map(|tokens| stored.book(tokens, &limits, 600_000).at().0 - 600_000);
        assert_eq!(starts, [0, 100, 600]);
    }

    #[test]
    fn a_run_s_rates_are_those_of_the_pool_and_an_endpoint_has_its_own() {
        let budget = |endpoint: &str| Budget {
            endpoint: endpoint.to_owned(),
            pool: "a+b".to_owned(),
            rpm: Some(60),
            tpm: Some(6_000),
        };
        let limits = limits(Some(120), Some(60_000));
        let takes = |endpoint: &str| -> Vec<(String, f64)> {
            let reserve = Reserve { budget: budget(endpoint), ..reserve(100) };
            draws(&reserve, &limits).into_iter().map(|draw| (draw.bucket, draw.takes_ms)).collect()
        };
        let expected = |endpoint: &str| {
            let own = |what: &str| format!("{what} of {endpoint}");
            vec![
                ("requests a+b".to_owned(), 500.0),
                (own("requests"), 1_000.0),
                ("tokens a+b".to_owned(), 100.0),
                (own("tokens"), 1_000.0),
            ]
        };
        assert_eq!((takes("a"), takes("b")), (expected("a"), expected("b")));
        assert_eq!(
            give_back(&budget("a"), Unused::Tokens(10), &limits),
            [("tokens a+b, returned".to_owned(), 10.0), ("tokens of a, returned".to_owned(), 100.0)]
        );
    }

    /// An endpoint's bucket of tokens: what a call may take is charged when it comes, what it did not use comes back.
    struct Endpoint {
        level: f64,
        seen: f64,
    }

    impl Endpoint {
        const PER_MS: f64 = 20.0;
        const FULL: f64 = 20_000.0;

        fn pass(&mut self, now: f64) {
            self.level = (self.level + (now - self.seen) * Self::PER_MS).min(Self::FULL);
            self.seen = now;
        }

        fn takes(&mut self, tokens: f64, now: f64) -> bool {
            self.pass(now);
            let takes = self.level >= tokens.min(Self::FULL);
            self.level -= if takes { tokens } else { 0.0 };
            takes
        }
    }

    proptest! {
        /// Slots of one process that ask one call after another, whose news are up to 100 ms old, are never refused, and nobody
        /// starves. (Processes don't see each other's places: there a refusal in many thousands of calls remains.)
        #[test]
        fn an_endpoint_that_counts_the_same_way_refuses_nobody(
            slots in 1usize..80,
            calls in prop::collection::vec((500u64..12_000, 0.02f64..1.0, 20i64..400), 100),
        ) {
            enum Slot { Idle, Waits(Start, usize), Calls(i64, usize) }
            let limits = limits(None, Some(1_200_000));
            let (mut stored, mut next, mut refused) = (Stored::default(), 0, 0);
            let mut endpoint = Endpoint { level: Endpoint::FULL, seen: 0.0 };
            let mut state: Vec<Slot> = (0..slots).map(|_| Slot::Idle).collect();
            // The places of those who wait, as a process knows them at any moment.
            let mut waiting: Vec<(String, f64)> = Vec::new();
            let mut now = 0;
            while next < calls.len() || state.iter().any(|slot| !matches!(slot, Slot::Idle)) {
                prop_assert!(now < 1_000_000, "somebody starves");
                for (at, slot) in state.iter_mut().enumerate() {
                    match slot {
                        Slot::Calls(ends, call) if *ends <= now => {
                            let (tokens, used, _) = calls[*call];
                            let unused = tokens - (tokens as f64 * used) as u64;
                            endpoint.pass(now as f64);
                            endpoint.level = (endpoint.level + unused as f64).min(Endpoint::FULL);
                            stored.give_back(Unused::Tokens(unused as i64), &limits);
                            *slot = Slot::Idle;
                        }
                        Slot::Waits(start, call) => {
                            let call = *call;
                            if now % 100 == at as i64 {
                                stored.look(start);
                            }
                            if start.at().0 > now {
                                continue;
                            }
                            start.look(stored.returned(start.claims(Timestamp(now), &waiting)));
                            if start.at().0 <= now {
                                let place = &start.places()[0];
                                waiting.swap_remove(waiting.iter().position(|it| it == place).expect("it waits"));
                                let (tokens, _, takes) = calls[call];
                                *slot = if endpoint.takes(tokens as f64, now as f64) {
                                    Slot::Calls(now + takes, call)
                                } else {
                                    refused += 1;
                                    stored.give_back(Unused::Tokens(tokens as i64), &limits);
                                    let again = stored.book(tokens, &limits, now);
                                    waiting.extend(again.places());
                                    Slot::Waits(again, call)
                                };
                            }
                        }
                        _ => {}
                    }
                    if matches!(slot, Slot::Idle) && next < calls.len() {
                        let start = stored.book(calls[next].0, &limits, now);
                        waiting.extend(start.places());
                        *slot = Slot::Waits(start, next);
                        next += 1;
                    }
                }
                now += 1;
            }
            prop_assert!(refused == 0, "{} of {} calls were refused", refused, calls.len());
        }
    }

    #[test]
    fn an_exhausted_limit_closes_until_its_reset_unless_it_is_known() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let stated = StatedLimits {
            remaining_requests: Some(0),
            remaining_tokens: Some(0),
            reset_requests: seconds(6),
            reset_tokens: seconds(20),
        };
        assert_eq!(exhausted(&stated, false, false), seconds(20));
        assert_eq!(exhausted(&stated, false, true), seconds(6));
        assert_eq!(exhausted(&stated, true, true), None);
        assert_eq!(exhausted(&StatedLimits { remaining_requests: Some(1), ..stated }, false, true), None);
        assert_eq!(exhausted(&StatedLimits { reset_tokens: seconds(86_400), ..stated }, true, false), seconds(3_600));
        assert_eq!(exhausted(&StatedLimits::default(), false, false), None);
    }
}
