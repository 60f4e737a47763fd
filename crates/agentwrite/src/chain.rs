//! The hash chain of a sample: what stands, in one hash, so that a result is accepted by content and not by owner.
//!
//! `root -> plan -> section 0 -> section 1 -> ...`; a section task's context hash is the chain's head before it (serial),
//! or the head after the plan (parallel). I8: every sample's chain recomputes.

use crate::ids::Hash;
use crate::plan::Plan;

/// The head of an empty sample: its input, everything in the configuration that shapes text, its revision.
pub fn root(input_key: Hash, text_config: Hash, model: Option<&str>, revision: u32) -> Hash {
    let revision = revision.to_string();
    Hash::of(
        "root",
        &[
            &input_key.as_bytes()[..],
            &text_config.as_bytes()[..],
            model.unwrap_or_default().as_bytes(),
            revision.as_bytes(),
        ],
    )
}

/// The head after the plan.
pub fn with_plan(root: Hash, plan: &Plan) -> Hash {
    Hash::of("plan", &[&root.as_bytes()[..], plan.canonical().as_bytes()])
}

/// The head after one more section.
pub fn with_section(head: Hash, text: &str) -> Hash {
    Hash::of("section", &[&head.as_bytes()[..], text.as_bytes()])
}
