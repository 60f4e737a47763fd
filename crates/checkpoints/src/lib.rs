//! The checkpoint store: every port of `agentwrite::ports` on SQLite, and in memory for simulation.
//!
//! To add an adapter: implement the six store ports, then put it through `tests/conformance` with one line.

pub mod memory;
pub mod sqlite;
