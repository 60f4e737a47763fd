//! A run whose samples are planned and written by hand, in any order, without calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use agentwrite::call::Message;
use agentwrite::chain;
use agentwrite::config::{Limits, RunConfig};
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, OwnerId, RunId, SampleId, Timestamp};
use agentwrite::length::{LengthSource, RequiredLength};
use agentwrite::plan::{Plan, Step};
use agentwrite::ports::{
    Admit, ClaimTask, Clock, Control, DispatchStore, FollowUp, PackStore, RecordFailure, RecordResult, ReportStore,
    RunStore, TaskResult, TaskStore,
};
use agentwrite::sample::Input;
use agentwrite::task::{AfterFailure, AttemptEnd, ClaimedTask, CountAs, Hint, Kind, NewTask, TaskFailure, TaskKey};
use dataset::DatasetFolder;
use shard_packer::{Packer, PackerParts, PackerSettings};
use worker::{CrashPoints, Doorbell};

/// All the ports that a run needs.
pub trait Store: RunStore + DispatchStore + TaskStore + PackStore + ReportStore + 'static {}
impl<T: RunStore + DispatchStore + TaskStore + PackStore + ReportStore + 'static> Store for T {}

/// A second passes each time somebody looks.
#[derive(Default)]
pub struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1_000, Ordering::Relaxed))
    }
}

pub const SAMPLES: u64 = 20;
pub const SHARD_SIZE: u32 = 8;
/// Its range has rows all the same.
pub const FAILS: u64 = 3;
/// Asks for ten times what is written.
pub const TOO_SHORT: u64 = 5;
/// Has the text of the sample before it.
pub const DUPLICATE: u64 = 9;
/// All of the last range fails.
pub const FIRST_OF_FAILED_RANGE: u64 = 16;

pub struct Run<S> {
    pub store: Arc<S>,
    pub clock: Arc<TestClock>,
    pub id: RunId,
}

pub fn config() -> RunConfig {
    let mut config = RunConfig { shard_size: SHARD_SIZE, synthetic: true, ..RunConfig::default() };
    "planner".clone_into(&mut config.text.plan.model);
    "writer".clone_into(&mut config.text.write.model);
    config
}

fn input(ordinal: u64) -> (Input, u32) {
    let length = match ordinal {
        TOO_SHORT => Some(RequiredLength::about(4_000, LengthSource::Column)),
        ordinal if ordinal.is_multiple_of(2) => Some(RequiredLength::about(400, LengthSource::Read)),
        _ => None,
    };
    let input = Input {
        messages: vec![Message::user(format!("Write about tea, number {ordinal}."))],
        length,
        language: None,
        variant: 0,
        id: ordinal.is_multiple_of(3).then(|| format!("row-{ordinal}")),
        meta: Some(format!("{{\"n\":{ordinal}}}")),
    };
    (input, 2)
}

pub fn sample(ordinal: u64) -> SampleId {
    input(ordinal).0.sample_id()
}

/// Two sections of 200 English words, the same for every run.
fn sections(ordinal: u64) -> [String; 2] {
    let seed = if ordinal == DUPLICATE { ordinal - 1 } else { ordinal };
    [prose(seed * 2), prose(seed * 2 + 1)]
}

fn prose(seed: u64) -> String {
    const WORDS: [&str; 32] = [
        "the",
        "trade",
        "of",
        "tea",
        "began",
        "when",
        "ships",
        "from",
        "distant",
        "ports",
        "carried",
        "chests",
        "that",
        "merchants",
        "had",
        "bought",
        "with",
        "silver",
        "and",
        "sold",
        "again",
        "to",
        "people",
        "who",
        "drank",
        "it",
        "every",
        "morning",
        "before",
        "their",
        "work",
        "started",
    ];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        WORDS[(state >> 40) as usize % WORDS.len()]
    };
    (0..200).map(|_| next()).collect::<Vec<_>>().join(" ")
}

impl<S: Store> Run<S> {
    /// A started run whose samples are all pending.
    pub async fn start(store: S) -> Self {
        let run = Self { store: Arc::new(store), clock: Arc::default(), id: RunId::new("run_1") };
        let now = run.clock.now();
        run.store.create_run(&run.id, "tea", &config(), &Limits::default(), now).await.unwrap();
        let inputs: Vec<_> = (0..SAMPLES).map(input).collect();
        run.store.add_samples(&run.id, &inputs, now).await.unwrap();
        run.store.start_run(&run.id, now).await.unwrap();
        run
    }

    /// Brings a sample to its end: written, or failed where its ordinal says so.
    pub async fn finish(&self, ordinal: u64) {
        if ordinal == FAILS || ordinal >= FIRST_OF_FAILED_RANGE {
            self.fail(ordinal).await;
        } else {
            self.write(ordinal).await;
        }
    }

    /// Plans a sample and writes its two sections.
    pub async fn write(&self, ordinal: u64) {
        self.admit(ordinal, false).await;
        let claim = self.claim(ordinal, Kind::PLAN, 0).await;
        let step = |point: &str| Step { main_point: point.to_owned(), words: 200 };
        let plan = Plan { steps: vec![step("How it began"), step("How it went on")] };
        let mut head = chain::with_plan(claim.context_hash, &plan);
        let result = TaskResult::Plan { plan, chain: head };
        self.record(claim, result, FollowUp::SamplePlanned { places: 2 }, None).await;
        self.admit(ordinal, true).await;
        for (place, text) in (0..).zip(sections(ordinal)) {
            let claim = self.claim(ordinal, Kind::SECTION, place).await;
            head = chain::with_section(head, &text);
            let next = (place == 0).then(|| NewTask {
                key: TaskKey { place: 1, ..claim.key.clone() },
                context_hash: head,
                remaining: 1,
            });
            let result = TaskResult::Section { text, words: 200, flags: Vec::new(), chain: head };
            self.record(claim, result, FollowUp::PlaceFilled, next).await;
        }
    }

    /// Kills a sample's plan task.
    pub async fn fail(&self, ordinal: u64) {
        self.admit(ordinal, false).await;
        let claim = self.claim(ordinal, Kind::PLAN, 0).await;
        let failure = TaskFailure {
            code: ErrorCode::Refusal,
            message: "I cannot write about tea.".to_owned(),
            count: CountAs::Failure,
            bad_answer: true,
            after: AfterFailure::Dead,
            hint: Hint::default(),
            answer: None,
        };
        let record = RecordFailure {
            task: claim.key,
            fence: claim.fence,
            attempt: claim.attempt,
            end: AttemptEnd { called: true, ..AttemptEnd::default() },
            failure,
            now: self.clock.now(),
        };
        assert!(self.store.record_failure(record).await.unwrap());
    }

    async fn admit(&self, ordinal: u64, write: bool) {
        let admits = [Admit { sample: sample(ordinal), write }];
        let admitted = self.store.admit(&self.id, &admits, false, self.clock.now()).await.unwrap();
        assert_eq!(admitted, 1, "sample {ordinal} could not be admitted");
    }

    async fn claim(&self, ordinal: u64, kind: Kind, place: u32) -> ClaimedTask {
        let subject = sample(ordinal).as_str().to_owned();
        let now = self.clock.now();
        let claim = ClaimTask {
            task: TaskKey { run: self.id.clone(), kind, subject, place, revision: 0 },
            owner: OwnerId::new("own_1"),
            attempt: AttemptId::new(format!("att_{}", now.0)),
            lease: Duration::from_hours(1),
            now,
        };
        self.store.claim_task(claim).await.unwrap().expect("a task to claim")
    }

    async fn record(&self, claim: ClaimedTask, result: TaskResult, follow: FollowUp, next: Option<NewTask>) {
        let record = RecordResult {
            task: claim.key,
            context_hash: claim.context_hash,
            owner: claim.owner,
            attempt: claim.attempt.clone(),
            origin: claim.attempt,
            end: AttemptEnd { called: true, ..AttemptEnd::default() },
            result,
            answer: None,
            follow_ups: [Some(follow), next.map(FollowUp::Task)].into_iter().flatten().collect(),
            claim_next: None,
            now: self.clock.now(),
        };
        let recorded = self.store.record_result(record).await.unwrap();
        assert!(matches!(recorded, agentwrite::ports::Recorded::Accepted { .. }), "{recorded:?}");
    }

    /// Samples not planned yet get another writer.
    pub async fn configure(&self, change: impl FnOnce(&mut RunConfig)) {
        let mut changed = config();
        change(&mut changed);
        let wish = Control::Configure(Box::new(changed));
        self.store.control(&self.id, "test", &wish, self.clock.now()).await.unwrap();
    }

    pub fn packer(&self, folder: &DatasetFolder) -> Packer {
        self.packer_over(folder, Arc::clone(&self.store) as Arc<dyn PackStore>)
    }

    pub fn packer_over(&self, folder: &DatasetFolder, packs: Arc<dyn PackStore>) -> Packer {
        let parts = PackerParts {
            observer: None,
            packs,
            runs: Arc::clone(&self.store) as Arc<dyn RunStore>,
            report: Arc::clone(&self.store) as Arc<dyn ReportStore>,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            place: Arc::new(folder.clone()),
            bell: Doorbell::new(),
            planner: Doorbell::new(),
            finished: Doorbell::new(),
            crash: CrashPoints::default(),
        };
        let settings =
            PackerSettings { run: self.id.clone(), owner: OwnerId::new("own_1"), eval: None, rest: Duration::ZERO };
        Packer::new(parts, settings)
    }
}

/// Rounds until nothing is left to do.
pub async fn pack(packer: &Packer) {
    while packer.round().await.unwrap() {}
}
