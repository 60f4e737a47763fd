//! The sum over samples, and what follows from it: money and time, each as a range.

use crate::config::{Limits, Price};

use super::{Assumptions, Forecast};

/// What several samples are expected to take together, without a repeated call.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Samples.
    pub samples: u64,
    /// Sections.
    pub sections: u64,
    /// Words.
    pub words: u64,
    /// Calls: a plan and the sections of each sample.
    pub calls: u64,
    /// Prompt tokens.
    pub prompt_tokens: f64,
    /// Those that a prefix cache can serve.
    pub cached_tokens: f64,
    /// Answer tokens.
    pub answer_tokens: f64,
    /// Seconds of all calls, one after another.
    pub work_seconds: f64,
    /// Seconds of the sample that takes longest from its first call to its last.
    pub chain_seconds: f64,
}

/// What bounds the time from below, in seconds each. The largest decides: longest chains start first, so a run ends soon
/// after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// All calls, as many at once as are allowed.
    pub concurrency: f64,
    /// The longest sample, whose sections wait for each other.
    pub chain: f64,
    /// All calls at the allowed requests a minute.
    pub requests: f64,
    /// All tokens at the allowed tokens a minute.
    pub tokens: f64,
}

impl<'a> FromIterator<&'a Forecast> for Totals {
    fn from_iter<I: IntoIterator<Item = &'a Forecast>>(forecasts: I) -> Self {
        let mut totals = Self::default();
        forecasts.into_iter().for_each(|forecast| totals.add(forecast));
        totals
    }
}

impl Totals {
    fn add(&mut self, forecast: &Forecast) {
        self.samples += 1;
        self.sections += u64::from(forecast.steps);
        self.words += u64::from(forecast.words);
        self.calls += 1 + u64::from(forecast.steps);
        self.prompt_tokens += forecast.prompt_tokens;
        self.cached_tokens += forecast.cached_tokens;
        self.answer_tokens += forecast.answer_tokens;
        self.work_seconds += forecast.work_seconds;
        self.chain_seconds = self.chain_seconds.max(forecast.chain_seconds);
    }

    /// Nano-USD, at the good end and at the bad end.
    pub fn spend(&self, price: &Price, assumptions: &Assumptions) -> (u64, u64) {
        let answers = self.answer_tokens * price.output as f64;
        let uncached = (self.prompt_tokens - self.cached_tokens).max(0.0);
        let low = uncached * price.input as f64 + self.cached_tokens * price.cached as f64 + answers;
        let high =
            (self.prompt_tokens * price.input.max(price.cached) as f64 + answers) * (1.0 + assumptions.retry_share);
        (low.min(high) as u64, high as u64)
    }

    /// What bounds the time under these limits, without a repeated call.
    pub fn bounds(&self, limits: &Limits) -> Bounds {
        let minutes = |amount: f64, limit: Option<u32>| limit.map_or(0.0, |limit| amount / f64::from(limit) * 60.0);
        Bounds {
            concurrency: self.work_seconds / f64::from(limits.concurrency.max(1)),
            chain: self.chain_seconds,
            requests: minutes(self.calls as f64, limits.rpm),
            tokens: minutes(self.prompt_tokens + self.answer_tokens, limits.tpm),
        }
    }
}

impl Bounds {
    /// All with their names.
    pub fn named(&self) -> [(&'static str, f64); 4] {
        [
            ("concurrency", self.concurrency),
            ("longest chain", self.chain),
            ("requests per minute", self.requests),
            ("tokens per minute", self.tokens),
        ]
    }

    /// The one that decides, and its seconds.
    pub fn longest(&self) -> (&'static str, f64) {
        self.named().into_iter().fold(("concurrency", 0.0), |best, bound| if bound.1 > best.1 { bound } else { best })
    }
}
