//! Whether a plan can be written, and bringing it into shape without another call.

use serde::{Deserialize, Serialize};

use crate::length::RequiredLength;

use super::shape::shape;
use super::suspect::{is_placeholder, is_refusal};
use super::{Plan, PlanFault};

/// What a plan has to be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlanPolicy {
    /// Most steps of a plan, before and after it is brought into shape.
    pub max_steps: usize,
    /// Least words of a step; shorter ones are merged.
    pub min_words: u32,
    /// Most words of a step; longer ones are split.
    pub max_words: u32,
    /// How far the total may be from the required length before it is rescaled, in percent.
    pub tolerance_percent: u32,
    /// The total may be this many times the required length, or this part of it, and still be rescaled. Beyond that the
    /// model did not plan this text, and its proportions mean nothing.
    pub max_rescale: u32,
}

impl Default for PlanPolicy {
    fn default() -> Self {
        Self { max_steps: 50, min_words: 200, max_words: 1000, tolerance_percent: 2, max_rescale: 4 }
    }
}

/// Checks a plan and brings it into shape: every step within the policy's words where that is possible, and the total at the
/// target of `required` (within the tolerance), or unchanged where nothing is required.
///
/// Steps that are too short are merged with a neighbour, steps that are too long are split into parts, and the rest is
/// rescaled. Where the instruction fixes the parts (`fixed_parts`, see [`super::fixed_parts`]), steps are only rescaled. The
/// result depends on nothing but the arguments, and settling it again changes nothing.
///
/// Faults: no step; more than `max_steps`; a refusal or a placeholder in place of a main point; two steps with the same point
/// and the same words; a total outside `1/max_rescale ..= max_rescale` of the target.
pub fn settle(
    plan: Plan,
    required: Option<&RequiredLength>,
    fixed_parts: Option<u32>,
    policy: &PlanPolicy,
) -> Result<Plan, PlanFault> {
    check(&plan, policy)?;
    let total = plan.total();
    let target = required.map_or(total, RequiredLength::target).max(1);
    let (total_wide, target_wide, times) = (u64::from(total), u64::from(target), u64::from(policy.max_rescale.max(1)));
    if total_wide > target_wide * times || total_wide * times < target_wide {
        return Err(PlanFault::TotalOff { total, required: target });
    }
    Ok(shape(plan, target, fixed_parts.is_some(), policy))
}

fn check(plan: &Plan, policy: &PlanPolicy) -> Result<(), PlanFault> {
    let count = plan.steps.len();
    if count == 0 {
        return Err(PlanFault::NoStep);
    }
    if count > policy.max_steps {
        return Err(PlanFault::TooManySteps { count, limit: policy.max_steps });
    }
    if plan.steps.iter().any(|step| is_refusal(&step.main_point)) {
        return Err(PlanFault::Refusal);
    }
    if let Some(index) = plan.steps.iter().position(|step| is_placeholder(&step.main_point)) {
        return Err(PlanFault::Placeholder { step: index + 1 });
    }
    let same = |text: &str| text.split(|c: char| !c.is_alphanumeric()).collect::<String>().to_lowercase();
    let mut seen = std::collections::HashMap::new();
    for (index, step) in plan.steps.iter().enumerate() {
        if let Some(first) = seen.insert((same(&step.main_point), step.words), index) {
            return Err(PlanFault::RepeatedStep { first: first + 1, second: index + 1 });
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
