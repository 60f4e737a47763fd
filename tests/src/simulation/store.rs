//! The store behind a bad line: every intent takes a while, may be refused, may lose its answer, may find the disk full.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agentwrite::ids::{AttemptId, OwnerId, Timestamp};
use agentwrite::ports::{
    ClaimTask, DispatchStore, PackStore, RecordFailure, RecordResult, Recorded, ReportStore, RunStore, StoreError,
    TaskStore, TrafficStore,
};
use agentwrite::sample::SampleContext;
use agentwrite::task::{AfterFailure, ClaimedTask, CountAs, TaskKey};
use async_trait::async_trait;

use super::fate::Fate;
use super::life::{Event, Life};
use super::oracle::Oracle;

/// All store ports.
pub trait Store: TaskStore + DispatchStore + PackStore + RunStore + ReportStore + TrafficStore {}
impl<S: TaskStore + DispatchStore + PackStore + RunStore + ReportStore + TrafficStore> Store for S {}

/// The store below the faults.
#[derive(Clone)]
pub struct Ground {
    store: Arc<dyn Store>,
    /// It works on threads of its own, which the virtual clock must wait for.
    threaded: bool,
}

impl Ground {
    /// A store that answers at once.
    pub fn immediate(store: impl Store + 'static) -> Self {
        Self { store: Arc::new(store), threaded: false }
    }

    /// A store that works on threads of its own.
    pub fn threaded(store: impl Store + 'static) -> Self {
        Self { store: Arc::new(store), threaded: true }
    }

    /// Whether it answers at once, so that the order of intents is the order of their answers.
    pub fn is_immediate(&self) -> bool {
        !self.threaded
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Waits for the store while the clock stands still: tokio does not turn a paused clock while a blocking task runs.
    pub async fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        if !self.threaded {
            return call.await;
        }
        let (go, parked) = std::sync::mpsc::channel::<()>();
        drop(tokio::task::spawn_blocking(move || parked.recv()));
        let done = call.await;
        drop(go);
        done
    }
}

/// An intent that was on its way when its process died.
pub enum Letter {
    /// A result.
    Result(RecordResult),
    /// A failure.
    Failure(RecordFailure),
}

/// What all processes of a world share.
pub struct Line {
    /// The store below.
    pub ground: Ground,
    /// Chance.
    pub fate: Fate,
    /// The watcher.
    pub oracle: Arc<Oracle>,
    /// Intents refused, and answers lost, per mille each.
    pub faults: u64,
    /// No write is taken.
    pub full: AtomicBool,
    /// Whether letters of the dead may arrive.
    pub letters: bool,
}

/// More intents than any world needs: it spins.
const MOST_STEPS: u64 = 400_000;

/// The store as one process sees it.
#[derive(Clone)]
pub struct ShakenStore {
    /// Shared by all.
    pub line: Arc<Line>,
    /// The process.
    pub life: Arc<Life>,
}

/// Sent to the world if it is dropped unread because its process died.
struct Envelope {
    letter: Option<Letter>,
    from: ShakenStore,
}

impl Envelope {
    fn arrive(mut self) -> Option<Letter> {
        self.letter.take()
    }
}

impl Drop for Envelope {
    fn drop(&mut self) {
        if let Some(letter) = self.letter.take()
            && self.from.life.is_dead()
            && self.from.line.letters
        {
            self.from.life.tell(Event::Letter(Box::new(letter)));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Touch {
    Reads,
    Writes,
}

impl ShakenStore {
    pub(super) async fn through<T, C>(
        &self,
        touch: Touch,
        intent: &'static str,
        about: &str,
        call: C,
        seen: impl FnOnce(&Oracle, &T),
    ) -> Result<T, StoreError>
    where
        C: Future<Output = Result<T, StoreError>>,
    {
        let Line { ground, fate, oracle, faults, full, .. } = &*self.line;
        let label = format!("{intent} {about}");
        let most = if touch == Touch::Writes { 30 } else { 6 };
        let refuse = |why: &str| {
            oracle.fault();
            Err(StoreError::new(intent, why))
        };
        let work = async {
            if oracle.step() > MOST_STEPS {
                self.life.tell(Event::Spinning);
                std::future::pending::<()>().await;
            }
            self.life.thawed().await;
            pause(fate.delay(&label, most)).await;
            self.life.pass(intent, '-').await;
            if touch == Touch::Writes && full.load(Ordering::Relaxed) {
                return refuse("the disk is full");
            }
            if fate.strikes(&format!("refuse {label}"), *faults) {
                return refuse("refused, nothing was done");
            }
            let done = ground.wait(call).await?;
            seen(oracle, &done);
            self.life.pass(intent, '+').await;
            pause(fate.delay(&label, most)).await;
            self.life.thawed().await;
            if touch == Touch::Writes && fate.strikes(&format!("lose {label}"), *faults) {
                return refuse("the answer is lost, the intent was carried out");
            }
            Ok(done)
        };
        self.life.live(work).await
    }

    pub(super) async fn write<T, C>(&self, intent: &'static str, call: C) -> Result<T, StoreError>
    where
        C: Future<Output = Result<T, StoreError>>,
    {
        self.through(Touch::Writes, intent, self.life.owner.as_str(), call, |_, _| {}).await
    }

    pub(super) async fn read<T, C>(&self, intent: &'static str, call: C) -> Result<T, StoreError>
    where
        C: Future<Output = Result<T, StoreError>>,
    {
        self.through(Touch::Reads, intent, self.life.owner.as_str(), call, |_, _| {}).await
    }

    pub(super) fn ground(&self) -> &dyn Store {
        self.line.ground.store()
    }
}

async fn pause(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

/// Delivers a letter to the store.
pub async fn deliver(line: &Line, letter: Letter) {
    let store = line.ground.store();
    match letter {
        Letter::Result(mut record) => {
            let key = record.task.clone();
            // Nobody is there to go on with the next task.
            let until = record.now;
            record.claim_next = None;
            if let Ok(recorded) = line.ground.wait(store.record_result(record)).await {
                line.oracle.recorded(&key, &recorded, until);
            }
        }
        Letter::Failure(record) => {
            let (key, fence, dead) = failure_facts(&record);
            if line.ground.wait(store.record_failure(record)).await.is_ok() {
                line.oracle.failed(&key, fence, dead);
            }
        }
    }
}

fn failure_facts(failure: &RecordFailure) -> (TaskKey, i64, bool) {
    (failure.task.clone(), failure.fence, failure.failure.after == AfterFailure::Dead)
}

fn about(key: &TaskKey) -> String {
    format!("{} {} {}", key.kind.as_str(), key.subject, key.place)
}

#[async_trait]
impl TaskStore for ShakenStore {
    async fn claim_task(&self, claim: ClaimTask) -> Result<Option<ClaimedTask>, StoreError> {
        let (owner, key, until) = (claim.owner.clone(), claim.task.clone(), claim.now.after(claim.lease));
        let call = self.ground().claim_task(claim);
        self.through(Touch::Writes, "claim_task", &about(&key), call, |oracle, claimed| {
            oracle.claimed(&owner, &key, claimed.as_ref(), until);
        })
        .await
    }

    async fn record_result(&self, record: RecordResult) -> Result<Recorded, StoreError> {
        self.line.oracle.tried(&record.attempt);
        let key = record.task.clone();
        let until = record.claim_next.as_ref().map_or(record.now, |next| record.now.after(next.lease));
        let envelope = Envelope { letter: Some(Letter::Result(record)), from: self.clone() };
        let call = async {
            match envelope.arrive() {
                Some(Letter::Result(record)) => self.ground().record_result(record).await,
                _ => Err(StoreError::new("record_result", "an empty envelope")),
            }
        };
        self.through(Touch::Writes, "record_result", &about(&key), call, |oracle, recorded| {
            oracle.recorded(&key, recorded, until);
        })
        .await
    }

    async fn record_failure(&self, failure: RecordFailure) -> Result<bool, StoreError> {
        self.line.oracle.tried(&failure.attempt);
        let (key, fence, dead) = failure_facts(&failure);
        if failure.failure.count == CountAs::Part {
            self.line.oracle.part();
        }
        let envelope = Envelope { letter: Some(Letter::Failure(failure)), from: self.clone() };
        let call = async {
            match envelope.arrive() {
                Some(Letter::Failure(failure)) => self.ground().record_failure(failure).await,
                _ => Err(StoreError::new("record_failure", "an empty envelope")),
            }
        };
        self.through(Touch::Writes, "record_failure", &about(&key), call, |oracle, _| oracle.failed(&key, fence, dead))
            .await
    }

    async fn renew_leases(
        &self,
        owner: &OwnerId,
        attempts: &[AttemptId],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<(TaskKey, i64)>, StoreError> {
        if self.life.is_muted() {
            return Err(StoreError::new("renew_leases", "the heartbeat is lost"));
        }
        let call = self.ground().renew_leases(owner, attempts, lease, now);
        self.through(Touch::Writes, "renew_leases", owner.as_str(), call, |oracle, held| {
            oracle.renewed(held, now.after(lease));
        })
        .await
    }

    async fn load_sample(&self, task: &TaskKey) -> Result<Option<SampleContext>, StoreError> {
        self.through(Touch::Reads, "load_sample", &about(task), self.ground().load_sample(task), |_, _| {}).await
    }
}
