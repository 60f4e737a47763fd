//! The plan task: its request, and what its answer means.

use crate::call::{ChatAnswer, ChatRequest, Finish};
use crate::chain;
use crate::config::TextConfig;
use crate::failure::ErrorCode;
use crate::gates::NgramIndex;
use crate::gates::section::{self, SectionInput, SectionPolicy};
use crate::ids::Hash;
use crate::manuscript::{expected_language_of, request_seed};
use crate::plan::{self, Plan, PlanFault, PlanFormat};
use crate::prompts::Prompts;
use crate::sample::{Input, SampleContext};
use crate::task::{ClaimedTask, Hint};
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
        /// For the next try.
        hint: Hint,
        /// Both rounds are used up.
        hopeless: bool,
    },
}

/// The request for a plan.
pub fn request(config: &TextConfig, prompts: &Prompts, context: &SampleContext, task: &ClaimedTask) -> ChatRequest {
    let json = config.plan_format != PlanFormat::Text;
    let total = context.input.length.as_ref().map(|length| total_text(length.target(), &context.input));
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
        go_on: None,
        temperature: role.temperature,
        top_p: role.top_p,
        max_tokens: role.max_tokens.saturating_mul(1 << task.hint.doublings.min(3)) + role.reasoning_tokens,
        seed: request_seed(config.seed, task),
        schema: json.then(plan::json_schema),
        extra_body: role.extra_body.clone(),
        affinity: context.sample.as_str().to_owned(),
    }
}

/// The target length with its unit, as the plan prompt states it.
pub(crate) fn total_text(target: u32, input: &Input) -> String {
    let unit = match expected_language_of(input).map(crate::language::Language::code) {
        Some("zh" | "ja" | "ko" | "th") => "characters",
        _ => "words",
    };
    format!("{target} {unit}")
}

/// Decides what the answer means. `text_hash` is [`config.hash()`](TextConfig::hash), `prompt_bytes` the size of the
/// request's messages.
pub fn judge(
    config: &TextConfig,
    text_hash: Hash,
    context: &SampleContext,
    task: &ClaimedTask,
    answer: &ChatAnswer,
    prompt_bytes: usize,
) -> Planned {
    if answer.usage.reported
        && let Some(message) = suspicion(None, PromptSize { bytes: prompt_bytes, tokens: answer.usage.prompt_tokens })
    {
        return same_again(ErrorCode::PromptTruncated, message, task);
    }
    if let Some((code, message)) = unusable(answer) {
        return same_again(code, message, task);
    }
    let cleaned = crate::clean::clean_plan(&answer.text);
    let parts = plan::fixed_parts(context.input.instruction());
    let settled = plan::parse(&cleaned.text, config.plan_format)
        .and_then(|plan| plan::settle(plan, context.input.length.as_ref(), parts, &config.plan_policy));
    match settled {
        Ok(plan) => {
            let root = chain::root(context.input.key(), text_hash, context.model.as_deref(), context.revision);
            let head = chain::with_plan(root, &plan);
            Planned::Plan(plan, head)
        }
        Err(fault) => plan_fault(&fault, task),
    }
}

/// Nothing is wrong with the plan that was asked for, but with this answer: the same request again, with more room if the
/// answer was cut.
fn same_again(code: ErrorCode, message: String, task: &ClaimedTask) -> Planned {
    let doublings = task.hint.doublings + u32::from(code == ErrorCode::Cut);
    Planned::Fault { code, message, hint: Hint { doublings, ..task.hint.clone() }, hopeless: false }
}

/// Faults that any answer can have; the section gates know them.
fn unusable(answer: &ChatAnswer) -> Option<(ErrorCode, String)> {
    if answer.finish == Finish::Length {
        let message = format!("the plan ended for length after {} tokens", answer.usage.completion_tokens);
        return Some((ErrorCode::Cut, message));
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
    about_the_answer.then_some((code, hard.evidence))
}

/// A fault of the plan itself is named to the model in a re-ask. If that has a fault too, one more such round starts anew,
/// with another seed (docs/adr/0004); then the task dies with its reason.
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
    let (named, second_round) = (task.hint.fault.is_some(), task.hint.asked_again);
    let hint = Hint {
        fault: (!named).then(|| fault.reask()),
        asked_again: second_round || named,
        doublings: task.hint.doublings + u32::from(code == ErrorCode::Cut),
        ..task.hint.clone()
    };
    let hopeless = named && second_round && !matches!(fault, PlanFault::Refusal | PlanFault::Cut);
    Planned::Fault { code, message: fault.to_string(), hint, hopeless }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(hint: Hint) -> ClaimedTask {
        ClaimedTask { hint, ..ClaimedTask::fresh() }
    }

    /// Faults of a plan, one after another, until the task dies: whether each try named the fault before.
    fn tries(fault: &PlanFault, most: usize) -> Vec<bool> {
        let (mut hint, mut named) = (Hint::default(), Vec::new());
        while named.len() < most {
            named.push(hint.fault.is_some());
            let Planned::Fault { hint: next, hopeless, .. } = plan_fault(fault, &task(hint)) else {
                unreachable!("a fault stays one")
            };
            if hopeless {
                break;
            }
            hint = next;
        }
        named
    }

    #[test]
    fn a_plan_has_two_rounds_of_an_ask_and_a_re_ask() {
        assert_eq!(tries(&PlanFault::NoStep, 9), [false, true, false, true]);
        assert_eq!(tries(&PlanFault::Placeholder { step: 1 }, 9), [false, true, false, true]);
        // These may end well with the same words: the task's attempts alone bound them.
        assert_eq!(tries(&PlanFault::Refusal, 9).len(), 9);
        assert_eq!(tries(&PlanFault::Cut, 9).len(), 9);
    }

    #[test]
    fn an_answer_that_is_no_plan_at_all_leaves_the_round_as_it_is() {
        let asked = task(Hint { fault: Some("no step".to_owned()), doublings: 1, ..Hint::default() });
        let hint_after = |code| match same_again(code, String::new(), &asked) {
            Planned::Fault { hint, hopeless: false, .. } => hint,
            other => panic!("{other:?}"),
        };
        assert_eq!(hint_after(ErrorCode::Empty), asked.hint);
        assert_eq!(hint_after(ErrorCode::Cut), Hint { doublings: 2, ..asked.hint.clone() });
    }
}
