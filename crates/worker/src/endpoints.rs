//! The endpoints that this process calls, and what it knows of each: how many calls are in flight, until when its gate is
//! closed, whether its breaker is open, how much it seems to take. What to make of that is decided in `agentwrite`
//! ([`pool`], [`breaker`], [`adaptive`]); here it is only kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use agentwrite::adaptive::{Adaptive, Started, Timing};
use agentwrite::breaker::{Admits, Bearing, Breaker};
use agentwrite::call::{CallFailure, ChatAnswer};
use agentwrite::config::Price;
use agentwrite::failure::ErrorCode;
use agentwrite::ids::Timestamp;
use agentwrite::pool::{self, Standing};
use agentwrite::ports::{Budget, ChatModel, StoreError, TrafficStore};
use agentwrite::rate::{Claim, Start};
use agentwrite::retry_budget::RetryBudget;
use tokio::sync::Notify;

/// How long those who wait for tokens share what one of them has read.
const SHARED_FOR: Duration = Duration::from_millis(50);

/// How long an endpoint that can serve no call is left out of a pool before one call asks it again.
const LEFT_OUT_FOR: Duration = Duration::from_secs(300);

/// What is configured for one endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Its share of the samples, against the other members of a pool.
    pub weight: f64,
    /// Most calls in flight of one process; learned when absent.
    pub concurrency: Option<u32>,
    /// Requests per minute, of all processes together.
    pub rpm: Option<u32>,
    /// Tokens per minute, of all processes together.
    pub tpm: Option<u32>,
    /// Its own name for the model; the run's when absent.
    pub model: Option<String>,
    /// What its tokens cost; the run's price when absent.
    pub price: Option<Price>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { weight: 1.0, concurrency: None, rpm: None, tpm: None, model: None, price: None }
    }
}

/// One endpoint, shared by everything in the process that calls it.
pub struct Member {
    /// Its name, for gates, budgets and attempts.
    pub name: String,
    /// The endpoint itself.
    pub model: Arc<dyn ChatModel>,
    /// What is configured.
    pub terms: Terms,
    state: Mutex<State>,
    /// Rung when there may be room: one bell a pool.
    bells: Mutex<Vec<Weak<Notify>>>,
}

#[derive(Default)]
struct State {
    /// Calls in flight or about to be.
    held: u32,
    /// Calls in flight.
    calls: u32,
    closed_until: Timestamp,
    /// Why it is left out of its pools, and until when.
    left_out: Option<(ErrorCode, Timestamp)>,
    breaker: Breaker,
    adaptive: Adaptive,
}

impl State {
    fn standing(&self, terms: &Terms, now: Timestamp) -> Standing {
        let limit = terms.concurrency.or_else(|| self.adaptive.limit()).unwrap_or(u32::MAX);
        match self.breaker.admits() {
            _ if self.closed_until > now => Standing::ClosedUntil(self.closed_until),
            Admits::None => Standing::Full,
            Admits::All | Admits::Trial if self.held >= limit => Standing::Full,
            Admits::All | Admits::Trial => Standing::Open,
        }
    }
}

impl Member {
    /// An endpoint of which nothing is known yet.
    pub fn new(name: impl Into<String>, model: Arc<dyn ChatModel>, terms: Terms) -> Arc<Self> {
        let (state, bells) = (Mutex::default(), Mutex::default());
        Arc::new(Self { name: name.into(), model, terms, state, bells })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each holder makes one change: a panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls in flight now.
    pub fn in_flight(&self) -> u32 {
        self.state().calls
    }

    /// Until when its gate is closed, as far as this process knows.
    pub fn closed_until(&self) -> Timestamp {
        self.state().closed_until
    }

    /// Its gate is closed until then: a closed gate is only ever prolonged.
    pub fn close_until(&self, until: Timestamp) {
        let mut state = self.state();
        state.closed_until = state.closed_until.max(until);
    }

    /// Why it is left out of its pools, if it is: it can serve no call, and others do.
    pub fn left_out(&self, now: Timestamp) -> Option<ErrorCode> {
        self.state().left_out.filter(|(_, until)| *until > now).map(|(code, _)| code)
    }

    /// Leaves it out, and closes its gate in this process; whether that is news.
    fn leave_out(&self, code: ErrorCode, now: Timestamp) -> bool {
        let until = now.after(LEFT_OUT_FOR);
        let mut state = self.state();
        let is_news = state.left_out.is_none();
        if state.left_out.is_none_or(|(_, until)| until <= now) {
            state.left_out = Some((code, until));
            state.closed_until = state.closed_until.max(until);
            state.breaker.refused();
        }
        is_news
    }

    /// Takes it in again: one call asks whether it serves.
    fn take_in(&self, now: Timestamp) {
        let mut state = self.state();
        if let Some((_, until)) = state.left_out.take()
            && state.closed_until == until
        {
            state.closed_until = now;
        }
    }

    /// Whether it can take a call now.
    pub fn standing(&self, now: Timestamp) -> Standing {
        self.state().standing(&self.terms, now)
    }

    /// Takes a place, if there is one.
    fn take(self: &Arc<Self>, now: Timestamp) -> Option<Place> {
        let mut state = self.state();
        if state.standing(&self.terms, now) != Standing::Open {
            return None;
        }
        state.held += 1;
        let trial = state.breaker.start();
        Some(Place { member: Arc::clone(self), trial, started: None, told: false })
    }

    fn ring(&self, all: bool) {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        for bell in bells.iter().filter_map(Weak::upgrade) {
            if all { bell.notify_waiters() } else { bell.notify_one() }
        }
    }
}

/// A call's place at an endpoint: given back when dropped.
pub struct Place {
    member: Arc<Member>,
    /// Whether this call tries, alone, whether the endpoint is back.
    trial: bool,
    /// Once the call is in flight.
    started: Option<Started>,
    /// Whether the endpoint was judged by this call's end.
    told: bool,
}

impl Place {
    /// The endpoint.
    pub fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// The call is sent now.
    pub fn start(&mut self, now: Timestamp) {
        let mut state = self.member.state();
        state.calls += 1;
        self.started = Some(Started { at: now, in_flight: state.calls });
    }

    /// Its first token has come.
    pub fn heard(&self) {
        let mut state = self.member.state();
        if state.breaker.is_open() {
            state.breaker.heard();
            drop(state);
            self.member.ring(true);
        }
    }

    /// It ended with an answer.
    pub fn answered(&mut self, answer: &ChatAnswer, now: Timestamp) {
        self.told = true;
        let mut state = self.member.state();
        let before = (state.breaker.is_open(), state.adaptive.limit());
        state.breaker.answered();
        // What was in flight when it was left out says nothing.
        let is_back = state.left_out.take_if(|(_, until)| *until <= now).is_some();
        if let Some(started) = self.started {
            let uncached_tokens = answer.usage.prompt_tokens.saturating_sub(answer.usage.cached_tokens);
            let timing = Timing { uncached_tokens, first_token: answer.first_token, total: answer.total };
            state.adaptive.answered(started, &timing, now);
        }
        let changed = before != (state.breaker.is_open(), state.adaptive.limit());
        drop(state);
        if is_back {
            tracing::info!(endpoint = self.member.name, "an endpoint that was left out of its pool answers again");
        }
        if changed {
            self.member.ring(true);
        }
    }

    /// It failed: how long the endpoint's gate is to be closed, if at all.
    pub fn failed(&mut self, failure: &CallFailure, now: Timestamp) -> Option<Duration> {
        self.told = true;
        let bearing = Bearing::of(failure.code);
        let mut state = self.member.state();
        if let (Bearing::Throttled, Some(started)) = (bearing, self.started) {
            let in_flight = state.calls;
            state.adaptive.lost(started, in_flight, now);
        }
        let closed = state.closed_until > now;
        let own = state.breaker.failed(bearing, failure.code, self.trial, closed);
        own.map(|own| failure.retry_after.unwrap_or(own))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.member.state();
        state.held -= 1;
        state.calls -= u32::from(self.started.is_some());
        if !self.told {
            state.breaker.give_up(self.trial);
        }
        drop(state);
        self.member.ring(false);
    }
}

/// The endpoints behind one role.
pub struct Endpoints {
    /// Names of the members, in order: the runs' rates are those of the pool.
    name: String,
    members: Vec<Arc<Member>>,
    /// Rung when a member may have room.
    bell: Arc<Notify>,
    retries: Mutex<RetryBudget>,
    /// What had come back to buckets of tokens, by name, and when that was read: all who wait here share what one has read.
    returned: tokio::sync::Mutex<HashMap<String, (Timestamp, f64)>>,
    /// The places of the calls that wait here for tokens.
    waiting: Mutex<Vec<(String, f64)>>,
}

/// A call waits for tokens, until this is dropped.
pub(crate) struct Waits<'a> {
    endpoints: &'a Endpoints,
    places: Vec<(String, f64)>,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut waiting = self.endpoints.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for place in &self.places {
            if let Some(at) = waiting.iter().position(|other| other == place) {
                waiting.swap_remove(at);
            }
        }
    }
}

impl Endpoints {
    /// A pool of these endpoints, whose names differ; none if there are none.
    pub fn new(members: Vec<Arc<Member>>) -> Option<Arc<Self>> {
        if members.is_empty() {
            return None;
        }
        let bell = Arc::new(Notify::new());
        for member in &members {
            let mut bells = member.bells.lock().unwrap_or_else(PoisonError::into_inner);
            bells.retain(|bell| bell.strong_count() > 0);
            bells.push(Arc::downgrade(&bell));
        }
        let mut names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        names.sort_unstable();
        Some(Arc::new(Self {
            name: names.join("+"),
            members,
            bell,
            retries: Mutex::default(),
            returned: tokio::sync::Mutex::default(),
            waiting: Mutex::default(),
        }))
    }

    /// A pool of one endpoint without limits of its own.
    pub fn one(name: &str, model: Arc<dyn ChatModel>) -> Arc<Self> {
        Self::new(vec![Member::new(name, model, Terms::default())]).expect("there is a member")
    }

    /// The endpoints.
    pub fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// What a call at this member draws on.
    pub(crate) fn budget(&self, member: &Member) -> Budget {
        let Terms { rpm, tpm, .. } = member.terms;
        Budget { endpoint: member.name.clone(), pool: self.name.clone(), rpm, tpm }
    }

    /// The endpoints in the order in which this affinity asks them.
    pub(crate) fn order(&self, affinity: &str) -> Vec<Arc<Member>> {
        let members = self.members.iter().map(|member| (member.name.as_str(), member.terms.weight));
        pool::order(affinity, members).into_iter().map(|at| Arc::clone(&self.members[at])).collect()
    }

    /// The bell, already listened to: what rings after this is heard.
    pub(crate) fn bell(&self) -> tokio::sync::futures::Notified<'_> {
        self.bell.notified()
    }

    /// A place at the first of these that has room, or until when it is worth waiting.
    pub(crate) fn take(order: &[Arc<Member>], now: Timestamp) -> Result<Place, Option<Timestamp>> {
        loop {
            match pool::choose(order.iter().map(|member| member.standing(now))) {
                // Somebody may have been faster: look again.
                pool::Choice::Take(at) => {
                    if let Some(place) = order[at].take(now) {
                        return Ok(place);
                    }
                }
                pool::Choice::Wait(until) => return Err(until),
            }
        }
    }

    /// Whether a call that this member failed could go to another one now, this one being closed.
    pub(crate) fn elsewhere(&self, failed: &Arc<Member>, now: Timestamp) -> bool {
        let open = |member: &Arc<Member>| member.standing(now) == Standing::Open;
        matches!(failed.standing(now), Standing::ClosedUntil(_))
            && self.members.iter().any(|member| !Arc::ptr_eq(member, failed) && open(member))
    }

    /// A member's answer says that it can serve no call, whoever asks: whether the pool goes on without it. It does while another
    /// member is not left out; the last one is not left out, and all others are taken in again, for whoever resumes the run has
    /// mended one of them.
    pub(crate) fn leave_out(&self, refusing: &Arc<Member>, code: ErrorCode, now: Timestamp) -> bool {
        let others = || self.members.iter().filter(|member| !Arc::ptr_eq(member, refusing));
        if others().all(|member| member.left_out(now).is_some()) {
            others().for_each(|member| member.take_in(now));
            return false;
        }
        if refusing.leave_out(code, now) {
            tracing::warn!(
                endpoint = refusing.name,
                code = code.as_str(),
                "an endpoint can serve no call and is left out of its pool, which goes on: {}",
                code.help()
            );
        }
        true
    }

    /// What has come back to these buckets, as of a moment ago.
    pub(crate) async fn returned(
        &self,
        traffic: &dyn TrafficStore,
        looks: Vec<Claim>,
        now: Timestamp,
    ) -> Result<Vec<f64>, StoreError> {
        let mut known = self.returned.lock().await;
        let fresh = |(read, returned): &(Timestamp, f64)| (now.since(*read) < SHARED_FOR).then_some(*returned);
        let shared: Option<Vec<f64>> = looks.iter().map(|look| known.get(&look.name).and_then(fresh)).collect();
        if let Some(shared) = shared {
            return Ok(shared);
        }
        let read = traffic.returned(&looks).await?;
        known.extend(looks.into_iter().zip(&read).map(|(look, returned)| (look.name, (now, *returned))));
        Ok(read)
    }

    /// A call waits for its start.
    pub(crate) fn wait(&self, start: &Start) -> Waits<'_> {
        let places = start.places();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(places.iter().cloned());
        Waits { endpoints: self, places }
    }

    /// The places of the calls that wait.
    pub(crate) fn waiting(&self) -> Vec<(String, f64)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A call starts.
    pub(crate) fn count_call(&self, now: Timestamp) {
        self.retries.lock().unwrap_or_else(PoisonError::into_inner).call(now);
    }

    /// How long a retry has to wait at least.
    pub(crate) fn count_retry(&self, now: Timestamp) -> Duration {
        self.retries.lock().unwrap_or_else(PoisonError::into_inner).retry(now)
    }
}
