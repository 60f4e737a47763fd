//! The limit against a modelled endpoint in virtual time.

use std::collections::BinaryHeap;

use super::*;

/// An endpoint with so many places and a service time; beyond them it queues or refuses.
struct Endpoint {
    places: usize,
    service_ms: u64,
    refuses: bool,
    /// Every so many calls one is refused, whatever is in flight.
    chance: Option<u32>,
}

impl Endpoint {
    fn new(places: usize, service_ms: u64, refuses: bool) -> Self {
        Self { places, service_ms, refuses, chance: None }
    }
}

/// A client that always has `cap` calls to make, over the time that a test takes.
struct Loop {
    adaptive: Adaptive,
    cap: u32,
    now: u64,
    /// Ends of calls: negated time, then what is known of them.
    flights: BinaryHeap<(std::cmp::Reverse<u64>, Flight)>,
    /// When each place of the endpoint is free.
    free: Vec<u64>,
    closed_until: u64,
    answers: u32,
    refusals: u32,
    calls: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    started: i64,
    with_it: u32,
    waited: Option<u64>,
}

impl Loop {
    fn new(cap: u32) -> Self {
        Self {
            adaptive: Adaptive::default(),
            cap,
            now: 0,
            flights: BinaryHeap::new(),
            free: Vec::new(),
            closed_until: 0,
            answers: 0,
            refusals: 0,
            calls: 0,
        }
    }

    fn limit(&self) -> u32 {
        self.adaptive.limit().map_or(self.cap, |limit| limit.min(self.cap))
    }

    fn start(&mut self, endpoint: &Endpoint) {
        self.free.resize(endpoint.places, self.now);
        while self.now >= self.closed_until && self.flights.len() < self.limit() as usize {
            let in_flight = self.flights.len() as u32 + 1;
            let place = self.free.iter_mut().min().unwrap();
            let begins = (*place).max(self.now);
            let started = self.now as i64;
            self.calls += 1;
            let unlucky = endpoint.chance.is_some_and(|chance| self.calls.is_multiple_of(chance));
            if unlucky || endpoint.refuses && begins > self.now {
                let flight = Flight { started, with_it: in_flight, waited: None };
                self.flights.push((std::cmp::Reverse(self.now + 5), flight));
            } else {
                *place = begins + endpoint.service_ms;
                let flight = Flight { started, with_it: in_flight, waited: Some(begins - self.now) };
                self.flights.push((std::cmp::Reverse(*place), flight));
            }
        }
    }

    /// Works for so long; gives answers a second.
    fn run(&mut self, endpoint: &Endpoint, seconds: u64) -> f64 {
        let (end, before) = (self.now + seconds * 1_000, self.answers);
        while self.now < end {
            self.start(endpoint);
            let next = self.flights.peek().map_or(end, |(ends, _)| ends.0);
            let next = if self.now < self.closed_until { next.min(self.closed_until) } else { next };
            if next >= end {
                self.now = end;
                break;
            }
            self.now = next;
            while self.flights.peek().is_some_and(|(ends, _)| ends.0 <= self.now) {
                let (_, flight) = self.flights.pop().unwrap();
                self.end(endpoint, flight);
            }
        }
        f64::from(self.answers - before) / seconds as f64
    }

    fn end(&mut self, endpoint: &Endpoint, flight: Flight) {
        let started = Started { at: Timestamp(flight.started), in_flight: flight.with_it };
        let now = Timestamp(self.now as i64);
        match flight.waited {
            Some(waited) => {
                self.answers += 1;
                let timing = Timing {
                    uncached_tokens: 500,
                    first_token: Duration::from_millis(waited + 50),
                    total: Duration::from_millis(waited + endpoint.service_ms),
                };
                self.adaptive.answered(started, &timing, now);
            }
            None => {
                self.refusals += 1;
                self.adaptive.lost(started, self.flights.len() as u32 + 1, now);
                self.closed_until = self.closed_until.max(self.now + 1_000);
            }
        }
    }
}

#[test]
fn a_hidden_limit_that_queues_is_found_without_losing_throughput() {
    for service_ms in [700, 3_000, 20_000] {
        let endpoint = Endpoint::new(40, service_ms, false);
        let mut client = Loop::new(256);
        let best = 40.0 * 1_000.0 / service_ms as f64;
        let seconds = 60 * service_ms / 1_000;
        let all = client.run(&endpoint, seconds);
        assert!(all >= best * 0.95, "{service_ms} ms: {all} of {best}");
        let limit = client.limit();
        assert!((40..=62).contains(&limit), "{service_ms} ms: {limit}");
    }
}

#[test]
fn a_hidden_limit_that_refuses_is_found_and_kept_to() {
    let endpoint = Endpoint::new(40, 1_000, true);
    let mut client = Loop::new(256);
    client.run(&endpoint, 60);
    let refusals = client.refusals;
    let rate = client.run(&endpoint, 300);
    assert!(rate >= 40.0 * 0.9, "{rate}");
    let share = f64::from(client.refusals - refusals) / (300.0 * rate);
    assert!(share < 0.005, "{share}");
}

#[test]
fn a_halved_limit_is_found_within_a_minute() {
    for refuses in [false, true] {
        let mut client = Loop::new(128);
        client.run(&Endpoint::new(40, 1_000, refuses), 60);
        let halved = Endpoint::new(20, 1_000, refuses);
        client.free.clear();
        client.run(&halved, 50);
        let limit = client.limit();
        assert!((17..=33).contains(&limit), "{limit}, refuses: {refuses}");
        let rate = client.run(&halved, 60);
        assert!(rate >= 18.0, "{rate}, refuses: {refuses}");
    }
}

#[test]
fn a_limit_that_is_gone_is_forgotten() {
    let mut client = Loop::new(64);
    client.run(&Endpoint::new(8, 500, false), 60);
    assert!(client.limit() < 32);
    client.free.clear();
    client.run(&Endpoint::new(400, 500, false), 60);
    assert_eq!(client.limit(), 64);
}

#[test]
fn without_evidence_there_is_no_limit() {
    let mut client = Loop::new(64);
    client.run(&Endpoint::new(64, 2_000, false), 300);
    assert_eq!(client.adaptive.limit(), None);
}

#[test]
fn prompts_that_grow_are_not_taken_for_a_queue() {
    let mut adaptive = Adaptive::default();
    for call in 0..2_000u64 {
        let tokens = 200 + call * 20;
        let first_token = Duration::from_millis(100 + tokens);
        let timing = Timing { uncached_tokens: tokens, first_token, total: first_token + Duration::from_secs(60) };
        let at = Timestamp(call as i64 * 100);
        adaptive.answered(Started { at, in_flight: 32 }, &timing, at);
    }
    assert_eq!(adaptive.limit(), None);
}

#[test]
fn refusals_that_come_at_any_number_in_flight_cut_nothing_for_long() {
    let endpoint = Endpoint { chance: Some(33), ..Endpoint::new(60, 100, false) };
    let mut client = Loop::new(60);
    // Not even if the very first call is one.
    client.calls = 32;
    client.run(&endpoint, 120);
    assert!(client.refusals > 50, "{}", client.refusals);
    assert!(client.limit() >= 50, "{}", client.limit());
}

#[test]
fn one_burst_of_refusals_cuts_once() {
    let mut adaptive = Adaptive::default();
    for call in 0..40 {
        adaptive.lost(Started { at: Timestamp(call), in_flight: 100 - call as u32 }, 100, Timestamp(200 + call));
    }
    assert_eq!(adaptive.limit(), Some(85));
    adaptive.lost(Started { at: Timestamp(500), in_flight: 85 }, 85, Timestamp(600));
    assert_eq!(adaptive.limit(), Some(72));
}
