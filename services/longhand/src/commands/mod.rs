//! One file per command. Each returns the exit code, or the fault to print.

pub mod completions;
