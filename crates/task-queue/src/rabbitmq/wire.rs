//! A wire between processes: a word that something changed, so that a loop elsewhere looks sooner than by itself.
//!
//! Nothing depends on it. A word is transient, unconfirmed, and lost where nobody listens; a process that says the same word
//! many times within a few milliseconds says it once. The connection is the wire's own: one that has published is blocked when
//! the broker runs out of memory or disk, and the consumers' acks must not stand in that line.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use futures_util::stream::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, Consumer};
use tokio::sync::Notify;

use super::connection::{Backoff, close, within};
use super::{RabbitMqError, Shared};

/// How long words are gathered.
const GATHER: Duration = Duration::from_millis(4);

/// Up to eight words, one a bit; which is which is the callers' affair.
pub type Words = u8;

/// Where a process says words to the others. Clones share it.
#[derive(Clone, Default)]
pub struct Wire(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    words: AtomicU8,
    said: Notify,
}

impl Wire {
    /// Says words to every other process that listens.
    pub fn say(&self, words: Words) {
        self.0.words.fetch_or(words, Ordering::Relaxed);
        self.0.said.notify_one();
    }
}

/// Hears what other processes say.
pub type Ear = Box<dyn Fn(Words) + Send + Sync>;

/// Keeps the wire up until the queue is closed.
pub(super) async fn keep(shared: Arc<Shared>, wire: Wire, ear: Option<Ear>) {
    let mut backoff = Backoff::new(shared.settings.longest_backoff);
    loop {
        let opened = tokio::select! {
            biased;
            () = shared.closing.cancelled() => return,
            opened = Line::open(&shared, ear.is_some()) => opened,
        };
        match opened {
            Ok(mut line) => {
                backoff.connected();
                let ended = line.serve(&shared, &wire, ear.as_ref()).await;
                close(&line.connection).await;
                let Err(error) = ended else { return };
                tracing::debug!(%error, "the wire to other processes broke; making it again");
                backoff.lost();
            }
            Err(error) => tracing::debug!(%error, "there is no wire to other processes"),
        }
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => return,
            () = tokio::time::sleep(backoff.next()) => {}
        }
    }
}

struct Line {
    connection: Connection,
    channel: Channel,
    /// Names this process in what it says, so that it does not hear itself.
    name: ShortString,
    heard: Option<Consumer>,
}

impl Line {
    async fn open(shared: &Shared, hears: bool) -> Result<Self, RabbitMqError> {
        let connection = shared.door.open("wire").await?;
        let patience = shared.settings.request_timeout;
        let channel = within("open a channel", patience, connection.create_channel()).await?;
        shared.topology.declare_wire(&channel).await?;
        let mut line = Self { connection, channel, name: "".into(), heard: None };
        if hears {
            line.listen(shared).await?;
        }
        Ok(line)
    }

    /// A queue that is this connection's and goes with it.
    async fn listen(&mut self, shared: &Shared) -> Result<(), RabbitMqError> {
        let patience = shared.settings.request_timeout;
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let declare = self.channel.queue_declare("".into(), options, FieldTable::default());
        self.name = within("declare a queue", patience, declare).await?.name().clone();
        shared.topology.bind_wire(&self.channel, self.name.as_str()).await?;
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let consume = self.channel.basic_consume(self.name.clone(), "".into(), options, FieldTable::default());
        self.heard = Some(within("consume", patience, consume).await?);
        Ok(())
    }

    /// Says and hears until told to stop (`Ok`) or until the connection is lost.
    async fn serve(&mut self, shared: &Shared, wire: &Wire, ear: Option<&Ear>) -> Result<(), RabbitMqError> {
        loop {
            tokio::select! {
                biased;
                () = shared.closing.cancelled() => return Ok(()),
                () = wire.0.said.notified() => {
                    self.say(shared, wire.0.words.swap(0, Ordering::Relaxed)).await?;
                    tokio::time::sleep(GATHER).await;
                }
                heard = next(&mut self.heard) => self.hear(heard?, ear),
            }
        }
    }

    fn hear(&self, delivery: Delivery, ear: Option<&Ear>) {
        let own = delivery.properties.app_id().as_ref() == Some(&self.name);
        if let (Some(ear), Some(words), false) = (ear, delivery.data.first(), own) {
            ear(*words);
        }
    }

    async fn say(&self, shared: &Shared, words: Words) -> Result<(), RabbitMqError> {
        let (exchange, properties) =
            (shared.topology.wire_exchange(), BasicProperties::default().with_app_id(self.name.clone()));
        let (options, body) = (BasicPublishOptions::default(), [words]);
        let said = self.channel.basic_publish(exchange.as_str().into(), "".into(), options, &body, properties);
        within("say", shared.settings.request_timeout, said).await.map(drop)
    }
}

async fn next(heard: &mut Option<Consumer>) -> Result<Delivery, RabbitMqError> {
    let Some(consumer) = heard else { return std::future::pending().await };
    match consumer.next().await {
        Some(Ok(delivery)) => Ok(delivery),
        Some(Err(error)) => Err(RabbitMqError::during_request("hear", &error)),
        None => Err(RabbitMqError::Disconnected("the broker cancelled the consumer".to_owned())),
    }
}
