//! Checks that text must pass before it can become training data.
//!
//! [`section::check`] judges one answer when it arrives: a *hard* finding is a failed attempt, a *soft* one costs at
//! most one re-ask and is then stored as a flag. [`sample::check`] judges a finished text: it is kept, flagged or
//! rejected. Everything here is pure and deterministic: the same text and policy give the same verdict, so stored text
//! can be judged again without a call.
//!
//! To add a gate: a variant of [`section::Hard`], [`section::Soft`] or [`sample::Gate`] with its code, a file with the
//! check, a switch or threshold in the policy, texts in `tests-data` that it must and must not catch.

mod loops;
mod ngrams;
mod patterns;
mod phrases;
mod plan_echo;
mod recap;
pub mod sample;
pub mod section;
mod signature;
mod speech;
#[cfg(test)]
mod speed;
mod word_hashes;

pub use ngrams::{KeptGrams, NgramIndex};
pub use signature::{Signature, signature, similarity};
pub use word_hashes::WordHashes;

/// The longest piece of offending text that is stored as evidence, in bytes.
pub const EVIDENCE_BYTES: usize = 200;

/// What a gate found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding<K> {
    /// Which gate.
    pub kind: K,
    /// At most [`EVIDENCE_BYTES`] of the offending text, or the offending number in words.
    pub evidence: String,
}

impl<K> Finding<K> {
    pub(crate) fn new(kind: K, evidence: &str) -> Self {
        let evidence = evidence.trim();
        Self { kind, evidence: evidence[..evidence.floor_char_boundary(EVIDENCE_BYTES)].to_owned() }
    }
}
