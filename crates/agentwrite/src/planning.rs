//! The plan task: its request, and what its answer means.

use crate::call::{ChatAnswer, ChatRequest, Finish};
use crate::chain;
use crate::config::TextConfig;
use crate::failure::ErrorCode;
use crate::gates::NgramIndex;
use crate::gates::section::{self, SectionInput, SectionPolicy};
use crate::ids::Hash;
use crate::manuscript::{expected_language, request_seed};
use crate::plan::{self, Plan, PlanFault, PlanFormat};
use crate::prompts::Prompts;
use crate::sample::SampleContext;
use crate::task::ClaimedTask;
use crate::truncation::{PromptSize, suspicion};

/// What an answer to a plan task means.
#[derive(Debug, Clone, PartialEq)]
pub enum Planned {
    /// The plan, and the chain's head after it.
    Plan(Plan, Hash),
    /// No usable plan.
    Fault {
        /// The code.
        code: ErrorCode,
        /// Words for a person, and the evidence.
        message: String,
        /// What the re-ask says, where asking again can help.
        fault: Option<String>,
        /// The one re-ask for this sort of fault is used up.
        hopeless: bool,
    },
}

/// The request for a plan.
pub fn request(config: &TextConfig, prompts: &Prompts, context: &SampleContext, task: &ClaimedTask) -> ChatRequest {
    let json = config.plan_format != PlanFormat::Text;
    let total = context.input.length.as_ref().map(|length| total_text(length.target(), context));
    let role = &config.plan;
    let messages = prompts.plan(
        context.input.context(),
        context.input.instruction(),
        total.as_deref(),
        json,
        task.hint.fault.as_deref(),
    );
    ChatRequest {
        model: context.model.clone().unwrap_or_else(|| role.model.clone()),
        messages,
        temperature: role.temperature,
        top_p: role.top_p,
        max_tokens: role.max_tokens.saturating_mul(1 << task.hint.doublings.min(3)) + role.reasoning_tokens,
        seed: request_seed(config.seed, task),
        schema: json.then(plan::json_schema),
        extra_body: role.extra_body.clone(),
        affinity: context.sample.as_str().to_owned(),
    }
}

fn total_text(target: u32, context: &SampleContext) -> String {
    let unit = match expected_language(context).map(crate::language::Language::code) {
        Some("zh" | "ja" | "ko" | "th") => "characters",
        _ => "words",
    };
    format!("{target} {unit}")
}

/// Decides what the answer means. `prompt_bytes` is the size of the request's messages.
pub fn judge(
    config: &TextConfig,
    context: &SampleContext,
    task: &ClaimedTask,
    answer: &ChatAnswer,
    prompt_bytes: usize,
) -> Planned {
    if answer.usage.reported
        && let Some(message) = suspicion(None, PromptSize { bytes: prompt_bytes, tokens: answer.usage.prompt_tokens })
    {
        return Planned::Fault { code: ErrorCode::PromptTruncated, message, fault: None, hopeless: false };
    }
    if let Some(fault) = unusable(answer) {
        return fault;
    }
    let cleaned = crate::clean::clean_plan(&answer.text);
    let parts = plan::fixed_parts(context.input.instruction());
    let settled = plan::parse(&cleaned.text, config.plan_format)
        .and_then(|plan| plan::settle(plan, context.input.length.as_ref(), parts, &config.plan_policy));
    match settled {
        Ok(plan) => {
            let root = chain::root(context.input.key(), config.hash(), context.model.as_deref(), context.revision);
            let head = chain::with_plan(root, &plan);
            Planned::Plan(plan, head)
        }
        Err(fault) => plan_fault(&fault, task),
    }
}

/// Faults that any answer can have; the section gates know them.
fn unusable(answer: &ChatAnswer) -> Option<Planned> {
    if answer.finish == Finish::Length {
        let message = format!("the plan ended for length after {} tokens", answer.usage.completion_tokens);
        return Some(Planned::Fault { code: ErrorCode::Cut, message, fault: None, hopeless: false });
    }
    let cleaned = crate::clean::clean_plan(&answer.text);
    let input = SectionInput {
        text: &cleaned.text,
        words: 0,
        target_words: 0,
        last: true,
        // A plan does not end like prose.
        finish: if answer.finish == Finish::ContentFilter { Finish::ContentFilter } else { Finish::Stop },
        plan_lines: &[],
        earlier: &NgramIndex::new(),
        earlier_tail: "",
        expected_language: None,
        had_reasoning: answer.had_reasoning || cleaned.reasoning,
    };
    let verdict = section::check(&input, &SectionPolicy { loop_share: 1.0, ..SectionPolicy::default() });
    let hard = verdict.hard?;
    let code = hard.kind.error();
    let about_the_answer =
        matches!(code, ErrorCode::Empty | ErrorCode::ContentFilter | ErrorCode::Refusal | ErrorCode::ProviderError);
    about_the_answer.then_some(Planned::Fault { code, message: hard.evidence, fault: None, hopeless: false })
}

/// A fault of the plan itself is named to the model once; then the task dies with its reason (DESIGN 4).
fn plan_fault(fault: &PlanFault, task: &ClaimedTask) -> Planned {
    let code = match fault {
        PlanFault::NoStep => ErrorCode::PlanEmpty,
        PlanFault::TooManySteps { .. } => ErrorCode::PlanTooLong,
        PlanFault::Refusal => ErrorCode::Refusal,
        PlanFault::Placeholder { .. } => ErrorCode::PlanPlaceholder,
        PlanFault::RepeatedStep { .. } => ErrorCode::PlanRepeats,
        PlanFault::TotalOff { .. } => ErrorCode::PlanTotal,
        PlanFault::Cut => ErrorCode::Cut,
    };
    Planned::Fault {
        code,
        message: fault.to_string(),
        fault: Some(fault.reask()),
        hopeless: task.hint.asked_again && !matches!(fault, PlanFault::Refusal | PlanFault::Cut),
    }
}
