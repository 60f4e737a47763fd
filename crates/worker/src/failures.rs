//! From what went wrong to what becomes of the task: the same for every kind of task.

use agentwrite::failure::{ErrorCode, FailureClass};
use agentwrite::ports::{Clock, Dice, StoreError};
use agentwrite::retry::RetryPolicy;
use agentwrite::task::{AfterFailure, AttemptEnd, ClaimedTask, CountAs, Hint, KeptAnswer, TaskFailure};

use crate::caller::Asked;
use crate::chain::{Outcome, interrupted};

/// Decides about the failures of one task.
#[derive(Clone, Copy)]
pub struct Failures<'a> {
    /// The limits.
    pub retry: &'a RetryPolicy,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Jitter.
    pub dice: &'a dyn Dice,
    /// The task.
    pub task: &'a ClaimedTask,
}

impl Failures<'_> {
    /// A gate turned the answer down. `hopeless`: asking again cannot help, the task dies now.
    pub fn of_answer(
        &self,
        code: ErrorCode,
        message: String,
        hint: Hint,
        kept: KeptAnswer,
        end: AttemptEnd,
        hopeless: bool,
    ) -> Outcome {
        let decision = self.retry.decide(code, self.task, None, true, self.clock.now(), self.dice.unit());
        let after = if hopeless { AfterFailure::Dead } else { decision.after };
        let failure = TaskFailure {
            code,
            message,
            count: decision.count,
            bad_answer: true,
            after,
            hint: Hint { waited_ms: decision.waited.as_millis() as u64, ..hint },
            answer: Some(kept),
        };
        Outcome::Failed { failure: Box::new(failure), end, pause: None }
    }

    /// The answer is a part that the next try continues: nothing failed, nothing is counted, and there is nothing to wait for.
    pub fn of_part(&self, message: String, hint: Hint, kept: KeptAnswer, end: AttemptEnd) -> Outcome {
        let failure = TaskFailure {
            code: ErrorCode::Cut,
            message,
            count: CountAs::Part,
            bad_answer: false,
            after: AfterFailure::RetryAt(self.clock.now()),
            hint: Hint { waited_ms: 0, ..hint },
            answer: Some(kept),
        };
        Outcome::Failed { failure: Box::new(failure), end, pause: None }
    }

    /// The call gave no answer.
    pub fn of_call(&self, asked: Asked) -> Outcome {
        match asked {
            Asked::Failed(failure, end) => {
                let mut hint = self.task.hint.clone();
                // A cut or exhausted answer is asked again with more room.
                let room = matches!(failure.code, ErrorCode::Cut | ErrorCode::ReasoningExhausted);
                hint.doublings += u32::from(room);
                self.plain(failure.code, failure.message.clone(), hint, failure.retry_after, end)
            }
            Asked::LeftOut(failure, end) => {
                let hint = self.task.hint.clone();
                match self.plain(failure.code, failure.message.clone(), hint, None, end) {
                    Outcome::Failed { failure, end, .. } => Outcome::Failed { failure, end, pause: None },
                    done @ Outcome::Done(_) => done,
                }
            }
            Asked::OverBudget => {
                let message = "the run's cap would be passed by this call".to_owned();
                self.plain(ErrorCode::Budget, message, self.task.hint.clone(), None, AttemptEnd::default())
            }
            Asked::Stopped(end) => {
                let failure = interrupted(&end, self.task, self.clock.now());
                Outcome::Failed { failure: Box::new(failure), end, pause: None }
            }
            Asked::Store(error) => self.store(&error),
            Asked::Answer(_, end) => {
                self.plain(ErrorCode::Internal, "an answer is no failure".to_owned(), Hint::default(), None, end)
            }
        }
    }

    /// The store failed under the task.
    pub fn store(&self, error: &StoreError) -> Outcome {
        let hint = self.task.hint.clone();
        self.plain(ErrorCode::Storage, error.to_string(), hint, None, AttemptEnd::default())
    }

    /// Something that cannot be.
    pub fn internal(&self, message: &str) -> Outcome {
        self.plain(ErrorCode::Internal, message.to_owned(), Hint::default(), None, AttemptEnd::default())
    }

    /// The task cannot be done at all.
    pub fn permanent(&self, code: ErrorCode, message: String) -> Outcome {
        self.plain(code, message, self.task.hint.clone(), None, AttemptEnd::default())
    }

    fn plain(
        &self,
        code: ErrorCode,
        message: String,
        hint: Hint,
        retry_after: Option<std::time::Duration>,
        end: AttemptEnd,
    ) -> Outcome {
        let decision = self.retry.decide(code, self.task, retry_after, false, self.clock.now(), self.dice.unit());
        let failure = TaskFailure {
            code,
            message,
            count: decision.count,
            bad_answer: false,
            after: decision.after,
            hint: Hint { waited_ms: decision.waited.as_millis() as u64, ..hint },
            answer: None,
        };
        let pause = (code.class() == FailureClass::Fatal).then_some(code);
        Outcome::Failed { failure: Box::new(failure), end, pause }
    }
}
