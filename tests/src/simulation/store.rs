//! The store behind a bad line: every intent takes a while, may be refused, may lose its answer, may find the disk full.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agentwrite::config::{Limits, RunConfig};
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, Hash, OwnerId, RunId, SampleId, Timestamp};
use agentwrite::ports::{
    Added, AdmissionView, Admit, ClaimTask, ClosedShard, CompleteSample, Control, DispatchStore, Dispatched, OutboxRow,
    PackStore, PackedSample, PublishedShard, Range, RecordFailure, RecordResult, Recorded, ReportStore, Rescued,
    Reservation, Reserve, Retried, RetryPlan, Run, RunState, RunStore, ShardFile, StoreError, TaskStore, Totals,
    TrafficStore, Verdict,
};
use agentwrite::ports::{FailureGroup, OperatorAction, SampleDetail, SampleFilter, SamplePage, StatisticsRow};
use agentwrite::sample::SampleContext;
use agentwrite::task::{AfterFailure, ClaimedTask, TaskKey};
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
enum Touch {
    Reads,
    Writes,
}

impl ShakenStore {
    async fn through<T, C>(
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

    async fn write<T, C>(&self, intent: &'static str, call: C) -> Result<T, StoreError>
    where
        C: Future<Output = Result<T, StoreError>>,
    {
        self.through(Touch::Writes, intent, self.life.owner.as_str(), call, |_, _| {}).await
    }

    async fn read<T, C>(&self, intent: &'static str, call: C) -> Result<T, StoreError>
    where
        C: Future<Output = Result<T, StoreError>>,
    {
        self.through(Touch::Reads, intent, self.life.owner.as_str(), call, |_, _| {}).await
    }

    fn ground(&self) -> &dyn Store {
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

#[async_trait]
impl DispatchStore for ShakenStore {
    async fn admission_view(
        &self,
        run: &RunId,
        window: u64,
        most: u32,
        now: Timestamp,
    ) -> Result<AdmissionView, StoreError> {
        self.read("admission_view", self.ground().admission_view(run, window, most, now)).await
    }

    async fn admit(&self, run: &RunId, admits: &[Admit], ordered: bool, now: Timestamp) -> Result<u64, StoreError> {
        self.write("admit", self.ground().admit(run, admits, ordered, now)).await
    }

    async fn dispatch_ready(&self, run: &RunId, slots: u32, now: Timestamp) -> Result<Dispatched, StoreError> {
        self.write("dispatch_ready", self.ground().dispatch_ready(run, slots, now)).await
    }

    async fn rescue_stalled(&self, lost_after: Duration, now: Timestamp) -> Result<Rescued, StoreError> {
        let call = self.ground().rescue_stalled(lost_after, now);
        self.through(Touch::Writes, "rescue_stalled", self.life.owner.as_str(), call, |oracle, rescued| {
            oracle.rescued(rescued.leases, now);
        })
        .await
    }

    async fn free_dead_owners(&self, owner: &OwnerId, now: Timestamp) -> Result<Rescued, StoreError> {
        let call = self.ground().free_dead_owners(owner, now);
        self.through(Touch::Writes, "free_dead_owners", owner.as_str(), call, |oracle, _| oracle.freed(owner)).await
    }

    async fn take_outbox(&self, age: Duration, most: u32, now: Timestamp) -> Result<Vec<OutboxRow>, StoreError> {
        self.read("take_outbox", self.ground().take_outbox(age, most, now)).await
    }

    async fn delete_outbox(&self, ids: &[i64]) -> Result<(), StoreError> {
        self.write("delete_outbox", self.ground().delete_outbox(ids)).await
    }

    async fn record_statistics(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError> {
        self.write("record_statistics", self.ground().record_statistics(run, now)).await
    }
}

#[async_trait]
impl PackStore for ShakenStore {
    async fn unjudged(&self, run: &RunId, most: u32) -> Result<Vec<SampleContext>, StoreError> {
        self.read("unjudged", self.ground().unjudged(run, most)).await
    }

    async fn record_verdict(
        &self,
        run: &RunId,
        sample: &SampleId,
        revision: u32,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let call = self.ground().record_verdict(run, sample, revision, verdict, now);
        self.through(Touch::Writes, "record_verdict", sample.as_str(), call, |_, ()| {}).await
    }

    async fn closable(&self, run: &RunId) -> Result<Vec<Range>, StoreError> {
        self.read("closable", self.ground().closable(run)).await
    }

    async fn range_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError> {
        self.read("range_samples", self.ground().range_samples(run, range)).await
    }

    async fn close_range(
        &self,
        run: &RunId,
        range: Range,
        rejects: &[(SampleId, ErrorCode, String)],
        now: Timestamp,
    ) -> Result<Option<ClosedShard>, StoreError> {
        self.write("close_range", self.ground().close_range(run, range, rejects, now)).await
    }

    async fn publish_shard(
        &self,
        run: &RunId,
        range: Range,
        fence: i64,
        rows: u64,
        files: &[ShardFile],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let call = self.ground().publish_shard(run, range, fence, rows, files, now);
        let about = range.file_stem();
        self.through(Touch::Writes, "publish_shard", &about, call, |oracle, published| {
            if *published {
                oracle.published(range, files);
            }
        })
        .await
    }

    async fn unpublished(&self, run: &RunId) -> Result<Vec<Range>, StoreError> {
        self.read("unpublished", self.ground().unpublished(run)).await
    }

    async fn published(&self, run: &RunId) -> Result<Vec<PublishedShard>, StoreError> {
        self.read("published", self.ground().published(run)).await
    }

    async fn packed_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError> {
        self.read("packed_samples", self.ground().packed_samples(run, range)).await
    }

    async fn complete_samples(
        &self,
        run: &RunId,
        after: Option<u64>,
        most: u32,
    ) -> Result<Vec<CompleteSample>, StoreError> {
        self.read("complete_samples", self.ground().complete_samples(run, after, most)).await
    }
}

#[async_trait]
impl RunStore for ShakenStore {
    async fn create_run(
        &self,
        id: &RunId,
        name: &str,
        config: &RunConfig,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Run, StoreError> {
        self.write("create_run", self.ground().create_run(id, name, config, limits, now)).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        self.read("run", self.ground().run(id)).await
    }

    async fn config(&self, run: &RunId, version: u32) -> Result<Option<RunConfig>, StoreError> {
        self.read("config", self.ground().config(run, version)).await
    }

    async fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.read("runs", self.ground().runs()).await
    }

    async fn add_samples(
        &self,
        run: &RunId,
        inputs: &[(agentwrite::sample::Input, u32)],
        now: Timestamp,
    ) -> Result<Added, StoreError> {
        self.write("add_samples", self.ground().add_samples(run, inputs, now)).await
    }

    async fn start_run(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError> {
        self.write("start_run", self.ground().start_run(run, now)).await
    }

    async fn sample_keys(&self, run: &RunId) -> Result<Vec<Hash>, StoreError> {
        self.read("sample_keys", self.ground().sample_keys(run)).await
    }

    async fn control(
        &self,
        run: &RunId,
        who: &str,
        control: &Control,
        now: Timestamp,
    ) -> Result<Option<Run>, StoreError> {
        self.write("control", self.ground().control(run, who, control, now)).await
    }

    async fn retry(&self, run: &RunId, who: &str, plan: &RetryPlan, now: Timestamp) -> Result<Retried, StoreError> {
        self.write("retry", self.ground().retry(run, who, plan, now)).await
    }

    async fn finish_run(&self, run: &RunId, now: Timestamp) -> Result<RunState, StoreError> {
        self.write("finish_run", self.ground().finish_run(run, now)).await
    }
}

#[async_trait]
impl ReportStore for ShakenStore {
    async fn totals(&self, run: &RunId) -> Result<Totals, StoreError> {
        self.read("totals", self.ground().totals(run)).await
    }

    async fn samples(&self, run: &RunId, filter: &SampleFilter, most: u32) -> Result<SamplePage, StoreError> {
        self.read("samples", self.ground().samples(run, filter, most)).await
    }

    async fn sample(&self, run: &RunId, sample: &SampleId) -> Result<Option<SampleDetail>, StoreError> {
        self.read("sample", self.ground().sample(run, sample)).await
    }

    async fn failures(&self, run: &RunId) -> Result<Vec<FailureGroup>, StoreError> {
        self.read("failures", self.ground().failures(run)).await
    }

    async fn attempt_codes(&self, run: &RunId) -> Result<Vec<(String, u64)>, StoreError> {
        self.read("attempt_codes", self.ground().attempt_codes(run)).await
    }

    async fn statistics(&self, run: &RunId, since: Timestamp) -> Result<Vec<StatisticsRow>, StoreError> {
        self.read("statistics", self.ground().statistics(run, since)).await
    }

    async fn actions(&self, run: &RunId) -> Result<Vec<OperatorAction>, StoreError> {
        self.read("actions", self.ground().actions(run)).await
    }

    async fn violations(&self, run: &RunId) -> Result<Vec<(String, String, String)>, StoreError> {
        self.read("violations", self.ground().violations(run)).await
    }
}

#[async_trait]
impl TrafficStore for ShakenStore {
    async fn reserve(&self, reserve: Reserve) -> Result<Reservation, StoreError> {
        self.write("reserve", self.ground().reserve(reserve)).await
    }

    async fn settle(&self, run: &RunId, endpoint: &str, unused_tokens: i64, now: Timestamp) -> Result<(), StoreError> {
        self.write("settle", self.ground().settle(run, endpoint, unused_tokens, now)).await
    }

    async fn close_gate(
        &self,
        endpoint: &str,
        until: Timestamp,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("close_gate", self.ground().close_gate(endpoint, until, reason, now)).await
    }

    async fn gate(&self, endpoint: &str) -> Result<Option<(Timestamp, String)>, StoreError> {
        self.read("gate", self.ground().gate(endpoint)).await
    }
}
