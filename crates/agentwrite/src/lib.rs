//! The pure core of Longhand: words, plans, prompts, gates, the state machine and the ports.
//!
//! Nothing here performs I/O, reads a clock, draws a random number or looks at the environment: time, randomness and
//! answers come in as arguments, decisions go out as data. The adapters (`checkpoints`, `task-queue`, `llm`) implement
//! the traits of [`ports`]; the services decide with the functions here and act through those traits.

pub mod adaptive;
pub mod admission;
pub mod breaker;
pub mod call;
pub mod chain;
pub mod clean;
pub mod config;
pub mod continuation;
pub mod estimate;
pub mod failure;
pub mod gates;
pub mod ids;
pub mod language;
pub mod length;
pub mod manuscript;
pub mod plan;
pub mod planning;
pub mod pool;
pub mod ports;
pub mod prompts;
pub mod rate;
pub mod retry;
pub mod retry_budget;
pub mod rope;
pub mod sample;
pub mod shares;
pub mod task;
pub mod trace;
pub mod truncation;
pub mod words;
pub mod writing;
