//! One file per command. Each returns the exit code, or the fault to print.

pub mod completions;
pub mod config;
pub mod drive;
pub mod resume;
pub mod run;
pub mod simulate_llm;
pub mod status;
