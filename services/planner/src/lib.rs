//! Intake, admission, plan tasks, dispatch and rescue.
//!
//! [`read_instructions`] turns input rows into samples; [`PlanHandler`] makes plans; [`Planner`] decides who starts next,
//! publishes what is due, frees what stalls and notices the end. It holds no state that the store does not hold.

mod handler;
mod intake;
mod reach;
mod run_loop;
mod yield_guard;

pub use handler::PlanHandler;
pub use intake::{
    Ambiguity, Duplicate, Intake, IntakeSettings, LengthCounts, RowError, estimate_steps, read_instructions, take_rows,
};
pub use run_loop::{Planner, PlannerParts, PlannerSettings};
