//! Section tasks: the prompt, the call, the gates.

use std::sync::Arc;

use agentwrite::call::ChatAnswer;
use agentwrite::config::{Mode, TextConfig};
use agentwrite::failure::ErrorCode;
use agentwrite::ids::Hash;
use agentwrite::manuscript::{Manuscript, tokens_for};
use agentwrite::ports::{Clock, Dice, FollowUp, TaskResult, TaskStore};
use agentwrite::retry::RetryPolicy;
use agentwrite::task::{AttemptEnd, ClaimedTask, Kind, NewTask, TaskKey};
use agentwrite::writing::{self, Accepted, Written};
use async_trait::async_trait;
use worker::{Asked, Caller, Done, Failures, Handler, Outcome, RunConfigs};

/// Writes sections.
pub struct SectionHandler {
    /// The run's configuration, every version.
    pub configs: Arc<RunConfigs>,
    /// The store.
    pub tasks: Arc<dyn TaskStore>,
    /// The endpoint of the role `write`.
    pub caller: Caller,
    /// Context of its model in tokens, where known.
    pub context_tokens: Option<u32>,
    /// What becomes of failures.
    pub retry: RetryPolicy,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub dice: Arc<dyn Dice>,
}

#[async_trait]
impl Handler for SectionHandler {
    fn kind(&self) -> Kind {
        Kind::SECTION
    }

    async fn handle(&self, task: &ClaimedTask, memory: &mut Option<Manuscript>) -> Outcome {
        let failures = Failures { retry: &self.retry, clock: &*self.clock, dice: &*self.dice, task };
        if !memory.as_ref().is_some_and(|manuscript| self.continues(manuscript, task)) {
            *memory = None;
            match self.load(task).await {
                Ok(Some(manuscript)) => *memory = Some(manuscript),
                Ok(None) => {
                    return failures.internal("the task's sample, plan or earlier sections are not in the store");
                }
                Err(error) => return failures.store(&error),
            }
        }
        let Some(manuscript) = memory.as_mut() else { return failures.internal("no manuscript") };
        let Some(settled) = self.configs.get(manuscript.context.config_version) else {
            return failures.internal("the sample's configuration is not in the store");
        };
        let config = &settled.config.text;
        if let Some(message) = self.too_long(manuscript, task) {
            return failures.permanent(ErrorCode::ContextTooSmall, message);
        }
        let request = manuscript.request(config, &settled.prompts, task);
        let bytes = request.prompt_bytes();
        match self.caller.ask(task, request).await {
            Asked::Answer(answer, end) => self.judge(&failures, config, manuscript, task, &answer, end, bytes),
            other => failures.of_call(other),
        }
    }
}

impl SectionHandler {
    fn mode(&self, version: u32) -> Option<Mode> {
        self.configs.get(version).map(|settled| settled.config.text.mode)
    }

    fn continues(&self, manuscript: &Manuscript, task: &ClaimedTask) -> bool {
        self.mode(manuscript.context.config_version).is_some_and(|mode| manuscript.continues(task, mode))
    }

    /// Reads the manuscript that the task's context hash stands for. `None` if the store does not hold it.
    async fn load(&self, task: &ClaimedTask) -> Result<Option<Manuscript>, agentwrite::ports::StoreError> {
        let context = self.tasks.load_sample(&task.key).await?;
        let context = context.filter(|context| {
            let serial = self.mode(context.config_version) == Some(Mode::Serial);
            context.plan.is_some() && (!serial || context.sections.len() == task.key.place as usize)
        });
        Ok(context.map(|context| Manuscript::new(context, task.context_hash)))
    }

    /// A sample's need is checked before its first section: too long is told before money is spent.
    fn too_long(&self, manuscript: &Manuscript, task: &ClaimedTask) -> Option<String> {
        let limit = u64::from(self.context_tokens?);
        if task.key.place > 0 {
            return None;
        }
        let words: u32 = (0..manuscript.places()).map(|place| manuscript.target(place)).sum();
        let plan: usize = manuscript.lines().iter().map(String::len).sum();
        let instruction: usize = manuscript.context.input.messages.iter().map(|message| message.content.len()).sum();
        let need = tokens_for(words, manuscript.language()) + (plan + instruction) as u64 / 3 + 400;
        (need > limit).then(|| format!("the sample needs about {need} tokens of context, the endpoint has {limit}"))
    }

    #[expect(clippy::too_many_arguments, reason = "what one answer is judged by, in one place")]
    fn judge(
        &self,
        failures: &Failures<'_>,
        config: &TextConfig,
        manuscript: &mut Manuscript,
        task: &ClaimedTask,
        answer: &ChatAnswer,
        end: AttemptEnd,
        bytes: usize,
    ) -> Outcome {
        match writing::judge(manuscript, config, task, answer, bytes, self.retry.attempts) {
            Written::Accept(mut accepted) => {
                manuscript.remember_grams(accepted.chain, std::mem::take(&mut accepted.grams));
                accept(config.mode, manuscript, task, accepted, end)
            }
            Written::Continue { message, hint, kept } => {
                manuscript.add_part(task.attempt.clone(), kept.raw.clone());
                failures.of_part(message, hint, kept, end)
            }
            Written::Refuse { code, message, hint, kept } => failures.of_answer(code, message, hint, kept, end, false),
        }
    }
}

fn accept(mode: Mode, manuscript: &Manuscript, task: &ClaimedTask, accepted: Accepted, end: AttemptEnd) -> Outcome {
    let mut follow_ups = vec![FollowUp::PlaceFilled];
    let next = task.key.place + 1;
    if mode == Mode::Serial && next < manuscript.places() {
        follow_ups.push(FollowUp::Task(next_section(&task.key, next, accepted.chain, manuscript.places())));
    }
    Outcome::Done(Box::new(Done {
        result: TaskResult::Section {
            text: accepted.text,
            words: accepted.words,
            flags: accepted.flags,
            chain: accepted.chain,
        },
        origin: Some(accepted.origin),
        end,
        answer: accepted.kept,
        follow_ups,
    }))
}

fn next_section(key: &TaskKey, place: u32, context_hash: Hash, places: u32) -> NewTask {
    NewTask { key: TaskKey { place, ..key.clone() }, context_hash, remaining: places - place }
}
