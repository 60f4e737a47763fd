//! The queue port on RabbitMQ (3.10 to 4.x) by AMQP 0-9-1.
//!
//! Promises: `publish` returns `Ok` only when the broker has every message on disk (persistent, routed, confirmed); a
//! message is gone only after its ack; a consumer goes on by itself after whatever happened to the broker. What it does
//! not promise, the port does not ask for: a message may come twice, late, or out of order.
//!
//! - `topology.rs`: exchanges, queues and their arguments, the only place that declares any;
//! - `publisher.rs`: one task that owns the publishing connection and confirms in batches;
//! - `supervisor.rs`: one task for each consumer that owns its connection; `consumer.rs`: what the port sees of it;
//! - `wire.rs`: words between processes, which nothing depends on;
//! - `connection.rs`: opening a connection, and what can be wrong with that; `tls.rs`: the same inside TLS.
//!
//! Connections are rebuilt here rather than by lapin's recovery: that one is invisible to a consumer, gives up by default
//! after sixteen tries, and restores nothing after a closed channel, a cancelled consumer or a wiped broker. Here all of
//! these are one case: drop everything, wait, connect, declare, go on.

mod connection;
mod consumer;
mod error;
mod inbox;
mod publisher;
mod publishing_line;
mod settings;
mod supervisor;
mod tls;
mod topology;
mod trace_header;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agentwrite::ports::{Consumer, QueueError, TaskMessage, TaskQueue};
use agentwrite::task::Kind;
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use connection::{Door, close, within};
pub use error::RabbitMqError;
use publisher::Publisher;
pub use settings::RabbitMqSettings;
use supervisor::Supervisor;
use topology::Topology;
pub use wire::{Ear, Wire, Words};

/// What is counted since the adapter was made; for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RabbitMqCounts {
    /// Deliveries that the broker marked as delivered before.
    pub redelivered: u64,
    /// Messages that were no task and went to the dead-letter queue.
    pub malformed: u64,
    /// Connections that were lost and made again.
    pub reconnects: u64,
}

#[derive(Debug, Default)]
struct Counters {
    redelivered: AtomicU64,
    malformed: AtomicU64,
    reconnects: AtomicU64,
}

/// How much waits for one kind of task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueDepth {
    /// The kind.
    pub kind: Kind,
    /// Messages that wait and are in nobody's hands.
    pub ready: u32,
    /// Consumers of the queue, over all processes.
    pub consumers: u32,
}

/// What all parts share.
struct Shared {
    settings: RabbitMqSettings,
    topology: Topology,
    door: Door,
    counters: Counters,
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// The queue on RabbitMQ. Dropping it closes its connections; [`RabbitMq::close`] waits for that.
pub struct RabbitMq {
    shared: Arc<Shared>,
    publisher: Publisher,
}

impl RabbitMq {
    /// Connects, declares the topology, and stands ready to publish. Tries once: whoever starts a process wants to hear what
    /// is wrong. Later losses are repaired without a word but a warning in the log.
    pub async fn connect(settings: RabbitMqSettings) -> Result<Self, RabbitMqError> {
        let shared = Arc::new(Shared {
            topology: Topology::new(&settings)?,
            door: Door::new(&settings)?,
            settings,
            counters: Counters::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        });
        let publisher = Publisher::start(&shared).await?;
        Ok(Self { shared, publisher })
    }

    /// What was counted so far.
    pub fn counts(&self) -> RabbitMqCounts {
        let Counters { redelivered, malformed, reconnects } = &self.shared.counters;
        RabbitMqCounts {
            redelivered: redelivered.load(Ordering::Relaxed),
            malformed: malformed.load(Ordering::Relaxed),
            reconnects: reconnects.load(Ordering::Relaxed),
        }
    }

    /// Messages that the broker gave up: delivered too often, or no task. A queue that is not there holds none.
    pub async fn dead_letters(&self) -> Result<u32, RabbitMqError> {
        let names = [self.shared.topology.dead_letter_queue()];
        Ok(self.look_at(&names).await?.first().map_or(0, |(ready, _)| *ready))
    }

    /// What waits, by kind, for the kinds named in the settings.
    pub async fn depths(&self) -> Result<Vec<QueueDepth>, RabbitMqError> {
        let kinds = &self.shared.settings.kinds;
        let names: Vec<String> = kinds.iter().map(|kind| self.shared.topology.queue(kind)).collect();
        let seen = self.look_at(&names).await?;
        let depth =
            |(kind, (ready, consumers)): (&Kind, (u32, u32))| QueueDepth { kind: kind.clone(), ready, consumers };
        Ok(kinds.iter().zip(seen).map(depth).collect())
    }

    /// Forgets the dead letters, for an operator who has seen to them; returns how many there were.
    pub async fn purge_dead_letters(&self) -> Result<u32, RabbitMqError> {
        let connection = self.shared.door.open("inspect").await?;
        let patience = self.shared.settings.request_timeout;
        let channel = within("open a channel", patience, connection.create_channel()).await?;
        let purged = self.shared.topology.purge_dead_letters(&channel, patience).await;
        close(&connection).await;
        purged
    }

    /// Messages and consumers of queues, by name, over a connection of its own: a count must not wait behind a publisher
    /// that the broker has blocked.
    async fn look_at(&self, names: &[String]) -> Result<Vec<(u32, u32)>, RabbitMqError> {
        let connection = self.shared.door.open("inspect").await?;
        let patience = self.shared.settings.request_timeout;
        let mut seen = Vec::with_capacity(names.len());
        for name in names {
            seen.push(topology::look_at(&connection, name, patience).await?);
        }
        close(&connection).await;
        Ok(seen)
    }

    /// A wire to the other processes of the installation; `ear` hears what they say. Nobody may depend on a word arriving.
    pub fn wire(&self, ear: Option<Ear>) -> Wire {
        let wire = Wire::default();
        self.shared.tasks.spawn(wire::keep(Arc::clone(&self.shared), wire.clone(), ear));
        wire
    }

    /// Ends all consumers (`next` returns `None`) and the publisher, and waits until their connections are closed, at most
    /// for `patience`. Messages in hand that are not acked by then come again, to somebody else.
    pub async fn close(&self, patience: Duration) {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        if tokio::time::timeout(patience, self.shared.tasks.wait()).await.is_err() {
            tracing::warn!("connections to the broker were not closed in time; it will notice by itself");
        }
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.shared.closing.cancel();
    }
}

#[async_trait]
impl TaskQueue for RabbitMq {
    async fn publish(&self, messages: &[TaskMessage]) -> Result<(), QueueError> {
        self.publisher.publish(messages).await.map_err(|error| error.during("publish"))
    }

    /// At most `prefetch` messages are in the caller's hands. The broker counts by queue; what comes beyond what the caller
    /// asks for goes back at once (`supervisor.rs`), to a process that has a slot.
    async fn consume(&self, kinds: &[Kind], prefetch: u32) -> Result<Box<dyn Consumer>, QueueError> {
        Supervisor::start(&self.shared, kinds, prefetch).await.map_err(|error| error.during("consume"))
    }
}
