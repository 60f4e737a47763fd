//! A sample without its texts: what its trace and its measures say of it.

use super::AttemptRow;
use crate::ids::SampleId;
use crate::length::RequiredLength;
use crate::sample::SampleState;

/// One sample without its texts.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleOutline {
    /// The sample.
    pub sample: SampleId,
    /// Position in the input.
    pub ordinal: u64,
    /// Where it stands.
    pub state: SampleState,
    /// Why it failed or was rejected.
    pub code: Option<String>,
    /// Operator retries.
    pub generation: u32,
    /// The standing revision.
    pub revision: u32,
    /// The length that its instruction asks for.
    pub asked: Option<RequiredLength>,
    /// Words of each step of the standing plan; none if there is no plan.
    pub steps: Option<Vec<u32>>,
    /// The standing sections, in order.
    pub sections: Vec<SectionOutline>,
    /// Words in them.
    pub words: u64,
    /// S_l of the standing verdict.
    pub length_score: Option<f64>,
    /// The tries of its generation, oldest first.
    pub attempts: Vec<AttemptRow>,
}

/// A standing section without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionOutline {
    /// Place.
    pub place: u32,
    /// Words.
    pub words: u32,
    /// What soft gates saw.
    pub flags: Vec<String>,
}
