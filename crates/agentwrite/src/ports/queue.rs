//! The queue: it only distributes. A duplicate, late, reordered or lost message can do no harm.

use async_trait::async_trait;

use super::TaskMessage;
use crate::task::Kind;

/// The queue failed.
#[derive(Debug, thiserror::Error)]
#[error("queue {operation}: {source}")]
pub struct QueueError {
    /// What was tried.
    pub operation: &'static str,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A message handed to a consumer; not acked means it may come again.
#[async_trait]
pub trait Delivery: Send {
    /// The message.
    fn message(&self) -> &TaskMessage;
    /// Done with it: what it asked for is durable, or there was nothing to do.
    async fn ack(self: Box<Self>) -> Result<(), QueueError>;
    /// Gives it back undone.
    async fn requeue(self: Box<Self>) -> Result<(), QueueError>;
}

/// Receives messages of the kinds it was opened for.
#[async_trait]
pub trait Consumer: Send {
    /// The next message; `None` when the queue is closed.
    async fn next(&mut self) -> Option<Box<dyn Delivery>>;
}

/// The queue port.
#[async_trait]
pub trait TaskQueue: Send + Sync {
    /// Publishes messages; when it returns, the queue has them all.
    async fn publish(&self, messages: &[TaskMessage]) -> Result<(), QueueError>;
    /// Opens a consumer of these kinds that holds at most `prefetch` unacked messages.
    async fn consume(&self, kinds: &[Kind], prefetch: u32) -> Result<Box<dyn Consumer>, QueueError>;
}
