//! A player that acts on a store at random, but the same for the same seed: workers that come late, crash, repeat
//! themselves, operators that pause, cancel and retry, a planner and a packer in between.
//!
//! What it sees is written down as text, so that two stores that conform give the same text for the same seed.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use agentwrite::admission;
use agentwrite::config::{Limits, Mode, RunConfig};
use agentwrite::continuation::PART;
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, Hash, OwnerId};
use agentwrite::ports::{
    ClaimTask, Control, FollowUp, OutboxRow, RecordFailure, RecordResult, Recorded, Reserve, RetryPlan, SampleFilter,
    ShardFile, StoreError, Unused,
};
use agentwrite::task::{AfterFailure, ClaimedTask, CountAs, Hint, Kind, NewTask, TaskFailure, TaskKey};

use crate::Stores;
use crate::material::{COST, LEASE, input, kept, paid, passes, rejects, strange, text};
use crate::numbers::Numbers;
use crate::scene::Scene;

/// The player and what it remembers.
pub struct Player<'a, S> {
    scene: Scene<'a, S>,
    numbers: Numbers,
    held: Vec<ClaimedTask>,
    records: Vec<RecordResult>,
    failures: Vec<RecordFailure>,
    modes: Vec<Mode>,
    samples: u64,
    attempts_limit: u32,
    /// What was seen, one line an act.
    pub seen: Vec<String>,
}

fn told<T: Debug>(result: &Result<T, StoreError>) -> String {
    result.as_ref().map_or_else(|_| "error".to_owned(), |value| format!("{value:?}"))
}

fn keys(rows: &[OutboxRow]) -> Vec<String> {
    rows.iter().map(|row| short(&row.message.task)).collect()
}

fn short(key: &TaskKey) -> String {
    format!("{} {} {} r{}", key.kind.as_str(), key.subject, key.place, key.revision)
}

impl<'a, S: Stores> Player<'a, S> {
    /// A player on an empty store.
    pub async fn new(store: &'a S, seed: u64) -> Self {
        let mut numbers = Numbers(seed);
        let mut config = RunConfig { shard_size: 3, attempts: 3, crash_limit: 2, ..RunConfig::default() };
        config.text.mode = if numbers.in_hundred(30) { Mode::Parallel } else { Mode::Serial };
        let modes = vec![config.text.mode];
        let samples = 1 + numbers.below(9);
        let scene = Scene::with(store, "run_r", &config, &Limits::default(), samples).await;
        let attempts_limit = config.attempts;
        Self {
            scene,
            numbers,
            held: Vec::new(),
            records: Vec::new(),
            failures: Vec::new(),
            modes,
            samples,
            attempts_limit,
            seen: Vec::new(),
        }
    }

    /// Acts once.
    pub async fn act(&mut self) {
        let line = match self.numbers.below(100) {
            0..16 => self.plan_round().await,
            16..36 => self.claim().await,
            36..60 => self.finish().await,
            60..68 => self.fail().await,
            68..71 => self.repeat().await,
            71..76 => self.time_passes().await,
            76..80 => self.operator().await,
            80..84 => self.retry().await,
            84..92 => self.pack().await,
            92..96 => self.traffic().await,
            _ => self.small_things().await,
        };
        self.seen.push(line);
    }

    async fn plan_round(&mut self) -> String {
        let slots = 1 + self.numbers.below(4) as u32;
        let (store, run) = (self.scene.store, self.scene.run.clone());
        let view = store.admission_view(&run, 6, slots * 2, self.scene.tick()).await.expect("admission_view");
        let decided = admission::decide(&view, slots);
        let admitted = store.admit(&run, &decided.admits, decided.ordered, self.scene.tick()).await;
        let dispatched = store.dispatch_ready(&run, slots, self.scene.tick()).await.expect("dispatch_ready");
        format!("{view:?} -> {} -> {:?} {:?}", told(&admitted), keys(&dispatched.rows), dispatched.next_due)
    }

    async fn claim(&mut self) -> String {
        let rows = self.scene.store.take_outbox(Duration::ZERO, 100, self.scene.now()).await.expect("take_outbox");
        if rows.is_empty() {
            return "no messages".to_owned();
        }
        // Not by position: how adapters order rows of one instant is their affair.
        let mut rows = rows;
        rows.sort_by(|a, b| a.message.task.cmp(&b.message.task));
        let row = rows[self.numbers.below(rows.len() as u64) as usize].clone();
        if self.numbers.in_hundred(80) {
            self.scene.store.delete_outbox(&[row.id]).await.expect("delete_outbox");
        }
        let owner = OwnerId::new(format!("owner_{}", self.numbers.below(3)));
        let wish = ClaimTask { owner, ..self.scene.wish(&row.message.task) };
        let claimed = self.scene.store.claim_task(wish).await;
        self.held.extend(claimed.as_ref().ok().cloned().flatten());
        format!("claim {}", told(&claimed))
    }

    fn take_held(&mut self) -> Option<ClaimedTask> {
        if self.held.is_empty() {
            return None;
        }
        let index = self.numbers.below(self.held.len() as u64) as usize;
        Some(self.held.remove(index))
    }

    async fn finish(&mut self) -> String {
        let Some(task) = self.take_held() else { return "nothing held".to_owned() };
        let mut record = if task.key.kind == Kind::PLAN {
            let steps = 1 + self.numbers.below(4) as u32;
            self.scene.plan_result(&task, steps)
        } else if task.key.kind == Kind::SECTION {
            self.section(&task).await
        } else {
            self.scene.result(&task, agentwrite::ports::TaskResult::Other(serde_json::json!({"score": 5})), Vec::new())
        };
        if self.numbers.in_hundred(8) {
            record.context_hash = strange();
        }
        if self.numbers.in_hundred(60) {
            record.claim_next = Some(self.scene.claim_next());
        }
        if self.numbers.in_hundred(20) {
            record.answer = Some(kept("An answer as it came.", "cleaned", false));
        }
        record.end.usage.prompt_tokens = 50 + self.numbers.below(100);
        self.record(record).await
    }

    /// A section's result; now and then an earlier candidate's text, now and then with something to judge after it.
    async fn section(&mut self, task: &ClaimedTask) -> RecordResult {
        let context = self.scene.store.load_sample(&task.key).await.expect("load_sample").expect("there");
        let detail = self.scene.store.sample(&self.scene.run, &context.sample).await.expect("sample").expect("there");
        let mode = self.modes[detail.config_version as usize - 1];
        let candidate = context.candidates.first().filter(|_| self.numbers.in_hundred(50));
        let text = candidate.map_or_else(|| text(context.ordinal, task.key.place), |found| found.raw.clone());
        let mut record = self.scene.section_result_in(mode, task, &text).await;
        if let Some(candidate) = candidate {
            record.origin = candidate.attempt.clone();
            record.answer = Some(kept("A later answer.", "recap", true));
        }
        if self.numbers.in_hundred(15) {
            let key = TaskKey { kind: Kind::new("judge"), place: self.numbers.below(2) as u32, ..task.key.clone() };
            let context_hash = Hash::of("judge", &[key.subject.as_bytes()]);
            record.follow_ups.push(FollowUp::Task(NewTask { key, context_hash, remaining: 1 }));
        }
        record
    }

    async fn record(&mut self, record: RecordResult) -> String {
        let recorded = self.scene.store.record_result(record.clone()).await;
        self.records.push(record);
        match &recorded {
            Ok(Recorded::Accepted { next, publish }) => {
                self.held.extend(next.clone());
                format!("accepted {next:?} {:?}", keys(publish))
            }
            other => told(other),
        }
    }

    async fn fail(&mut self) -> String {
        let Some(task) = self.take_held() else { return "nothing held".to_owned() };
        let soft = self.numbers.in_hundred(50);
        let (code, count) = match self.numbers.below(5) {
            0 => (ErrorCode::RateLimited, CountAs::Nothing),
            1 => (ErrorCode::Interrupted, CountAs::Crash),
            2 => (ErrorCode::Cut, CountAs::Part),
            _ => (if soft { ErrorCode::Length } else { ErrorCode::Reset }, CountAs::Failure),
        };
        let used_up = count == CountAs::Failure && task.failures + 1 >= self.attempts_limit;
        let crashed = count == CountAs::Crash && task.crashes + 1 >= 2;
        let wait = Duration::from_secs(self.numbers.below(3) * 10);
        let dies = used_up || crashed || self.numbers.in_hundred(8);
        let after = if dies { AfterFailure::Dead } else { AfterFailure::RetryAt(self.scene.now().after(wait)) };
        let answer = match code {
            ErrorCode::Length => Some(kept("Too short, but the best there is.", "length", true)),
            ErrorCode::Cut => Some(kept("As much as there is.", PART, false)),
            _ => None,
        };
        let hint = Hint { asked_again: soft, waited_ms: 7, ..task.hint.clone() };
        let failure = TaskFailure { code, message: "why".to_owned(), count, bad_answer: soft, after, hint, answer };
        let record = RecordFailure {
            task: task.key.clone(),
            fence: task.fence,
            attempt: task.attempt.clone(),
            end: paid(),
            failure,
            now: self.scene.tick(),
        };
        let held = self.scene.store.record_failure(record.clone()).await;
        self.failures.push(record);
        format!("failed {} {code} {after:?}: {}", short(&task.key), told(&held))
    }

    /// An answer of the store was lost, and the intent is repeated, however late.
    async fn repeat(&mut self) -> String {
        let before = self.totals().await;
        let line = if self.numbers.in_hundred(50) && !self.records.is_empty() {
            let index = self.numbers.below(self.records.len() as u64) as usize;
            let recorded = self.scene.store.record_result(self.records[index].clone()).await;
            assert!(!matches!(recorded, Ok(Recorded::Accepted { .. })), "accepted twice");
            format!("repeated {}", told(&recorded))
        } else if let Some(record) = self.failures.last() {
            format!("repeated {}", told(&self.scene.store.record_failure(record.clone()).await))
        } else {
            return "nothing to repeat".to_owned();
        };
        assert_eq!(self.totals().await, before, "a repeated intent was counted");
        line
    }

    async fn time_passes(&mut self) -> String {
        let now = self.scene.pass(Duration::from_secs(20 + self.numbers.below(150)));
        let rescued = self.scene.store.rescue_stalled(Duration::from_mins(1), now).await;
        format!("rescued {}", told(&rescued))
    }

    async fn operator(&mut self) -> String {
        let control = match self.numbers.below(12) {
            0..3 => Control::Pause { reason: "user".to_owned() },
            3..8 => Control::Resume,
            8 => Control::Cancel,
            9 | 10 => Control::Limits(Limits {
                rpm: self.numbers.in_hundred(50).then_some(120),
                tpm: self.numbers.in_hundred(50).then_some(30_000),
                max_cost_nanousd: self.numbers.in_hundred(50).then(|| COST * (10 + self.numbers.below(60))),
                ..Limits::default()
            }),
            _ => {
                let mut config = self.scene.view().await.config;
                config.text.seed += 1;
                if self.numbers.in_hundred(50) {
                    config.text.mode = Mode::Parallel;
                }
                self.modes.push(config.text.mode);
                Control::Configure(Box::new(config))
            }
        };
        let run = self.scene.control(control).await;
        format!("{:?} {:?} v{} epoch {}", run.state, run.reason, run.config_version, run.control_epoch)
    }

    async fn retry(&mut self) -> String {
        let one = input(self.numbers.below(self.samples)).sample_id();
        let plan = RetryPlan {
            samples: if self.numbers.in_hundred(50) { vec![one] } else { Vec::new() },
            error: self.numbers.in_hundred(10).then_some(ErrorCode::Reset),
            from_section: self.numbers.in_hundred(40).then(|| self.numbers.below(4) as u32),
            model: self.numbers.in_hundred(20).then(|| "larger".to_owned()),
            dry_run: self.numbers.in_hundred(15),
        };
        let retried = self.scene.store.retry(&self.scene.run, "operator", &plan, self.scene.tick()).await;
        format!("retry {plan:?}: {}", told(&retried))
    }

    async fn pack(&mut self) -> String {
        let (store, run) = (self.scene.store, self.scene.run.clone());
        let mut parts = Vec::new();
        for context in store.unjudged(&run, 2).await.expect("unjudged") {
            let verdict = if self.numbers.in_hundred(20) { rejects(ErrorCode::TooShort) } else { passes() };
            let now = self.scene.tick();
            store.record_verdict(&run, &context.sample, context.revision, &verdict, now).await.expect("record_verdict");
            parts.push(format!("judged {} {:?} ", context.ordinal, verdict.rejected));
        }
        for range in store.closable(&run).await.expect("closable") {
            let inside = store.range_samples(&run, range).await.expect("range_samples");
            let reject = inside.first().filter(|_| self.numbers.in_hundred(20));
            let rejects: Vec<_> = reject
                .map(|sample| (sample.context.sample.clone(), ErrorCode::Duplicate, "like another".to_owned()))
                .into_iter()
                .collect();
            parts.push(format!(
                "{range:?}: {} ",
                told(&store.close_range(&run, range, &rejects, self.scene.tick()).await)
            ));
        }
        for range in store.unpublished(&run).await.expect("unpublished") {
            let again = store.close_range(&run, range, &[], self.scene.tick()).await.expect("close_range");
            let fence = again.expect("closed").fence - i64::from(self.numbers.in_hundred(20));
            let rows = store.packed_samples(&run, range).await.expect("packed_samples").len() as u64;
            let name = range.file_stem();
            let file = ShardFile { name, format: "jsonl".to_owned(), bytes: rows, sha256: "ab".to_owned() };
            let published = store.publish_shard(&run, range, fence, rows, &[file], self.scene.tick()).await;
            parts.push(format!("{range:?} published {} ", told(&published)));
        }
        parts.push(format!("finish {}", told(&store.finish_run(&run, self.scene.tick()).await)));
        parts.join(" ")
    }

    async fn traffic(&mut self) -> String {
        let Some(task) = self.held.last() else { return "no call to reserve".to_owned() };
        let reserve = Reserve {
            run: self.scene.run.clone(),
            budget: agentwrite::ports::Budget::of("default"),
            attempt: task.attempt.clone(),
            tokens: 100 + self.numbers.below(3_000),
            worst_nanousd: self.numbers.in_hundred(80).then(|| COST * (1 + self.numbers.below(5))),
            now: self.scene.tick(),
        };
        let (store, now) = (self.scene.store, reserve.now);
        let reserved = store.reserve(reserve).await;
        if self.numbers.in_hundred(30) {
            let unused = Unused::Tokens(self.numbers.below(2_000) as i64 - 500);
            store
                .settle(&self.scene.run, &agentwrite::ports::Budget::of("default"), unused, now)
                .await
                .expect("settle");
        }
        if self.numbers.in_hundred(10) {
            store.close_gate("default", now.after(Duration::from_secs(3)), "429", now).await.expect("close_gate");
        }
        format!("reserved {} {}", told(&reserved), told(&store.gate("default").await))
    }

    async fn small_things(&mut self) -> String {
        let (store, run) = (self.scene.store, self.scene.run.clone());
        match self.numbers.below(5) {
            0 => {
                let owner = OwnerId::new(format!("owner_{}", self.numbers.below(3)));
                let attempts: Vec<AttemptId> = self.held.iter().map(|task| task.attempt.clone()).collect();
                let held = store.renew_leases(&owner, &attempts, LEASE, self.scene.tick()).await;
                format!("renewed {:?}", held.expect("renew_leases").into_iter().collect::<BTreeSet<_>>())
            }
            1 => {
                let owner = OwnerId::new(format!("owner_{}", self.numbers.below(3)));
                format!("freed {}", told(&store.free_dead_owners(&owner, self.scene.tick()).await))
            }
            2 => {
                let first = self.numbers.below(self.samples + 1);
                let rows: Vec<_> = (first..first + 2).map(|index| (input(index), 3)).collect();
                let added = store.add_samples(&run, &rows, self.scene.tick()).await;
                store.start_run(&run, self.scene.tick()).await.expect("start_run");
                self.samples = store.run(&run).await.expect("run").expect("there").samples;
                format!("added {}", told(&added))
            }
            3 => {
                store.record_statistics(&run, self.scene.tick()).await.expect("record_statistics");
                "statistics".to_owned()
            }
            _ => {
                let mut known: BTreeSet<TaskKey> = self.held.iter().map(|task| task.key.clone()).collect();
                known.extend(self.records.iter().rev().take(5).map(|record| record.task.clone()));
                let mut lines = Vec::new();
                for key in known {
                    lines.push(told(&store.load_sample(&key).await));
                }
                lines.join("\n")
            }
        }
    }

    async fn totals(&self) -> agentwrite::ports::Totals {
        self.scene.totals().await
    }

    /// What is violated now.
    pub async fn violations(&self) -> Vec<(String, String, String)> {
        self.scene.store.violations(&self.scene.run).await.expect("violations")
    }

    /// Everything that readers see.
    pub async fn report(&self) -> Vec<String> {
        let (store, run) = (self.scene.store, &self.scene.run);
        let mut lines = vec![told(&store.run(run).await), format!("{:?}", self.totals().await)];
        let page = store.samples(run, &SampleFilter::default(), 100).await.expect("samples");
        for row in page.rows {
            lines.push(told(&store.sample(run, &row.sample).await));
        }
        lines.push(told(&store.failures(run).await));
        lines.push(told(&store.attempt_codes(run).await));
        lines.push(told(&store.statistics(run, agentwrite::ids::Timestamp(0)).await));
        lines.push(told(&store.published(run).await));
        let actions = store.actions(run).await.expect("actions");
        lines.extend(actions.iter().map(|action| format!("{} {} {:?}", action.who, action.action, action.at)));
        let waiting: BTreeSet<TaskKey> = self.scene.outbox().await.into_iter().collect();
        lines.push(format!("{waiting:?}"));
        lines
    }
}
