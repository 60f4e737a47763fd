//! Traffic to the endpoints: the run's cap, gates, buckets as `agentwrite::rate` has them.

use agentwrite::ids::{RunId, Timestamp};
use agentwrite::ports::{Budget, Reservation, Reserve, StoreError, TrafficStore, Unused};
use agentwrite::rate::{self, Booking, Claim};
use async_trait::async_trait;

use super::rows::Attempt;
use super::state::{RunData, State};
use super::{MemoryError, MemoryStore};

fn reserve(state: &mut State, reserve: &Reserve) -> Result<Reservation, MemoryError> {
    let run = state.runs.get_mut(&reserve.run).ok_or_else(|| MemoryError::NoRun(reserve.run.clone()))?;
    if passes_cap(run, reserve) {
        return Ok(Reservation::OverBudget);
    }
    if reserve.worst_nanousd.is_some() {
        if !run.attempts.get(&reserve.attempt).is_some_and(Attempt::is_open) {
            return Err(MemoryError::AttemptNotOpen(reserve.attempt.clone()));
        }
        run.change_attempt(&reserve.attempt, |attempt| attempt.reserved_nanousd = reserve.worst_nanousd);
    }
    let gate = state.gates.get(&reserve.budget.endpoint).map_or(reserve.now, |(until, _)| reserve.now.max(*until));
    let mut booking = Booking::from(gate);
    for draw in rate::draws(reserve, &run.limits) {
        let number = |name: &str| state.buckets.get(name).copied();
        let (free_at, returned) = (number(&draw.bucket), draw.returned.as_deref().and_then(number));
        booking.take(draw, free_at, returned);
    }
    for (name, number) in booking.numbers() {
        state.buckets.insert(name.to_owned(), number);
    }
    Ok(Reservation::StartAt(booking.start()))
}

/// Whether settled + reserved + the worst case would pass the cap. Under a cap a call without a price may not start. A
/// repeated wish replaces what the attempt had reserved.
fn passes_cap(run: &RunData, reserve: &Reserve) -> bool {
    let Some(cap) = run.limits.max_cost_nanousd else { return false };
    let Some(worst) = reserve.worst_nanousd else { return true };
    let own = run.attempts.get(&reserve.attempt).filter(|attempt| attempt.is_open());
    let own = own.and_then(|attempt| attempt.reserved_nanousd).unwrap_or(0);
    run.totals.settled_nanousd + run.totals.reserved_nanousd - own + worst > cap
}

fn settle(state: &mut State, run: &RunId, budget: &Budget, unused: Unused) {
    let Some(run) = state.runs.get(run) else { return };
    for (name, change) in rate::give_back(budget, unused, &run.limits) {
        if let Some(number) = state.buckets.get_mut(&name) {
            *number += change;
        }
    }
}

fn returned(state: &mut State, claim: &Claim) -> f64 {
    let Some(number) = state.buckets.get_mut(&claim.name) else { return 0.0 };
    *number = number.min(claim.at_most.unwrap_or(f64::MAX));
    *number
}

/// A closed gate is only ever prolonged.
fn close_gate(state: &mut State, endpoint: &str, until: Timestamp, reason: &str) {
    if state.gates.get(endpoint).is_none_or(|(closed_until, _)| *closed_until < until) {
        state.gates.insert(endpoint.to_owned(), (until, reason.to_owned()));
    }
}

#[async_trait]
impl TrafficStore for MemoryStore {
    async fn reserve(&self, wish: Reserve) -> Result<Reservation, StoreError> {
        self.write("reserve", |state| reserve(state, &wish))
    }

    async fn settle(&self, run: &RunId, budget: &Budget, unused: Unused, _now: Timestamp) -> Result<(), StoreError> {
        self.write("settle", |state| {
            settle(state, run, budget, unused);
            Ok(())
        })
    }

    async fn returned(&self, claims: &[Claim]) -> Result<Vec<f64>, StoreError> {
        self.write("returned", |state| Ok(claims.iter().map(|claim| returned(state, claim)).collect()))
    }

    async fn close_gate(
        &self,
        endpoint: &str,
        until: Timestamp,
        reason: &str,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("close_gate", |state| {
            close_gate(state, endpoint, until, reason);
            Ok(())
        })
    }

    async fn gate(&self, endpoint: &str) -> Result<Option<(Timestamp, String)>, StoreError> {
        self.read(|state| state.gates.get(endpoint).cloned())
    }
}
