//! What becomes of an attempt whose result is recorded.

use agentwrite::ids::AttemptId;
use agentwrite::ports::{RecordResult, Recorded};
use agentwrite::task::Outcome;

/// How the attempt ends, and its code. An accepted earlier candidate is its own attempt's; the attempt that ends now then
/// failed by its gate.
pub(crate) fn outcome(record: &RecordResult, accepted: bool) -> (Outcome, Option<&str>) {
    match (accepted, record.origin == record.attempt) {
        (false, _) => (Outcome::Wasted, None),
        (true, true) => (Outcome::Committed, None),
        (true, false) => (Outcome::Failed, record.answer.as_ref().map(|answer| answer.gate.as_str())),
    }
}

/// A result that was not accepted may be a repeated intent. `outcome_of` gives the outcomes that stand.
pub(crate) fn not_accepted<'a>(record: &RecordResult, outcome_of: impl Fn(&AttemptId) -> Option<&'a str>) -> Recorded {
    let was = |attempt: &AttemptId, outcome: Outcome| outcome_of(attempt) == Some(outcome.as_str());
    // An attempt that ended in favour of an earlier candidate failed itself; its intent stands if the candidate does.
    let stands = was(&record.attempt, Outcome::Committed)
        || (record.origin != record.attempt
            && was(&record.attempt, Outcome::Failed)
            && was(&record.origin, Outcome::Committed));
    if stands { Recorded::Repeated } else { Recorded::Wasted }
}
