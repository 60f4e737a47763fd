//! The yield guard: stops a run that would spend its budget on samples that all fail for one cause.

use std::collections::HashMap;

use agentwrite::ports::{FailureGroup, Totals};

/// Looks at the last 50 finished samples, or the first 10.
#[derive(Debug, Default)]
pub struct YieldGuard {
    finished: u64,
    by_code: HashMap<String, u64>,
}

const FIRST: u64 = 10;
const LAST: u64 = 50;

impl YieldGuard {
    /// Whether enough samples have finished since the last verdict.
    pub fn is_due(&self, totals: &Totals) -> bool {
        let since = finished(totals).saturating_sub(self.finished);
        since >= if self.finished == 0 { FIRST } else { LAST }
    }

    /// The one cause for which over half of the samples failed or were rejected since the last verdict.
    pub fn verdict(&mut self, totals: &Totals, failures: &[FailureGroup]) -> Option<String> {
        let since = finished(totals).saturating_sub(self.finished);
        let worst = failures
            .iter()
            .map(|group| {
                let before = self.by_code.get(&group.code).copied().unwrap_or(0);
                (group.samples.saturating_sub(before), &group.code)
            })
            .max();
        let verdict = worst.filter(|(count, _)| count * 2 > since).map(|(_, code)| code.clone());
        self.finished = finished(totals);
        self.by_code = failures.iter().map(|group| (group.code.clone(), group.samples)).collect();
        verdict
    }
}

/// Written samples have passed every call; only their shard is missing.
fn finished(totals: &Totals) -> u64 {
    totals.finished() + totals.state(agentwrite::sample::SampleState::Written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentwrite::ids::SampleId;
    use agentwrite::sample::SampleState;

    fn totals(packed: u64, failed: u64) -> Totals {
        let mut totals = Totals::default();
        for (state, count) in [(SampleState::Packed, packed), (SampleState::Failed, failed)] {
            let index = SampleState::ALL.iter().position(|other| *other == state).unwrap();
            totals.states[index] = count;
        }
        totals
    }

    fn failures(code: &str, samples: u64) -> Vec<FailureGroup> {
        vec![FailureGroup {
            state: SampleState::Failed,
            code: code.into(),
            samples,
            example: SampleId::new("smp"),
            reason: String::new(),
            evidence: None,
        }]
    }

    #[test]
    fn pauses_when_most_of_the_first_ten_fail_for_one_cause() {
        let mut guard = YieldGuard::default();
        assert!(!guard.is_due(&totals(3, 6)));
        assert!(guard.is_due(&totals(4, 6)));
        assert_eq!(guard.verdict(&totals(4, 6), &failures("refusal", 6)), Some("refusal".into()));
    }

    #[test]
    fn old_failures_do_not_count_again() {
        let mut guard = YieldGuard::default();
        assert_eq!(guard.verdict(&totals(6, 4), &failures("refusal", 4)), None);
        assert!(!guard.is_due(&totals(50, 4)));
        assert!(guard.is_due(&totals(54, 6)));
        assert_eq!(guard.verdict(&totals(54, 6), &failures("refusal", 6)), None);
        assert_eq!(guard.verdict(&totals(60, 60), &failures("refusal", 60)), Some("refusal".into()));
    }
}
