//! The in-process queue behind a bad line: messages are lost, doubled, late and out of order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agentwrite::ports::{Consumer, Delivery, QueueError, TaskMessage, TaskQueue};
use agentwrite::task::Kind;
use async_trait::async_trait;
use task_queue::InProcessQueue;
use tokio_util::task::TaskTracker;

use super::life::{Held, Life};
use super::store::Line;

/// The queue of a world, or of one process in the embedded edition.
#[derive(Clone)]
pub struct Post {
    queue: InProcessQueue,
    late: TaskTracker,
    line: Arc<Line>,
    /// Messages lost, doubled and late, per mille each.
    faults: u64,
    /// A mutant: messages are acked when they are handed out.
    acks_early: bool,
}

impl Post {
    /// An empty queue.
    pub fn new(line: Arc<Line>, late: TaskTracker, faults: u64, acks_early: bool) -> Self {
        Self { queue: InProcessQueue::new(), late, line, faults, acks_early }
    }

    async fn carry(&self, message: &TaskMessage) -> Result<(), QueueError> {
        let fate = &self.line.fate;
        let label = format!("{} {} {}", message.task.kind.as_str(), message.task.subject, message.task.place);
        if fate.strikes(&format!("lose {label}"), self.faults) {
            self.line.oracle.fault();
            return Ok(());
        }
        if fate.strikes(&format!("double {label}"), self.faults) {
            self.line.oracle.fault();
            self.send_late(message, fate.delay(&label, 8_000));
        }
        if fate.strikes(&format!("late {label}"), self.faults) {
            self.line.oracle.fault();
            self.send_late(message, Duration::from_millis(50) + fate.delay(&label, 15_000));
            return Ok(());
        }
        self.queue.publish(std::slice::from_ref(message)).await
    }

    fn send_late(&self, message: &TaskMessage, wait: Duration) {
        let (queue, message) = (self.queue.clone(), message.clone());
        self.late.spawn(async move {
            tokio::time::sleep(wait).await;
            // The in-process queue takes everything.
            let _ = queue.publish(&[message]).await;
        });
    }

    /// Loses all waiting messages.
    pub async fn wipe(&self, kinds: &[Kind]) {
        let Ok(mut consumer) = self.queue.consume(kinds, u32::MAX >> 4).await else { return };
        while !self.queue.is_empty() {
            if let Some(delivery) = consumer.next().await {
                let _ = delivery.ack().await;
            }
        }
    }

    /// The queue as one process sees it.
    pub fn of(&self, life: &Arc<Life>) -> ShakenQueue {
        ShakenQueue { post: self.clone(), life: Arc::clone(life) }
    }
}

/// The queue as one process sees it.
pub struct ShakenQueue {
    post: Post,
    life: Arc<Life>,
}

#[async_trait]
impl TaskQueue for ShakenQueue {
    async fn publish(&self, messages: &[TaskMessage]) -> Result<(), QueueError> {
        self.life
            .live(async {
                self.life.thawed().await;
                self.life.pass("publish", '-').await;
                for message in messages {
                    self.post.carry(message).await?;
                }
                self.life.pass("publish", '+').await;
                Ok(())
            })
            .await
    }

    async fn consume(&self, kinds: &[Kind], prefetch: u32) -> Result<Box<dyn Consumer>, QueueError> {
        let inner = self.post.queue.consume(kinds, prefetch).await?;
        Ok(Box::new(ShakenConsumer { inner, post: self.post.clone(), life: Arc::clone(&self.life) }))
    }
}

struct ShakenConsumer {
    inner: Box<dyn Consumer>,
    post: Post,
    life: Arc<Life>,
}

#[async_trait]
impl Consumer for ShakenConsumer {
    async fn next(&mut self) -> Option<Box<dyn Delivery>> {
        let Self { inner, post, life } = self;
        let delivery = life
            .live(async {
                life.thawed().await;
                inner.next().await
            })
            .await?;
        let oracle = &post.line.oracle;
        let message = delivery.message().clone();
        let number = oracle.delivered(&life.owner, &message.task);
        let held: Held = Arc::new(Mutex::new(Some(delivery)));
        life.hold(&held);
        let mut delivery =
            ShakenDelivery { message, number, held, post: post.clone(), life: Arc::clone(life), over: false };
        if post.acks_early {
            delivery.finish().await;
        }
        life.live(life.pass("deliver", '+')).await;
        Some(Box::new(delivery))
    }
}

struct ShakenDelivery {
    message: TaskMessage,
    number: u64,
    held: Held,
    post: Post,
    life: Arc<Life>,
    over: bool,
}

impl ShakenDelivery {
    fn take(&mut self) -> Option<Box<dyn Delivery>> {
        self.over = true;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn finish(&mut self) {
        if let Some(delivery) = self.take() {
            self.post.line.oracle.acked(self.number);
            // The in-process queue takes every ack.
            let _ = delivery.ack().await;
        }
    }
}

impl Drop for ShakenDelivery {
    fn drop(&mut self) {
        if !self.over {
            self.post.line.oracle.returned(self.number);
            drop(self.take());
        }
    }
}

#[async_trait]
impl Delivery for ShakenDelivery {
    fn message(&self) -> &TaskMessage {
        &self.message
    }

    async fn ack(mut self: Box<Self>) -> Result<(), QueueError> {
        let life = Arc::clone(&self.life);
        life.live(async {
            life.thawed().await;
            life.pass("ack", '-').await;
            self.finish().await;
            life.pass("ack", '+').await;
        })
        .await;
        Ok(())
    }

    async fn requeue(self: Box<Self>) -> Result<(), QueueError> {
        Ok(())
    }
}
