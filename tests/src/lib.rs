//! The harness of the tests of the whole system.

pub mod process;
pub mod simulation;
