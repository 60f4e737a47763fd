//! Control: what operators want, carried out and written down.

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{RunId, SampleId, Timestamp};
use agentwrite::ports::{Control, OperatorAction, Run, RunState};
use agentwrite::sample::{SampleEvent, SampleState};
use agentwrite::task::TaskState;

use super::MemoryError;
use super::state::{RunData, State};

/// Carries out a wish and writes it down. A wish that does not fit the run's state changes nothing.
pub(super) fn control(
    state: &mut State,
    run: &RunId,
    who: &str,
    control: &Control,
    now: Timestamp,
) -> Result<Option<Run>, MemoryError> {
    let Some(run) = state.runs.get_mut(run) else { return Ok(None) };
    let before = summary(run);
    let fits = match (control, run.state) {
        (Control::Pause { .. }, state) => state == RunState::Running,
        (Control::Resume, state) => state == RunState::Paused,
        (Control::Cancel, state) => !matches!(state, RunState::Done | RunState::Cancelled),
        (Control::Limits(_) | Control::Configure(_), _) => true,
    };
    if !fits {
        return Ok(Some(run.view()));
    }
    match control {
        Control::Pause { reason } => (run.state, run.reason) = (RunState::Paused, Some(reason.clone())),
        Control::Resume => resume(run),
        Control::Cancel => cancel(run)?,
        Control::Limits(limits) => run.limits = *limits,
        Control::Configure(config) => {
            let mut config = (**config).clone();
            // Ranges of ordinals are fixed at intake: another size would let two ranges share samples.
            config.shard_size = run.config().shard_size;
            run.configs.push(config);
        }
    }
    let after = summary(run);
    write_down(run, now, who, name(control), before, after);
    Ok(Some(run.view()))
}

/// Writes an operator's action down; runners see that something changed.
pub(super) fn write_down(run: &mut RunData, at: Timestamp, who: &str, action: &str, before: String, after: String) {
    run.control_epoch += 1;
    run.actions.push(OperatorAction { at, who: who.to_owned(), action: action.to_owned(), before, after });
}

fn name(control: &Control) -> &'static str {
    match control {
        Control::Pause { .. } => "pause",
        Control::Resume => "resume",
        Control::Cancel => "cancel",
        Control::Limits(_) => "limits",
        Control::Configure(_) => "configure",
    }
}

/// What an action can change, as JSON.
pub(super) fn summary(run: &RunData) -> String {
    serde_json::json!({
        "state": run.state.as_str(),
        "reason": run.reason,
        "limits": run.limits,
        "config_version": run.config_version(),
    })
    .to_string()
}

/// Goes on. Messages that came during the pause found nothing to claim and are gone, so every ready task is sent again.
fn resume(run: &mut RunData) {
    run.state = RunState::Running;
    run.reason = None;
    for task in run.tasks.values_mut().filter(|task| task.state == TaskState::Ready) {
        task.published_at = None;
    }
}

/// Stops for good: unfinished samples are cancelled and their tasks dropped; written samples keep their way to a shard.
fn cancel(run: &mut RunData) -> Result<(), MemoryError> {
    let cancelled: Vec<SampleId> =
        run.samples.iter().filter(|(_, sample)| sample.state.is_unfinished()).map(|(id, _)| id.clone()).collect();
    for id in &cancelled {
        run.after(id, SampleEvent::Cancelled)?;
    }
    for id in &cancelled {
        run.move_to(id, SampleState::Cancelled);
        if let Some(sample) = run.samples.get_mut(id) {
            sample.code = Some(ErrorCode::Cancelled);
            sample.reason = Some("cancelled by an operator".to_owned());
        }
    }
    for task in run.tasks.values_mut().filter(|task| task.is_live()) {
        task.leave(TaskState::Dropped);
    }
    run.state = RunState::Cancelled;
    run.reason = None;
    Ok(())
}
