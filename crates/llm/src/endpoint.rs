//! One endpoint as configured: where it is, how it is paid for, how patient one is with it.

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// One base URL that answers chat completions.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// The name in the configuration; also what a pool hashes.
    pub name: String,
    /// The URL as the user wrote it; [`crate::BaseUrl`] normalises it.
    pub base_url: String,
    /// The key; not needed on loopback. Never printed.
    pub api_key: Option<SecretString>,
    /// Where the key came from, for people: `env OPENAI_API_KEY`.
    pub key_source: String,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// Longest answer taken, reasoning included, in bytes; also the longest single event.
    pub max_answer_bytes: usize,
    /// Tokens of prompt and answer together; learned from the endpoint when absent.
    pub context_tokens: Option<u32>,
    /// Where the request's affinity is sent so that calls of one sample meet the same cache; nowhere when absent.
    pub affinity: Option<AffinityField>,
    /// Whether `response_format` is sent.
    pub json_schema: JsonSchema,
    /// How it is asked to go on with an answer that was cut.
    pub assistant_prefix: AssistantPrefix,
    /// What tokens cost; a cap on money needs it.
    pub prices: Option<Prices>,
    /// Whether HTTP/2 may be agreed on over TLS. Off by default: one HTTP/2 connection carries about a hundred calls at
    /// once and further ones would wait inside the client, unseen, while their first-token time runs.
    pub http2: bool,
}

impl EndpointConfig {
    /// An endpoint with the default limits and no key.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base_url: base_url.into(),
            api_key: None,
            key_source: "none".to_owned(),
            timeouts: Timeouts::default(),
            max_answer_bytes: 4 << 20,
            context_tokens: None,
            affinity: None,
            json_schema: JsonSchema::default(),
            assistant_prefix: AssistantPrefix::default(),
            prices: None,
            http2: false,
        }
    }
}

/// How long one call waits for what. There is no total: a long answer that keeps coming is a good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection, TLS included.
    pub connect: Duration,
    /// From sending to the first text or reasoning; comments and empty chunks do not count.
    pub first_token: Duration,
    /// From one piece of text or reasoning to the next.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), first_token: Duration::from_mins(2), idle: Duration::from_mins(1) }
    }
}

/// Where a request's affinity is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AffinityField {
    /// A field of the body, such as OpenAI's `prompt_cache_key`.
    Body(String),
    /// A header, such as Baseten's `x-session-affinity` (facts C).
    Header(String),
}

impl AffinityField {
    /// OpenAI's field.
    pub fn prompt_cache_key() -> Self {
        Self::Body("prompt_cache_key".to_owned())
    }
}

/// Whether an answer's JSON schema is sent as `response_format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonSchema {
    /// Sent until the endpoint refuses it.
    #[default]
    Auto,
    /// Always sent; a refusal fails the call.
    Yes,
    /// Never sent.
    No,
}

/// How an endpoint takes an assistant's message as the beginning of its answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssistantPrefix {
    /// It does not: a user's turn asks for the rest.
    #[default]
    None,
    /// The fields of vLLM and SGLang: `continue_final_message`, without a generation prompt.
    Vllm,
    /// `prefix` in the message, as DeepSeek's beta and Mistral take it.
    Deepseek,
}

/// List prices, in USD per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Prices {
    /// Prompt tokens.
    pub input: f64,
    /// Prompt tokens from the cache.
    pub cached: f64,
    /// Answer tokens, reasoning included.
    pub output: f64,
}

/// An endpoint's configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL that HTTP can use.
    #[error("the base URL must start with http:// or https://, as in http://localhost:8000/v1")]
    NoScheme,
    /// Not a URL at all.
    #[error("the base URL cannot be read: {0}")]
    Url(String),
    /// A secret where it would be logged and stored.
    #[error("the base URL holds a key in {0}; put it in an environment variable and name that with --api-key-env")]
    KeyInUrl(String),
    /// A secret where it would be stored with the run.
    #[error(
        "extra_body.{0} looks like a key and would be stored with the run; put it in an environment variable and name that with --api-key-env"
    )]
    KeyInExtraBody(String),
    /// A field that the client sets itself.
    #[error("extra_body.{0} is set by Longhand itself")]
    ProtectedField(String),
    /// The key has bytes that no header can hold.
    #[error("the key of endpoint {endpoint} ({source_name}) holds characters that no HTTP header can carry")]
    KeyBytes {
        /// The endpoint's name.
        endpoint: String,
        /// Where the key came from.
        source_name: String,
    },
    /// The affinity header has no valid name.
    #[error("{0:?} is no HTTP header name")]
    HeaderName(String),
    /// TLS or the resolver could not be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_in_debug_output() {
        let mut config = EndpointConfig::new("default", "http://localhost:1");
        config.api_key = Some(SecretString::from("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
