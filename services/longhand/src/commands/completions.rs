//! `longhand completions SHELL`.

use std::io::Write;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::fault::Exit;

/// Prints completions.
pub fn run(shell: clap_complete::Shell, out: &mut dyn Write) -> Exit {
    clap_complete::generate(shell, &mut Cli::command(), "longhand", out);
    Exit::Done
}
