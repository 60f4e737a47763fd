//! Exchanges and queues, and their arguments: declared here and nowhere else, with each new connection.
//!
//! ```text
//! PREFIX.tasks (direct) -- kind --> PREFIX.task.KIND (quorum) -- returned too often, or no task --> PREFIX.dead
//! PREFIX.dead (fanout) -----------> PREFIX.dead (quorum)
//! PREFIX.wire (fanout) -----------> one exclusive queue a process that listens (see `wire.rs`)
//! ```
//!
//! A declaration that finds the same thing changes nothing; one that finds other arguments is an error that names them
//! ([`RabbitMqError::Topology`]), never a queue deleted to make room.

use std::time::Duration;

use agentwrite::task::Kind;
use lapin::options::{
    BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Error, ErrorKind, ExchangeKind};

use super::connection::within;
use super::{RabbitMqError, RabbitMqSettings};

/// A name on the wire is at most 255 bytes; kinds are appended to the prefix.
const LONGEST_PREFIX: usize = 120;
const LONGEST_KIND: usize = 120;

/// Dead letters that are looked at and put back must not die again: 4.x drops at 20 returns unless told otherwise, and 3.10
/// knows no "never".
const DEAD_LETTER_LIMIT: u32 = 1_000_000;

/// The names and arguments of one installation.
pub(super) struct Topology {
    prefix: String,
    delivery_limit: u32,
    longest_queue: u32,
    patience: Duration,
}

impl Topology {
    pub(super) fn new(settings: &RabbitMqSettings) -> Result<Self, RabbitMqError> {
        let prefix = settings.prefix.clone();
        if prefix.is_empty() || prefix.len() > LONGEST_PREFIX || prefix.starts_with("amq.") {
            return Err(RabbitMqError::Settings(format!(
                "the prefix {prefix:?} must have 1 to {LONGEST_PREFIX} bytes and not begin with amq."
            )));
        }
        Ok(Self {
            prefix,
            delivery_limit: settings.delivery_limit,
            longest_queue: settings.longest_queue,
            patience: settings.request_timeout,
        })
    }

    /// The exchange that messages are published to; the routing key is the kind.
    pub(super) fn exchange(&self) -> String {
        format!("{}.tasks", self.prefix)
    }

    /// The queue of a kind.
    pub(super) fn queue(&self, kind: &Kind) -> String {
        format!("{}.task.{}", self.prefix, kind.as_str())
    }

    /// The queue of messages that were given up.
    pub(super) fn dead_letter_queue(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// The exchange of words between processes.
    pub(super) fn wire_exchange(&self) -> String {
        format!("{}.wire", self.prefix)
    }

    /// Declares the exchange of words.
    pub(super) async fn declare_wire(&self, channel: &Channel) -> Result<(), RabbitMqError> {
        self.exchange_declare(channel, &self.wire_exchange(), ExchangeKind::Fanout).await
    }

    /// Words come to this queue from now on.
    pub(super) async fn bind_wire(&self, channel: &Channel, queue: &str) -> Result<(), RabbitMqError> {
        self.bind(channel, queue, &self.wire_exchange(), "").await
    }

    /// Declares what all kinds share. The dead-letter queue first: a task queue without its target would keep its dead.
    pub(super) async fn declare_base(&self, channel: &Channel) -> Result<(), RabbitMqError> {
        let dead = self.dead_letter_queue();
        self.exchange_declare(channel, &dead, ExchangeKind::Fanout).await?;
        self.queue_declare(channel, &dead, arguments([("x-delivery-limit", long(DEAD_LETTER_LIMIT))])).await?;
        self.bind(channel, &dead, &dead, "").await?;
        self.exchange_declare(channel, &self.exchange(), ExchangeKind::Direct).await
    }

    /// Declares the queue of a kind.
    pub(super) async fn declare_kind(&self, channel: &Channel, kind: &Kind) -> Result<(), RabbitMqError> {
        if kind.as_str().len() > LONGEST_KIND {
            return Err(RabbitMqError::Settings(format!(
                "the kind {:?} is too long for a queue's name",
                kind.as_str()
            )));
        }
        let arguments = arguments([
            ("x-delivery-limit", long(self.delivery_limit)),
            ("x-dead-letter-exchange", text(&self.dead_letter_queue())),
            // At-least-once needs reject-publish (with drop-head the broker silently falls back to at-most-once), and
            // reject-publish needs a bound.
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
            ("x-max-length", long(self.longest_queue)),
        ]);
        let queue = self.queue(kind);
        self.queue_declare(channel, &queue, arguments).await?;
        self.bind(channel, &queue, &self.exchange(), kind.as_str()).await
    }

    /// Bounds what the channel's next consumer holds unacked. Never for the whole channel (`global`): a consumer of a quorum
    /// queue on such a channel costs the connection.
    pub(super) async fn prefetch(&self, channel: &Channel, prefetch: u16) -> Result<(), RabbitMqError> {
        let options = BasicQosOptions { global: false };
        within("set the prefetch", self.patience, channel.basic_qos(prefetch, options)).await
    }

    /// Empties the dead-letter queue.
    pub(super) async fn purge_dead_letters(&self, channel: &Channel, patience: Duration) -> Result<u32, RabbitMqError> {
        let queue = self.dead_letter_queue().into();
        within("purge the dead letters", patience, channel.queue_purge(queue, QueuePurgeOptions::default())).await
    }

    async fn exchange_declare(&self, channel: &Channel, name: &str, kind: ExchangeKind) -> Result<(), RabbitMqError> {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let declare = channel.exchange_declare(name.into(), kind, options, FieldTable::default());
        within("declare an exchange", self.patience, declare).await
    }

    async fn queue_declare(
        &self,
        channel: &Channel,
        name: &str,
        mut arguments: FieldTable,
    ) -> Result<(), RabbitMqError> {
        arguments.insert("x-queue-type".into(), text("quorum"));
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        let declare = channel.queue_declare(name.into(), options, arguments);
        within("declare a queue", self.patience, declare).await.map(|_| ())
    }

    async fn bind(&self, channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), RabbitMqError> {
        let options = QueueBindOptions::default();
        let bind = channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default());
        within("bind a queue", self.patience, bind).await
    }
}

/// Ready messages and consumers of a queue; none of both if it does not exist.
pub(super) async fn look_at(
    connection: &Connection,
    name: &str,
    patience: Duration,
) -> Result<(u32, u32), RabbitMqError> {
    // A channel for each look: a queue that is not there costs the channel.
    let channel = within("open a channel", patience, connection.create_channel()).await?;
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let look = channel.queue_declare(name.into(), options, FieldTable::default());
    match tokio::time::timeout(patience, look).await {
        Ok(Ok(queue)) => Ok((queue.message_count(), queue.consumer_count())),
        Ok(Err(error)) if is_not_found(&error) => Ok((0, 0)),
        Ok(Err(error)) => Err(RabbitMqError::during_request("look at a queue", &error)),
        Err(_) => Err(RabbitMqError::Timeout { operation: "look at a queue", after: patience }),
    }
}

fn is_not_found(error: &Error) -> bool {
    use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
    matches!(error.kind(), ErrorKind::ProtocolError(error)
        if matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)))
}

fn arguments<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert(key.into(), value);
    }
    table
}

fn long(number: u32) -> AMQPValue {
    AMQPValue::LongLongInt(i64::from(number))
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}
