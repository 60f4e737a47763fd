//! Merging, splitting and rescaling the steps of a plan.
//!
//! All of it is integer arithmetic with fixed tie-breaks, so that the same answer gives the same plan on every machine.

use super::settle::PlanPolicy;
use super::{Plan, Step};

/// Brings `plan` to `target` words and, unless its steps are fixed, each step into the policy's limits.
pub(super) fn shape(mut plan: Plan, target: u32, fixed: bool, policy: &PlanPolicy) -> Plan {
    let limits = Limits::new(target, policy);
    let off = u64::from(plan.total().abs_diff(target)) * 100 > u64::from(target) * u64::from(policy.tolerance_percent);
    let fits = fixed || plan.steps.iter().all(|step| (limits.min..=limits.max).contains(&u64::from(step.words)));
    if fits && !off {
        return plan;
    }
    rescale(&mut plan.steps, u64::from(target));
    if !fixed {
        merge_short(&mut plan.steps, &limits);
        split_long(&mut plan.steps, &limits);
        level(&mut plan.steps, &limits);
    }
    plan
}

/// The limits of a step, and how many steps a text of the target length can have within them.
struct Limits {
    target: u64,
    min: u64,
    max: u64,
    fewest: usize,
    most: usize,
}

impl Limits {
    fn new(target: u32, policy: &PlanPolicy) -> Self {
        let (target, min) = (u64::from(target), u64::from(policy.min_words.max(1)));
        let max = u64::from(policy.max_words).max(min);
        let steps = |count: u64| usize::try_from(count).unwrap_or(usize::MAX).clamp(1, policy.max_steps.max(1));
        let fewest = steps(target.div_ceil(max));
        Self { target, min, max, fewest, most: steps(target / min).max(fewest) }
    }
}

fn words(step: &Step) -> u64 {
    u64::from(step.words)
}

fn set(step: &mut Step, words: u64) {
    step.words = u32::try_from(words).unwrap_or(u32::MAX);
}

/// Multiplies all steps so that they add up to `target`, to the word: what rounding leaves goes to the largest fractions.
fn rescale(steps: &mut [Step], target: u64) {
    let total: u64 = steps.iter().map(words).sum();
    let weights: Vec<u64> = steps.iter().map(|step| if total == 0 { 1 } else { words(step) }).collect();
    for (step, share) in steps.iter_mut().zip(shares(&weights, target)) {
        // A step of no words would never be written; the word it gets is within any tolerance.
        set(step, share.max(1));
    }
}

/// `amount` divided in the proportion of `weights`, to the unit; earlier places win ties. All zero if the weights are.
fn shares(weights: &[u64], amount: u64) -> Vec<u64> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if total == 0 {
        return vec![0; weights.len()];
    }
    let exact: Vec<u128> = weights.iter().map(|weight| u128::from(*weight) * u128::from(amount)).collect();
    let mut shares: Vec<u64> = exact.iter().map(|part| u64::try_from(part / total).unwrap_or(u64::MAX)).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(exact[*index] % total));
    let left = amount - shares.iter().sum::<u64>();
    for index in order.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
        shares[index] += 1;
    }
    shares
}

/// Merges steps under the minimum with their smaller neighbour, as long as the result stays within the maximum; goes on past
/// it while there are more steps than the target has room for.
fn merge_short(steps: &mut Vec<Step>, limits: &Limits) {
    while steps.len() > limits.fewest.max(1) {
        let crowded = steps.len() > limits.most;
        let pair = (0..steps.len() - 1)
            .filter(|left| crowded || words(&steps[*left]).min(words(&steps[left + 1])) < limits.min)
            .map(|left| (words(&steps[left]) + words(&steps[left + 1]), left))
            .filter(|(sum, _)| crowded || *sum <= limits.max)
            .min();
        let Some((sum, left)) = pair else { return };
        let right = steps.remove(left + 1);
        steps[left].main_point = joined(&steps[left].main_point, &right.main_point);
        set(&mut steps[left], sum);
    }
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4E00}'..='\u{9FFF}').contains(&c))
}

fn joined(first: &str, second: &str) -> String {
    let link = if first.ends_with(['.', '?', '!', ';']) {
        " "
    } else if first.ends_with(['。', '？', '！', '；']) {
        ""
    } else if is_chinese(first) {
        "；"
    } else {
        "; "
    };
    format!("{first}{link}{second}")
}

/// Splits steps over the maximum into equal parts, the longest first while there is room for more steps. A step that is over
/// by little is left to [`level`] if the others can take the rest.
fn split_long(steps: &mut Vec<Step>, limits: &Limits) {
    loop {
        let room = limits.most.saturating_sub(steps.len());
        let must = limits.target > limits.max * steps.len() as u64;
        let bar = if must { limits.max } else { limits.max + limits.max / 4 };
        let longest = (0..steps.len()).max_by_key(|index| (words(&steps[*index]), std::cmp::Reverse(*index)));
        let Some(index) = longest.filter(|index| room > 0 && words(&steps[*index]) > bar) else { return };
        let total = words(&steps[index]);
        let parts = usize::try_from(total.div_ceil(limits.max)).unwrap_or(usize::MAX).clamp(2, room + 1);
        let whole = steps.remove(index);
        let split = shares(&vec![1; parts], total).into_iter().enumerate().map(|(part, share)| {
            let mut step = Step { main_point: part_point(&whole.main_point, part + 1, parts), words: 0 };
            set(&mut step, share);
            step
        });
        steps.splice(index..index, split);
    }
}

fn part_point(point: &str, part: usize, parts: usize) -> String {
    if is_chinese(point) {
        format!("{point}（第{part}部分，共{parts}部分）")
    } else {
        format!("{point} (part {part} of {parts})")
    }
}

/// Moves words from steps over the maximum to those with room, and to steps under the minimum from those with words to spare.
/// Where no division fits the limits, all steps become equal.
fn level(steps: &mut [Step], limits: &Limits) {
    let count = steps.len() as u64;
    if limits.target < limits.min * count || limits.target > limits.max * count {
        for (step, share) in steps.iter_mut().zip(shares(&vec![1; count as usize], limits.target)) {
            set(step, share);
        }
        return;
    }
    let mut total = 0;
    for step in steps.iter_mut() {
        let clamped = words(step).clamp(limits.min, limits.max);
        set(step, clamped);
        total += clamped;
    }
    let missing = total < limits.target;
    let room: Vec<u64> =
        steps.iter().map(|step| if missing { limits.max - words(step) } else { words(step) - limits.min }).collect();
    for (step, share) in steps.iter_mut().zip(shares(&room, total.abs_diff(limits.target))) {
        let changed = if missing { words(step) + share } else { words(step) - share };
        set(step, changed);
    }
}
