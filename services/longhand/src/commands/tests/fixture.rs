//! A folder with a run of six samples: packed, rejected, failed at section 2, in work, and two that wait.

use agentwrite::call::{Message, Usage};
use agentwrite::chain;
use agentwrite::config::{Limits, Price, RunConfig};
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, Hash, OwnerId, RunId, SampleId, Timestamp};
use agentwrite::length::{LengthSource, RequiredLength};
use agentwrite::plan::{Plan, Step};
use agentwrite::ports::{
    Admit, ClaimTask, DispatchStore, FollowUp, PackStore, Range, RecordFailure, RecordResult, Recorded, RunStore,
    ShardFile, TaskResult, TaskStore, Verdict,
};
use agentwrite::sample::Input;
use agentwrite::task::{
    AfterFailure, AttemptEnd, ClaimedTask, CountAs, Hint, KeptAnswer, Kind, NewTask, TaskFailure, TaskKey,
};
use checkpoints::sqlite::SqliteStore;
use sha2::{Digest, Sha256};

use crate::place::DATABASE;

/// When the run was made.
const START: Timestamp = Timestamp(1_794_694_400_000);
/// Price of each call: 1,200 prompt tokens, half of them cached, and 300 answer tokens.
pub const CALL_USD: f64 = (600.0 * 1.0 + 600.0 * 0.1 + 300.0 * 4.0) / 1e6;
const SAMPLES: usize = 6;

/// The text of a section.
pub fn prose(topic: usize, place: usize) -> String {
    format!("Text {place} of topic {topic}.")
}

/// A folder that is removed with it.
pub struct Folder {
    pub dir: tempfile::TempDir,
    samples: Vec<SampleId>,
}

impl Folder {
    /// Six samples, nothing done, no price.
    pub async fn empty() -> Self {
        let (folder, work) = Self::start(Limits::default()).await;
        work.store.close().await;
        folder
    }

    /// Six samples in different states.
    pub async fn new() -> Self {
        let price = Some(Price::from_usd_per_million(1.0, 0.1, 4.0));
        let (folder, mut work) = Self::start(Limits { price, ..Limits::default() }).await;
        for topic in 0..4 {
            work.plan(topic).await;
        }
        for topic in 0..2 {
            work.write(topic, 0).await;
            work.write(topic, 1).await;
        }
        work.write(2, 0).await;
        work.refuse(2, 1).await;
        work.write(3, 0).await;
        work.judge(0, None).await;
        work.judge(1, Some((ErrorCode::LengthScore, "S_l 15.0 is below 60".to_owned()))).await;
        work.pack(folder.dir.path()).await;
        work.store.close().await;
        folder
    }

    async fn start(limits: Limits) -> (Self, Work) {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&dir.path().join(DATABASE)).await.unwrap();
        let mut config = RunConfig { shard_size: 2, attempts: 1, ..RunConfig::default() };
        config.text.plan.model = "planner".to_owned();
        config.text.write.model = "writer".to_owned();
        let run = RunId::new("run_1");
        store.create_run(&run, "essays", &config, &limits, START).await.unwrap();
        let inputs: Vec<(Input, u32)> = (0..SAMPLES).map(|topic| (input(topic), 2)).collect();
        store.add_samples(&run, &inputs, START).await.unwrap();
        store.start_run(&run, START).await.unwrap();
        let samples = inputs.iter().map(|(input, _)| input.sample_id()).collect();
        let work = Work { store, run, config, price: limits.price, attempts: 0, heads: Vec::new() };
        (Self { dir, samples }, work)
    }

    pub fn path(&self) -> &str {
        self.dir.path().to_str().unwrap()
    }

    pub fn sample(&self, topic: usize) -> String {
        self.samples[topic].to_string()
    }
}

fn input(topic: usize) -> Input {
    Input {
        messages: vec![Message::user(format!("Write about topic {topic}."))],
        length: Some(RequiredLength::about(1_000, LengthSource::Read)),
        language: None,
        variant: 0,
        id: Some(format!("row-{topic}")),
        meta: Some(format!("{{\"topic\":{topic}}}")),
    }
}

/// A planner, a writer and a packer in one hand.
struct Work {
    store: SqliteStore,
    run: RunId,
    config: RunConfig,
    price: Option<Price>,
    attempts: usize,
    heads: Vec<Hash>,
}

impl Work {
    async fn claim(&mut self, kind: Kind, topic: usize, place: u32) -> ClaimedTask {
        let subject = input(topic).sample_id().to_string();
        self.attempts += 1;
        let claim = ClaimTask {
            task: TaskKey { run: self.run.clone(), kind, subject, place, revision: 0 },
            owner: OwnerId::new("own_1"),
            attempt: AttemptId::new(format!("att_{:02}", self.attempts)),
            lease: std::time::Duration::from_secs(90),
            now: START,
        };
        self.store.claim_task(claim).await.unwrap().expect("the task is ready")
    }

    async fn admit(&self, topic: usize, write: bool) {
        let admits = [Admit { sample: input(topic).sample_id(), write }];
        assert_eq!(self.store.admit(&self.run, &admits, false, START).await.unwrap(), 1);
    }

    fn end(&self) -> AttemptEnd {
        let usage = Usage {
            prompt_tokens: 1_200,
            cached_tokens: 600,
            completion_tokens: 300,
            reasoning_tokens: 0,
            reported: true,
        };
        AttemptEnd {
            usage,
            cost_nanousd: self.price.map(|price| price.of(&usage)),
            first_token_ms: 100,
            total_ms: 1_000,
            endpoint: "default".to_owned(),
            model: "writer".to_owned(),
            status: None,
            called: true,
            finish: None,
        }
    }

    async fn record(&self, task: ClaimedTask, result: TaskResult, follow_ups: Vec<FollowUp>) {
        let record = RecordResult {
            context_hash: task.context_hash,
            owner: task.owner,
            origin: task.attempt.clone(),
            attempt: task.attempt,
            end: self.end(),
            result,
            answer: None,
            follow_ups,
            claim_next: None,
            now: Timestamp(START.0 + 1_000),
            task: task.key,
        };
        let recorded = self.store.record_result(record).await.unwrap();
        assert!(matches!(recorded, Recorded::Accepted { .. }), "{recorded:?}");
    }

    async fn plan(&mut self, topic: usize) {
        self.admit(topic, false).await;
        let task = self.claim(Kind::PLAN, topic, 0).await;
        let step = |number| Step { main_point: format!("Point {number} of topic {topic}"), words: 500 };
        let plan = Plan { steps: vec![step(1), step(2)] };
        let root = chain::root(input(topic).key(), self.config.text.hash(), None, 0);
        let head = chain::with_plan(root, &plan);
        self.heads.push(head);
        self.record(task, TaskResult::Plan { plan, chain: head }, vec![FollowUp::SamplePlanned { places: 2 }]).await;
        self.admit(topic, true).await;
    }

    async fn write(&mut self, topic: usize, place: u32) {
        let task = self.claim(Kind::SECTION, topic, place).await;
        let text = prose(topic, place as usize);
        let head = chain::with_section(self.heads[topic], &text);
        self.heads[topic] = head;
        let mut follow_ups = vec![FollowUp::PlaceFilled];
        if place == 0 {
            let key = TaskKey { place: 1, ..task.key.clone() };
            follow_ups.push(FollowUp::Task(NewTask { key, context_hash: head, remaining: 1 }));
        }
        let result = TaskResult::Section { text, words: 5, flags: Vec::new(), chain: head };
        self.record(task, result, follow_ups).await;
    }

    async fn refuse(&mut self, topic: usize, place: u32) {
        let task = self.claim(Kind::SECTION, topic, place).await;
        let answer = KeptAnswer {
            raw: "I cannot help with that.".to_owned(),
            gate: "refusal".to_owned(),
            evidence: "it declined".to_owned(),
            candidate: false,
            reask: None,
        };
        let failure = TaskFailure {
            code: ErrorCode::Refusal,
            message: "it declined".to_owned(),
            count: CountAs::Failure,
            bad_answer: true,
            after: AfterFailure::Dead,
            hint: Hint::default(),
            answer: Some(answer),
        };
        let record = RecordFailure {
            task: task.key,
            fence: task.fence,
            attempt: task.attempt,
            end: self.end(),
            failure,
            now: Timestamp(START.0 + 1_000),
        };
        assert!(self.store.record_failure(record).await.unwrap());
    }

    async fn judge(&self, topic: usize, rejected: Option<(ErrorCode, String)>) {
        let score = if rejected.is_some() { 15.0 } else { 40.0 };
        let verdict = Verdict {
            rejected,
            flags: Vec::new(),
            length_score: Some(score),
            words: 10,
            words_unicode: 10,
            language: Some("en".to_owned()),
            signature: Vec::new(),
        };
        self.store.record_verdict(&self.run, &input(topic).sample_id(), 0, &verdict, START).await.unwrap();
    }

    async fn pack(&self, dir: &std::path::Path) {
        let range = Range::Main(0);
        let closed = self.store.close_range(&self.run, range, &[], START).await.unwrap().unwrap();
        assert_eq!(closed.members, [input(0).sample_id()]);
        std::fs::create_dir(dir.join("shards")).unwrap();
        let body = "{}\n";
        std::fs::write(dir.join("shards/shard-00000.jsonl"), body).unwrap();
        let sha256 = Sha256::digest(body).iter().fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
        let name = format!("{}.jsonl", range.file_stem());
        let file = ShardFile { name, format: "jsonl".to_owned(), bytes: body.len() as u64, sha256 };
        assert!(self.store.publish_shard(&self.run, range, closed.fence, 1, &[file], START).await.unwrap());
    }
}
