//! `longhand completions SHELL`.

use clap::CommandFactory;

use crate::cli::Cli;
use crate::fault::Exit;

/// Prints completions.
pub fn run(shell: clap_complete::Shell) -> Exit {
    clap_complete::generate(shell, &mut Cli::command(), "longhand", &mut std::io::stdout());
    Exit::Done
}
