//! Keeps one consumer supplied: connect, declare, consume; and after any loss the same again.
//!
//! The broker's prefetch counts by queue and by what is unacked, a process counts slots: one that takes two kinds, or whose
//! chains go on after their ack, can be sent a message that it has no slot for, while another process has one. Such a message
//! goes back within [`SURPLUS_AFTER`], and nothing more is taken until a slot asks for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agentwrite::ports::{Consumer, TaskMessage};
use agentwrite::task::Kind;
use futures_util::stream::{self, BoxStream, SelectAll, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicRejectOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Acker, Channel, Connection};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{Backoff, close, within};
use super::consumer::RabbitMqConsumer;
use super::inbox::{Inbox, Item};
use super::{RabbitMqError, Shared, trace_header};

/// A message that no slot has taken by then goes back.
const SURPLUS_AFTER: Duration = Duration::from_millis(20);

/// How often a connection is looked at on which nothing is taken.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A consumer's task.
pub(super) struct Supervisor {
    shared: Arc<Shared>,
    kinds: Vec<Kind>,
    prefetch: u16,
    inbox: Arc<Inbox>,
    slots: Arc<Semaphore>,
    returned: mpsc::UnboundedReceiver<Acker>,
    gone: CancellationToken,
}

impl Supervisor {
    /// Opens the first connection, so that its errors are the caller's, and leaves the rest to a task.
    pub(super) async fn start(
        shared: &Arc<Shared>,
        kinds: &[Kind],
        prefetch: u32,
    ) -> Result<Box<dyn Consumer>, RabbitMqError> {
        let prefetch = u16::try_from(prefetch).unwrap_or(u16::MAX).clamp(1, shared.settings.most_prefetch.max(1));
        let line = Line::open(shared, kinds, prefetch).await?;
        let inbox = Arc::new(Inbox::default());
        let slots = Arc::new(Semaphore::new(usize::from(prefetch)));
        let (returned, receiver) = mpsc::unbounded_channel();
        let gone = CancellationToken::new();
        let consumer = RabbitMqConsumer {
            inbox: Arc::clone(&inbox),
            slots: Arc::clone(&slots),
            returned,
            patience: shared.settings.request_timeout,
            _gone: gone.clone().drop_guard(),
        };
        let (kinds, shared) = (kinds.to_vec(), Arc::clone(shared));
        let supervisor = Self { kinds, prefetch, inbox, slots, returned: receiver, gone, shared: Arc::clone(&shared) };
        shared.tasks.spawn(supervisor.run(line));
        Ok(Box::new(consumer))
    }

    async fn run(mut self, first: Line) {
        let mut backoff = Backoff::new(self.shared.settings.longest_backoff);
        let mut line = first;
        loop {
            backoff.connected();
            let Err(error) = self.serve(&mut line).await else { return self.wind_up(line).await };
            tracing::warn!(%error, kinds = ?self.kinds, "a consumer lost its connection; making it again");
            // What waits here is with the broker again.
            self.inbox.empty();
            line.leave().await;
            backoff.lost();
            line = match self.reopen(&mut backoff).await {
                Some(line) => line,
                None => return self.inbox.close(),
            };
            self.shared.counters.reconnects.fetch_add(1, Ordering::Relaxed);
            tracing::info!(kinds = ?self.kinds, "the consumer is connected again");
        }
    }

    /// Takes deliveries until told to stop (`Ok`) or until the connection, the channel or a queue is lost.
    async fn serve(&mut self, line: &mut Line) -> Result<(), RabbitMqError> {
        loop {
            let oldest = self.inbox.oldest();
            let surplus = oldest.map(|since| since + SURPLUS_AFTER);
            tokio::select! {
                biased;
                () = self.shared.closing.cancelled() => return Ok(()),
                () = self.gone.cancelled() => return Ok(()),
                Some(acker) = self.returned.recv() => self.give_back(acker).await,
                () = self.inbox.wanted(), if !line.takes => line.take(&self.kinds, self.prefetch).await?,
                // Without deliveries nothing else tells of a connection that is gone.
                () = tokio::time::sleep(LOOK_EVERY), if !line.takes => line.stands()?,
                () = at(surplus), if line.takes => {
                    if self.inbox.oldest() == oldest {
                        self.pause(line).await;
                    }
                }
                arrived = line.arrivals.next(), if line.takes => match arrived {
                    Some(Arrived::Delivery(kind, delivery)) => self.take(&kind, *delivery).await,
                    Some(Arrived::End(error)) => return Err(error),
                    None => return Err(RabbitMqError::Disconnected("nothing is consumed".to_owned())),
                },
            }
        }
    }

    /// Stops deliveries and gives back what nobody took. What is in somebody's hands stays there.
    async fn pause(&self, line: &mut Line) {
        line.cancel().await;
        // Deliveries that came before the broker's answer stand in the line before its end.
        let patience = self.shared.settings.request_timeout;
        while let Ok(Some(arrived)) = tokio::time::timeout(patience, line.arrivals.next()).await {
            if let Arrived::Delivery(_, delivery) = arrived {
                self.give_back(delivery.acker.clone()).await;
            }
        }
        let surplus = self.inbox.empty();
        tracing::debug!(kinds = ?self.kinds, messages = surplus.len(), "no slot is free; messages go to others");
        for item in surplus {
            self.give_back(item.acker).await;
        }
    }

    async fn take(&self, kind: &Kind, delivery: Delivery) {
        let counters = &self.shared.counters;
        if delivery.redelivered {
            counters.redelivered.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(kind = kind.as_str(), "a message was delivered before");
        }
        match serde_json::from_slice::<TaskMessage>(&delivery.data) {
            Ok(mut message) if message.task.kind == *kind => {
                message.trace = trace_header::read(&delivery.properties);
                self.inbox.put(Item { message, acker: delivery.acker, since: Instant::now() });
            }
            _ => {
                counters.malformed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    kind = kind.as_str(),
                    bytes = delivery.data.len(),
                    "no task message: to the dead letters"
                );
                let reject = delivery.acker.reject(BasicRejectOptions { requeue: false });
                if within("reject", self.shared.settings.request_timeout, reject).await.is_err() {
                    tracing::debug!("a message could not be rejected; it comes again");
                }
            }
        }
    }

    async fn give_back(&self, acker: Acker) {
        let back = acker.nack(BasicNackOptions { requeue: true, multiple: false });
        if !matches!(within("requeue", self.shared.settings.request_timeout, back).await, Ok(true)) {
            tracing::debug!("a message was not given back by word; the end of its connection does it");
        }
    }

    async fn reopen(&mut self, backoff: &mut Backoff) -> Option<Line> {
        loop {
            let again = async {
                tokio::time::sleep(backoff.next()).await;
                Line::open(&self.shared, &self.kinds, self.prefetch).await
            };
            let opened = tokio::select! {
                biased;
                () = self.shared.closing.cancelled() => return None,
                () = self.gone.cancelled() => return None,
                opened = again => opened,
            };
            match opened {
                Ok(line) => return Some(line),
                Err(error) => tracing::warn!(%error, kinds = ?self.kinds, "the consumer is not connected"),
            }
        }
    }

    /// Stops deliveries and gives back what nobody took, but keeps the connection until all that is in somebody's hands is
    /// settled: a drain finishes its work after it stopped taking more.
    async fn wind_up(mut self, mut line: Line) {
        self.pause(&mut line).await;
        self.inbox.close();
        let slots = Arc::clone(&self.slots);
        let all = slots.acquire_many(u32::from(self.prefetch));
        tokio::pin!(all);
        loop {
            tokio::select! {
                biased;
                Some(acker) = self.returned.recv() => self.give_back(acker).await,
                _ = &mut all => break,
            }
        }
        self.slots.close();
        while let Ok(acker) = self.returned.try_recv() {
            self.give_back(acker).await;
        }
        line.leave().await;
    }
}

/// A moment, or never.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

enum Arrived {
    Delivery(Kind, Box<Delivery>),
    /// A queue's deliveries have ended. The client library says so with an error or, where the broker cancelled the consumer
    /// (its queue was deleted or moved, its timeout came), with the plain end of a stream on a channel that looks healthy.
    End(RabbitMqError),
}

/// A connection that consumes. It never publishes: the broker stops reading from connections that did when its memory or
/// disk runs low, and acks would stand in that line.
struct Line {
    connection: Connection,
    channel: Channel,
    /// Whether messages are asked for.
    takes: bool,
    tags: Vec<ShortString>,
    arrivals: SelectAll<BoxStream<'static, Arrived>>,
    shared: Arc<Shared>,
}

impl Line {
    async fn open(shared: &Arc<Shared>, kinds: &[Kind], prefetch: u16) -> Result<Self, RabbitMqError> {
        let names: Vec<&str> = kinds.iter().map(Kind::as_str).collect();
        let connection = shared.door.open(&format!("consume {}", names.join(","))).await?;
        let patience = shared.settings.request_timeout;
        let channel = within("open a channel", patience, connection.create_channel()).await?;
        shared.topology.declare_base(&channel).await?;
        for kind in kinds {
            shared.topology.declare_kind(&channel, kind).await?;
        }
        let (tags, arrivals) = (Vec::new(), SelectAll::new());
        let mut line = Self { connection, channel, takes: false, tags, arrivals, shared: Arc::clone(shared) };
        line.take(kinds, prefetch).await?;
        Ok(line)
    }

    fn stands(&self) -> Result<(), RabbitMqError> {
        if self.channel.status().connected() {
            return Ok(());
        }
        Err(RabbitMqError::Disconnected("its channel is closed".to_owned()))
    }

    /// Asks for messages.
    async fn take(&mut self, kinds: &[Kind], prefetch: u16) -> Result<(), RabbitMqError> {
        self.shared.topology.prefetch(&self.channel, prefetch).await?;
        for kind in kinds {
            self.consume(kind).await?;
        }
        self.takes = true;
        Ok(())
    }

    async fn consume(&mut self, kind: &Kind) -> Result<(), RabbitMqError> {
        let queue: ShortString = self.shared.topology.queue(kind).into();
        let options = BasicConsumeOptions::default();
        let consume = self.channel.basic_consume(queue, "".into(), options, FieldTable::default());
        let consumer = within("consume", self.shared.settings.request_timeout, consume).await?;
        self.tags.push(consumer.tag());
        let kind = kind.clone();
        let arrivals = consumer.map(move |arrived| match arrived {
            Ok(delivery) => Arrived::Delivery(kind.clone(), Box::new(delivery)),
            Err(error) => Arrived::End(RabbitMqError::during_request("consume", &error)),
        });
        let cancelled = RabbitMqError::Disconnected("the broker cancelled the consumer".to_owned());
        self.arrivals.push(arrivals.chain(stream::iter([Arrived::End(cancelled)])).boxed());
        Ok(())
    }

    async fn cancel(&mut self) {
        self.takes = false;
        for tag in self.tags.drain(..) {
            let cancel = self.channel.basic_cancel(tag, BasicCancelOptions::default());
            if within("cancel", self.shared.settings.request_timeout, cancel).await.is_err() {
                return;
            }
        }
    }

    async fn leave(self) {
        close(&self.connection).await;
    }
}
