//! The checkpoint store: every port of `agentwrite::ports` on SQLite and on PostgreSQL, and in memory for simulation.
//!
//! SQL stands in `schemas/sqlite/` and `schemas/postgres/`, one statement a file, named after the intent it serves; migrations in
//! `schemas/migrations/`. To add an intent: its trait method, its SQL files, its behaviour in the conformance suite
//! (`tests/conformance/`), its adapter code in a file of its own. To add an adapter: implement the store ports, then put
//! it through the suite with one line.

mod acceptance;
mod added;
mod columns;
mod fresh_start;
pub mod memory;
mod outline;
pub mod postgres;
pub mod sqlite;
