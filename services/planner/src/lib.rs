//! Intake, admission, plan tasks, dispatch and rescue.
//!
//! [`read_instructions`] turns input rows into samples; [`PlanHandler`] makes plans; [`Planner`] decides who starts next,
//! publishes what is due, frees what stalls and notices the end. It holds no state that the store does not hold.

mod handler;
mod run_loop;
mod yield_guard;

pub use handler::PlanHandler;
pub use run_loop::{Planner, PlannerParts, PlannerSettings};
