//! The port to the models.

use async_trait::async_trait;

use crate::call::{CallFailure, ChatAnswer, ChatRequest};

/// A pool of endpoints behind one role. Dropping the future aborts the call; nothing is retried below this port, because
/// retries live at one layer only, the worker's.
#[async_trait]
pub trait ChatModel: Send + Sync {
    /// Asks once. Returns a complete answer (one that ended with a finish reason) or why there is none.
    async fn chat(&self, request: ChatRequest) -> Result<ChatAnswer, CallFailure>;
}
