//! The OpenAI-compatible client: streaming, failure classes, preflight.
//!
//! [`HttpChat`] is the `ChatModel` port over one endpoint; which endpoint of a pool takes a call is the worker's affair. A
//! call ends in a complete answer (one with a finish reason) or in a failure with one of the closed list of codes; the only
//! thing sent twice is a call whose optional field the endpoint refused. Which server does what is in the tests under
//! `tests/protocol`.
//!
//! A call's way: [`EndpointConfig`] -> body (its long texts stay shared until they are sent) -> HTTP -> events -> receiver (text, reasoning, finish,
//! usage) -> answer. All but the HTTP part is pure.

mod base_url;
mod body;
mod chat;
mod endpoint;
mod error_body;
mod escape;
mod estimate;
mod fields;
mod first_alone;
mod headers;
mod http_client;
mod patience;
mod preflight;
mod receiver;
mod secrets;
mod sse;
mod think;
mod upload;
mod wire;

pub use base_url::{BaseUrl, UrlWarning};
pub use chat::HttpChat;
pub use endpoint::{AffinityField, AssistantPrefix, EndpointConfig, EndpointError, JsonSchema, Prices, Timeouts};
pub use first_alone::FirstAlone;
pub use http_client::http_client;
pub use preflight::{Preflight, look, preflight};
pub use secrets::check_extra_body;
