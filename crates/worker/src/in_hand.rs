//! The attempts that a process works on: what its heartbeat prolongs, and nothing else.
//!
//! A claim whose answer was lost on the way is in nobody's hands. Were it prolonged with the rest, its task would wait
//! until the process ends.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agentwrite::ids::AttemptId;

/// The attempts in work. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct InHand(Arc<Mutex<BTreeSet<AttemptId>>>);

/// One attempt in work, for as long as this lives.
#[derive(Debug)]
pub struct Hold {
    all: InHand,
    attempt: AttemptId,
}

impl InHand {
    /// Takes an attempt in hand. To be done before its claim is sent, so that no heartbeat misses it.
    pub fn take(&self, attempt: &AttemptId) -> Hold {
        self.attempts().insert(attempt.clone());
        Hold { all: self.clone(), attempt: attempt.clone() }
    }

    /// All attempts in work.
    pub fn list(&self) -> Vec<AttemptId> {
        self.attempts().iter().cloned().collect()
    }

    fn attempts(&self) -> MutexGuard<'_, BTreeSet<AttemptId>> {
        // A panic under the lock cannot leave the set half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.all.attempts().remove(&self.attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_is_in_work_and_no_longer() {
        let in_hand = InHand::default();
        let (first, second) = (AttemptId::new("att_1"), AttemptId::new("att_2"));
        let hold = in_hand.take(&first);
        let _other = in_hand.take(&second);
        assert_eq!(in_hand.list(), [first, second.clone()]);
        drop(hold);
        assert_eq!(in_hand.list(), [second]);
    }
}
