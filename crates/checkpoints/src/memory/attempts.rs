//! Attempts: they start with a claim, end once, and take the run's counters along.

use agentwrite::ids::{AttemptId, Hash, OwnerId, Timestamp};
use agentwrite::task::{AttemptEnd, KeptAnswer, Outcome, TaskKey};

use super::rows::{Answer, Attempt};
use super::state::RunData;
use super::{MemoryError, ledger};

impl RunData {
    /// Fails if an attempt with this id was started before.
    pub fn check_new(&self, attempt: &AttemptId) -> Result<(), MemoryError> {
        if self.attempts.contains_key(attempt) {
            return Err(MemoryError::AttemptExists(attempt.clone()));
        }
        Ok(())
    }

    /// Writes the row that stands before the call.
    pub fn start_attempt(&mut self, id: &AttemptId, key: &TaskKey, owner: &OwnerId, now: Timestamp) {
        let attempt = Attempt {
            key: key.clone(),
            generation: self.tasks.get(key).map_or(0, |task| task.generation),
            owner: owner.clone(),
            outcome: Outcome::Started,
            code: None,
            message: None,
            throttled: false,
            started_at: now,
            ended_at: None,
            end: None,
            reserved_nanousd: None,
        };
        ledger::add(&mut self.totals, &ledger::share(&attempt));
        self.attempts.insert(id.clone(), attempt);
        self.tries.entry(key.subject.clone()).or_default().push(id.clone());
    }

    /// Changes an attempt and moves the counters by the difference.
    pub fn change_attempt(&mut self, id: &AttemptId, change: impl FnOnce(&mut Attempt)) {
        let Some(attempt) = self.attempts.get_mut(id) else { return };
        ledger::take(&mut self.totals, &ledger::share(attempt));
        change(attempt);
        ledger::add(&mut self.totals, &ledger::share(attempt));
    }

    /// Ends an attempt by itself, with usage and price.
    pub fn end_attempt(&mut self, id: &AttemptId, outcome: Outcome, end: &AttemptEnd, now: Timestamp) {
        self.change_attempt(id, |attempt| {
            attempt.outcome = outcome;
            attempt.end = Some(end.clone());
            attempt.ended_at = Some(now);
        });
    }

    /// Ends an attempt whose worker is gone. Its reservation goes on counting: whether the call was paid for is unknown.
    pub fn orphan_attempt(&mut self, id: &AttemptId, now: Timestamp) {
        if self.attempts.get(id).is_some_and(|attempt| attempt.outcome == Outcome::Started) {
            self.change_attempt(id, |attempt| {
                attempt.outcome = Outcome::Orphaned;
                attempt.ended_at = Some(now);
            });
        }
    }

    /// How an attempt stands.
    pub fn outcome(&self, id: &AttemptId) -> Option<Outcome> {
        self.attempts.get(id).map(|attempt| attempt.outcome)
    }

    /// Keeps an answer; an attempt has at most one.
    pub fn keep_answer(&mut self, id: &AttemptId, key: &TaskKey, context_hash: Hash, kept: Option<&KeptAnswer>) {
        let Some(kept) = kept else { return };
        let answers = self.answers.entry(key.subject.clone()).or_default();
        if answers.iter().all(|answer| answer.attempt != *id) {
            answers.push(Answer { attempt: id.clone(), key: key.clone(), context_hash, kept: kept.clone() });
        }
    }
}
