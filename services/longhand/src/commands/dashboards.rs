//! `longhand dashboards write DIR`: dashboards for Grafana and rules for Prometheus, from the table in `telemetry`.

use std::io::Write;
use std::path::Path;

use crate::cli::{DashboardsArgs, DashboardsCommand};
use crate::fault::{Exit, Fault};
use crate::output::put;

/// Writes them; files that are there are replaced.
pub fn run(args: &DashboardsArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let DashboardsCommand::Write { dir } = &args.command;
    for file in telemetry::dashboards::files() {
        let path = dir.join(&file.path);
        write(&path, &file.text).map_err(|error| {
            Fault::new("storage", Exit::Unreachable, format!("{} cannot be written", path.display())).because(error)
        })?;
        put(out, &format!("{}\n", path.display()))?;
    }
    Ok(Exit::Done)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)
}
