//! Admission: what the planner decides from, and the tasks of the samples that it lets in.

use std::time::Duration;

use agentwrite::chain;
use agentwrite::ids::{Hash, RunId, SampleId, Timestamp};
use agentwrite::ports::{AdmissionCandidate, AdmissionView, Admit, RunState};
use agentwrite::sample::{SampleEvent, SampleState};
use agentwrite::task::{Hint, Kind, TaskKey, TaskState};

use super::MemoryError;
use super::rows::{Sample, Task};
use super::state::{RunData, State};

/// A sample that waits longer than this for its `due_at` gives its slot up.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Reads what admission decides from.
pub(super) fn admission_view(state: &State, run: &RunId, window: u64, most: u32, now: Timestamp) -> AdmissionView {
    let Some(run) = state.runs.get(run) else { return AdmissionView::default() };
    let start = run
        .in_order()
        .find(|(_, sample)| sample.state.is_unfinished())
        .map_or(run.samples.len() as u64, |(_, sample)| sample.ordinal);
    let inside = |sample: &Sample| sample.ordinal >= start && sample.ordinal - start < window;
    let candidates = |state: SampleState| -> Vec<AdmissionCandidate> {
        run.in_order().filter(|(_, s)| s.state == state && inside(s)).map(|(id, s)| candidate(id, s)).collect()
    };
    let mut planned = candidates(SampleState::Planned);
    planned.sort_by_key(|candidate| (std::cmp::Reverse(candidate.remaining), candidate.ordinal));
    let mut pending = candidates(SampleState::Pending);
    planned.truncate(most as usize);
    pending.truncate(most as usize);
    AdmissionView {
        unfinished: run.samples.values().filter(|sample| sample.state.is_unfinished()).count() as u64,
        writing: busy(run, &Kind::SECTION, now),
        planning: busy(run, &Kind::PLAN, now),
        window_start: start,
        planned,
        pending,
    }
}

fn candidate(id: &SampleId, sample: &Sample) -> AdmissionCandidate {
    AdmissionCandidate {
        sample: id.clone(),
        ordinal: sample.ordinal,
        remaining: sample.remaining(),
        planned: sample.chain.is_some(),
    }
}

fn busy(run: &RunData, kind: &Kind, now: Timestamp) -> u32 {
    let takes_slot = |task: &Task| {
        task.state == TaskState::Claimed || (task.state == TaskState::Ready && task.due_at <= now.after(PATIENCE))
    };
    run.tasks.iter().filter(|(key, task)| key.kind == *kind && takes_slot(task)).count() as u32
}

/// Creates the tasks of the admitted samples; samples that are not in the expected state any more are passed over.
pub(super) fn admit(
    state: &mut State,
    run: &RunId,
    admits: &[Admit],
    ordered: bool,
    now: Timestamp,
) -> Result<u64, MemoryError> {
    let Some(run) = state.runs.get_mut(run) else { return Ok(0) };
    run.ordered = ordered;
    if !matches!(run.state, RunState::Running | RunState::Paused) {
        return Ok(0);
    }
    let mut admitted = 0;
    for admit in admits {
        let expected = if admit.write { SampleState::Planned } else { SampleState::Pending };
        if run.samples.get(&admit.sample).is_none_or(|sample| sample.state != expected) {
            continue;
        }
        let tasks = if admit.write { section_tasks(run, &admit.sample) } else { plan_task(run, &admit.sample) };
        let event = if admit.write { SampleEvent::WriteAdmitted } else { SampleEvent::PlanAdmitted };
        let next = run.after(&admit.sample, event)?;
        run.move_to(&admit.sample, next);
        for (key, context) in tasks {
            ready(run, &admit.sample, key, context, now);
        }
        admitted += 1;
    }
    Ok(admitted)
}

/// The plan's task; the configuration of this moment is the sample's from now on.
fn plan_task(run: &mut RunData, id: &SampleId) -> Vec<(TaskKey, Hash)> {
    let version = run.config_version();
    let text = run.config().text.hash();
    let key = run.id.clone();
    let Some(sample) = run.samples.get_mut(id) else { return Vec::new() };
    sample.config_version = version;
    let context = chain::root(sample.input.key(), text, sample.model.as_deref(), sample.revision);
    let subject = id.as_str().to_owned();
    vec![(TaskKey { run: key, kind: Kind::PLAN, subject, place: 0, revision: sample.revision }, context)]
}

/// Serial: the first empty place, after the head of the chain. Parallel: every empty place, after the plan.
fn section_tasks(run: &RunData, id: &SampleId) -> Vec<(TaskKey, Hash)> {
    let Some((sample, head)) = run.samples.get(id).and_then(|sample| Some((sample, sample.chain?))) else {
        return Vec::new();
    };
    let key = |place| TaskKey {
        run: run.id.clone(),
        kind: Kind::SECTION,
        subject: id.as_str().to_owned(),
        place,
        revision: sample.revision,
    };
    let empty = |place: &u32| !run.sections.contains_key(&(id.clone(), sample.revision, *place));
    let most = if run.is_parallel(sample) { usize::MAX } else { 1 };
    (0..sample.places).filter(empty).take(most).map(|place| (key(place), head)).collect()
}

/// Creates a task, or makes the one ready again that died or was dropped.
fn ready(run: &mut RunData, id: &SampleId, key: TaskKey, context_hash: Hash, now: Timestamp) {
    let Some(sample) = run.samples.get(id) else { return };
    let task = run.tasks.entry(key).or_insert_with(|| Task {
        context_hash,
        state: TaskState::Ready,
        remaining: 0,
        ordinal: sample.ordinal,
        due_at: now,
        published_at: None,
        claim: None,
        fence: 0,
        generation: sample.generation,
        failures: 0,
        bad_answers: 0,
        crashes: 0,
        hint: Hint::default(),
    });
    task.leave(TaskState::Ready);
    task.context_hash = context_hash;
    task.remaining = sample.remaining();
    task.generation = sample.generation;
    task.due_at = now;
}
