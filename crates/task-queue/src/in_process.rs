//! The queue in one process.
//!
//! First in, first out over all kinds; a message that is dropped unacked comes back. The queue dies with its process,
//! which is harmless: the store decides, and a start makes every ready task unpublished (`free_dead_owners`).

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agentwrite::ports::{Consumer, Delivery, QueueError, TaskMessage, TaskQueue};
use agentwrite::task::Kind;
use async_trait::async_trait;
use tokio::sync::Notify;

/// The in-process queue. Clones share it.
#[derive(Clone, Default)]
pub struct InProcessQueue {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    /// By order of arrival.
    waiting: BTreeMap<u64, TaskMessage>,
    next: u64,
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held cannot leave the map half changed: each holder makes one change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_back(&self, number: u64, message: TaskMessage) {
        self.state().waiting.insert(number, message);
        self.arrived.notify_waiters();
    }
}

impl InProcessQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Messages that wait.
    pub fn len(&self) -> usize {
        self.shared.state().waiting.len()
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends all consumers once they have taken what waits for them.
    pub fn close(&self) {
        self.shared.state().closed = true;
        self.shared.arrived.notify_waiters();
    }
}

#[async_trait]
impl TaskQueue for InProcessQueue {
    async fn publish(&self, messages: &[TaskMessage]) -> Result<(), QueueError> {
        let mut state = self.shared.state();
        for message in messages {
            let number = state.next;
            state.next += 1;
            state.waiting.insert(number, message.clone());
        }
        drop(state);
        self.shared.arrived.notify_waiters();
        Ok(())
    }

    async fn consume(&self, kinds: &[Kind], prefetch: u32) -> Result<Box<dyn Consumer>, QueueError> {
        let slots = Arc::new(tokio::sync::Semaphore::new(prefetch.max(1) as usize));
        let kinds = kinds.iter().cloned().collect();
        Ok(Box::new(InProcessConsumer { shared: Arc::clone(&self.shared), kinds, slots }))
    }
}

struct InProcessConsumer {
    shared: Arc<Shared>,
    kinds: HashSet<Kind>,
    slots: Arc<tokio::sync::Semaphore>,
}

impl InProcessConsumer {
    fn take(&self) -> Option<(u64, TaskMessage)> {
        let mut state = self.shared.state();
        let number = *state.waiting.iter().find(|(_, message)| self.kinds.contains(&message.task.kind))?.0;
        state.waiting.remove(&number).map(|message| (number, message))
    }
}

#[async_trait]
impl Consumer for InProcessConsumer {
    async fn next(&mut self) -> Option<Box<dyn Delivery>> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        loop {
            let shared = Arc::clone(&self.shared);
            let arrived = shared.arrived.notified();
            tokio::pin!(arrived);
            // Listening starts before looking, so that a message that arrives in between is not missed.
            arrived.as_mut().enable();
            if let Some((number, message)) = self.take() {
                let held = Held { shared: Arc::clone(&self.shared), number, message: Some(message) };
                return Some(Box::new(InProcessDelivery { held, _slot: slot }));
            }
            if self.shared.state().closed {
                return None;
            }
            arrived.await;
        }
    }
}

/// A message in somebody's hands; dropped without an ack, it goes back to its place.
struct Held {
    shared: Arc<Shared>,
    number: u64,
    message: Option<TaskMessage>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.shared.put_back(self.number, message);
        }
    }
}

struct InProcessDelivery {
    held: Held,
    _slot: tokio::sync::OwnedSemaphorePermit,
}

#[async_trait]
impl Delivery for InProcessDelivery {
    fn message(&self) -> &TaskMessage {
        self.held.message.as_ref().expect("the message leaves only with an ack, which takes the delivery")
    }

    async fn ack(mut self: Box<Self>) -> Result<(), QueueError> {
        self.held.message = None;
        Ok(())
    }

    async fn requeue(self: Box<Self>) -> Result<(), QueueError> {
        Ok(())
    }
}
