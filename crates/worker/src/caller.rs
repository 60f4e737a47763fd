//! One call: a place at an endpoint, a reservation, the start, the answer, the settlement. Nothing is retried here.

use std::sync::Arc;
use std::time::Duration;

use agentwrite::call::{CallFailure, ChatAnswer, ChatRequest, Usage};
use agentwrite::config::Limits;
use agentwrite::failure::{ErrorCode, FailureClass};
use agentwrite::ids::Timestamp;
use agentwrite::ports::{Clock, Reservation, Reserve, StoreError, TrafficStore, Unused};
use agentwrite::rate::{self, Start};
use agentwrite::task::{AttemptEnd, ClaimedTask};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::CrashPoints;
use crate::endpoints::{Endpoints, Member, Place};

/// The limits as they stand now; they may change while the run runs.
pub type LiveLimits = watch::Receiver<Limits>;

/// How often a call that waits for room looks by itself.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often a call that waits for tokens looks whether it may start earlier, if it may soon; else at a sixteenth of its wait.
const NEWS_EVERY: Duration = Duration::from_millis(100);

/// What falls due while a gate is closed for no longer than this may start together when it opens: the endpoint's buckets have
/// filled as well.
const LONG_CLOSURE: Duration = Duration::from_secs(1);

/// How long a gate stays closed after an endpoint dropped the front of a prompt.
const AFTER_TRUNCATION: Duration = Duration::from_secs(1);

/// Makes calls under the shared budgets.
pub struct Caller {
    /// The pool behind the role.
    pub endpoints: Arc<Endpoints>,
    /// The shared budgets.
    pub traffic: Arc<dyn TrafficStore>,
    /// Limits.
    pub limits: LiveLimits,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Stop waiting and starting calls.
    pub drain: CancellationToken,
    /// Stop calls in flight.
    pub abort: CancellationToken,
    /// Test builds only.
    pub crash: CrashPoints,
}

/// What came of asking.
#[derive(Debug)]
pub enum Asked {
    /// A complete answer.
    Answer(Box<ChatAnswer>, AttemptEnd),
    /// A failed call, with how long to wait as the endpoint asks.
    Failed(Box<CallFailure>, AttemptEnd),
    /// No call can succeed at the endpoint that was asked. It is left out, and its pool goes on: the next try asks another.
    LeftOut(Box<CallFailure>, AttemptEnd),
    /// The run's cap would be passed: no call was made.
    OverBudget,
    /// The process stops; whether a request had been sent stands in `called`.
    Stopped(AttemptEnd),
    /// The store refused the reservation.
    Store(StoreError),
}

/// What a call is about to take, and where.
struct Wish<'a> {
    task: &'a ClaimedTask,
    /// Bytes of the prompt.
    bytes: usize,
    /// Upper limit of answer tokens.
    max_tokens: u32,
    /// The estimate that is reserved.
    tokens: u64,
    limits: Limits,
}

/// What became of waiting for a start time.
enum Waited {
    Go,
    /// The process stops.
    Stopped,
    /// The gate closed meanwhile: the call goes elsewhere, or asks anew when it opens, or all that fell due by then would start
    /// at once.
    Closed,
}

/// The most tokens that a prompt of so many bytes can have: two bytes a token covers every script in use.
fn most_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(2)
}

impl Caller {
    /// Asks once for a claimed task.
    pub async fn ask(&self, task: &ClaimedTask, request: ChatRequest) -> Asked {
        let bytes = request.prompt_bytes();
        let max_tokens = request.max_tokens;
        // As endpoints count: before the call all that the answer may take, less what was not used when it ends.
        let tokens = (bytes / 4) as u64 + u64::from(max_tokens);
        let order = self.endpoints.order(&request.affinity);
        loop {
            let Some(place) = self.place(&order).await else { return Asked::Stopped(AttemptEnd::default()) };
            let limits = *self.limits.borrow();
            let wish = Wish { task, bytes, max_tokens, tokens, limits };
            let start = match self.reserve(&wish, place.member()).await {
                Ok(Reservation::StartAt(start)) => start,
                Ok(Reservation::OverBudget) => return Asked::OverBudget,
                Err(error) => return Asked::Store(error),
            };
            let waited = self.wait_until(start, place.member(), order.len() > 1).await;
            if let Waited::Go = waited {
                return self.send(&wish, request, place).await;
            }
            self.settle(&wish, place.member(), Unused::Call { tokens }).await;
            if let Waited::Stopped = waited {
                return Asked::Stopped(end_of(place.member(), &request));
            }
        }
    }

    /// Waits for a place at the first endpoint of the order that has room. `None` when the process stops first.
    async fn place(&self, order: &[Arc<Member>]) -> Option<Place> {
        loop {
            if self.drain.is_cancelled() {
                return None;
            }
            let bell = self.endpoints.bell();
            tokio::pin!(bell);
            // From here on nothing that rings is missed.
            bell.as_mut().enable();
            let now = self.clock.now();
            let opens = match Endpoints::take(order, now) {
                Ok(place) => return Some(place),
                Err(opens) => opens,
            };
            let look = opens.map_or(LOOK_EVERY, |opens| opens.since(now).min(LOOK_EVERY));
            tokio::select! {
                biased;
                () = self.drain.cancelled() => return None,
                () = bell => {}
                () = tokio::time::sleep(look) => {}
            }
        }
    }

    async fn send(&self, wish: &Wish<'_>, mut request: ChatRequest, mut place: Place) -> Asked {
        let member = Arc::clone(place.member());
        let mut end = end_of(&member, &request);
        request.model.clone_from(&end.model);
        self.crash.pass("before_call");
        end.called = true;
        let now = self.clock.now();
        self.endpoints.count_call(now);
        place.start(now);
        let sent = tokio::time::Instant::now();
        let heard = || place.heard();
        let result = tokio::select! {
            biased;
            () = self.abort.cancelled() => None,
            result = member.model.chat_heard(request, &heard) => Some(result),
        };
        end.total_ms = sent.elapsed().as_millis() as u64;
        match result {
            None => Asked::Stopped(end),
            Some(Ok(answer)) => {
                fill(&mut end, &answer.usage, wish, &member);
                end.first_token_ms = answer.first_token.as_millis() as u64;
                end.finish = Some(answer.finish);
                place.answered(&answer, self.clock.now());
                drop(place);
                self.settle(wish, &member, unused(wish, &answer.usage)).await;
                self.obey(wish, &member, &answer.limits).await;
                Asked::Answer(Box::new(answer), end)
            }
            Some(Err(mut failure)) => {
                fill(&mut end, &failure.usage, wish, &member);
                end.status = failure.status;
                let pause = place.failed(&failure, self.clock.now());
                drop(place);
                let refused = failure.code.class() == FailureClass::Fatal;
                let left_out = refused && self.endpoints.leave_out(&member, failure.code, self.clock.now());
                self.settle(wish, &member, unused(wish, &failure.usage)).await;
                self.close_after(wish, &member, &failure, pause).await;
                failure.retry_after = self.next_try(&member, &failure);
                let failure = Box::new(failure);
                if left_out { Asked::LeftOut(failure, end) } else { Asked::Failed(failure, end) }
            }
        }
    }

    /// Without limits and prices there is nothing to share, so no transaction: only this process's copy of the gate.
    async fn reserve(&self, wish: &Wish<'_>, member: &Member) -> Result<Reservation, StoreError> {
        let now = self.clock.now();
        let limits = &wish.limits;
        let price = member.terms.price.or(limits.price);
        let rated = [limits.rpm, limits.tpm, member.terms.rpm, member.terms.tpm].iter().any(Option::is_some);
        let shared = rated || limits.max_cost_nanousd.is_some() || price.is_some();
        if !shared {
            return Ok(Reservation::StartAt(now.into()));
        }
        let worst = price.map(|price| price.worst(most_tokens(wish.bytes), u64::from(wish.max_tokens)));
        self.traffic
            .reserve(Reserve {
                run: wish.task.key.run.clone(),
                budget: self.endpoints.budget(member),
                attempt: wish.task.attempt.clone(),
                tokens: wish.tokens,
                worst_nanousd: worst,
                now,
            })
            .await
    }

    /// Waits for a start time, which moves as others give back what they did not use.
    async fn wait_until(&self, mut start: Start, member: &Member, others: bool) -> Waited {
        let mut place = None;
        loop {
            if self.drain.is_cancelled() {
                return Waited::Stopped;
            }
            let (now, gate) = (self.clock.now(), member.closed_until());
            let pileup = gate > start.at() && gate.since(now) > LONG_CLOSURE;
            if gate > now && (others || pileup) {
                return Waited::Closed;
            }
            let left = start.at().max(gate).since(now);
            if left.is_zero() {
                if !start.moves() || place.is_none() && self.endpoints.waiting().is_empty() {
                    return Waited::Go;
                }
                // What came back while somebody waited may have found the endpoint's bucket full: then it waits on.
                self.look(&mut start, Some(now)).await;
                if start.at() <= self.clock.now() && member.closed_until() <= self.clock.now() {
                    return Waited::Go;
                }
                continue;
            }
            place.get_or_insert_with(|| self.endpoints.wait(&start));
            let news = if start.moves() { (left / 16).clamp(NEWS_EVERY, LOOK_EVERY).min(left) } else { left };
            tokio::select! {
                biased;
                () = self.drain.cancelled() => return Waited::Stopped,
                () = tokio::time::sleep(news) => {}
            }
            if news < left {
                self.look(&mut start, None).await;
            }
        }
    }

    /// Takes in what has come back to the buckets of tokens: to look only, or to start at this time.
    async fn look(&self, start: &mut Start, now: Option<Timestamp>) {
        let answer = match now {
            Some(now) => self.traffic.returned(&start.claims(now, &self.endpoints.waiting())).await,
            None => self.endpoints.returned(&*self.traffic, start.looks(), self.clock.now()).await,
        };
        match answer {
            Ok(returned) => start.look(returned),
            // It starts when it would have if nothing had come back since: that is late, and safe.
            Err(error) => tracing::warn!(%error, "a waiting call does not hear what others gave back"),
        }
    }

    async fn settle(&self, wish: &Wish<'_>, member: &Member, unused: Unused) {
        let tokens = wish.limits.tpm.or(member.terms.tpm);
        let requests = wish.limits.rpm.or(member.terms.rpm).filter(|_| matches!(unused, Unused::Call { .. }));
        if tokens.or(requests).is_none() {
            return;
        }
        let budget = self.endpoints.budget(member);
        if let Err(error) = self.traffic.settle(&wish.task.key.run, &budget, unused, self.clock.now()).await {
            // The bucket is then a little too careful: no promise depends on it.
            tracing::warn!(%error, "a token reservation could not be given back");
        }
    }

    /// Closes the gate while the endpoint's own headers say that nothing is left.
    async fn obey(&self, wish: &Wish<'_>, member: &Member, stated: &agentwrite::call::StatedLimits) {
        let rpm_known = wish.limits.rpm.or(member.terms.rpm).is_some();
        let tpm_known = wish.limits.tpm.or(member.terms.tpm).is_some();
        if let Some(pause) = rate::exhausted(stated, rpm_known, tpm_known) {
            self.close_gate(member, pause, ErrorCode::RateLimited).await;
        }
    }

    /// Closes the gate for everybody, if the failure says so. A burst of refusals counts once: while the gate is closed the
    /// wait does not grow.
    async fn close_after(&self, wish: &Wish<'_>, member: &Member, failure: &CallFailure, pause: Option<Duration>) {
        match (pause, failure.code) {
            (Some(pause), code) => self.close_gate(member, pause, code).await,
            (None, ErrorCode::PromptTruncated) => self.close_gate(member, AFTER_TRUNCATION, failure.code).await,
            (None, _) => {}
        }
        if failure.retry_after.is_none() {
            self.obey(wish, member, &failure.limits).await;
        }
    }

    /// Closes an endpoint's gate for everybody for so long.
    async fn close_gate(&self, member: &Member, pause: Duration, code: ErrorCode) {
        let now = self.clock.now();
        let until = now.after(pause);
        if until <= member.closed_until() {
            return;
        }
        member.close_until(until);
        if let Err(error) = self.traffic.close_gate(&member.name, until, code.as_str(), now).await {
            tracing::warn!(%error, "the gate could not be closed in the store; this process keeps to it");
        }
    }

    /// When the task may be tried again: at once, if its endpoint is closed and another one is open; never before the retry
    /// budget allows it. `None` leaves it to the policy.
    fn next_try(&self, member: &Arc<Member>, failure: &CallFailure) -> Option<Duration> {
        if matches!(failure.code.class(), FailureClass::Fatal | FailureClass::Permanent) {
            return failure.retry_after;
        }
        let now = self.clock.now();
        let least = self.endpoints.count_retry(now);
        if self.endpoints.elsewhere(member, now) {
            return Some(least);
        }
        match failure.retry_after {
            None if least.is_zero() => None,
            asked => Some(asked.unwrap_or_default().max(least)),
        }
    }
}

fn unused(wish: &Wish<'_>, usage: &Usage) -> Unused {
    Unused::Tokens(wish.tokens as i64 - (usage.prompt_tokens + usage.completion_tokens) as i64)
}

fn end_of(member: &Member, request: &ChatRequest) -> AttemptEnd {
    let model = member.terms.model.clone().unwrap_or_else(|| request.model.clone());
    AttemptEnd { endpoint: member.name.clone(), model, ..Default::default() }
}

fn fill(end: &mut AttemptEnd, usage: &Usage, wish: &Wish<'_>, member: &Member) {
    end.usage = *usage;
    end.cost_nanousd = member.terms.price.or(wish.limits.price).map(|price| price.of(usage));
}

#[cfg(test)]
mod tests;
