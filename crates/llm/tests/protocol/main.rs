//! The client against a scripted server that sends exact bytes: what OpenAI-compatible servers really do.
//!
//! `servers` is the table of `facts/real_parts.md` 1, row by row; a newly met quirk gets its row there.

#![expect(clippy::unwrap_used, reason = "test support outside of test functions: a failure here fails the test")]

mod failures;
mod fields;
mod preflight;
mod server;
mod servers;
mod streams;
mod timeouts;
