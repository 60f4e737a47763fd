//! A run on a stage: the steps that behaviours need, each through the ports, with a clock that only the test turns.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use agentwrite::chain;
use agentwrite::config::{Limits, Mode, RunConfig};
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, OwnerId, RunId, Timestamp};
use agentwrite::ports::{
    Admit, ClaimNext, ClaimTask, Control, FollowUp, OutboxRow, RecordFailure, RecordResult, Recorded, Run,
    SampleDetail, TaskResult, Totals, Verdict,
};
use agentwrite::sample::{Input, SampleState};
use agentwrite::task::{ClaimedTask, Kind, NewTask, TaskFailure, TaskKey};

use crate::Stores;
use crate::material::{LEASE, fatal, input, paid, passes, plan, sample, text};

/// One run of a store.
pub struct Scene<'a, S> {
    /// The store.
    pub store: &'a S,
    /// The run.
    pub run: RunId,
    /// The process that claims.
    pub owner: OwnerId,
    clock: AtomicI64,
    attempts: AtomicU64,
}

impl<'a, S: Stores> Scene<'a, S> {
    /// A running run of `samples` samples with the default configuration.
    pub async fn of(store: &'a S, samples: u64) -> Self {
        Self::with(store, "run_a", &RunConfig::default(), &Limits::default(), samples).await
    }

    /// A running run.
    pub async fn with(store: &'a S, run: &str, config: &RunConfig, limits: &Limits, samples: u64) -> Self {
        let scene = Self {
            store,
            run: RunId::new(run),
            owner: OwnerId::new("owner_a"),
            clock: AtomicI64::new(1_000_000_000),
            attempts: AtomicU64::new(0),
        };
        store.create_run(&scene.run, "a run", config, limits, scene.now()).await.expect("create_run");
        scene.add(0..samples).await;
        store.start_run(&scene.run, scene.tick()).await.expect("start_run");
        scene
    }

    /// Another process at work on a run that is there.
    pub fn beside(store: &'a S, run: &RunId, owner: &str) -> Self {
        Self {
            store,
            run: run.clone(),
            owner: OwnerId::new(owner),
            clock: AtomicI64::new(1_000_001_000),
            attempts: AtomicU64::new(0),
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.clock.load(Ordering::SeqCst))
    }

    /// Ten milliseconds on.
    pub fn tick(&self) -> Timestamp {
        self.pass(Duration::from_millis(10))
    }

    /// Turns the clock on.
    pub fn pass(&self, time: Duration) -> Timestamp {
        let ms = i64::try_from(time.as_millis()).expect("a test does not last that long");
        Timestamp(self.clock.fetch_add(ms, Ordering::SeqCst) + ms)
    }

    /// An attempt id that was not given out before.
    pub fn attempt(&self) -> AttemptId {
        let number = self.attempts.fetch_add(1, Ordering::SeqCst);
        AttemptId::new(format!("att_{}_{}_{number:05}", self.run, self.owner))
    }

    /// Adds the samples of these indices, five steps expected of each.
    pub async fn add(&self, indices: std::ops::Range<u64>) {
        let inputs: Vec<(Input, u32)> = indices.map(|index| (input(index), 5)).collect();
        self.store.add_samples(&self.run, &inputs, self.tick()).await.expect("add_samples");
    }

    /// A task's key.
    pub fn key(&self, kind: &Kind, index: u64, place: u32, revision: u32) -> TaskKey {
        let subject = sample(index).as_str().to_owned();
        TaskKey { run: self.run.clone(), kind: kind.clone(), subject, place, revision }
    }

    /// The plan task of a sample at revision 0.
    pub fn plan_key(&self, index: u64) -> TaskKey {
        self.key(&Kind::PLAN, index, 0, 0)
    }

    /// A section task at revision 0.
    pub fn section_key(&self, index: u64, place: u32) -> TaskKey {
        self.key(&Kind::SECTION, index, place, 0)
    }

    /// Admits a sample; whether that happened.
    pub async fn admit(&self, index: u64, write: bool, ordered: bool) -> bool {
        let admits = [Admit { sample: sample(index), write }];
        self.store.admit(&self.run, &admits, ordered, self.tick()).await.expect("admit") == 1
    }

    /// A wish to claim now.
    pub fn wish(&self, key: &TaskKey) -> ClaimTask {
        ClaimTask {
            task: key.clone(),
            owner: self.owner.clone(),
            attempt: self.attempt(),
            lease: LEASE,
            now: self.tick(),
        }
    }

    /// Claims, if the store lets it.
    pub async fn try_claim(&self, key: &TaskKey) -> Option<ClaimedTask> {
        self.store.claim_task(self.wish(key)).await.expect("claim_task")
    }

    /// Claims a task that must be there to be claimed.
    pub async fn claim(&self, key: &TaskKey) -> ClaimedTask {
        self.try_claim(key).await.unwrap_or_else(|| panic!("{} {} is claimable", key.kind.as_str(), key.place))
    }

    /// What the planner would record.
    pub fn plan_result(&self, task: &ClaimedTask, steps: u32) -> RecordResult {
        let plan = plan(steps);
        let chain = chain::with_plan(task.context_hash, &plan);
        let follow_ups = vec![FollowUp::SamplePlanned { places: steps }];
        self.result(task, TaskResult::Plan { plan, chain }, follow_ups)
    }

    /// What the section writer would record: the next section follows in serial mode.
    pub async fn section_result(&self, task: &ClaimedTask, text: &str) -> RecordResult {
        let mode = self.view().await.config.text.mode;
        self.section_result_in(mode, task, text).await
    }

    /// The same for a sample that was planned under another mode than the run's newest.
    pub async fn section_result_in(&self, mode: Mode, task: &ClaimedTask, text: &str) -> RecordResult {
        let context = self.store.load_sample(&task.key).await.expect("load_sample").expect("the sample is there");
        let places = context.plan.map_or(0, |plan| plan.steps.len() as u32);
        let serial = mode == Mode::Serial;
        let chain = if serial { chain::with_section(task.context_hash, text) } else { task.context_hash };
        let mut follow_ups = vec![FollowUp::PlaceFilled];
        let next = task.key.place + 1;
        if serial && next < places {
            let key = TaskKey { place: next, ..task.key.clone() };
            follow_ups.push(FollowUp::Task(NewTask { key, context_hash: chain, remaining: places - next }));
        }
        let words = u32::try_from(text.split_whitespace().count()).expect("a short text");
        let result = TaskResult::Section { text: text.to_owned(), words, flags: Vec::new(), chain };
        self.result(task, result, follow_ups)
    }

    /// Any result of a claimed task, made for the context it was claimed with.
    pub fn result(&self, task: &ClaimedTask, result: TaskResult, follow_ups: Vec<FollowUp>) -> RecordResult {
        RecordResult {
            task: task.key.clone(),
            context_hash: task.context_hash,
            owner: task.owner.clone(),
            attempt: task.attempt.clone(),
            origin: task.attempt.clone(),
            end: paid(),
            result,
            answer: None,
            follow_ups,
            claim_next: None,
            now: self.tick(),
        }
    }

    /// The wish to claim the follow-up task with the same commit.
    pub fn claim_next(&self) -> ClaimNext {
        ClaimNext { attempt: self.attempt(), lease: LEASE }
    }

    /// Records.
    pub async fn record(&self, record: &RecordResult) -> Recorded {
        self.store.record_result(record.clone()).await.expect("record_result")
    }

    /// Records what must be accepted; what it set in motion.
    pub async fn accept(&self, record: &RecordResult) -> (Option<ClaimedTask>, Vec<OutboxRow>) {
        match self.record(record).await {
            Recorded::Accepted { next, publish } => (next, publish),
            other => panic!("{} {} was {other:?}", record.task.kind.as_str(), record.task.place),
        }
    }

    /// Ends the try of a claimed task as failed; whether its fence held.
    pub async fn fail(&self, task: &ClaimedTask, failure: TaskFailure) -> bool {
        let now = self.tick();
        let record = RecordFailure {
            task: task.key.clone(),
            fence: task.fence,
            attempt: task.attempt.clone(),
            end: paid(),
            failure,
            now,
        };
        self.store.record_failure(record).await.expect("record_failure")
    }

    /// Leads a pending sample to planned.
    pub async fn planned(&self, index: u64, steps: u32) {
        assert!(self.admit(index, false, false).await, "sample {index} is pending");
        let detail = self.detail(index).await;
        let task = self.claim(&self.key(&Kind::PLAN, index, 0, detail.context.revision)).await;
        self.accept(&self.plan_result(&task, steps)).await;
    }

    /// Leads a pending sample to writing; its first section is claimed.
    pub async fn writing(&self, index: u64, steps: u32) -> ClaimedTask {
        self.planned(index, steps).await;
        assert!(self.admit(index, true, false).await, "sample {index} is planned");
        self.claim(&self.section_key(index, 0)).await
    }

    /// Writes the sections of an admitted sample from `first` on, the next one claimed with each commit.
    pub async fn write_from(&self, index: u64, first: ClaimedTask) {
        let mut task = Some(first);
        while let Some(claimed) = task {
            let mut record = self.section_result(&claimed, &text(index, claimed.key.place)).await;
            record.claim_next = Some(self.claim_next());
            task = self.accept(&record).await.0;
        }
    }

    /// Leads a pending sample to written.
    pub async fn written(&self, index: u64, steps: u32) {
        let first = self.writing(index, steps).await;
        self.write_from(index, first).await;
        assert_eq!(self.state(index).await, SampleState::Written);
    }

    /// Leads a pending sample to written, with a verdict that lets it pass.
    pub async fn judged(&self, index: u64, steps: u32) {
        self.written(index, steps).await;
        self.verdict(index, &passes()).await;
    }

    /// Leads a pending sample to failed: its plan task dies.
    pub async fn failed(&self, index: u64, code: ErrorCode) {
        assert!(self.admit(index, false, false).await, "sample {index} is pending");
        let task = self.claim(&self.plan_key(index)).await;
        assert!(self.fail(&task, fatal(code)).await);
        assert_eq!(self.state(index).await, SampleState::Failed);
    }

    /// Records a verdict on the standing revision.
    pub async fn verdict(&self, index: u64, verdict: &Verdict) {
        let revision = self.detail(index).await.context.revision;
        let now = self.tick();
        self.store.record_verdict(&self.run, &sample(index), revision, verdict, now).await.expect("record_verdict");
    }

    /// An operator's wish.
    pub async fn control(&self, control: Control) -> Run {
        let run = self.store.control(&self.run, "operator", &control, self.tick()).await.expect("control");
        run.expect("the run is there")
    }

    /// Pauses the run.
    pub async fn pause(&self) -> Run {
        self.control(Control::Pause { reason: "user".to_owned() }).await
    }

    /// The run.
    pub async fn view(&self) -> Run {
        self.store.run(&self.run).await.expect("run").expect("the run is there")
    }

    /// A sample whole.
    pub async fn detail(&self, index: u64) -> SampleDetail {
        self.store.sample(&self.run, &sample(index)).await.expect("sample").expect("the sample is there")
    }

    /// Where a sample stands.
    pub async fn state(&self, index: u64) -> SampleState {
        self.detail(index).await.row.state
    }

    /// The outcome and the code of an attempt.
    pub async fn outcome(&self, index: u64, attempt: &AttemptId) -> (String, Option<String>) {
        let attempts = self.detail(index).await.attempts;
        let row = attempts.into_iter().find(|row| row.attempt == *attempt).expect("the attempt is there");
        (row.outcome, row.code)
    }

    /// The run's counters.
    pub async fn totals(&self) -> Totals {
        self.store.totals(&self.run).await.expect("totals")
    }

    /// The tasks that have an outbox row, oldest first.
    pub async fn outbox(&self) -> Vec<TaskKey> {
        let rows = self.store.take_outbox(Duration::ZERO, 10_000, self.now()).await.expect("take_outbox");
        rows.into_iter().map(|row| row.message.task).collect()
    }

    /// Every invariant holds.
    pub async fn sound(&self) {
        let violations = self.store.violations(&self.run).await.expect("violations");
        assert!(violations.is_empty(), "{violations:#?}");
    }
}
