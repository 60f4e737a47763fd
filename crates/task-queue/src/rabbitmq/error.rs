//! What can go wrong with the broker, without a type of its client.

use std::time::Duration;

use agentwrite::ports::QueueError;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::{Error, ErrorKind};

/// The broker refused, or was not there. Addresses are host, port and virtual host, never user or password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RabbitMqError {
    /// The settings cannot be used: address or names.
    #[error("the queue's settings: {0}")]
    Settings(String),
    /// Nobody listens there, or nobody answers.
    #[error("the broker at {address} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        address: String,
        /// What the network said.
        reason: String,
    },
    /// Wrong user or password, or a virtual host that is closed to this user.
    #[error("the broker at {address} refused the user: {reason}")]
    AccessRefused {
        /// Where.
        address: String,
        /// What the broker said.
        reason: String,
    },
    /// The user is known but may not do this: it needs to configure, write and read what begins with the prefix.
    #[error("{operation}: the broker's user may not: {reason}")]
    Forbidden {
        /// What was tried.
        operation: &'static str,
        /// What the broker said.
        reason: String,
    },
    /// The virtual host does not exist.
    #[error("the broker at {address} has no such virtual host: {reason}")]
    VhostMissing {
        /// Where.
        address: String,
        /// What the broker said.
        reason: String,
    },
    /// A queue or exchange of this name exists with other arguments: it must be deleted, or another prefix be used.
    #[error("the broker has it with other arguments: {0}")]
    Topology(String),
    /// The broker did not answer in time.
    #[error("{operation}: no answer from the broker within {} ms", after.as_millis())]
    Timeout {
        /// What was waited for.
        operation: &'static str,
        /// How long.
        after: Duration,
    },
    /// The broker takes no messages: its memory or disk alarm is up.
    #[error("the broker takes no messages now: {0}")]
    Blocked(String),
    /// The connection is lost and being made again.
    #[error("the connection to the broker is lost: {0}")]
    Disconnected(String),
    /// The broker has no queue for messages of this batch; it is declared again with the next one.
    #[error("{count} messages found no queue")]
    Unroutable {
        /// How many.
        count: usize,
    },
    /// The broker refused messages of this batch, which it does when a queue is full.
    #[error("the broker refused {count} messages")]
    Refused {
        /// How many.
        count: usize,
    },
    /// An ack that did not reach the broker. Harmless: the message comes again and finds nothing to do.
    #[error("not settled, the message will be redelivered: {0}")]
    WillBeRedelivered(String),
    /// The queue was closed by this process.
    #[error("the queue is closed")]
    Closed,
    /// The broker or its client failed otherwise.
    #[error("{operation}: {reason}")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// What was said.
        reason: String,
    },
}

impl RabbitMqError {
    /// The error as the port's callers see it; [`std::error::Error::source`] leads back here.
    pub(super) fn during(self, operation: &'static str) -> QueueError {
        QueueError { operation, source: Box::new(self) }
    }

    /// What the client library says, while a connection is made to `address`.
    pub(super) fn at_connect(error: &Error, address: &str) -> Self {
        let (address, reason) = (address.to_owned(), error.to_string());
        match reply(error) {
            Some(AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)) if reason.contains("not found") => {
                Self::VhostMissing { address, reason }
            }
            // "access to vhost '..' refused for user '..'" comes as NOT_ALLOWED too.
            Some(
                AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) | AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED),
            ) => Self::AccessRefused { address, reason },
            _ => Self::Unreachable { address, reason },
        }
    }

    /// What the client library says about a request.
    pub(super) fn during_request(operation: &'static str, error: &Error) -> Self {
        let reason = error.to_string();
        match (reply(error), error.kind()) {
            (Some(AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)), _) => Self::Topology(reason),
            (Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)), _) => Self::Forbidden { operation, reason },
            (Some(AMQPErrorKind::Hard(_)), _)
            | (
                _,
                ErrorKind::IOError(_)
                | ErrorKind::MissingHeartbeatError
                | ErrorKind::InvalidConnectionState(_)
                | ErrorKind::InvalidChannelState(..),
            ) => Self::Disconnected(reason),
            _ => Self::Failed { operation, reason },
        }
    }
}

fn reply(error: &Error) -> Option<&AMQPErrorKind> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.kind()),
        _ => None,
    }
}
