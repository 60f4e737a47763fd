//! One file per command. Each returns the exit code, or the fault to print.

pub mod completions;
pub mod config;
pub mod control;
pub mod dashboards;
pub mod doctor;
pub mod drive;
pub mod estimate;
pub mod export;
pub mod health;
pub mod inspect;
pub mod limits;
pub mod migrate;
pub mod names;
pub mod repack;
pub mod report;
pub mod resume;
pub mod retry;
pub mod run;
pub mod runs;
pub mod samples;
pub mod serve;
pub mod simulate_llm;
pub mod status;
pub mod submit;
pub mod train;
pub mod why;

#[cfg(test)]
mod tests;
