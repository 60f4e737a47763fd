//! `longhand pause|cancel RUN|DIR`: an operator's wish, which a runner at work acts on within a second.

use std::io::Write;
use std::path::Path;

use agentwrite::ports::{Control, Run, RunState};
use agentwrite::sample::SampleState;

use crate::cli::PlaceArgs;
use crate::commands::status::put_control;
use crate::fault::{Exit, Fault};
use crate::output::put;
use crate::place::Place;
use crate::tables::plural;

/// Pauses.
pub async fn pause(config_file: Option<&Path>, args: &PlaceArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let place = Place::operate(config_file, &args.place).await?;
    let after = wish(&place, &Control::Pause { reason: "user".to_owned() }).await?;
    let changed = after.state != place.run.state;
    if args.json {
        put_control(out, &after, changed)?;
    } else if changed {
        let calls = place.store.totals(&after.id).await?.in_flight;
        let calls = if place.at_work().await? && calls > 0 {
            format!("; {} in flight will be recorded", plural(calls, "call"))
        } else {
            String::new()
        };
        put(out, &format!("paused{calls}\nnext     {}\n", place.resume()))?;
    } else {
        put(out, &format!("nothing to pause: the run is {}\n", standing(&after)))?;
    }
    place.close().await;
    Ok(Exit::Done)
}

/// Cancels.
pub async fn cancel(config_file: Option<&Path>, args: &PlaceArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let place = Place::operate(config_file, &args.place).await?;
    let before = place.store.totals(&place.run.id).await?;
    let after = wish(&place, &Control::Cancel).await?;
    let changed = after.state != place.run.state;
    if args.json {
        put_control(out, &after, changed)?;
    } else if changed {
        let totals = place.store.totals(&after.id).await?;
        let stopped = totals.state(SampleState::Cancelled) - before.state(SampleState::Cancelled);
        let kept = totals.state(SampleState::Packed) + totals.state(SampleState::Written);
        let text = format!(
            "cancelled: {} stopped, {} with a whole text kept\nnext     longhand export {} --format jsonl --state packed,written --to FILE.jsonl\n",
            plural(stopped, "sample"),
            plural(kept, "sample"),
            place.name
        );
        put(out, &text)?;
    } else {
        put(out, &format!("nothing to cancel: the run is {}\n", standing(&after)))?;
    }
    place.close().await;
    Ok(Exit::Done)
}

/// Carries a wish out; the run after it.
pub(super) async fn wish(place: &Place, control: &Control) -> Result<Run, Fault> {
    let after = place.store.control(&place.run.id, "command line", control, place.clock.now()).await?;
    after.ok_or_else(|| Fault::new("not_found", Exit::NotFound, format!("run {} is gone", place.run.name)))
}

/// A run's state, and why.
pub(super) fn standing(run: &Run) -> String {
    match (run.state, &run.reason) {
        (RunState::Paused | RunState::Failed, Some(reason)) => format!("{} ({reason})", run.state.as_str()),
        (state, _) => state.as_str().to_owned(),
    }
}
