//! The pure core of Longhand: words, plans, prompts, gates, the state machine and the ports.

pub mod clean;
pub mod gates;
pub mod language;
