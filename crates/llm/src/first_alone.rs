//! The first call of a process to a paid endpoint goes alone (preflight): what is wrong for all calls costs one, and the
//! fields that the endpoint refuses are known before the others go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agentwrite::call::{CallFailure, ChatAnswer, ChatRequest};
use agentwrite::failure::FailureClass;
use agentwrite::ports::ChatModel;
use async_trait::async_trait;
use tokio::sync::Mutex;

/// A model whose calls go one at a time until one came back with anything but a fatal failure.
pub struct FirstAlone<M> {
    model: Arc<M>,
    proven: AtomicBool,
    turn: Mutex<()>,
}

impl<M> FirstAlone<M> {
    /// A model that is not proven yet.
    pub fn new(model: Arc<M>) -> Self {
        Self { model, proven: AtomicBool::new(false), turn: Mutex::new(()) }
    }
}

#[async_trait]
impl<M: ChatModel> ChatModel for FirstAlone<M> {
    async fn chat(&self, request: ChatRequest) -> Result<ChatAnswer, CallFailure> {
        self.chat_heard(request, &|| ()).await
    }

    async fn chat_heard(
        &self,
        request: ChatRequest,
        heard: &(dyn Fn() + Send + Sync),
    ) -> Result<ChatAnswer, CallFailure> {
        if self.proven.load(Ordering::Acquire) {
            return self.model.chat_heard(request, heard).await;
        }
        let turn = self.turn.lock().await;
        if self.proven.load(Ordering::Acquire) {
            drop(turn);
            return self.model.chat_heard(request, heard).await;
        }
        let outcome = self.model.chat_heard(request, heard).await;
        let fatal = outcome.as_ref().is_err_and(|failure| failure.code.class() == FailureClass::Fatal);
        self.proven.store(!fatal, Ordering::Release);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    use agentwrite::failure::ErrorCode;
    use futures_util::future::join_all;

    use super::*;

    /// Refuses the first `refusals` calls and has something to complain about in all others.
    #[derive(Default)]
    struct Endpoint {
        refusals: u32,
        seen: AtomicU32,
        open: AtomicU32,
        /// Most calls that were open at once, before and after the first good one came back.
        most: [AtomicU32; 2],
    }

    #[async_trait]
    impl ChatModel for Endpoint {
        async fn chat(&self, _: ChatRequest) -> Result<ChatAnswer, CallFailure> {
            let before = self.seen.fetch_add(1, Ordering::SeqCst);
            let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
            self.most[usize::from(before > self.refusals)].fetch_max(open, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.open.fetch_sub(1, Ordering::SeqCst);
            let code = if before < self.refusals { ErrorCode::Auth } else { ErrorCode::ServerError };
            Err(CallFailure::new(code, "no"))
        }
    }

    fn request() -> ChatRequest {
        ChatRequest {
            model: "m".to_owned(),
            messages: Vec::new(),
            go_on: None,
            temperature: 1.0,
            top_p: None,
            max_tokens: 1,
            seed: 0,
            schema: None,
            extra_body: serde_json::Map::new(),
            affinity: String::new(),
        }
    }

    #[tokio::test]
    async fn calls_go_one_at_a_time_until_one_is_not_refused_for_all() {
        let model = FirstAlone::new(Arc::new(Endpoint { refusals: 2, ..Endpoint::default() }));
        let outcomes = join_all((0..20).map(|_| model.chat(request()))).await;
        let refused = outcomes.iter().filter(|it| it.as_ref().is_err_and(|it| it.code == ErrorCode::Auth)).count();
        assert_eq!(refused, 2);
        let most = model.model.most.each_ref().map(|most| most.load(Ordering::SeqCst));
        assert_eq!(most[0], 1, "refused calls and the first good one are alone");
        assert!(most[1] > 1, "the others go together");
    }
}
