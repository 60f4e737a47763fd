//! One call to the endpoint: reserve, wait for the start, ask, settle. Nothing is retried here.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use agentwrite::call::{CallFailure, ChatAnswer, ChatRequest, Usage};
use agentwrite::config::Limits;
use agentwrite::failure::{ErrorCode, FailureClass};
use agentwrite::ids::Timestamp;
use agentwrite::ports::{ChatModel, Clock, Reservation, Reserve, TrafficStore};
use agentwrite::retry::decorrelated;
use agentwrite::task::{AttemptEnd, ClaimedTask};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::CrashPoints;

/// The limits as they stand now; they may change while the run runs.
pub type LiveLimits = watch::Receiver<Limits>;

/// Makes calls under the shared budgets.
pub struct Caller {
    /// The pool behind the role.
    pub model: Arc<dyn ChatModel>,
    /// The endpoint's name, for gates and attempts.
    pub endpoint: String,
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
    /// This process's copy of the endpoint's gate.
    pub gate: Gate,
}

/// This process's copy of an endpoint's gate. Clones share it.
#[derive(Clone, Default)]
pub struct Gate(Arc<GateState>);

#[derive(Default)]
struct GateState {
    closed_until: AtomicI64,
    throttles: AtomicU32,
    in_flight: AtomicU32,
}

impl Gate {
    /// Calls in flight now.
    pub fn in_flight(&self) -> u32 {
        self.0.in_flight.load(Ordering::Relaxed)
    }

    /// Until when the gate is closed, as far as this process knows.
    pub fn closed_until(&self) -> Timestamp {
        Timestamp(self.0.closed_until.load(Ordering::Relaxed))
    }
}

/// A call in flight, counted for as long as this lives.
struct InFlight(Gate);

impl InFlight {
    fn start(gate: &Gate) -> Self {
        gate.0.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(gate.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What came of asking.
#[derive(Debug)]
pub enum Asked {
    /// A complete answer.
    Answer(Box<ChatAnswer>, AttemptEnd),
    /// A failed call, with how long to wait as the endpoint asks.
    Failed(Box<CallFailure>, AttemptEnd),
    /// The run's cap would be passed: no call was made.
    OverBudget,
    /// The process stops; whether a request had been sent stands in `called`.
    Stopped(AttemptEnd),
    /// The store refused the reservation.
    Store(agentwrite::ports::StoreError),
}

/// The most tokens that a prompt of so many bytes can have: two bytes a token covers every script in use.
fn most_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(2)
}

impl Caller {
    /// Asks once for a claimed task.
    pub async fn ask(&self, task: &ClaimedTask, request: ChatRequest) -> Asked {
        let limits = *self.limits.borrow();
        let mut end =
            AttemptEnd { endpoint: self.endpoint.clone(), model: request.model.clone(), ..Default::default() };
        let bytes = request.prompt_bytes();
        let tokens = (bytes / 4) as u64 + u64::from(request.max_tokens) / 3;
        let start = match self.reserve(task, &request, bytes, tokens, &limits).await {
            Ok(Reservation::StartAt(start)) => start,
            Ok(Reservation::OverBudget) => return Asked::OverBudget,
            Err(error) => return Asked::Store(error),
        };
        if !self.wait_until(start).await {
            self.settle(task, tokens, None, &limits).await;
            return Asked::Stopped(end);
        }
        self.crash.pass("before_call");
        end.called = true;
        let sent = tokio::time::Instant::now();
        let flight = InFlight::start(&self.gate);
        let result = tokio::select! {
            biased;
            () = self.abort.cancelled() => None,
            result = self.model.chat(request) => Some(result),
        };
        drop(flight);
        end.total_ms = sent.elapsed().as_millis() as u64;
        match result {
            None => Asked::Stopped(end),
            Some(Ok(answer)) => {
                self.gate.0.throttles.store(0, Ordering::Relaxed);
                Self::fill(&mut end, &answer.usage, &limits);
                end.first_token_ms = answer.first_token.as_millis() as u64;
                self.settle(task, tokens, Some(&answer.usage), &limits).await;
                Asked::Answer(Box::new(answer), end)
            }
            Some(Err(failure)) => {
                Self::fill(&mut end, &failure.usage, &limits);
                end.status = failure.status;
                self.settle(task, tokens, Some(&failure.usage), &limits).await;
                self.close_gate_after(&failure).await;
                Asked::Failed(Box::new(failure), end)
            }
        }
    }

    fn fill(end: &mut AttemptEnd, usage: &Usage, limits: &Limits) {
        end.usage = *usage;
        end.cost_nanousd = limits.price.map(|price| price.of(usage));
    }

    /// Without limits and prices there is nothing to share, so no transaction: only this process's copy of the gate.
    async fn reserve(
        &self,
        task: &ClaimedTask,
        request: &ChatRequest,
        bytes: usize,
        tokens: u64,
        limits: &Limits,
    ) -> Result<Reservation, agentwrite::ports::StoreError> {
        let now = self.clock.now();
        let shared =
            limits.rpm.is_some() || limits.tpm.is_some() || limits.max_cost_nanousd.is_some() || limits.price.is_some();
        if !shared {
            return Ok(Reservation::StartAt(self.gate.closed_until().max(now)));
        }
        let worst = limits.price.map(|price| price.worst(most_tokens(bytes), u64::from(request.max_tokens)));
        let reserved = self
            .traffic
            .reserve(Reserve {
                run: task.key.run.clone(),
                endpoint: self.endpoint.clone(),
                attempt: task.attempt.clone(),
                tokens,
                worst_nanousd: worst,
                now,
            })
            .await?;
        Ok(match reserved {
            Reservation::StartAt(start) => Reservation::StartAt(start.max(self.gate.closed_until())),
            Reservation::OverBudget => Reservation::OverBudget,
        })
    }

    /// Waits for a start time, which a gate may move further away. False when the process stops first.
    async fn wait_until(&self, start: Timestamp) -> bool {
        loop {
            if self.drain.is_cancelled() {
                return false;
            }
            let now = self.clock.now();
            let open = start.max(self.gate.closed_until());
            if open <= now {
                return true;
            }
            tokio::select! {
                biased;
                () = self.drain.cancelled() => return false,
                () = tokio::time::sleep(open.since(now)) => {}
            }
        }
    }

    async fn settle(&self, task: &ClaimedTask, reserved: u64, usage: Option<&Usage>, limits: &Limits) {
        if limits.tpm.is_none() {
            return;
        }
        let used = usage.map_or(0, |usage| usage.prompt_tokens + usage.completion_tokens);
        let unused = reserved as i64 - used as i64;
        if let Err(error) = self.traffic.settle(&task.key.run, &self.endpoint, unused, self.clock.now()).await {
            // The bucket is then a little too careful: no promise depends on it.
            tracing::warn!(%error, "a token reservation could not be given back");
        }
    }

    /// Closes the gate for everybody. A burst of refusals counts once: while the gate is closed the wait does not grow.
    async fn close_gate_after(&self, failure: &CallFailure) {
        let pause = match failure.code {
            code if code.class() == FailureClass::Throttled => {
                let now = self.clock.now();
                let fresh = self.gate.closed_until() <= now;
                let count = if fresh { self.gate.0.throttles.fetch_add(1, Ordering::Relaxed) } else { 0 };
                let own = decorrelated(
                    Duration::from_millis(250),
                    Duration::from_secs(30),
                    Duration::from_millis(250) * 2u32.pow(count.min(7)) / 3,
                    1.0,
                );
                failure.retry_after.unwrap_or(own)
            }
            ErrorCode::PromptTruncated => Duration::from_secs(1),
            _ => return,
        };
        self.close_gate(pause, failure.code).await;
    }

    /// Closes the gate for everybody for so long.
    pub async fn close_gate(&self, pause: Duration, code: ErrorCode) {
        let now = self.clock.now();
        let until = now.after(pause);
        self.gate.0.closed_until.fetch_max(until.0, Ordering::Relaxed);
        if let Err(error) = self.traffic.close_gate(&self.endpoint, until, code.as_str(), now).await {
            tracing::warn!(%error, "the gate could not be closed in the store; this process keeps to it");
        }
    }
}
