//! The store in memory: the model that the other adapters are measured against, and the store of the seeded simulation.
//!
//! One lock over plain ordered maps, one file per group of intents, clarity before speed. Every intent checks first and
//! changes afterwards, so that a refused one leaves nothing half done. Two things are here for tests only: faults
//! ([`MemoryStore::fail_next_writes`], [`MemoryStore::lose_next_answers`]) and [`Guards`], which switch single tests of
//! the store off so that a suite can show that it notices.
//!
//! To add an intent: a function on the state in the file of its group, a line in that group's trait implementation.

mod admission;
mod attempts;
mod claim;
mod control;
mod dispatch;
mod intake;
mod ledger;
mod load;
mod outbox;
mod outlines;
mod pack;
mod record_failure;
mod record_result;
mod report;
mod rescue;
mod retry;
mod rows;
mod runs;
mod state;
mod tasks;
mod traffic;
mod training;
mod violations;

use std::sync::{Mutex, MutexGuard, PoisonError};

use agentwrite::ids::{AttemptId, RunId, SampleId};
use agentwrite::ports::{Range, StoreError};
use agentwrite::sample::IllegalTransition;

use state::State;

/// Tests that the store makes. All are on unless a mutation test switches one off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guards {
    /// `record_failure` leaves the task alone when the fence is stale.
    pub fence: bool,
    /// `record_result` accepts only what was made for the standing context.
    pub context_hash: bool,
    /// `record_result` accepts only what fills an empty place; off, a second result replaces the first.
    pub unique_place: bool,
    /// A task that is marked published has an outbox row.
    pub outbox_row: bool,
    /// `claim_task` leaves claimed tasks alone.
    pub lease_test: bool,
    /// `rescue_stalled` does something.
    pub rescue: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self { fence: true, context_hash: true, unique_place: true, outbox_row: true, lease_test: true, rescue: true }
    }
}

/// Why the store in memory refused an intent.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// A fault was asked for: nothing was done.
    #[error("refused on request, nothing was done")]
    Refused,
    /// A fault was asked for: the intent was carried out, its answer is lost.
    #[error("the answer was lost on request, the intent was carried out")]
    AnswerLost,
    /// There is no such run, and the intent cannot say so in its answer.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// A follow-up names a sample that is not there.
    #[error("run {0} has no sample {1}")]
    NoSample(RunId, SampleId),
    /// The id of a new attempt is taken.
    #[error("attempt {0} was started before")]
    AttemptExists(AttemptId),
    /// Money was reserved for an attempt that is not open.
    #[error("attempt {0} is not open")]
    AttemptNotOpen(AttemptId),
    /// A sample cannot take the event that the intent brings.
    #[error("sample {sample}: {source}")]
    Illegal {
        /// The sample.
        sample: SampleId,
        /// The state and the event.
        #[source]
        source: IllegalTransition,
    },
    /// A sample would stand in two shards (I3).
    #[error("sample {sample} is in {} already", range.file_stem())]
    SecondShard {
        /// The sample.
        sample: SampleId,
        /// The shard that has it.
        range: Range,
    },
}

/// All store ports over one lock.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store with some tests switched off.
    pub fn with_guards(guards: Guards) -> Self {
        let store = Self::default();
        store.set_guards(guards);
        store
    }

    /// Switches tests of the store on and off.
    pub fn set_guards(&self, guards: Guards) {
        self.lock().guards = guards;
    }

    /// Makes the next `writes` writing intents fail before they do anything.
    pub fn fail_next_writes(&self, writes: u32) {
        self.lock().faults.refuse = writes;
    }

    /// Makes the next `writes` writing intents fail after they are done: the caller cannot know what became of them.
    /// Counted after the writes of [`Self::fail_next_writes`].
    pub fn lose_next_answers(&self, writes: u32) {
        self.lock().faults.lose = writes;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // An intent that panicked under the lock has a defect; the others go on with what stands.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the ports' methods return it as it is")]
    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T, StoreError> {
        Ok(look(&self.lock()))
    }

    fn write<T>(
        &self,
        intent: &'static str,
        act: impl FnOnce(&mut State) -> Result<T, MemoryError>,
    ) -> Result<T, StoreError> {
        let mut state = self.lock();
        if state.faults.refuse > 0 {
            state.faults.refuse -= 1;
            return Err(StoreError::new(intent, MemoryError::Refused));
        }
        let done = act(&mut state).map_err(|error| StoreError::new(intent, error))?;
        if state.faults.lose > 0 {
            state.faults.lose -= 1;
            return Err(StoreError::new(intent, MemoryError::AnswerLost));
        }
        Ok(done)
    }
}
