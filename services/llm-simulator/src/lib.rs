//! An OpenAI-compatible endpoint with faults, limits, latency and a prefix cache. Every text it gives is synthetic.
//!
//! [`brain`] decides what is answered (a pure function of seed, model, instruction and step), [`faults`] what goes wrong,
//! [`Simulator`] when and at what price; [`serve`] speaks it over HTTP, [`InProcess`] is the same behind the `ChatModel`
//! port and tokio's clock. To add a fault: a kind in [`faults`], its bad text in [`brain`] or its way over the wire in
//! `wire`.

pub mod brain;
mod cache;
mod config;
pub mod faults;
mod http;
mod in_process;
mod limits;
mod simulator;
mod stats;
mod ticket;
mod tokens;
mod wire;

pub use config::{SimulatorConfig, WhenFull};
pub use faults::{FaultKind, Faults, MARKER};
pub use http::{Running, serve, serve_simulator, spawn};
pub use in_process::InProcess;
pub use simulator::{Answer, Ask, Broken, Rejection, Simulator, Turn};
pub use stats::{RepeatedRequest, Snapshot};
pub use ticket::Ticket;
pub use tokens::estimate as estimate_tokens;
