//! Optional fields of the request: which an endpoint has refused, and how a refusal is recognised.
//!
//! To add one: a variant, its bit by position, its name, and its line in the body's writer.

use std::sync::atomic::{AtomicU16, Ordering};

use crate::error_body::ErrorBody;

/// A field that a call can do without, or under another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// `max_tokens`; its refusal means `max_completion_tokens`.
    MaxTokens,
    /// `max_completion_tokens`; its refusal means `max_tokens` again.
    MaxCompletionTokens,
    Seed,
    TopP,
    Temperature,
    StreamOptions,
    ResponseFormat,
    /// The affinity field of the body, whatever its name.
    Affinity,
}

use Field::{Affinity, MaxCompletionTokens, MaxTokens, ResponseFormat, Seed, StreamOptions, Temperature, TopP};

const ALL: [Field; 8] =
    [MaxTokens, MaxCompletionTokens, Seed, TopP, Temperature, StreamOptions, ResponseFormat, Affinity];

impl Field {
    fn bit(self) -> u16 {
        1 << self as u16
    }

    /// The name on the wire; `affinity` is the configured name of the affinity field.
    pub fn name(self, affinity: &str) -> &str {
        match self {
            MaxTokens => "max_tokens",
            MaxCompletionTokens => "max_completion_tokens",
            Seed => "seed",
            TopP => "top_p",
            Temperature => "temperature",
            StreamOptions => "stream_options",
            ResponseFormat => "response_format",
            Affinity => affinity,
        }
    }
}

/// A set of optional fields.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FieldSet(u16);

impl FieldSet {
    /// Whether the field is in it.
    pub fn has(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// Puts a field in.
    pub fn insert(&mut self, field: Field) {
        self.0 |= field.bit();
    }
}

/// What one endpoint has refused so far; shared by all its calls.
#[derive(Debug, Default)]
pub(crate) struct Refused(AtomicU16);

impl Refused {
    /// The fields as of now.
    pub fn snapshot(&self) -> FieldSet {
        FieldSet(self.0.load(Ordering::Relaxed))
    }

    /// Remembers a refusal.
    pub fn learn(&self, field: Field) {
        match field {
            MaxCompletionTokens => self.0.fetch_and(!MaxTokens.bit(), Ordering::Relaxed),
            other => self.0.fetch_or(other.bit(), Ordering::Relaxed),
        };
    }

    /// What is no longer sent, or is sent under another name, for people.
    pub fn names(&self, affinity: &str) -> Vec<String> {
        let refused = self.snapshot();
        let describe = |field: Field| match field {
            MaxTokens => "max_tokens (sent as max_completion_tokens)".to_owned(),
            other => other.name(affinity).to_owned(),
        };
        ALL.into_iter().filter(|field| refused.has(*field)).map(describe).collect()
    }
}

/// The field that an HTTP 400 or 422 objects to, if it is one of those sent and the objection is to the field itself.
/// A value out of range is the caller's mistake and stays an error.
pub(crate) fn refused_field(error: &ErrorBody, sent: FieldSet, affinity: &str) -> Option<Field> {
    let text = error.message.to_lowercase();
    let by_param = |field: &Field| {
        let name = field.name(affinity);
        error.params.iter().any(|param| param.split(['.', '[']).next() == Some(name))
    };
    let sent = || ALL.into_iter().filter(|field| sent.has(*field));
    let named = sent().find(by_param);
    let field = match named {
        Some(field) => field,
        None if error.params.is_empty() => {
            // an explanation may go on to list what is supported: the first name is the one objected to
            sent().filter_map(|field| Some((mention(&text, field, affinity)?, field))).min_by_key(|(at, _)| *at)?.1
        }
        None => return None,
    };
    let objection = is_unsupported(&text) || error.codes.iter().any(|code| is_unsupported(code));
    let refused = match field {
        MaxTokens => {
            objection || text.contains("use 'max_completion_tokens'") || text.contains("use max_completion_tokens")
        }
        // whatever is wrong with the schema or the affinity, the call works without
        ResponseFormat | Affinity => true,
        _ => objection,
    };
    refused.then_some(field)
}

/// Where the text names the field as a whole word.
fn mention(text: &str, field: Field, affinity: &str) -> Option<usize> {
    let own = [field.name(affinity)];
    let names: &[&str] = match field {
        ResponseFormat => &["response_format", "json_schema", "json schema", "grammar", "structured output"],
        _ => &own,
    };
    names.iter().filter_map(|name| whole_word(text, name)).min()
}

fn whole_word(text: &str, name: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name)
        .find(|(at, _)| !text[..*at].ends_with(is_word) && !text[at + name.len()..].starts_with(is_word))
        .map(|(at, _)| at)
}

fn is_unsupported(text: &str) -> bool {
    [
        "unsupported",
        "not support",
        "n't support",
        "unknown",
        "unrecognized",
        "unrecognised",
        "unexpected",
        "not permitted",
        "not allowed",
        "extra_forbidden",
        "only the default",
        "unavailable",
        "not available",
        "deprecated",
        "not accepted",
        "not implemented",
    ]
    .iter()
    .any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> Option<Field> {
        let all = FieldSet(!MaxCompletionTokens.bit());
        refused_field(&ErrorBody::parse(body.as_bytes()), all, "prompt_cache_key")
    }

    #[test]
    fn objections_to_a_field_are_recognised() {
        for (body, field) in [
            (
                r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","param":"max_tokens","code":"unsupported_parameter"}}"#,
                MaxTokens,
            ),
            (
                r#"{"error":{"message":"Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.","param":"temperature","code":"unsupported_value"}}"#,
                Temperature,
            ),
            (
                r#"{"error":{"message":"Unknown parameter: 'prompt_cache_key'.","param":"prompt_cache_key","code":"unknown_parameter"}}"#,
                Affinity,
            ),
            (
                r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}}"#,
                Seed,
            ),
            (
                r#"{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}"#,
                StreamOptions,
            ),
            (r#"{"error":{"message":"This response_format type is unavailable now"}}"#, ResponseFormat),
            (
                r#"{"error":{"message":"Invalid schema for response_format 'answer'","param":"response_format.json_schema"}}"#,
                ResponseFormat,
            ),
            (r#"{"error":"unknown field top_p; supported: seed, temperature"}"#, TopP),
        ] {
            assert_eq!(refused(body), Some(field), "{body}");
        }
    }

    #[test]
    fn values_out_of_range_and_other_errors_are_not() {
        for body in [
            r#"{"error":{"message":"temperature must be non-negative, got -1","param":"temperature"}}"#,
            r#"{"error":{"message":"max_tokens is too large: 100000. This model supports at most 16384 completion tokens","param":"max_tokens"}}"#,
            r#"{"error":{"message":"Unknown model","param":"model"}}"#,
            r#"{"error":{"message":"unsupported: the seedling field"}}"#,
            r#"{"error":{"message":"messages: unexpected role"}}"#,
        ] {
            assert_eq!(refused(body), None, "{body}");
        }
    }

    #[test]
    fn renaming_goes_both_ways() {
        let state = Refused::default();
        state.learn(MaxTokens);
        state.learn(Seed);
        assert_eq!(state.names("x"), ["max_tokens (sent as max_completion_tokens)", "seed"]);
        state.learn(MaxCompletionTokens);
        assert_eq!(state.names("x"), ["seed"]);
    }
}
