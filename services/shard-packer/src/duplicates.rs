//! The gate that compares samples: in ordinal order, against lower ordinals of the same range only, so that its verdict
//! depends on neither time nor other ranges.

use agentwrite::failure::ErrorCode;
use agentwrite::gates::sample::{SamplePolicy, check_duplicate};
use agentwrite::gates::{Signature, signature};
use agentwrite::ids::SampleId;
use agentwrite::ports::PackedSample;

use crate::judge::{answer_text, code_of};

/// The samples that are nearly the same as one of a lower ordinal that stays. `samples` are in ordinal order.
pub(crate) fn near_duplicates(samples: &[PackedSample], policy: &SamplePolicy) -> Vec<(SampleId, ErrorCode, String)> {
    let mut kept: Vec<(u64, Signature)> = Vec::with_capacity(samples.len());
    let mut rejects = Vec::new();
    for sample in samples {
        let own = signature_of(sample);
        match check_duplicate(&own, &kept, policy) {
            Some(finding) => rejects.push((sample.context.sample.clone(), code_of(finding.kind), finding.evidence)),
            None => kept.push((sample.context.ordinal, own)),
        }
    }
    rejects
}

/// The verdict's, or made again if it has another size: written by another build.
fn signature_of(sample: &PackedSample) -> Signature {
    let stored = sample.verdict.signature.as_slice();
    stored.try_into().unwrap_or_else(|_| signature(&answer_text(&sample.context)))
}
