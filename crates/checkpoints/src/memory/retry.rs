//! Retry: stopped samples start again, as a new generation, and where something is discarded as a new revision.

use agentwrite::chain;
use agentwrite::ids::{Hash, RunId, SampleId, Timestamp};
use agentwrite::ports::{Range, Retried, RetryPlan, RunState};
use agentwrite::sample::{SampleEvent, SampleState};
use agentwrite::task::{Hint, TaskState};

use super::MemoryError;
use super::control::write_down;
use super::rows::{Sample, StandingPlan, StandingSection};
use super::state::{RunData, State, makes_samples, step};

/// What becomes of one sample.
struct Restart {
    sample: SampleId,
    state: SampleState,
    new_revision: bool,
    keeps_plan: bool,
    /// Sections that stand, in order.
    kept: Vec<u32>,
    left_closed_range: bool,
}

/// Starts samples again, or only says which.
pub(super) fn retry(
    state: &mut State,
    run: &RunId,
    who: &str,
    plan: &RetryPlan,
    now: Timestamp,
) -> Result<Retried, MemoryError> {
    let run = state.run_mut(run)?;
    let restarts = run
        .in_order()
        .filter(|(id, sample)| is_chosen(id, sample, plan))
        .map(|(id, sample)| decide(run, id, sample, plan))
        .collect::<Result<Vec<_>, _>>()?;
    let leaves = restarts.iter().any(|restart| restart.left_closed_range);
    let retried = Retried {
        samples: restarts.iter().map(|restart| restart.sample.clone()).collect(),
        kept_sections: restarts.iter().map(|restart| restart.kept.len() as u64).sum(),
        supplement: leaves.then_some(run.supplements + 1),
    };
    if plan.dry_run || restarts.is_empty() {
        return Ok(retried);
    }
    let before = summary(run);
    run.supplements = retried.supplement.unwrap_or(run.supplements);
    for restart in &restarts {
        carry_out(run, restart, plan.model.as_deref());
    }
    if matches!(run.state, RunState::Done | RunState::Cancelled) {
        run.state = RunState::Running;
    }
    let after = summary(run);
    write_down(run, now, who, "retry", before, after);
    Ok(retried)
}

fn is_chosen(id: &SampleId, sample: &Sample, plan: &RetryPlan) -> bool {
    matches!(sample.state, SampleState::Failed | SampleState::Rejected | SampleState::Cancelled)
        && (plan.samples.is_empty() || plan.samples.contains(id))
        && plan.error.is_none_or(|code| sample.code == Some(code))
}

/// A rejected sample discards everything unless told otherwise: the same text would be rejected again.
fn decide(run: &RunData, id: &SampleId, sample: &Sample, plan: &RetryPlan) -> Result<Restart, MemoryError> {
    let from = plan.from_section.or((sample.state == SampleState::Rejected).then_some(0));
    let keeps_plan = from != Some(0) && run.plans.contains_key(&(id.clone(), sample.revision));
    let below = match from {
        Some(section) => section.saturating_sub(1),
        None => u32::MAX,
    };
    let kept: Vec<u32> = run
        .standing(id, sample.revision)
        .map(|(place, _)| place)
        .filter(|place| keeps_plan && *place < below)
        .collect();
    let complete = keeps_plan && kept.len() as u32 >= sample.places;
    Ok(Restart {
        sample: id.clone(),
        state: step(id, sample.state, SampleEvent::Retried { planned: keeps_plan, complete })?,
        new_revision: from.is_some() || plan.model.is_some(),
        keeps_plan,
        kept,
        left_closed_range: run.shards.contains_key(&sample.range),
    })
}

fn carry_out(run: &mut RunData, restart: &Restart, model: Option<&str>) {
    let id = &restart.sample;
    run.move_to(id, restart.state);
    let supplement = Range::Supplement(run.supplements);
    let Some(sample) = run.samples.get_mut(id) else { return };
    sample.generation += 1;
    sample.code = None;
    sample.reason = None;
    if restart.left_closed_range {
        sample.range = supplement;
    }
    if restart.new_revision {
        sample.verdict = None;
        sample.model = model.map(str::to_owned).or_else(|| sample.model.take());
        revise(run, restart);
    } else {
        start_counting_anew(run, id);
    }
}

/// A new generation of the same revision: failures and crashes count from zero, answers that failed a gate do not,
/// because the next request's seed must differ from theirs.
fn start_counting_anew(run: &mut RunData, id: &SampleId) {
    let Some(sample) = run.samples.get(id) else { return };
    let (revision, generation) = (sample.revision, sample.generation);
    let tasks = run.tasks.iter_mut().filter(|(key, task)| {
        makes_samples(&key.kind)
            && key.subject == id.as_str()
            && key.revision == revision
            && task.state != TaskState::Done
    });
    for (_, task) in tasks {
        task.generation = generation;
        task.failures = 0;
        task.crashes = 0;
        task.hint = Hint::default();
    }
}

/// A new revision: what is kept stands under it by reference, on a chain with its own root.
fn revise(run: &mut RunData, restart: &Restart) {
    let id = &restart.sample;
    let Some(sample) = run.samples.get(id) else { return };
    let (old, new) = (sample.revision, sample.revision + 1);
    let text = run.config_of(sample).text.hash();
    let parallel = run.is_parallel(sample);
    let root = chain::root(sample.input.key(), text, sample.model.as_deref(), new);
    let plan = run.plans.get(&(id.clone(), old)).filter(|_| restart.keeps_plan).cloned();
    let mut head = plan.as_ref().map(|plan| chain::with_plan(root, &plan.plan));
    if let (Some(plan), Some(chain)) = (plan, head) {
        run.plans.insert((id.clone(), new), StandingPlan { chain, ..plan });
    }
    let mut words = 0;
    for place in &restart.kept {
        let kept = run.sections.get(&(id.clone(), old, *place)).cloned();
        let (Some(kept), Some(before)) = (kept, head) else { continue };
        let chain: Hash = if parallel { before } else { chain::with_section(before, &kept.text) };
        words += u64::from(kept.words);
        head = Some(chain);
        run.sections.insert((id.clone(), new, *place), StandingSection { chain, ..kept });
    }
    let Some(sample) = run.samples.get_mut(id) else { return };
    sample.revision = new;
    sample.chain = head;
    sample.filled = restart.kept.len() as u32;
    sample.words = words;
    sample.places = if restart.keeps_plan { sample.places } else { 0 };
}

fn summary(run: &RunData) -> String {
    let stopped = |state| run.totals.state(state);
    serde_json::json!({
        "state": run.state.as_str(),
        "failed": stopped(SampleState::Failed),
        "rejected": stopped(SampleState::Rejected),
        "cancelled": stopped(SampleState::Cancelled),
    })
    .to_string()
}
