//! `longhand train`: from finished shards to a registered model, in the foreground or by the trainers of a fleet.
//!
//! A job has a folder. Over folders and files its store is `training.db` in it; over a run of the distributed edition it is
//! that run's database, and [`home`] tells which.

mod dry_run;
mod faults;
mod foreground;
mod home;
mod logs;
mod panel;
mod request;
pub mod serve;
mod sources;
mod status;
mod stop;

use std::io::Write;
use std::path::Path;

use trainer::TrainingKind;

use crate::cli::{TrainArgs, TrainCommand};
use crate::fault::{Exit, Fault};
use crate::settings;

/// Does one of them.
pub async fn run(config_file: Option<&Path>, command: TrainCommand, out: &mut dyn Write) -> Result<Exit, Fault> {
    match command {
        TrainCommand::Sft(args) => start(config_file, TrainingKind::Sft, &args, out).await,
        TrainCommand::Dpo(args) => start(config_file, TrainingKind::Dpo, &args, out).await,
        TrainCommand::Status(args) => status::run(config_file, &args, out).await,
        TrainCommand::Logs(args) => logs::run(config_file, &args, out).await,
        TrainCommand::Stop(args) => stop::stop(config_file, &args, out).await,
        TrainCommand::Start(args) => stop::start(config_file, &args, out).await,
    }
}

async fn start(
    config_file: Option<&Path>,
    kind: TrainingKind,
    args: &TrainArgs,
    out: &mut dyn Write,
) -> Result<Exit, Fault> {
    let (settings, _) = settings::load(config_file, toml::Table::new())?;
    let request = request::read(config_file, &settings, kind, args).await?;
    if args.dry_run {
        return dry_run::run(&settings, &request, args.json, out).await;
    }
    if args.detach {
        return foreground::detach(&settings, request, args.json, out).await;
    }
    foreground::run(&settings, request, args.json, out).await
}
