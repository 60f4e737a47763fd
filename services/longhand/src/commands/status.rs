//! `longhand status RUN|DIR [--watch]`: the panel, where the run stands, what to do next.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentwrite::config::{Limits, Price};
use agentwrite::failure::ErrorCode;
use agentwrite::ports::{Run, RunState, Totals};
use agentwrite::sample::SampleState;
use serde_json::{Value, json};

use crate::cli::StatusArgs;
use crate::commands::drive::exit_of_run;
use crate::fault::{Exit, Fault};
use crate::output::{put, put_json};
use crate::panel::{Feed, Panel, PanelView, Surface, render};
use crate::place::{Home, Place};

/// How often a watched run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks without a runner after which a watch ends: a run that nobody works at doesn't end by itself.
const LOOKS_ALONE: u32 = 6;

/// Shows.
pub async fn run(config_file: Option<&Path>, args: &StatusArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let place = Place::read(config_file, &args.place).await?;
    let title = model_of(&place.run);
    let (store, clock) = (Arc::clone(&place.store), Arc::clone(&place.clock));
    let mut feed = Feed::new(store, clock, place.run.clone(), &title, &place.name, place.run.created_at);
    let (view, alone) =
        if args.watch { watch(&place, &mut feed, LOOK_EVERY).await? } else { (look(&place, &mut feed).await?, false) };
    let run = feed.run();
    if args.json {
        put(out, &format!("{}\n", json(run, &view.totals, view.eta.map(|eta| eta.as_secs()))))?;
    } else {
        if !args.watch {
            put(out, &panel_text(&view))?;
        }
        put(out, &standing(&place, run, &view.totals).await?)?;
    }
    let exit = exit_of_run(run, &view.totals);
    place.close().await;
    Ok(if alone && exit == Exit::Done { Exit::Limit } else { exit })
}

/// The model of a run, for people.
fn model_of(run: &Run) -> String {
    if run.config.synthetic {
        return "simulated model".to_owned();
    }
    let (plan, write) = (&run.config.text.plan.model, &run.config.text.write.model);
    if plan == write { write.clone() } else { format!("{write} (plans by {plan})") }
}

fn panel_text(view: &PanelView) -> String {
    match Surface::of_stdout() {
        Surface::Terminal { columns, colour } => render(view, columns, colour),
        Surface::Log => render(view, 120, false),
    }
}

/// Whether nobody can be at work: a folder without a runner. Nobody knows that of a fleet: its processes come and go.
async fn abandoned(place: &Place) -> Result<bool, Fault> {
    Ok(place.is_folder() && !place.at_work().await?)
}

/// One look. Without a runner nothing is in flight and nothing moves, whatever the store says of the last one.
async fn look(place: &Place, feed: &mut Feed) -> Result<PanelView, Fault> {
    if !abandoned(place).await? {
        return Ok(feed.look(None).await?);
    }
    let mut view = feed.look(Some(0)).await?;
    (view.eta, view.sections_rate, view.words_rate, view.cost_rate) = (None, None, None, None);
    Ok(view)
}

/// Draws until the run ends. Returns the last view, and whether the watch ended because nobody is at work.
pub(super) async fn watch(place: &Place, feed: &mut Feed, every: Duration) -> Result<(PanelView, bool), Fault> {
    let mut panel = Panel::new();
    let (mut alone, mut seen) = (0, None);
    loop {
        let mut view = match (look(place, feed).await, seen) {
            (Ok(view), _) => view,
            // A server that is away for a while ends no run, so it ends no watch.
            (Err(_), Some(last)) if !place.is_folder() => {
                PanelView { note: Some("the database does not answer; trying again".to_owned()), ..last }
            }
            (Err(fault), _) => return Err(fault),
        };
        let at_work = matches!(view.state, RunState::Running | RunState::Pending);
        alone = if at_work && abandoned(place).await? { alone + 1 } else { 0 };
        if alone > 0 {
            view.note = Some("no runner is at work on this folder".to_owned());
        }
        let last = !at_work || alone >= LOOKS_ALONE;
        panel.show(&view, last);
        if last {
            return Ok((view, alone > 0));
        }
        seen = Some(view);
        tokio::time::sleep(every).await;
    }
}

/// The state in words, and the command that comes next.
async fn standing(place: &Place, run: &Run, totals: &Totals) -> Result<String, Fault> {
    let bad = totals.state(SampleState::Failed) + totals.state(SampleState::Rejected);
    let (name, reason) = (&place.name, run.reason.as_deref().unwrap_or("user"));
    let help = reason.parse::<ErrorCode>().ok().map(ErrorCode::help);
    let (state, next) = match run.state {
        RunState::Running | RunState::Pending => (going(place, run.state, totals).await?, place.next(run.state).await?),
        RunState::Paused => {
            let help = help.map_or(String::new(), |help| format!(": {help}"));
            (format!("paused ({reason}){help}"), place.resume())
        }
        RunState::Done if bad > 0 => ("done, with failures".to_owned(), format!("longhand why {name}")),
        RunState::Done => ("done".to_owned(), format!("longhand report {name}")),
        RunState::Failed => (format!("failed: {reason}"), format!("longhand why {name}")),
        RunState::Cancelled => ("cancelled".to_owned(), format!("longhand retry {name}")),
    };
    Ok(format!("state    {state}\nnext     {next}\n"))
}

/// How a run that is neither stopped nor ended goes on.
async fn going(place: &Place, state: RunState, totals: &Totals) -> Result<String, Fault> {
    let text = match (&place.home, place.at_work().await?) {
        (Home::Fleet { .. }, _) if state == RunState::Pending => "pending: its input is being read",
        (Home::Fleet { .. }, true) if totals.only_packing() => {
            "running: all samples are written, packing is left (`longhand serve shard-packer`, if none serves)"
        }
        (_, true) => "running",
        (Home::Folder { .. }, false) => "stopped: no runner is at work, nothing that is done is lost",
        (Home::Fleet { .. }, false) => "running, but no planner has taken it up: `longhand serve planner`",
    };
    Ok(text.to_owned())
}

/// A run as one JSON object.
pub fn json(run: &Run, totals: &Totals, eta_seconds: Option<u64>) -> String {
    let mut samples: serde_json::Map<String, Value> = SampleState::ALL
        .iter()
        .zip(totals.states)
        .map(|(state, count)| (state.as_str().to_owned(), count.into()))
        .collect();
    samples.insert("total".to_owned(), totals.states.iter().sum::<u64>().into());
    json!({
        "schema": 1, "run": run.id, "name": run.name, "state": run.state, "reason": run.reason,
        "samples": samples, "sections": totals.sections, "words": totals.words,
        "calls": {
            "total": totals.calls, "in_flight": totals.in_flight, "failed": totals.failed_calls,
            "wasted": totals.wasted_calls, "orphaned": totals.orphaned_calls, "throttled": totals.throttled_calls,
        },
        "tokens": {
            "prompt": totals.prompt_tokens, "cached": totals.cached_tokens, "completion": totals.completion_tokens,
            "cache_share": share(totals.cached_tokens, totals.prompt_tokens),
        },
        "spend_usd": {
            "settled": dollars(totals.settled_nanousd), "suspect": dollars(totals.reserved_nanousd),
            "cap": run.limits.max_cost_nanousd.map(dollars), "price_known": run.limits.price.is_some(),
        },
        "eta_seconds": eta_seconds, "limits": limits_json(&run.limits), "synthetic": run.config.synthetic,
    })
    .to_string()
}

/// Nano-USD as USD.
pub fn dollars(nano: u64) -> f64 {
    nano as f64 / 1e9
}

/// A part as a number from 0 to 1; none of nothing.
pub fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Limits as JSON, money in USD, prices in USD per million tokens.
pub fn limits_json(limits: &Limits) -> Value {
    json!({
        "concurrency": limits.concurrency, "rpm": limits.rpm, "tpm": limits.tpm,
        "weight": limits.weight, "max_cost_usd": limits.max_cost_nanousd.map(dollars),
        "price_usd_per_million": limits.price.as_ref().map(price_json),
    })
}

/// A price in USD per million tokens.
pub fn price_json(price: &Price) -> Value {
    let million = |nano: u64| nano as f64 / 1e3;
    json!({"input": million(price.input), "cached": million(price.cached), "output": million(price.output)})
}

/// A run's control as JSON, for the commands that change it.
pub fn put_control(out: &mut dyn Write, run: &Run, changed: bool) -> Result<(), Fault> {
    let value = json!({"schema": 1, "run": run.id, "name": run.name, "state": run.state, "reason": run.reason,
        "changed": changed});
    put_json(out, &value)
}
