//! A failed try: the attempt ends in any case, the task only for the holder of the fence.

use agentwrite::failure::FailureClass;
use agentwrite::ports::RecordFailure;
use agentwrite::sample::SampleEvent;
use agentwrite::task::{AfterFailure, CountAs, TaskState};

use super::MemoryError;
use super::rows::{Attempt, Task};
use super::state::{RunData, State};

/// Ends the attempt as failed and, if the fence holds, makes the task ready later or dead. Returns whether it held.
pub(super) fn record_failure(state: &mut State, record: &RecordFailure) -> Result<bool, MemoryError> {
    let check_fence = state.guards.fence;
    let Some(run) = state.runs.get_mut(&record.task.run) else { return Ok(false) };
    let Some(task) = run.tasks.get(&record.task) else { return Ok(false) };
    let holds = task.state == TaskState::Claimed && (task.fence == record.fence || !check_fence);
    let context = task.context_hash;
    let dies = holds && record.failure.after == AfterFailure::Dead;
    let failing = if dies { run.sample_served(&record.task) } else { None };
    if let Some(id) = &failing {
        run.after(id, SampleEvent::TaskDied)?;
    }
    if run.attempts.get(&record.attempt).is_some_and(Attempt::is_open) {
        end(run, record);
        run.keep_answer(&record.attempt, &record.task, context, record.failure.answer.as_ref());
    }
    if let Some(task) = run.tasks.get_mut(&record.task).filter(|_| holds) {
        count(task, record);
    }
    if let Some(id) = failing {
        run.fail_sample(&id, record.failure.code, &record.failure.message);
    }
    Ok(holds)
}

fn end(run: &mut RunData, record: &RecordFailure) {
    run.end_attempt(&record.attempt, record.failure.count.outcome(), &record.end, record.now);
    run.change_attempt(&record.attempt, |attempt| {
        attempt.code = record.failure.stored_code().map(str::to_owned);
        attempt.message = Some(record.failure.message.clone());
        attempt.throttled = record.failure.code.class() == FailureClass::Throttled;
    });
}

fn count(task: &mut Task, record: &RecordFailure) {
    let failure = &record.failure;
    match failure.count {
        CountAs::Failure => task.failures += 1,
        CountAs::Crash => task.crashes += 1,
        CountAs::Nothing | CountAs::Part => {}
    }
    task.bad_answers += u32::from(failure.bad_answer);
    task.hint = failure.hint.clone();
    match failure.after {
        AfterFailure::RetryAt(at) => {
            task.leave(TaskState::Ready);
            task.due_at = at;
        }
        AfterFailure::Dead => task.leave(TaskState::Dead),
    }
}
