//! The publisher's connection: its channel, what is declared on it, and whether the broker has blocked it.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use agentwrite::task::Kind;
use futures_util::stream::{BoxStream, StreamExt};
use lapin::{Channel, Connection, Event};
use tokio::sync::watch;
use tokio::time::Instant;

use super::connection::{close, within};
use super::publisher::confirming;
use super::{RabbitMqError, Shared};

/// How the publisher stands with the broker, for callers whose patience ends.
#[derive(Debug, Clone)]
pub(super) enum Link {
    Up,
    Blocked { since: Instant, reason: String },
    Down { since: Instant, reason: String },
}

impl Link {
    pub(super) fn down(error: &RabbitMqError) -> Self {
        Self::Down { since: Instant::now(), reason: error.to_string() }
    }

    /// A newer reason for the same failure.
    pub(super) fn explain(&mut self, error: &RabbitMqError) {
        if let Self::Down { reason, .. } = self {
            *reason = error.to_string();
        }
    }

    /// Why a message was not confirmed in time.
    pub(super) fn excuse(&self, after: Duration) -> RabbitMqError {
        match self {
            Self::Up => RabbitMqError::Timeout { operation: "publish", after },
            Self::Blocked { reason, .. } => RabbitMqError::Blocked(reason.clone()),
            Self::Down { reason, .. } => RabbitMqError::Disconnected(reason.clone()),
        }
    }
}

/// The connection that publishes.
pub(super) struct PublishingLine {
    connection: Connection,
    channel: Channel,
    declared: HashSet<Kind>,
    events: BoxStream<'static, Event>,
    blocked: bool,
    link: watch::Sender<Link>,
    shared: Arc<Shared>,
}

impl PublishingLine {
    pub(super) async fn open(shared: &Arc<Shared>, link: &watch::Sender<Link>) -> Result<Self, RabbitMqError> {
        let patience = shared.settings.request_timeout;
        let connection = shared.door.open("publish").await?;
        let events = connection.events_listener().boxed();
        let channel = within("open a channel", patience, connection.create_channel()).await?;
        within("ask for confirms", patience, confirming(&channel)).await?;
        shared.topology.declare_base(&channel).await?;
        let (link, shared) = (link.clone(), Arc::clone(shared));
        let declared = HashSet::new();
        let mut line = Self { connection, channel, declared, events, blocked: false, link, shared };
        for kind in line.shared.settings.kinds.clone() {
            line.declare(&kind).await?;
        }
        Ok(line)
    }

    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Declares the queue of a kind if this connection has not yet.
    pub(super) async fn declare(&mut self, kind: &Kind) -> Result<(), RabbitMqError> {
        if !self.declared.contains(kind) {
            self.shared.topology.declare_kind(&self.channel, kind).await?;
            self.declared.insert(kind.clone());
        }
        Ok(())
    }

    /// Somebody deleted the queue of a kind: it is declared again with the next message.
    pub(super) fn forget(&mut self, kind: &Kind) {
        self.declared.remove(kind);
    }

    /// Whether the broker has stopped reading from this connection.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Waits for a change between blocked and not; an error when the connection is lost.
    pub(super) async fn changed(&mut self) -> Result<(), RabbitMqError> {
        let event = self.events.next().await;
        self.note(event)
    }

    fn note(&mut self, event: Option<Event>) -> Result<(), RabbitMqError> {
        match event {
            Some(Event::ConnectionBlocked(reason)) => {
                tracing::warn!(reason, "the broker takes no messages until its alarm is over");
                self.blocked = true;
                self.link.send_replace(Link::Blocked { since: Instant::now(), reason });
            }
            Some(Event::ConnectionUnblocked) => {
                self.blocked = false;
                self.link.send_replace(Link::Up);
            }
            Some(Event::Error(error)) => return Err(RabbitMqError::during_request("publish", &error)),
            None => return Err(RabbitMqError::Disconnected("the client has ended".to_owned())),
            Some(_) => {}
        }
        Ok(())
    }

    /// Waits for the broker's answer. While it blocks the connection it cannot answer, and what was sent is taken when the
    /// alarm is over: giving up then would publish everything twice. Any other silence ends the connection, and with it what
    /// the client library keeps of confirms that nobody waits for.
    pub(super) async fn answered<T>(
        &mut self,
        operation: &'static str,
        request: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, RabbitMqError> {
        tokio::pin!(request);
        let patience = self.shared.settings.publish_timeout;
        let mut deadline = Instant::now() + patience;
        loop {
            tokio::select! {
                biased;
                answer = &mut request => return answer.map_err(|error| RabbitMqError::during_request(operation, &error)),
                event = self.events.next() => {
                    self.note(event)?;
                    deadline = Instant::now() + patience;
                }
                () = self.shared.closing.cancelled(), if self.blocked => return Err(RabbitMqError::Closed),
                () = tokio::time::sleep_until(deadline), if !self.blocked => {
                    return Err(RabbitMqError::Timeout { operation, after: patience });
                }
            }
        }
    }

    pub(super) async fn leave(self) {
        close(&self.connection).await;
    }
}
