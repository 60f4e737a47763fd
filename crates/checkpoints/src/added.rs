//! What an intent adds to the counters of a run, in the transaction of what they count (I6).

use agentwrite::task::{AttemptEnd, Outcome};

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Added {
    pub(crate) sections: i64,
    pub(crate) words: i64,
    pub(crate) calls: i64,
    pub(crate) failed_calls: i64,
    pub(crate) wasted_calls: i64,
    pub(crate) orphaned_calls: i64,
    pub(crate) throttled_calls: i64,
    pub(crate) prompt_tokens: i64,
    pub(crate) cached_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) settled_nanousd: i64,
    pub(crate) reserved_nanousd: i64,
}

impl std::ops::AddAssign for Added {
    fn add_assign(&mut self, more: Self) {
        self.sections += more.sections;
        self.words += more.words;
        self.calls += more.calls;
        self.failed_calls += more.failed_calls;
        self.wasted_calls += more.wasted_calls;
        self.orphaned_calls += more.orphaned_calls;
        self.throttled_calls += more.throttled_calls;
        self.prompt_tokens += more.prompt_tokens;
        self.cached_tokens += more.cached_tokens;
        self.completion_tokens += more.completion_tokens;
        self.settled_nanousd += more.settled_nanousd;
        self.reserved_nanousd += more.reserved_nanousd;
    }
}

impl Added {
    /// Counts the end of an attempt that had `reserved_nanousd` reserved.
    pub(crate) fn end(&mut self, outcome: Outcome, end: &AttemptEnd, reserved_nanousd: i64) {
        self.calls += i64::from(end.called);
        self.prompt_tokens += end.usage.prompt_tokens as i64;
        self.cached_tokens += end.usage.cached_tokens as i64;
        self.completion_tokens += end.usage.completion_tokens as i64;
        self.settled_nanousd += end.cost_nanousd.unwrap_or(0) as i64;
        self.reserved_nanousd -= reserved_nanousd;
        match outcome {
            Outcome::Failed => self.failed_calls += 1,
            Outcome::Wasted => self.wasted_calls += 1,
            Outcome::Started | Outcome::Part | Outcome::Committed | Outcome::Orphaned => {}
        }
    }
}
