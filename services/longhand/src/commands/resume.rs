//! `longhand resume DIR`: continue an interrupted run; nothing that is done is done again.

use std::path::Path;
use std::sync::Arc;

use agentwrite::ports::{Clock, Control, ReportStore, RunState, RunStore};
use agentwrite::sample::SampleState;
use worker::SystemClock;

use crate::cli::ResumeArgs;
use crate::commands::drive;
use crate::endpoint::Endpoint;
use crate::fault::{Exit, Fault};
use crate::folder::Folder;
use crate::place::DATABASE;
use crate::settings;

/// Resumes.
pub async fn run(config_file: Option<&Path>, args: ResumeArgs) -> Result<Exit, Fault> {
    if !args.dir.join(DATABASE).is_file() {
        return Err(Fault::new("not_found", Exit::NotFound, format!("{} holds no run", args.dir.display()))
            .help("start one with `longhand run INSTRUCTIONS --out DIR`"));
    }
    let folder = Folder::lock(&args.dir)?;
    let mut flags = drive::endpoint_flags(&args.endpoint);
    drive::add_limit_flags(&mut flags, &args.limits);
    let kept = folder.kept_settings();
    let (settings, _) = settings::load(config_file.or(kept.as_deref()), flags)?;
    let store = Arc::new(folder.open().await?);
    let clock = SystemClock;
    let run = store.runs().await?.into_iter().next();
    let run = run.ok_or_else(|| {
        Fault::new("not_found", Exit::NotFound, format!("{} holds no run yet", args.dir.display()))
            .help("start it again with the same `longhand run` command")
    })?;
    let written = store.totals(&run.id).await?.state(SampleState::Written);
    if run.state == RunState::Cancelled && written == 0 {
        return Err(Fault::new("cancelled", Exit::Conflict, format!("run {} was cancelled", run.name))
            .help(format!("`longhand retry {}` starts its samples again", args.dir.display())));
    }
    if run.state == RunState::Cancelled {
        eprintln!("the run was cancelled: packing the {written} samples that were finished");
    }
    let limits = drive::merged_limits(&run.limits, &args.limits)?;
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
    drive::drive(folder, store, run, endpoint, &settings, args.json).await
}
