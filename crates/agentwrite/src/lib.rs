//! The pure core of Longhand: words, plans, prompts, gates, the state machine and the ports.

pub mod length;
pub mod plan;
pub mod words;
