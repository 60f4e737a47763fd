//! The port to the models.

use async_trait::async_trait;

use crate::call::{CallFailure, ChatAnswer, ChatRequest};

/// One endpoint. Dropping the future aborts the call; nothing is retried below this port, because
/// retries live at one layer only, the worker's.
#[async_trait]
pub trait ChatModel: Send + Sync {
    /// Asks once. Returns a complete answer (one that ended with a finish reason) or why there is none.
    async fn chat(&self, request: ChatRequest) -> Result<ChatAnswer, CallFailure>;

    /// The same, and calls `heard` when the first token has come. An endpoint that cannot tell says nothing until the end.
    async fn chat_heard(
        &self,
        request: ChatRequest,
        heard: &(dyn Fn() + Send + Sync),
    ) -> Result<ChatAnswer, CallFailure> {
        let _ = heard;
        self.chat(request).await
    }
}
