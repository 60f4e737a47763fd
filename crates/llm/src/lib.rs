//! The OpenAI-compatible client: streaming, failure classes, preflight.
