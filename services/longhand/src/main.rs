//! The `longhand` command: parses, dispatches, turns faults into exit codes. The only crate that names concrete adapters.

mod cli;
mod commands;
mod fault;
mod place;
mod settings;

use clap::Parser;

use cli::{Cli, Command};
use fault::{Exit, Fault};

fn main() {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be started");
    let outcome = runtime.block_on(dispatch(cli));
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    let exit = outcome.unwrap_or_else(|fault| {
        eprintln!("{}", fault.render());
        fault.exit
    });
    std::process::exit(exit as i32);
}

async fn dispatch(cli: Cli) -> Result<Exit, Fault> {
    match cli.command {
        Command::Completions { shell } => Ok(commands::completions::run(shell)),
        _ => Err(Fault::usage("not_wired", "this command is not wired yet")),
    }
}
