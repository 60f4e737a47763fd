//! What an endpoint's headers say about when to come back and how much is left.
//!
//! OpenAI's shape is `x-ratelimit-{remaining,reset}-{requests,tokens}` with resets as durations (`1s`, `6m0s`, `20ms`);
//! Anthropic's is `anthropic-ratelimit-*` with RFC 3339 times (facts C). Dates are read against the response's own
//! `Date` header, never against a clock of ours; without one they are ignored.

use std::time::Duration;

use agentwrite::call::StatedLimits;
use chrono::{DateTime, FixedOffset};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// When the endpoint asks to come back.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Some(millis) = text(headers, "retry-after-ms").and_then(|text| text.trim().parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(millis / 1000.0).ok();
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => until(headers, DateTime::parse_from_rfc2822(text).ok()?),
    }
}

/// What is left of the endpoint's limits.
pub(crate) fn stated_limits(headers: &HeaderMap) -> StatedLimits {
    let number = |openai: &str, anthropic: &str| {
        text(headers, openai).or_else(|| text(headers, anthropic)).and_then(|text| text.trim().parse().ok())
    };
    let reset = |openai: &str, anthropic: &str| {
        text(headers, openai)
            .and_then(parse_duration)
            .or_else(|| until(headers, DateTime::parse_from_rfc3339(text(headers, anthropic)?.trim()).ok()?))
    };
    StatedLimits {
        remaining_requests: number("x-ratelimit-remaining-requests", "anthropic-ratelimit-requests-remaining"),
        remaining_tokens: number("x-ratelimit-remaining-tokens", "anthropic-ratelimit-tokens-remaining"),
        reset_requests: reset("x-ratelimit-reset-requests", "anthropic-ratelimit-requests-reset"),
        reset_tokens: reset("x-ratelimit-reset-tokens", "anthropic-ratelimit-tokens-reset"),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The time from the response's own date to `then`; zero if it is past.
fn until(headers: &HeaderMap, then: DateTime<FixedOffset>) -> Option<Duration> {
    let date = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some((then - date).to_std().unwrap_or_default())
}

/// Reads `6m0s`, `1.5s`, `20ms`, `1h2m3s`; a bare number means seconds.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let value: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        seconds += value
            * match &rest[..unit] {
                "d" => 86_400.0,
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let after = |pairs: &[_]| retry_after(&headers(pairs));
        assert_eq!(after(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(after(&[("retry-after", "0.25")]), Some(Duration::from_millis(250)));
        assert_eq!(after(&[("retry-after-ms", "1500"), ("retry-after", "2")]), Some(Duration::from_millis(1500)));
        let date = ("date", "Tue, 10 Nov 2026 10:00:00 GMT");
        assert_eq!(after(&[date, ("retry-after", "Tue, 10 Nov 2026 10:01:30 GMT")]), Some(Duration::from_secs(90)));
        assert_eq!(after(&[date, ("retry-after", "Tue, 10 Nov 2026 09:00:00 GMT")]), Some(Duration::ZERO));
        assert_eq!(
            after(&[("retry-after", "Tue, 10 Nov 2026 10:01:30 GMT")]),
            None,
            "a date without a date to compare"
        );
        for bad in ["soon", "-3", "1e300", ""] {
            assert_eq!(after(&[("retry-after", bad)]), None, "{bad:?}");
        }
    }

    #[test]
    fn openai_limits_are_durations() {
        let limits = stated_limits(&headers(&[
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-requests", "20ms"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ]));
        assert_eq!(limits.remaining_requests, Some(59));
        assert_eq!(limits.remaining_tokens, Some(149_984));
        assert_eq!(limits.reset_requests, Some(Duration::from_millis(20)));
        assert_eq!(limits.reset_tokens, Some(Duration::from_mins(6)));
        assert_eq!(parse_duration("2m59.5s"), Some(Duration::from_millis(179_500)));
        assert_eq!(parse_duration("1h0m1s"), Some(Duration::from_secs(3601)));
        assert_eq!(parse_duration("12"), Some(Duration::from_secs(12)));
        for bad in ["", "s", "5 parsecs", "1x"] {
            assert!(parse_duration(bad).is_none_or(|zero| bad.is_empty() && zero.is_zero()), "{bad:?}");
        }
    }

    #[test]
    fn anthropic_limits_are_times() {
        let limits = stated_limits(&headers(&[
            ("date", "Tue, 10 Nov 2026 10:00:00 GMT"),
            ("anthropic-ratelimit-requests-remaining", "4"),
            ("anthropic-ratelimit-tokens-reset", "2026-11-10T10:00:30Z"),
        ]));
        assert_eq!(limits.remaining_requests, Some(4));
        assert_eq!(limits.reset_tokens, Some(Duration::from_secs(30)));
        assert_eq!(limits.reset_requests, None);
    }
}
