//! What operators do, beside the processes and past the faults: intake, pause, cancel, retry, limits, re-plan.

use agentwrite::call::Message;
use agentwrite::config::{Limits, Mode, Price, RunConfig, TextConfig};
use agentwrite::plan::PlanPolicy;
use agentwrite::ports::{Control, RetryPlan};
use agentwrite::sample::Input;

use super::world::World;

/// Rows differ in length, so that admission has something to choose.
fn input(row: u32) -> Input {
    let sections = 2 + row % 3;
    Input {
        messages: vec![Message::user(format!("Tell the tale of harbour number {row} [sections={sections} words=60]"))],
        length: None,
        language: None,
        variant: 0,
        id: Some(format!("row-{row}")),
        meta: None,
    }
}

impl World {
    fn config(&self) -> RunConfig {
        let mut text = TextConfig {
            mode: if self.script.parallel { Mode::Parallel } else { Mode::Serial },
            plan_policy: PlanPolicy { min_words: 20, ..PlanPolicy::default() },
            seed: 42 + u64::from(self.replans),
            ..TextConfig::default()
        };
        "planner".clone_into(&mut text.plan.model);
        "writer".clone_into(&mut text.write.model);
        let (shard_size, attempts) = (self.script.shard_size, self.script.attempts);
        RunConfig { text, shard_size, attempts, synthetic: true, ..RunConfig::default() }
    }

    fn limits(&self, concurrency: u32) -> Limits {
        let limits = Limits { concurrency, ..Limits::default() };
        if !self.script.budgets {
            return limits;
        }
        let price = Some(Price { input: 100, cached: 10, output: 400 });
        Limits { rpm: Some(1_200), tpm: Some(2_000_000), price, ..limits }
    }

    pub(super) async fn submit(&mut self) {
        let (config, limits) = (self.config(), self.limits(self.script.concurrency));
        let store = self.line.ground.store();
        let created = store.create_run(&self.run, "simulated", &config, &limits, self.now());
        self.line.ground.wait(created).await.expect("a run is created");
        self.add(self.script.samples).await;
    }

    pub(super) async fn add(&mut self, rows: u32) {
        let inputs: Vec<(Input, u32)> = (self.rows..self.rows + rows).map(|row| (input(row), 3)).collect();
        self.rows += rows;
        let store = self.line.ground.store();
        self.line.ground.wait(store.add_samples(&self.run, &inputs, self.now())).await.expect("rows are added");
        self.line.ground.wait(store.start_run(&self.run, self.now())).await.expect("the run starts");
    }

    async fn control(&self, control: Control) {
        let store = self.line.ground.store();
        let done = store.control(&self.run, "operator", &control, self.now());
        self.line.ground.wait(done).await.expect("an operator's wish is carried out");
    }

    pub(super) async fn pause(&self) {
        self.control(Control::Pause { reason: "user".to_owned() }).await;
    }

    pub(super) async fn resume(&mut self) {
        self.control(Control::Resume).await;
        self.wake();
    }

    pub(super) async fn cancel(&self) {
        self.line.oracle.cancelled();
        self.control(Control::Cancel).await;
    }

    pub(super) async fn resize(&self, slots: u32) {
        self.control(Control::Limits(self.limits(slots))).await;
    }

    pub(super) async fn retry(&self, from_section: Option<u32>, model: bool) {
        let model = model.then(|| "another".to_owned());
        let plan = RetryPlan { from_section, model, ..RetryPlan::default() };
        let store = self.line.ground.store();
        let done = store.retry(&self.run, "operator", &plan, self.now());
        self.line.ground.wait(done).await.expect("a retry is carried out");
    }

    pub(super) async fn replan(&mut self) {
        self.cancel().await;
        self.replans += 1;
        self.control(Control::Configure(Box::new(self.config()))).await;
        self.retry(None, false).await;
    }
}
