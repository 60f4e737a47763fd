//! What outlines take from columns of JSON: numbers. The texts beside them are passed over.

use agentwrite::length::RequiredLength;
use serde::Deserialize;

use crate::columns::{Unsound, json};

/// The length that an input asks for.
pub(crate) fn asked(input: &str) -> Result<Option<RequiredLength>, Unsound> {
    #[derive(Deserialize)]
    struct Input {
        length: Option<RequiredLength>,
    }
    Ok(json::<Input>(input)?.length)
}

/// Words of each step of a plan.
pub(crate) fn steps(plan: &str) -> Result<Vec<u32>, Unsound> {
    #[derive(Deserialize)]
    struct Plan {
        steps: Vec<Step>,
    }
    #[derive(Deserialize)]
    struct Step {
        words: u32,
    }
    Ok(json::<Plan>(plan)?.steps.into_iter().map(|step| step.words).collect())
}

/// The length score of a verdict.
pub(crate) fn length_score(verdict: &str) -> Result<Option<f64>, Unsound> {
    #[derive(Deserialize)]
    struct Verdict {
        length_score: Option<f64>,
    }
    Ok(json::<Verdict>(verdict)?.length_score)
}
