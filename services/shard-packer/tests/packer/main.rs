//! A run of 20 samples through judging, closing, publishing and describing, over both embedded stores.

#![expect(clippy::unwrap_used, reason = "a step that fails ends the test")]

mod crashes;
mod driver;
mod failing_store;
mod folder;
mod ranges;
mod repacking;
