//! One real plan call for an estimate: the request that the run would make first, and what its answer means.

use crate::call::{ChatAnswer, ChatRequest};
use crate::config::TextConfig;
use crate::ids::{AttemptId, Hash, OwnerId, RunId};
use crate::planning::{self, Planned};
use crate::prompts::Prompts;
use crate::sample::{Input, SampleContext};
use crate::task::{ClaimedTask, Hint, Kind, TaskKey};

/// A plan call outside any run.
#[derive(Debug, Clone)]
pub struct PlanCall {
    context: SampleContext,
    task: ClaimedTask,
}

impl PlanCall {
    /// The plan call of this input.
    pub fn new(input: Input) -> Self {
        let (run, sample) = (RunId::new("estimate"), input.sample_id());
        let key =
            TaskKey { run: run.clone(), kind: Kind::PLAN, subject: sample.as_str().to_owned(), place: 0, revision: 0 };
        let task = ClaimedTask {
            context_hash: Hash::of("estimate", &[sample.as_str()]),
            owner: OwnerId::new("estimate"),
            fence: 0,
            attempt: AttemptId::new("estimate"),
            generation: 0,
            failures: 0,
            bad_answers: 0,
            crashes: 0,
            hint: Hint::default(),
            key,
        };
        let context = SampleContext {
            run,
            sample,
            ordinal: 0,
            input,
            revision: 0,
            config_version: 0,
            model: None,
            plan: None,
            sections: Vec::new(),
            candidates: Vec::new(),
            parts: Vec::new(),
            last_prompt_tokens: None,
        };
        Self { context, task }
    }

    /// Its input.
    pub fn input(&self) -> &Input {
        &self.context.input
    }

    /// The request.
    pub fn request(&self, config: &TextConfig, prompts: &Prompts) -> ChatRequest {
        planning::request(config, prompts, &self.context, &self.task)
    }

    /// What the answer to a request of so many bytes means.
    pub fn judge(&self, config: &TextConfig, answer: &ChatAnswer, prompt_bytes: usize) -> Planned {
        planning::judge(config, config.hash(), &self.context, &self.task, answer, prompt_bytes)
    }
}
