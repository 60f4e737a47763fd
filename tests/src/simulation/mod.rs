//! The seeded simulation: the real planner, writers and packer over the store in memory, the in-process queue and the
//! simulator's model, in one thread under tokio's paused clock, which turns only when everything rests.
//!
//! A [`Script`] says what the world is like and what happens to it; [`run`] plays it and says what the [`oracle`] and
//! the store's own invariants found; [`shrink`] makes a failing script small. A failing script is a reproduction: paste
//! its JSON into `tests/reproductions.rs`. To add an operation: a variant of [`What`], its odds in `Script::op`, its
//! deed in `world`.

pub mod fate;
mod life;
mod model;
mod operator;
pub mod oracle;
mod process;
mod queue;
pub mod script;
mod shrink;
mod store;
mod verdict;
mod world;

pub use oracle::Tally;
pub use script::{Edition, Op, Script, What};
pub use shrink::shrink;
pub use store::Store;
pub use world::{Mutant, Report, World, run, run_on_sqlite, run_with};
