//! The simulated endpoint at the end of a long line.

use std::sync::Arc;
use std::time::Duration;

use agentwrite::call::{CallFailure, ChatAnswer, ChatRequest};
use agentwrite::ports::ChatModel;
use async_trait::async_trait;
use llm_simulator::InProcess;

use super::life::Life;
use super::store::Line;

/// The model as one process sees it.
pub struct FarModel {
    /// The endpoint.
    pub endpoint: InProcess,
    /// Shared by all.
    pub line: Arc<Line>,
    /// The process.
    pub life: Arc<Life>,
    /// Longest usual time of an answer.
    pub latency_ms: u64,
}

/// One call in so many takes longer than a lease.
const SLOW: u64 = 60;

#[async_trait]
impl ChatModel for FarModel {
    async fn chat(&self, request: ChatRequest) -> Result<ChatAnswer, CallFailure> {
        let fate = &self.line.fate;
        let label = format!("chat {} {}", request.affinity, request.seed);
        let usual = 2 + fate.below(&label, self.latency_ms);
        let slow = fate.below(&format!("slow {label}"), SLOW) == 0;
        let wait = Duration::from_millis(if slow { 4_000 + fate.below(&label, 5_000) } else { usual });
        self.life
            .live(async {
                self.life.thawed().await;
                self.life.pass("chat", '-').await;
                tokio::time::sleep(wait / 2).await;
                let answer = self.endpoint.chat(request).await;
                tokio::time::sleep(wait / 2).await;
                self.life.pass("chat", '+').await;
                self.life.thawed().await;
                answer
            })
            .await
    }
}
