//! The one commit intent of every kind: result, usage, follow-ups and outbox rows, all or nothing.

use agentwrite::ids::SampleId;
use agentwrite::ports::{ClaimNext, ClaimTask, FollowUp, OutboxRow, RecordResult, Recorded, RunState, TaskResult};
use agentwrite::sample::{SampleEvent, SampleState};
use agentwrite::task::{ClaimedTask, NewTask, Outcome, TaskState};

use super::claim::claim_task;
use super::dispatch;
use super::rows::{Attempt, Claim, StandingPlan, StandingSection, Task};
use super::state::{RunData, State, step};
use super::{Guards, MemoryError};

/// Records a result if it was made for the standing context and its place is empty; as wasted otherwise.
pub(super) fn record_result(state: &mut State, record: &RecordResult) -> Result<Recorded, MemoryError> {
    let guards = state.guards;
    let Some(run) = state.runs.get_mut(&record.task.run) else { return Ok(Recorded::Wasted) };
    if stands_already(run, record) {
        return Ok(Recorded::Repeated);
    }
    if !is_acceptable(run, guards, record) {
        waste(run, record);
        return Ok(Recorded::Wasted);
    }
    let moves = sample_moves(run, guards, record)?;
    let claims_next = record.claim_next.as_ref().filter(|_| run.state == RunState::Running);
    if let Some(next) = claims_next {
        run.check_new(&next.attempt)?;
    }
    settle(run, record);
    store(run, record);
    if let Some(task) = run.tasks.get_mut(&record.task) {
        task.leave(TaskState::Done);
    }
    let id = SampleId::new(record.task.subject.clone());
    for (follow_up, state) in &moves {
        move_sample(run, &id, record, follow_up, *state);
    }
    Ok(create_next(state, record))
}

/// Whether this very attempt's answer stands: committed itself, or ended in favour of a candidate that is.
fn stands_already(run: &RunData, record: &RecordResult) -> bool {
    match run.outcome(&record.attempt) {
        Some(Outcome::Committed) => true,
        Some(Outcome::Failed) => {
            record.origin != record.attempt && run.outcome(&record.origin) == Some(Outcome::Committed)
        }
        _ => false,
    }
}

fn is_acceptable(run: &RunData, guards: Guards, record: &RecordResult) -> bool {
    run.tasks.get(&record.task).is_some_and(|task| {
        let context = !guards.context_hash || task.context_hash == record.context_hash;
        // What an attempt brought was settled when it ended: a repeated intent finds nothing new in the ledger.
        let open = run.attempts.get(&record.attempt).is_some_and(Attempt::is_open);
        let empty = task.is_live() || (!guards.unique_place && task.state == TaskState::Done);
        context && open && empty
    })
}

/// The answer was paid for and is not used: its price is counted, nothing else changes.
fn waste(run: &mut RunData, record: &RecordResult) {
    if run.attempts.get(&record.attempt).is_some_and(Attempt::is_open) {
        run.end_attempt(&record.attempt, Outcome::Wasted, &record.end, record.now);
        run.keep_answer(&record.attempt, &record.task, record.context_hash, record.answer.as_ref());
    }
}

/// The states that the follow-ups lead the sample through, checked before anything changes.
fn sample_moves<'a>(
    run: &RunData,
    guards: Guards,
    record: &'a RecordResult,
) -> Result<Vec<(&'a FollowUp, SampleState)>, MemoryError> {
    let id = SampleId::new(record.task.subject.clone());
    let mut moves = Vec::new();
    let mut now = None;
    let mut filled = run.samples.get(&id).map_or(0, |sample| sample.filled);
    let mut places = run.samples.get(&id).map_or(0, |sample| sample.places);
    for follow_up in &record.follow_ups {
        let event = match follow_up {
            FollowUp::SamplePlanned { places: planned } => {
                (filled, places) = (0, *planned);
                SampleEvent::PlanRecorded
            }
            FollowUp::PlaceFilled => {
                filled += 1;
                SampleEvent::SectionRecorded { complete: filled >= places }
            }
            FollowUp::Task(_) => continue,
        };
        let next = match now {
            Some(state) => step(&id, state, event),
            None => run.after(&id, event),
        };
        match next {
            Ok(state) => {
                now = Some(state);
                moves.push((follow_up, state));
            }
            // A second result for a filled place, let in by a mutation test, finds the sample further on.
            Err(_) if !guards.unique_place => {}
            Err(error) => return Err(error),
        }
    }
    Ok(moves)
}

/// Ends the attempt, and settles whose answer it is that stands.
fn settle(run: &mut RunData, record: &RecordResult) {
    let outcome = if record.origin == record.attempt { Outcome::Committed } else { Outcome::Failed };
    run.end_attempt(&record.attempt, outcome, &record.end, record.now);
    if record.origin != record.attempt {
        let gate = record.answer.as_ref().map(|answer| answer.gate.clone());
        run.change_attempt(&record.attempt, |attempt| attempt.code = gate);
        run.change_attempt(&record.origin, |attempt| attempt.outcome = Outcome::Committed);
    }
    run.keep_answer(&record.attempt, &record.task, record.context_hash, record.answer.as_ref());
}

fn store(run: &mut RunData, record: &RecordResult) {
    let key = &record.task;
    let id = SampleId::new(key.subject.clone());
    let attempt = record.origin.clone();
    match &record.result {
        TaskResult::Plan { plan, chain } => {
            run.plans.insert((id, key.revision), StandingPlan { plan: plan.clone(), chain: *chain, attempt });
        }
        TaskResult::Section { text, words, flags, chain } => {
            let section =
                StandingSection { text: text.clone(), words: *words, flags: flags.clone(), chain: *chain, attempt };
            run.sections.insert((id, key.revision, key.place), section);
            run.totals.sections += 1;
            run.totals.words += u64::from(*words);
        }
        TaskResult::Other(value) => {
            run.results.insert(key.clone(), (value.clone(), attempt));
        }
    }
}

fn move_sample(run: &mut RunData, id: &SampleId, record: &RecordResult, follow_up: &FollowUp, state: SampleState) {
    run.move_to(id, state);
    let Some(sample) = run.samples.get_mut(id) else { return };
    let (chain, words) = match &record.result {
        TaskResult::Plan { chain, .. } => (Some(*chain), 0),
        TaskResult::Section { chain, words, .. } => (Some(*chain), u64::from(*words)),
        TaskResult::Other(_) => (sample.chain, 0),
    };
    sample.chain = chain;
    match follow_up {
        FollowUp::SamplePlanned { places } => (sample.places, sample.filled, sample.words) = (*places, 0, 0),
        FollowUp::PlaceFilled => (sample.filled, sample.words) = (sample.filled + 1, sample.words + words),
        FollowUp::Task(_) => {}
    }
}

/// Creates the follow-up tasks: the first one claimed if that was asked for and the run takes claims, the others
/// published at once, or left to dispatch when the run is ordered or not running. An ordered run's worker takes what
/// dispatch would choose.
fn create_next(state: &mut State, record: &RecordResult) -> Recorded {
    let mut next = None;
    let mut publish = Vec::new();
    let tasks = record.follow_ups.iter().filter_map(|follow_up| match follow_up {
        FollowUp::Task(new) => Some(new),
        FollowUp::SamplePlanned { .. } | FollowUp::PlaceFilled => None,
    });
    for (position, new) in tasks.enumerate() {
        let Some(run) = state.runs.get_mut(&new.key.run) else { continue };
        if run.tasks.contains_key(&new.key) {
            continue;
        }
        let open = run.state == RunState::Running && !run.ordered;
        run.tasks.insert(new.key.clone(), fresh(run, record, new));
        match &record.claim_next {
            Some(claim) if open && position == 0 => next = claim_fresh(run, record, new, claim),
            _ if open => publish.extend(publish_fresh(state, record, new)),
            _ => {}
        }
    }
    if next.is_none() {
        next = claim_best(state, record);
    }
    Recorded::Accepted { next, publish }
}

fn claim_best(state: &mut State, record: &RecordResult) -> Option<ClaimedTask> {
    let wish = record.claim_next.as_ref()?;
    let run = state.runs.get(&record.task.run).filter(|run| run.state == RunState::Running && run.ordered)?;
    let (_, best) = dispatch::waiting(run, record.now).into_iter().next()?;
    if best.kind != record.task.kind {
        return None;
    }
    let claim = ClaimTask {
        task: best,
        owner: record.owner.clone(),
        attempt: wish.attempt.clone(),
        lease: wish.lease,
        now: record.now,
    };
    claim_task(state, &claim).ok().flatten()
}

fn fresh(run: &RunData, record: &RecordResult, new: &NewTask) -> Task {
    let from = run.tasks.get(&record.task);
    Task {
        context_hash: new.context_hash,
        state: TaskState::Ready,
        remaining: new.remaining,
        ordinal: from.map_or(0, |task| task.ordinal),
        due_at: record.now,
        published_at: None,
        claim: None,
        fence: 0,
        generation: from.map_or(0, |task| task.generation),
        failures: 0,
        bad_answers: 0,
        crashes: 0,
        hint: agentwrite::task::Hint::default(),
    }
}

fn claim_fresh(run: &mut RunData, record: &RecordResult, new: &NewTask, next: &ClaimNext) -> Option<ClaimedTask> {
    run.start_attempt(&next.attempt, &new.key, &record.owner, record.now);
    let task = run.tasks.get_mut(&new.key)?;
    task.state = TaskState::Claimed;
    task.fence = 1;
    task.claim = Some(Claim {
        owner: record.owner.clone(),
        lease_until: record.now.after(next.lease),
        attempt: next.attempt.clone(),
    });
    Some(task.claimed(&new.key, &record.owner, &next.attempt))
}

fn publish_fresh(state: &mut State, record: &RecordResult, new: &NewTask) -> Option<OutboxRow> {
    let task = state.runs.get_mut(&new.key.run)?.tasks.get_mut(&new.key)?;
    task.published_at = Some(record.now);
    state.owe(&new.key, record.now)
}
