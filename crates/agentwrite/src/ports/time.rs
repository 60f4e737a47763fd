//! Time and randomness, so that a simulation can turn the clock and seed the dice.

use crate::ids::{AttemptId, Timestamp};

/// The clock.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Random ids and jitter.
pub trait Dice: Send + Sync {
    /// A fresh attempt id.
    fn attempt_id(&self) -> AttemptId;
    /// A number in `0.0..1.0`.
    fn unit(&self) -> f64;
}
