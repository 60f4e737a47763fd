//! What can be set.

use std::fmt;
use std::time::Duration;

use agentwrite::task::Kind;

/// Settings of the queue on RabbitMQ. [`RabbitMqSettings::new`] gives the defaults named at the fields.
#[derive(Clone)]
pub struct RabbitMqSettings {
    /// `amqp://user:password@host:port/vhost`, the parts percent-encoded; `%2f` is the default virtual host. `amqps://` is the
    /// same inside TLS, with `?cacertfile=FILE` for an authority of one's own. Secret: it is in no error and no `Debug`.
    pub url: String,
    /// First part of the names of all exchanges and queues; installations that share a broker differ in it. `longhand`.
    pub prefix: String,
    /// What the process is called in the broker's list of connections; the process id is added. `longhand`.
    pub process: String,
    /// Kinds whose queues are declared at once; others are declared when they are first published or consumed. Plan, section.
    pub kinds: Vec<Kind>,
    /// How often a message may come back before it is a dead letter. 100: a worker that is killed gives back all it held, so
    /// healthy messages collect returns too (4.x would stop at 20). The store's own counters stop a poisonous task earlier.
    pub delivery_limit: u32,
    /// Messages that a queue holds before it refuses more. 1,000,000: the store paces what is published, this is a fuse.
    pub longest_queue: u32,
    /// The most unacked messages of one consumer, whatever `consume` asks for: what waits here, nobody else can take. 1,000.
    pub most_prefetch: u16,
    /// A silent connection is given up after about twice this. 20 s.
    pub heartbeat: Duration,
    /// Bound on opening a connection, login included. 10 s.
    pub connect_timeout: Duration,
    /// Bound on a declare, an ack, a close. 10 s.
    pub request_timeout: Duration,
    /// Bound on `publish`, for each 1,000 messages: waiting for a connection and for all confirms. 10 s.
    pub publish_timeout: Duration,
    /// The longest wait between two tries to connect; the first is a tenth of a second. 10 s.
    pub longest_backoff: Duration,
}

impl RabbitMqSettings {
    /// The defaults, at this address.
    pub fn new(url: impl Into<String>) -> Self {
        let ten_seconds = Duration::from_secs(10);
        Self {
            url: url.into(),
            prefix: "longhand".to_owned(),
            process: "longhand".to_owned(),
            kinds: vec![Kind::PLAN, Kind::SECTION],
            delivery_limit: 100,
            longest_queue: 1_000_000,
            most_prefetch: 1_000,
            heartbeat: Duration::from_secs(20),
            connect_timeout: ten_seconds,
            request_timeout: ten_seconds,
            publish_timeout: ten_seconds,
            longest_backoff: ten_seconds,
        }
    }
}

impl fmt::Debug for RabbitMqSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqSettings")
            .field("url", &"(secret)")
            .field("prefix", &self.prefix)
            .field("process", &self.process)
            .field("kinds", &self.kinds)
            .field("delivery_limit", &self.delivery_limit)
            .field("most_prefetch", &self.most_prefetch)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_in_debug_output() {
        let settings = RabbitMqSettings::new("amqp://user:hunter2@broker/%2f");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
