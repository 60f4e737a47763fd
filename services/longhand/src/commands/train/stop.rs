//! `longhand train stop JOB|DIR`, and `train start` for the jobs of a fleet.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use agentwrite::ids::OwnerId;
use agentwrite::ports::{TrainingEnd, TrainingState};
use serde_json::json;
use worker::RandomDice;

use super::home::Found;
use crate::cli::TrainPlaceArgs;
use crate::fault::{Exit, Fault};
use crate::output::put_json;

/// How long a job is held that is put back.
const MOMENT: Duration = Duration::from_secs(10);

/// Asks its trainer to stop.
pub async fn stop(config_file: Option<&Path>, args: &TrainPlaceArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let found = Found::named(config_file, &args.place, true).await?;
    found.view().await?;
    let stopped = found.jobs.store.stop_training(&found.id, found.jobs.clock.now()).await?;
    let training = found.view().await?.training;
    match (stopped, training.stop_asked) {
        (false, _) => eprintln!("it is done already"),
        (true, true) => eprintln!("it stops after a checkpoint: `longhand train status {} --watch`", found.name),
        (true, false) => eprintln!("nobody works on it; it is stopped"),
    }
    print(&found, args.json, out).await
}

/// Puts a stopped or failed job of a fleet back, for its trainers to take up.
pub async fn start(config_file: Option<&Path>, args: &TrainPlaceArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let found = Found::named(config_file, &args.place, true).await?;
    if found.jobs.database().is_none() {
        return Err(Fault::usage("not_in_fleet", format!("{} is trained by its own command", args.place))
            .help("start it again with the same `longhand train` command"));
    }
    if found.view().await?.training.state == TrainingState::Done {
        eprintln!("it is done already");
        return print(&found, args.json, out).await;
    }
    let (store, clock) = (&found.jobs.store, &found.jobs.clock);
    let owner = OwnerId::new(RandomDice::default().id("own"));
    match store.take_training(&found.id, &owner, MOMENT, clock.now()).await? {
        Some(fence) => {
            store.give_back_training(&found.id, fence, &TrainingEnd::Released, clock.now()).await?;
            eprintln!("`longhand serve trainer` takes it up");
        }
        None => eprintln!("a trainer works on it"),
    }
    print(&found, args.json, out).await
}

async fn print(found: &Found, as_json: bool, out: &mut dyn Write) -> Result<Exit, Fault> {
    let training = found.view().await?.training;
    if as_json {
        put_json(
            out,
            &json!({"schema": 1, "job": training.id, "state": training.state, "stop_asked": training.stop_asked}),
        )?;
    }
    found.jobs.close().await;
    Ok(Exit::Done)
}
