//! The gate that compares samples: in ordinal order, against lower ordinals of the same range only, so that its verdict
//! depends on neither time nor other ranges.

use agentwrite::failure::ErrorCode;
use agentwrite::gates::sample::{SamplePolicy, check_duplicate};
use agentwrite::gates::{Signature, WordHashes, signature};
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
    stored.try_into().unwrap_or_else(|_| signature(&WordHashes::of(&answer_text(&sample.context))))
}

#[cfg(test)]
mod tests {
    use agentwrite::call::Message;
    use agentwrite::ids::{AttemptId, RunId};
    use agentwrite::ports::Verdict;
    use agentwrite::sample::{Input, SampleContext, Section};

    use super::*;

    fn packed(ordinal: u64, text: &str, signature: Vec<u64>) -> PackedSample {
        let input = Input {
            messages: vec![Message::user("Write.")],
            length: None,
            language: None,
            variant: ordinal as u32,
            id: None,
            meta: None,
        };
        let section =
            Section { place: 0, text: text.to_owned(), words: 0, flags: Vec::new(), attempt: AttemptId::new("att_1") };
        let verdict = Verdict {
            rejected: None,
            flags: Vec::new(),
            length_score: None,
            words: 0,
            words_unicode: 0,
            language: None,
            signature,
        };
        let context = SampleContext {
            run: RunId::new("run_1"),
            sample: SampleId::new(format!("smp_{ordinal}")),
            ordinal,
            input,
            revision: 0,
            config_version: 1,
            model: None,
            plan: None,
            sections: vec![section],
            candidates: Vec::new(),
            parts: Vec::new(),
            last_prompt_tokens: None,
        };
        PackedSample { context, verdict, config_version: 1 }
    }

    fn rejected(samples: &[PackedSample]) -> Vec<String> {
        let rejects = near_duplicates(samples, &SamplePolicy::default());
        assert!(rejects.iter().all(|(_, code, _)| *code == ErrorCode::Duplicate));
        rejects.into_iter().map(|(sample, _, evidence)| format!("{sample}: {evidence}")).collect()
    }

    #[test]
    fn the_lower_ordinal_stays_and_a_rejected_one_rejects_nobody() {
        // 5 is 86 % like 3; 8 is 81 % like 5 and 73 % like 3.
        let third = vec![3; 64];
        let (mut fifth, mut eighth) = (third.clone(), third.clone());
        fifth[..9].fill(5);
        eighth[..4].fill(8);
        eighth[4..9].fill(5);
        eighth[9..17].fill(8);
        let samples = [packed(3, "", third), packed(5, "", fifth), packed(8, "", eighth)];
        assert_eq!(rejected(&samples), ["smp_5: 86 % like sample 3"]);
        assert_eq!(rejected(&samples[1..]), ["smp_8: 81 % like sample 5"]);
    }

    #[test]
    fn a_signature_of_another_size_is_made_again() {
        let text = "One of a few words that make more than five of them in a row, and then some more of them.";
        assert_eq!(rejected(&[packed(0, text, vec![1]), packed(1, text, Vec::new())]).len(), 1);
        assert_eq!(
            rejected(&[packed(0, text, Vec::new()), packed(1, "Five other words stand here alone.", vec![])]),
            [""; 0]
        );
    }
}
