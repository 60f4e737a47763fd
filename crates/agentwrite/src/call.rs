//! One request to a chat model and what comes back: the words of the `ChatModel` port.
//!
//! Shapes follow the OpenAI chat completions protocol; what providers add is carried through `extra_body`.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::failure::ErrorCode;
use crate::rope::Rope;

/// Who speaks in a chat message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Standing orders for the model.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One chat message. Of an input it holds a text, of a request a [`Rope`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message<T = String> {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: T,
}

impl<T> Message<T> {
    /// A user message.
    pub fn user(content: impl Into<T>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// An assistant message.
    pub fn assistant(content: impl Into<T>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

/// One request to a chat model.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    /// The model's name as the endpoint knows it.
    pub model: String,
    /// The conversation, oldest first.
    pub messages: Vec<Message<Rope>>,
    /// The last message is the beginning of the answer, which the endpoint is to go on with. Where it cannot take it so, this
    /// is the user's turn that asks for the rest.
    pub go_on: Option<String>,
    /// Sampling temperature.
    pub temperature: f64,
    /// Nucleus sampling; not sent when absent.
    pub top_p: Option<f64>,
    /// Upper limit of answer tokens, reasoning included.
    pub max_tokens: u32,
    /// Request seed.
    pub seed: u64,
    /// A JSON schema that the answer must match (`response_format`).
    pub schema: Option<Arc<Value>>,
    /// Fields passed through unread.
    pub extra_body: Map<String, Value>,
    /// Groups requests that share a prefix; the sample id.
    pub affinity: String,
}

impl ChatRequest {
    /// Bytes of what the messages say.
    pub fn prompt_bytes(&self) -> usize {
        let messages: usize = self.messages.iter().map(|message| message.content.len()).sum();
        messages + self.go_on.as_ref().map_or(0, String::len)
    }
}

/// Tokens of one answer, as the endpoint counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    pub prompt_tokens: u64,
    /// Prompt tokens served from the endpoint's prefix cache.
    pub cached_tokens: u64,
    /// Answer tokens, reasoning included.
    pub completion_tokens: u64,
    /// Reasoning tokens among the answer tokens.
    pub reasoning_tokens: u64,
    /// False when the endpoint sent no usage and the figures are estimated from the text.
    pub reported: bool,
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It had said all.
    Stop,
    /// The token limit, or the context, was reached.
    Length,
    /// The provider's filter stopped it.
    ContentFilter,
    /// A reason that the protocol does not name.
    Other,
}

/// A complete answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatAnswer {
    /// The text, without reasoning deltas.
    pub text: String,
    /// Why the model stopped.
    pub finish: Finish,
    /// Tokens.
    pub usage: Usage,
    /// Whether reasoning deltas came beside the text.
    pub had_reasoning: bool,
    /// The model's name as reported.
    pub model: Option<String>,
    /// The endpoint's id of the answer.
    pub response_id: Option<String>,
    /// From sending to the first token.
    pub first_token: Duration,
    /// From sending to the end.
    pub total: Duration,
    /// Rate limits as the endpoint states them in headers.
    pub limits: StatedLimits,
}

/// A call that gave no complete answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CallFailure {
    /// What went wrong.
    pub code: ErrorCode,
    /// HTTP status, when one came.
    pub status: Option<u16>,
    /// When to come back, as the endpoint asks.
    pub retry_after: Option<Duration>,
    /// The endpoint's or the client's words, at most 500 characters, without secrets.
    pub message: String,
    /// Tokens that may have been paid for although no answer came.
    pub usage: Usage,
    /// The text that had come before the call failed; empty if none.
    pub partial: String,
    /// Rate limits as the endpoint states them in headers.
    pub limits: StatedLimits,
}

impl CallFailure {
    /// A failure with a code and a message and nothing else known.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            status: None,
            retry_after: None,
            message: message.into(),
            usage: Usage::default(),
            partial: String::new(),
            limits: StatedLimits::default(),
        }
    }
}

/// What `x-ratelimit-*` headers said (facts C: durations or dates, sometimes missing).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatedLimits {
    /// Requests left in the window.
    pub remaining_requests: Option<u64>,
    /// Tokens left in the window.
    pub remaining_tokens: Option<u64>,
    /// Until the request window refills.
    pub reset_requests: Option<Duration>,
    /// Until the token window refills.
    pub reset_tokens: Option<Duration>,
}
