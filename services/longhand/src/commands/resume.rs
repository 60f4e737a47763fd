//! `longhand resume RUN|DIR`: go on; nothing that is done is done again. A folder is driven by this process to its end; a
//! run of the distributed edition is set running, and the processes that serve take it up.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentwrite::ports::{Clock, Control, ReportStore, Run, RunState, RunStore};
use agentwrite::sample::SampleState;
use worker::SystemClock;

use crate::cli::{EndpointArgs, ResumeArgs};
use crate::commands::control::{standing, wish};
use crate::commands::status::put_control;
use crate::commands::{drive, estimate};
use crate::endpoint::Endpoint;
use crate::fault::{Exit, Fault};
use crate::folder::Folder;
use crate::output::put;
use crate::place::{self, Place};
use crate::settings;

/// How long a planner has to take up a run that goes on, before one is missed: they look every second, and ask for a lead
/// that somebody else had every second.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(4);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Resumes.
pub async fn run(config_file: Option<&Path>, args: ResumeArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    match place::folder(&args.place) {
        Some(dir) => in_folder(config_file, &dir, &args, out).await,
        None => in_fleet(config_file, &args, out).await,
    }
}

async fn in_folder(
    config_file: Option<&Path>,
    dir: &Path,
    args: &ResumeArgs,
    out: &mut dyn Write,
) -> Result<Exit, Fault> {
    let folder = Folder::lock(dir)?;
    let mut flags = drive::endpoint_flags(&args.endpoint);
    drive::add_limit_flags(&mut flags, &args.limits);
    drive::add_watch_flags(&mut flags, &args.watch);
    let kept = folder.kept_settings();
    let (settings, _) = settings::load(config_file.or(kept.as_deref()), flags)?;
    let store = Arc::new(folder.open().await?);
    let clock = SystemClock;
    let run = store.runs().await?.into_iter().next();
    let run = run.ok_or_else(|| {
        Fault::new("not_found", Exit::NotFound, format!("{} holds no run yet", dir.display()))
            .help("start it again with the same `longhand run` command")
    })?;
    let written = store.totals(&run.id).await?.state(SampleState::Written);
    if run.state == RunState::Cancelled && written == 0 {
        return Err(cancelled(&run, &args.place));
    }
    if run.state == RunState::Cancelled {
        eprintln!("the run was cancelled: packing the {written} samples that were finished");
    }
    let listed = estimate::pricing(&settings, &run.config, !run.config.synthetic)?.price;
    let limits = drive::merged_limits(&run.limits, &args.limits, listed)?;
    if limits != run.limits {
        store.control(&run.id, "resume", &Control::Limits(limits), clock.now()).await?;
    }
    if run.state == RunState::Paused {
        store.control(&run.id, "resume", &Control::Resume, clock.now()).await?;
    }
    store.start_run(&run.id, clock.now()).await?;
    let endpoint =
        if run.config.synthetic { Endpoint::simulated(run.config.text.seed) } else { Endpoint::configured(&settings)? };
    let run = store.run(&run.id).await?.unwrap_or(run);
    drive::drive(folder, store, run, endpoint, &settings, args.json, out).await
}

fn cancelled(run: &Run, place: &str) -> Fault {
    Fault::new("cancelled", Exit::Conflict, format!("run {} was cancelled", run.name))
        .help(format!("`longhand retry {place}` starts its samples again"))
}

async fn in_fleet(config_file: Option<&Path>, args: &ResumeArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let place = Place::operate(config_file, &args.place).await?;
    if args.endpoint != EndpointArgs::default() {
        return Err(Fault::usage("not_here", format!("{} is served by other processes", place.name))
            .because("endpoint and key are theirs, the models are the run's")
            .help("start `longhand serve` with --base-url and --api-key-env; `longhand retry --model M` takes another model"));
    }
    match place.run.state {
        RunState::Cancelled => return Err(cancelled(&place.run, &place.name)),
        RunState::Pending => {
            return Err(Fault::new("pending", Exit::Conflict, format!("the input of {} is not complete", place.name))
                .because("`longhand submit` still reads it, or was stopped while it did")
                .help(format!("longhand cancel {}, then submit the instructions again", place.name)));
        }
        RunState::Running | RunState::Paused | RunState::Done | RunState::Failed => {}
    }
    let limits = drive::merged_limits(&place.run.limits, &args.limits, None)?;
    if limits != place.run.limits {
        wish(&place, &Control::Limits(limits)).await?;
    }
    let after = wish(&place, &Control::Resume).await?;
    let changed = after.state != place.run.state;
    if after.state == RunState::Running && !taken_up(&place).await? {
        eprintln!("warning: no process has taken the run up: start `longhand serve planner` (or `serve all`)");
    }
    if args.json {
        put_control(out, &after, changed || limits != place.run.limits)?;
    } else if changed {
        put(out, &format!("running\nnext     {}\n", place.next(after.state).await?))?;
    } else {
        put(out, &format!("nothing to resume: the run is {}\n", standing(&after)))?;
    }
    place.close().await;
    Ok(Exit::Done)
}

/// Whether a planner leads the run, now or within the time that one at work takes to see it.
async fn taken_up(place: &Place) -> Result<bool, Fault> {
    let patience = tokio::time::Instant::now() + TAKEN_UP_WITHIN;
    while !place.at_work().await? {
        let run = place.store.run(&place.run.id).await?;
        // It may be done, paused or cancelled by now: nobody need plan it then.
        if run.is_none_or(|run| run.state != RunState::Running) {
            return Ok(true);
        }
        if tokio::time::Instant::now() >= patience {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(true)
}
