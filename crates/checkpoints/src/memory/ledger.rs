//! The ledger: what each attempt adds to the run's counters. The counters move by the difference that a change of an
//! attempt makes, so that they equal a recount over all attempts at any time (I6).

use agentwrite::ports::Totals;
use agentwrite::task::Outcome;

use super::rows::Attempt;

/// What one attempt adds to the counters as it stands now.
pub(super) fn share(attempt: &Attempt) -> Totals {
    let is = |outcome| u64::from(attempt.outcome == outcome);
    let mut share = Totals {
        in_flight: is(Outcome::Started),
        failed_calls: is(Outcome::Failed),
        wasted_calls: is(Outcome::Wasted),
        orphaned_calls: is(Outcome::Orphaned),
        throttled_calls: u64::from(attempt.throttled),
        reserved_nanousd: if attempt.is_open() { attempt.reserved_nanousd.unwrap_or(0) } else { 0 },
        ..Totals::default()
    };
    if let Some(end) = &attempt.end {
        share.calls = u64::from(end.called);
        share.prompt_tokens = end.usage.prompt_tokens;
        share.cached_tokens = end.usage.cached_tokens;
        share.completion_tokens = end.usage.completion_tokens;
        share.settled_nanousd = end.cost_nanousd.unwrap_or(0);
    }
    share
}

/// Adds a share.
pub(super) fn add(totals: &mut Totals, share: &Totals) {
    each(totals, share, |total, part| *total += part);
}

/// Takes a share away that was added before.
pub(super) fn take(totals: &mut Totals, share: &Totals) {
    each(totals, share, |total, part| *total = total.saturating_sub(part));
}

/// The counters that attempts add to, as pairs.
fn each(totals: &mut Totals, share: &Totals, change: impl Fn(&mut u64, u64)) {
    change(&mut totals.calls, share.calls);
    change(&mut totals.in_flight, share.in_flight);
    change(&mut totals.failed_calls, share.failed_calls);
    change(&mut totals.wasted_calls, share.wasted_calls);
    change(&mut totals.orphaned_calls, share.orphaned_calls);
    change(&mut totals.throttled_calls, share.throttled_calls);
    change(&mut totals.prompt_tokens, share.prompt_tokens);
    change(&mut totals.cached_tokens, share.cached_tokens);
    change(&mut totals.completion_tokens, share.completion_tokens);
    change(&mut totals.settled_nanousd, share.settled_nanousd);
    change(&mut totals.reserved_nanousd, share.reserved_nanousd);
}
