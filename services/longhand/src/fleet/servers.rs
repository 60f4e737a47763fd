//! Connecting to the servers, and what a person is told when that fails.

use std::time::Duration;

use agentwrite::ports::StoreError;
use checkpoints::postgres::{ConnectError, PostgresStore};
use task_queue::{RabbitMq, RabbitMqError, RabbitMqSettings};

use crate::fault::{Exit, Fault, chain_of};
use crate::settings::Settings;

/// How long connections may take to close.
pub const GOODBYE: Duration = Duration::from_secs(5);

/// The address of the database.
pub fn database_url(settings: &Settings) -> Result<String, Fault> {
    settings.database.address("database", "postgres://USER:PASSWORD@HOST:5432/DATABASE")
}

/// The store, whose schema is that of this build.
pub async fn database(settings: &Settings) -> Result<PostgresStore, Fault> {
    PostgresStore::connect(&database_url(settings)?).await.map_err(|error| database_fault(&error))
}

/// The same for a command, which needs few connections.
pub async fn database_of_a_command(settings: &Settings) -> Result<PostgresStore, Fault> {
    PostgresStore::connect_small(&database_url(settings)?).await.map_err(|error| database_fault(&error))
}

/// The queue, with its exchanges and queues declared.
pub async fn queue(settings: &Settings, process: &str) -> Result<RabbitMq, Fault> {
    let url = settings.queue.address("queue", "amqp://USER:PASSWORD@HOST:5672/%2f")?;
    let settings = RabbitMqSettings { process: process.to_owned(), ..RabbitMqSettings::new(url) };
    RabbitMq::connect(settings).await.map_err(|error| queue_fault(&error))
}

/// Why a database cannot be used.
pub fn database_fault(error: &StoreError) -> Fault {
    let Some(cause) = error.source.downcast_ref::<ConnectError>() else {
        return Fault::new("storage", Exit::Unreachable, "the database cannot be used").because(chain_of(error));
    };
    let fault = match cause {
        ConnectError::Address => return Fault::usage("database_url", cause.to_string()),
        ConnectError::Authentication { .. } => Fault::new("database_auth", Exit::Auth, cause.to_string())
            .help("check user and password in LONGHAND__DATABASE__URL"),
        ConnectError::Schema { found, known, .. } => {
            let help = if found < known { "longhand migrate" } else { "use the longhand that migrated it" };
            return Fault::new("schema_version", Exit::Unreachable, cause.to_string()).help(help);
        }
        ConnectError::Unreachable { .. } => Fault::new("database_unreachable", Exit::Unreachable, cause.to_string())
            .help("check that the server runs, and host and port in LONGHAND__DATABASE__URL"),
        ConnectError::NoDatabase { .. } | ConnectError::Migration { .. } | ConnectError::Refused { .. } => {
            Fault::new("database", Exit::Unreachable, cause.to_string())
        }
    };
    match std::error::Error::source(cause) {
        Some(source) => fault.because(chain_of(source)),
        None => fault,
    }
}

/// Why a queue cannot be used.
pub fn queue_fault(error: &RabbitMqError) -> Fault {
    match error {
        RabbitMqError::Settings(_) => Fault::usage("queue_url", error.to_string()),
        RabbitMqError::AccessRefused { .. } | RabbitMqError::Forbidden { .. } => {
            Fault::new("queue_auth", Exit::Auth, error.to_string())
                .help("check user, password and permissions in LONGHAND__QUEUE__URL")
        }
        RabbitMqError::Unreachable { .. } => Fault::new("queue_unreachable", Exit::Unreachable, error.to_string())
            .help("check that the broker runs, and host and port in LONGHAND__QUEUE__URL"),
        _ => Fault::new("queue", Exit::Unreachable, error.to_string()),
    }
}
