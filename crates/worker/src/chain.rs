//! One claimed task after another, for as long as each commit hands over the next: depth first, the prefix still warm; in
//! the tail of a run the longest sample first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agentwrite::failure::ErrorCode;
use agentwrite::ids::OwnerId;
use agentwrite::manuscript::Manuscript;
use agentwrite::ports::{
    ClaimNext, ClaimTask, Clock, Control, Delivery, Dice, DispatchStore, FollowUp, Observer, RecordFailure,
    RecordResult, Recorded, RunStore, StoreError, TaskQueue, TaskResult, TaskStore,
};
use agentwrite::sample::Section;
use agentwrite::task::{
    AfterFailure, AttemptEnd, ClaimedTask, CountAs, Hint, KeptAnswer, Kind, LeaseTimes, TaskFailure, TaskKey,
};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::watch::{UNWATCHED, Watched};
use crate::{CrashPoints, Doorbell, Hold, InHand, Spool};

/// A slot keeps its message unacked while its chain goes on: the queue hands a process no more than it has slots, so nothing
/// waits here for a slot while another process has one free. RabbitMQ closes a channel that holds a message for 30 minutes,
/// hence not for ever.
const LONGEST_HOLD: Duration = Duration::from_secs(600);

/// A good result, ready to be recorded.
#[derive(Debug)]
pub struct Done {
    /// The result.
    pub result: TaskResult,
    /// The attempt whose answer it is; the one at hand if absent.
    pub origin: Option<agentwrite::ids::AttemptId>,
    /// Usage, price, times.
    pub end: AttemptEnd,
    /// The answer, where it must be kept.
    pub answer: Option<KeptAnswer>,
    /// What it sets in motion.
    pub follow_ups: Vec<FollowUp>,
}

/// What a handler made of a task.
#[derive(Debug)]
pub enum Outcome {
    /// A result.
    Done(Box<Done>),
    /// A failed try.
    Failed {
        /// What happened and what becomes of the task.
        failure: Box<TaskFailure>,
        /// Usage, price, times.
        end: AttemptEnd,
        /// No call of this run can succeed: it is paused for this reason.
        pause: Option<ErrorCode>,
    },
}

/// What a service brings for a kind of task: the request, the call, what the answer means.
#[async_trait]
pub trait Handler: Send + Sync {
    /// The kind it handles.
    fn kind(&self) -> Kind;
    /// Does the work. `memory` is the manuscript that the chain's last task left, maybe another sample's; `None` at its start.
    async fn handle(&self, task: &ClaimedTask, memory: &mut Option<Manuscript>) -> Outcome;
}

/// What every chain of a process shares.
pub(crate) struct Shared {
    pub(crate) tasks: Arc<dyn TaskStore>,
    pub(crate) outbox: Arc<dyn DispatchStore>,
    pub(crate) runs: Arc<dyn RunStore>,
    pub(crate) queue: Arc<dyn TaskQueue>,
    pub(crate) handlers: HashMap<Kind, Arc<dyn Handler>>,
    pub(crate) owner: OwnerId,
    pub(crate) leases: LeaseTimes,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Arc<dyn Dice>,
    pub(crate) planner: Doorbell,
    pub(crate) packer: Doorbell,
    pub(crate) spool: Option<Spool>,
    pub(crate) crash: CrashPoints,
    pub(crate) drain: CancellationToken,
    pub(crate) abort: CancellationToken,
    pub(crate) in_hand: InHand,
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

impl Shared {
    /// Works off one delivery and the chain that it starts. `go_on` says whether this slot may take the next task.
    pub(crate) async fn work(&self, delivery: Box<dyn Delivery>, go_on: impl Fn() -> bool) {
        self.crash.pass("after_deliver");
        let claimed = match self.claim(&delivery.message().task).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(%error, "a claim failed; the message goes back");
                tokio::time::sleep(Duration::from_millis(250)).await;
                return;
            }
        };
        let Some((first, hold)) = claimed else {
            self.ack(delivery).await;
            self.planner.ring();
            return;
        };
        self.crash.pass("after_claim");
        let mut delivery = Some(delivery);
        let taken = self.clock.now();
        let mut memory = None;
        let mut next = Some((first, hold));
        while let Some((task, _hold)) = next.take() {
            let Some(handler) = self.handlers.get(&task.key.kind) else { break };
            let watched = self.watch(&task);
            let work = handler.handle(&task, &mut memory);
            let outcome =
                if UNWATCHED { work.await } else { work.instrument(Self::log_span(watched.as_ref(), &task)).await };
            self.crash.pass("after_answer");
            next = match outcome {
                Outcome::Done(done) => self.record(&task, *done, watched, &mut memory, go_on()).await,
                Outcome::Failed { failure, end, pause } => {
                    let is_part = failure.count == CountAs::Part;
                    let held = self.fail(&task, *failure, end, watched, pause).await;
                    if is_part && held && go_on() { self.claim_again(&task).await } else { None }
                }
            };
            let held = self.clock.now().since(taken);
            if let Some(delivery) = delivery.take_if(|_| next.is_none() || held > LONGEST_HOLD) {
                self.crash.pass("before_ack");
                self.ack(delivery).await;
                self.crash.pass("after_ack");
            }
        }
        self.planner.ring();
    }

    async fn claim(&self, task: &TaskKey) -> Result<Option<(ClaimedTask, Hold)>, StoreError> {
        let claim = ClaimTask {
            task: task.clone(),
            owner: self.owner.clone(),
            attempt: self.dice.attempt_id(),
            lease: self.leases.lease,
            now: self.clock.now(),
        };
        let hold = self.in_hand.take(&claim.attempt);
        Ok(self.tasks.claim_task(claim).await?.map(|claimed| (claimed, hold)))
    }

    /// A part of an answer stands: its task is ready again, and this slot goes on with it while the prefix is warm. If it
    /// cannot, the task's message comes as after any failure.
    async fn claim_again(&self, task: &ClaimedTask) -> Option<(ClaimedTask, Hold)> {
        self.crash.pass("after_part");
        self.claim(&task.key).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "a task could not be claimed again");
            None
        })
    }

    async fn ack(&self, delivery: Box<dyn Delivery>) {
        if let Err(error) = delivery.ack().await {
            // The message will come again and find nothing to claim.
            tracing::debug!(%error, "an ack did not arrive");
        }
    }

    /// Records a result until the store takes it; returns the next task if it was claimed with it.
    async fn record(
        &self,
        task: &ClaimedTask,
        done: Done,
        watched: Option<Watched>,
        memory: &mut Option<Manuscript>,
        go_on: bool,
    ) -> Option<(ClaimedTask, Hold)> {
        let next_attempt = self.dice.attempt_id();
        let hold = self.in_hand.take(&next_attempt);
        let record = RecordResult {
            task: task.key.clone(),
            context_hash: task.context_hash,
            owner: self.owner.clone(),
            attempt: task.attempt.clone(),
            origin: done.origin.unwrap_or_else(|| task.attempt.clone()),
            end: done.end,
            result: done.result,
            answer: done.answer,
            follow_ups: done.follow_ups,
            claim_next: go_on.then_some(ClaimNext { attempt: next_attempt, lease: self.leases.lease }),
            now: self.clock.now(),
        };
        self.crash.pass("before_commit");
        let recorded = self.commit(&record).await?;
        self.crash.pass("after_commit");
        self.tell_recorded(watched, task, &record, &recorded);
        match recorded {
            Recorded::Accepted { next, publish } => {
                self.publish(publish).await;
                // The chain leaves this sample: it may be planned or written now.
                if next.as_ref().is_none_or(|next| next.key.subject != record.task.subject) {
                    self.packer.ring();
                    self.planner.ring();
                }
                keep(memory, record);
                next.map(|next| (next, hold))
            }
            Recorded::Repeated | Recorded::Wasted => None,
        }
    }

    /// The committing process publishes its own outbox rows and deletes them; the relay takes what it could not.
    async fn publish(&self, rows: Vec<agentwrite::ports::OutboxRow>) {
        if rows.is_empty() {
            return;
        }
        let (ids, messages): (Vec<i64>, Vec<_>) = rows.into_iter().map(|row| (row.id, row.message)).unzip();
        let published = self.queue.publish(&messages).await;
        if published.is_ok()
            && let Err(error) = self.outbox.delete_outbox(&ids).await
        {
            tracing::debug!(%error, "the relay will send these messages once more");
        }
    }

    /// Ends a try without a result; whether the claim held.
    async fn fail(
        &self,
        task: &ClaimedTask,
        failure: TaskFailure,
        end: AttemptEnd,
        watched: Option<Watched>,
        pause: Option<ErrorCode>,
    ) -> bool {
        if failure.after == AfterFailure::Dead {
            self.packer.ring();
        }
        tracing::debug!(subject = %task.key.subject, place = task.key.place, code = %failure.code, message = %failure.message,
            "a try failed");
        let record = RecordFailure {
            task: task.key.clone(),
            fence: task.fence,
            attempt: task.attempt.clone(),
            end,
            failure,
            now: self.clock.now(),
        };
        let held = self.give_up(&record).await;
        self.tell_failed(watched, task, &record, held);
        if let Some(code) = pause {
            let wish = Control::Pause { reason: code.as_str().to_owned() };
            if let Err(error) = self.runs.control(&task.key.run, "worker", &wish, self.clock.now()).await {
                tracing::warn!(%error, "the run could not be paused");
            }
            self.planner.ring();
        }
        if self.drain.is_cancelled() {
            tracing::debug!("draining");
        }
        held
    }
}

/// What was accepted stands in the manuscript for the chain's next task.
fn keep(memory: &mut Option<Manuscript>, record: RecordResult) {
    let RecordResult { task, origin, end, result, .. } = record;
    if let (TaskResult::Section { text, words, flags, chain }, Some(manuscript)) = (result, memory.as_mut()) {
        let tokens = end.usage.reported.then_some(end.usage.prompt_tokens);
        manuscript.accept(Section { place: task.place, text, words, flags, attempt: origin }, chain, tokens);
    }
}

/// A failure that counts as an interruption: the process stops.
pub fn interrupted(end: &AttemptEnd, task: &ClaimedTask, now: agentwrite::ids::Timestamp) -> TaskFailure {
    TaskFailure {
        code: ErrorCode::Interrupted,
        message: "the process stopped".to_owned(),
        count: if end.called { CountAs::Crash } else { CountAs::Nothing },
        bad_answer: false,
        after: AfterFailure::RetryAt(now),
        hint: Hint { ..task.hint.clone() },
        answer: None,
    }
}
