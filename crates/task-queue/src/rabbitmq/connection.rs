//! Opening and closing connections, each step under a timeout: no future of the client library has one of its own.

use std::future::Future;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backoff::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::tls::Tls;
use super::{RabbitMqError, RabbitMqSettings};

/// Bound on a farewell: the broker notices a connection that just ends, too.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where the broker is and how to get in.
pub(super) struct Door {
    uri: AMQPUri,
    address: String,
    process: String,
    timeout: Duration,
    tls: Option<Tls>,
    /// The last try ended without an answer.
    hung: AtomicBool,
}

impl Door {
    pub(super) fn new(settings: &RabbitMqSettings) -> Result<Self, RabbitMqError> {
        // The parser's own words may repeat the address with its password.
        let bad = |what: &str| RabbitMqError::Settings(format!("the broker's address {what}"));
        let mut uri: AMQPUri =
            settings.url.parse().map_err(|_| bad("is not of the form amqp(s)://user:password@host/vhost"))?;
        if settings.url.contains("@[") || settings.url.contains("//[") {
            // The parser would go to localhost instead, without a word.
            return Err(bad("names an IPv6 address; use a host name"));
        }
        let tls = Tls::of(&settings.url, &uri.authority.host).map_err(|what| bad(&what))?;
        let heartbeat = u16::try_from(settings.heartbeat.as_secs().max(1)).unwrap_or(u16::MAX);
        uri.query.heartbeat.get_or_insert(heartbeat);
        let address = format!("{}:{}, virtual host {}", uri.authority.host, uri.authority.port, uri.vhost);
        let process = format!("{}[{}]", settings.process, std::process::id());
        Ok(Self { uri, address, process, timeout: settings.connect_timeout, tls, hung: AtomicBool::new(false) })
    }

    /// A new connection, named after the process and its role in it.
    pub(super) async fn open(&self, role: &str) -> Result<Connection, RabbitMqError> {
        if self.hung.load(Ordering::Relaxed) {
            self.knock().await?;
        }
        let name = format!("{} {role}", self.process);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connect = async {
            match self.tls.clone() {
                Some(tls) => tls.connect(self.uri.clone(), properties).await,
                None => Connection::connect_uri(self.uri.clone(), properties).await,
            }
        };
        match tokio::time::timeout(self.timeout, connect).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(RabbitMqError::at_connect(&error, &self.address)),
            Err(_) => {
                self.hung.store(true, Ordering::Relaxed);
                Err(self.unreachable(format!("no answer within {} ms", self.timeout.as_millis())))
            }
        }
    }

    /// Asks with a bare socket whether the broker answers at all. A try of the client library that gets no answer keeps a
    /// thread and a socket until the broker speaks again; with one try for each backoff, an hour's hang would collect
    /// hundreds of them.
    async fn knock(&self) -> Result<(), RabbitMqError> {
        let answer = async {
            let mut stream = TcpStream::connect((self.uri.authority.host.as_str(), self.uri.authority.port)).await?;
            stream.write_all(b"AMQP\0\0\x09\x01").await?;
            match stream.read_u8().await {
                // Behind TLS that was no sense, and to be turned away for it is an answer, too.
                Err(error) if self.tls.is_some() && error.kind() != ErrorKind::TimedOut => Ok(0),
                answer => answer,
            }
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(_)) => {
                self.hung.store(false, Ordering::Relaxed);
                Ok(())
            }
            Ok(Err(error)) => Err(self.unreachable(error.to_string())),
            Err(_) => Err(self.unreachable(format!("no answer within {} ms", self.timeout.as_millis()))),
        }
    }

    fn unreachable(&self, reason: String) -> RabbitMqError {
        RabbitMqError::Unreachable { address: self.address.clone(), reason }
    }
}

/// Waits for the broker's answer, for so long.
pub(super) async fn within<T>(
    operation: &'static str,
    patience: Duration,
    request: impl Future<Output = lapin::Result<T>>,
) -> Result<T, RabbitMqError> {
    match tokio::time::timeout(patience, request).await {
        Ok(answer) => answer.map_err(|error| RabbitMqError::during_request(operation, &error)),
        Err(_) => Err(RabbitMqError::Timeout { operation, after: patience }),
    }
}

/// Says goodbye, so that the broker gives what is unacked to others at once.
pub(super) async fn close(connection: &Connection) {
    if within("close", FAREWELL, connection.close(200, "done".into())).await.is_err() {
        tracing::debug!("a connection ended without a farewell");
    }
}

/// Waits between tries to connect: doubling with jitter, for ever.
pub(super) struct Backoff {
    longest: Duration,
    waits: ExponentialBackoff,
    connected: Instant,
}

impl Backoff {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, waits: Self::waits(longest), connected: Instant::now() }
    }

    fn waits(longest: Duration) -> ExponentialBackoff {
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(longest)
            .with_jitter()
            .without_max_times()
            .build()
    }

    /// A connection stands.
    pub(super) fn connected(&mut self) {
        self.connected = Instant::now();
    }

    /// A connection was lost. Only one that had lasted starts the waits anew: a broker that lets everybody in and then
    /// throws them out must not be called ten times a second.
    pub(super) fn lost(&mut self) {
        if self.connected.elapsed() >= self.longest {
            self.waits = Self::waits(self.longest);
        }
    }

    /// How long to wait before the next try.
    pub(super) fn next(&mut self) -> Duration {
        self.waits.next().unwrap_or(self.longest)
    }
}
