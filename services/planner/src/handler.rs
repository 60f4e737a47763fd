//! The plan task.

use std::sync::Arc;

use agentwrite::manuscript::Manuscript;
use agentwrite::planning::{self, Planned};
use agentwrite::ports::{Clock, Dice, FollowUp, TaskResult, TaskStore};
use agentwrite::retry::RetryPolicy;
use agentwrite::sample::SampleContext;
use agentwrite::task::{AttemptEnd, ClaimedTask, KeptAnswer, Kind};
use async_trait::async_trait;
use worker::{Asked, Caller, Done, Failures, Handler, Outcome, RunConfigs, Settled};

/// Makes plans.
pub struct PlanHandler {
    /// The run's configuration, every version.
    pub configs: Arc<RunConfigs>,
    /// The store.
    pub tasks: Arc<dyn TaskStore>,
    /// The endpoint of the role `plan`.
    pub caller: Caller,
    /// What becomes of failures.
    pub retry: RetryPolicy,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub dice: Arc<dyn Dice>,
}

#[async_trait]
impl Handler for PlanHandler {
    fn kind(&self) -> Kind {
        Kind::PLAN
    }

    async fn handle(&self, task: &ClaimedTask, _memory: &mut Option<Manuscript>) -> Outcome {
        let failures = Failures { retry: &self.retry, clock: &*self.clock, dice: &*self.dice, task };
        let context = match self.tasks.load_sample(&task.key).await {
            Ok(Some(context)) => context,
            Ok(None) => return failures.internal("the task's sample is not in the store"),
            Err(error) => return failures.store(&error),
        };
        let Some(settled) = self.configs.get(context.config_version) else {
            return failures.internal("the sample's configuration is not in the store");
        };
        let config = &settled.config.text;
        let request = planning::request(config, &settled.prompts, &context, task);
        let bytes = request.prompt_bytes();
        match self.caller.ask(task, request).await {
            Asked::Answer(answer, end) => judge(&failures, settled, &context, task, &answer, end, bytes),
            other => failures.of_call(other),
        }
    }
}

fn judge(
    failures: &Failures<'_>,
    settled: &Settled,
    context: &SampleContext,
    task: &ClaimedTask,
    answer: &agentwrite::call::ChatAnswer,
    end: AttemptEnd,
    bytes: usize,
) -> Outcome {
    match planning::judge(&settled.config.text, settled.text_hash, context, task, answer, bytes) {
        Planned::Plan(plan, chain) => {
            let places = plan.steps.len() as u32;
            Outcome::Done(Box::new(Done {
                result: TaskResult::Plan { plan, chain },
                origin: None,
                end,
                answer: None,
                follow_ups: vec![FollowUp::SamplePlanned { places }],
            }))
        }
        Planned::Fault { code, message, hint, hopeless } => {
            let kept = KeptAnswer {
                raw: answer.text.clone(),
                gate: code.as_str().to_owned(),
                evidence: message.clone(),
                candidate: false,
                reask: task.hint.fault.clone(),
            };
            failures.of_answer(code, message, hint, kept, end, hopeless)
        }
    }
}
