//! Real plans for an estimate: exactly as many plan calls as asked for, each made once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agentwrite::call::{CallFailure, ChatAnswer, Usage};
use agentwrite::config::{Limits, TextConfig};
use agentwrite::estimate::{Assumptions, PlanCall, Seen, learned, positions, weight};
use agentwrite::failure::ErrorCode;
use agentwrite::plan::Plan;
use agentwrite::planning::Planned;
use agentwrite::ports::ChatModel;
use agentwrite::prompts::Prompts;
use agentwrite::sample::Input;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::fault::{Exit, Fault};

/// One call and what came of it.
struct Answered {
    place: usize,
    call: PlanCall,
    bytes: usize,
    weight: f64,
    result: Result<ChatAnswer, CallFailure>,
}

/// A call that was answered.
pub struct Taken {
    call: PlanCall,
    weight: f64,
    answer: ChatAnswer,
    plan: Option<Plan>,
}

/// The plans that were made.
pub struct Sampled {
    /// Calls made.
    pub calls: u64,
    /// What they took; of calls that failed, as far as it is known.
    pub usage: Usage,
    /// Nano-USD; none without a price.
    pub cost: Option<u64>,
    /// Why calls or their answers could not be used, each with how often.
    pub failures: BTreeMap<&'static str, u64>,
    taken: BTreeMap<usize, Taken>,
}

impl Sampled {
    /// Plans that can be used.
    pub fn plans(&self) -> u64 {
        self.taken.values().filter(|taken| taken.plan.is_some()).count() as u64
    }

    /// The plan of the input at this place, if one was made.
    pub fn plan_of(&self, place: usize) -> Option<&Plan> {
        self.taken.get(&place)?.plan.as_ref()
    }

    /// The assumptions, corrected.
    pub fn learn(&self, assumptions: Assumptions) -> Assumptions {
        let seen: Vec<Seen<'_>> = self.taken.values().map(Taken::seen).collect();
        learned(assumptions, &seen)
    }
}

impl Taken {
    fn seen(&self) -> Seen<'_> {
        let usage = &self.answer.usage;
        let reported = |tokens: u64| usage.reported.then_some(tokens);
        Seen {
            input: self.call.input(),
            prompt_weight: self.weight,
            prompt_tokens: reported(usage.prompt_tokens),
            answer: &self.answer.text,
            answer_tokens: reported(usage.completion_tokens.saturating_sub(usage.reasoning_tokens)),
            reasoning_tokens: usage.reasoning_tokens,
            first_token_seconds: self.answer.first_token.as_secs_f64(),
            total_seconds: self.answer.total.as_secs_f64(),
            plan: self.plan.as_ref(),
        }
    }
}

/// Makes the plans of `count` inputs, spread over the lengths.
pub async fn sample(
    model: &Arc<dyn ChatModel>,
    config: &TextConfig,
    inputs: &[&Input],
    count: usize,
    limits: &Limits,
    assumptions: &Assumptions,
) -> Result<Sampled, Fault> {
    let prompts = Prompts::parse(&config.prompts, config.layout)
        .map_err(|error| Fault::usage("prompt_template", "a prompt cannot be used").because(error))?;
    let places = positions(inputs, count, config.seed, assumptions);
    let slots = Arc::new(Semaphore::new(limits.concurrency.max(1) as usize));
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for (nth, place) in places.into_iter().enumerate() {
        // A start every so often keeps to the requests a minute without a bucket.
        let start = begun + limits.rpm.map_or(Duration::ZERO, |rpm| Duration::from_mins(1) / rpm.max(1) * nth as u32);
        let call = PlanCall::new(inputs[place].clone());
        let request = call.request(config, &prompts);
        let (model, slots) = (Arc::clone(model), Arc::clone(&slots));
        calls.spawn(async move {
            let _slot = slots.acquire_owned().await.expect("the semaphore is never closed");
            tokio::time::sleep_until(start).await;
            ask(&*model, place, call, request).await
        });
    }
    let mut answered = Vec::new();
    while let Some(joined) = calls.join_next().await {
        answered.push(joined.expect("a plan call does not panic"));
    }
    judged(config, limits, answered)
}

async fn ask(model: &dyn ChatModel, place: usize, call: PlanCall, request: agentwrite::call::ChatRequest) -> Answered {
    let bytes = request.prompt_bytes();
    let weight = request.messages.iter().map(|message| weight(&message.content.to_string())).sum();
    let result = model.chat(request).await;
    Answered { place, call, bytes, weight, result }
}

fn judged(config: &TextConfig, limits: &Limits, answered: Vec<Answered>) -> Result<Sampled, Fault> {
    let mut sampled = Sampled {
        calls: answered.len() as u64,
        usage: Usage::default(),
        cost: limits.price.map(|_| 0),
        failures: BTreeMap::new(),
        taken: BTreeMap::new(),
    };
    let mut worst = None;
    for Answered { place, call, bytes, weight, result } in answered {
        let usage = result.as_ref().map_or_else(|failure| failure.usage, |answer| answer.usage);
        sampled.usage.prompt_tokens += usage.prompt_tokens;
        sampled.usage.cached_tokens += usage.cached_tokens;
        sampled.usage.completion_tokens += usage.completion_tokens;
        sampled.usage.reasoning_tokens += usage.reasoning_tokens;
        sampled.cost = sampled.cost.zip(limits.price).map(|(cost, price)| cost + price.of(&usage));
        match result {
            Ok(answer) => {
                let plan = match call.judge(config, &answer, bytes) {
                    Planned::Plan(plan, _) => Some(plan),
                    Planned::Fault { code, message, .. } => {
                        *sampled.failures.entry(code.as_str()).or_default() += 1;
                        worst.get_or_insert((code, message));
                        None
                    }
                };
                sampled.taken.insert(place, Taken { call, weight, answer, plan });
            }
            Err(failure) => {
                *sampled.failures.entry(failure.code.as_str()).or_default() += 1;
                worst = Some((failure.code, failure.message));
            }
        }
    }
    match worst {
        Some((code, message)) if sampled.plans() == 0 => Err(no_plan(code, message)),
        _ => Ok(sampled),
    }
}

fn no_plan(code: ErrorCode, message: String) -> Fault {
    let exit = if code == ErrorCode::Auth { Exit::Auth } else { Exit::Unreachable };
    Fault::new(code.as_str(), exit, "no plan came back that could be used")
        .because(message)
        .help(format!("{}; without --sample the estimate needs no call", code.help()))
}
