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
