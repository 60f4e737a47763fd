//! The pure core of Longhand: words, plans, prompts, gates, the state machine and the ports.
//!
//! Nothing here performs I/O, reads a clock, draws a random number or looks at the environment: time, randomness and
//! answers come in as arguments, decisions go out as data. The adapters (`checkpoints`, `task-queue`, `llm`) implement
//! the traits of [`ports`]; the services decide with the functions here and act through those traits.

pub mod call;
pub mod failure;
pub mod ids;
pub mod ports;
pub mod prompts;
