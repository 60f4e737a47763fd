//! What the port sees of a consumer.

use std::sync::Arc;
use std::time::Duration;

use agentwrite::ports::{Consumer, Delivery, QueueError, TaskMessage};
use async_trait::async_trait;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::DropGuard;

use super::RabbitMqError;
use super::connection::within;
use super::inbox::Inbox;

/// Hands out what its supervisor received.
///
/// RabbitMQ closes a channel whose oldest delivery is unacked for 30 minutes (`consumer_timeout`). A worker acks when its chain
/// ends, and between two calls once it has held the message for ten minutes, so only a call or a budget wait of twenty gets
/// there; then everything in hand comes again and finds nothing to claim.
pub(super) struct RabbitMqConsumer {
    pub(super) inbox: Arc<Inbox>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) returned: mpsc::UnboundedSender<Acker>,
    pub(super) patience: Duration,
    /// Tells the supervisor that nobody listens any more.
    pub(super) _gone: DropGuard,
}

#[async_trait]
impl Consumer for RabbitMqConsumer {
    async fn next(&mut self) -> Option<Box<dyn Delivery>> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        let item = self.inbox.take().await?;
        let settle = Settle { acker: Some(item.acker), returned: self.returned.clone(), patience: self.patience };
        Some(Box::new(RabbitMqDelivery { message: item.message, settle, _slot: slot }))
    }
}

/// A delivery that is not settled goes back when dropped. Its supervisor does that: it needs the network.
struct Settle {
    acker: Option<Acker>,
    returned: mpsc::UnboundedSender<Acker>,
    patience: Duration,
}

impl Drop for Settle {
    fn drop(&mut self) {
        if let Some(acker) = self.acker.take() {
            // Without a supervisor there is no connection, and the broker has the message back.
            self.returned.send(acker).ok();
        }
    }
}

struct RabbitMqDelivery {
    message: TaskMessage,
    // Before the slot: what goes back is on its way before the slot counts as free.
    settle: Settle,
    _slot: OwnedSemaphorePermit,
}

#[async_trait]
impl Delivery for RabbitMqDelivery {
    fn message(&self) -> &TaskMessage {
        &self.message
    }

    async fn ack(mut self: Box<Self>) -> Result<(), QueueError> {
        let Some(acker) = self.settle.acker.take() else { return Ok(()) };
        let answer = within("ack", self.settle.patience, acker.ack(BasicAckOptions::default())).await;
        settled(answer).map_err(|error| error.during("ack"))
    }

    async fn requeue(mut self: Box<Self>) -> Result<(), QueueError> {
        let Some(acker) = self.settle.acker.take() else { return Ok(()) };
        let options = BasicNackOptions { requeue: true, multiple: false };
        let answer = within("requeue", self.settle.patience, acker.nack(options)).await;
        settled(answer).map_err(|error| error.during("requeue"))
    }
}

/// `Ok(false)` is the client library's way to say that the delivery's channel is dead. An acker belongs to its connection, so
/// it can never hit a message of the connection that came after.
fn settled(answer: Result<bool, RabbitMqError>) -> Result<(), RabbitMqError> {
    match answer {
        Ok(true) => Ok(()),
        Ok(false) => Err(RabbitMqError::WillBeRedelivered("its channel is closed".to_owned())),
        Err(error) => Err(RabbitMqError::WillBeRedelivered(error.to_string())),
    }
}
