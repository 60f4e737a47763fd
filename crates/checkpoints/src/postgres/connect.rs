//! Connecting, migrating, and saying clearly why that failed. Nothing here ever shows a password.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, SqlSafeStr};

/// The schema version that this build reads and writes.
pub const SCHEMA_VERSION: i64 = 4;

/// How long the first connection may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an intent waits for a connection: for a server that comes back, or for others to be done.
const PATIENCE_OF_AN_INTENT: Duration = Duration::from_secs(10);
/// Most connections of one process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    writers: u32,
    readers: u32,
}

impl Size {
    /// A process that serves: the lanes, intents with a transaction of their own, and what is read beside them.
    pub(super) const SERVICE: Self = Self { writers: 6, readers: 2 };
    /// A command, which asks one thing after the other.
    pub(super) const COMMAND: Self = Self { writers: 1, readers: 1 };
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address cannot be read.
    #[error("the database address is not of the form postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    Address,
    /// Nobody answers, or not in time.
    #[error("no PostgreSQL server answers at {server}")]
    Unreachable {
        /// Host, port and database.
        server: String,
        /// What was seen.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server does not let this user in.
    #[error("{server} refuses the user {user}: wrong user, password or client address")]
    Authentication {
        /// Host, port and database.
        server: String,
        /// The user.
        user: String,
        /// What the server said.
        #[source]
        source: sqlx::Error,
    },
    /// The server has no such database.
    #[error("the server has no database {database:?} ({server}); create it, then run `longhand migrate`")]
    NoDatabase {
        /// Host, port and database.
        server: String,
        /// The database.
        database: String,
        /// What the server said.
        #[source]
        source: sqlx::Error,
    },
    /// The database was made by another build, or by none.
    #[error("{server} has schema version {found}, this build of longhand needs version {known}; {}", advice(*found, *known))]
    Schema {
        /// Host, port and database.
        server: String,
        /// What the database says; 0 when it has no schema of ours.
        found: i64,
        /// What this build knows.
        known: i64,
    },
    /// A migration failed; nothing of it remains.
    #[error("the migration of {server} failed")]
    Migration {
        /// Host, port and database.
        server: String,
        /// Why.
        #[source]
        source: MigrateError,
    },
    /// Anything else that the server says.
    #[error("{server} cannot be used")]
    Refused {
        /// Host, port and database.
        server: String,
        /// What the server said.
        #[source]
        source: sqlx::Error,
    },
}

fn advice(found: i64, known: i64) -> &'static str {
    if found < known { "run `longhand migrate`" } else { "it was migrated by a newer longhand: use that one" }
}

/// Connections to a database that was found fit.
pub(super) struct Pools {
    pub(super) server: String,
    pub(super) writers: PgPool,
    pub(super) readers: PgPool,
}

struct Target {
    options: PgConnectOptions,
    server: String,
}

impl Target {
    fn of(url: &str) -> Result<Self, ConnectError> {
        // The parser's own error may quote the address, and with it the password.
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(ConnectError::Address);
        }
        let options = PgConnectOptions::from_str(url).map_err(|_| ConnectError::Address)?;
        let database = options.get_database().unwrap_or(options.get_username());
        let server = format!("{}:{}/{database}", options.get_host(), options.get_port());
        let options = options
            .application_name("longhand")
            .statement_cache_capacity(512)
            .log_statements(tracing::log::LevelFilter::Off)
            // A process that hangs in the middle of a transaction must not hold its locks for ever.
            .options([("idle_in_transaction_session_timeout", "30s"), ("lock_timeout", "20s"), ("jit", "off")]);
        Ok(Self { options, server })
    }

    async fn connect(&self) -> Result<PgConnection, ConnectError> {
        match tokio::time::timeout(PATIENCE, self.options.connect()).await {
            Ok(outcome) => outcome.map_err(|error| self.fault(error)),
            Err(late) => Err(ConnectError::Unreachable { server: self.server.clone(), source: late.into() }),
        }
    }

    fn fault(&self, source: sqlx::Error) -> ConnectError {
        let server = self.server.clone();
        let code = source.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
        match (&source, code.as_deref()) {
            // `invalid_authorization_specification`, `invalid_password`
            (_, Some("28000" | "28P01")) => {
                ConnectError::Authentication { server, user: self.options.get_username().to_owned(), source }
            }
            // `invalid_catalog_name`
            (_, Some("3D000")) => {
                let database = self.options.get_database().unwrap_or(self.options.get_username()).to_owned();
                ConnectError::NoDatabase { server, database, source }
            }
            // `cannot_connect_now`, `too_many_connections`
            (_, Some("57P03" | "53300"))
            | (sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut, None) => {
                ConnectError::Unreachable { server, source: source.into() }
            }
            _ => ConnectError::Refused { server, source },
        }
    }

    fn check(&self, found: i64) -> Result<(), ConnectError> {
        if found == SCHEMA_VERSION {
            return Ok(());
        }
        Err(ConnectError::Schema { server: self.server.clone(), found, known: SCHEMA_VERSION })
    }

    /// The version of the database's schema; 0 if it has none of ours.
    async fn version(&self, connection: &mut PgConnection) -> Result<i64, ConnectError> {
        let there: bool = sqlx::query_scalar(sql!("version_table"))
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| self.fault(error))?;
        if !there {
            return Ok(0);
        }
        sqlx::query_scalar(sql!("version_read")).fetch_one(connection).await.map_err(|error| self.fault(error))
    }
}

pub(super) async fn connect(url: &str, size: Size) -> Result<Pools, ConnectError> {
    let target = Target::of(url)?;
    let mut first = target.connect().await?;
    let found = target.version(&mut first).await?;
    target.check(found)?;
    // Nobody waits for the goodbye.
    let _ = first.close().await;
    // Set-wise statements go from the few rows that they bring to a key. Plans are made when the tables are empty and kept
    // while they grow, so the planner is not asked whether reading a table through would be cheaper today.
    let writing = target.options.clone().options([
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_material", "off"),
        // Nothing about their values would change a plan, so they are not planned again for each set of them.
        ("plan_cache_mode", "force_generic_plan"),
    ]);
    let reading = target.options.options([("enable_seqscan", "off")]);
    Ok(Pools {
        server: target.server,
        writers: pool(size.writers).connect_lazy_with(writing),
        readers: pool(size.readers).connect_lazy_with(reading),
    })
}

fn pool(most: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(PATIENCE_OF_AN_INTENT)
        .idle_timeout(Duration::from_secs(120))
}

pub(super) async fn migrate(url: &str) -> Result<(), ConnectError> {
    let target = Target::of(url)?;
    let mut connection = target.connect().await?;
    let found = target.version(&mut connection).await?;
    if found > SCHEMA_VERSION {
        return target.check(found);
    }
    let migration = |version: i64, name: &'static str, script: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, script.into_sql_str(), false)
    };
    let all = vec![
        migration(1, "checkpoints", include_str!("../../../../schemas/migrations/postgres/0001_checkpoints.sql")),
        migration(2, "slots", include_str!("../../../../schemas/migrations/postgres/0002_slots.sql")),
        migration(3, "texts", include_str!("../../../../schemas/migrations/postgres/0003_texts.sql")),
        migration(4, "training", include_str!("../../../../schemas/migrations/postgres/0004_training.sql")),
    ];
    let outcome = Migrator::with_migrations(all).run(&mut connection).await;
    let _ = connection.close().await;
    outcome.map_err(|source| ConnectError::Migration { server: target.server, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_read_is_not_shown() {
        for url in ["mysql://a:geheim@host/db", "geheim", "postgres://a:geheim@host:port/db"] {
            let error = Target::of(url).err().unwrap_or_else(|| panic!("{url} was read"));
            assert!(!format!("{error:?} {error}").contains("geheim"), "{error:?}");
        }
    }

    #[test]
    fn the_name_of_a_server_has_no_password() {
        let target = Target::of("postgres://longhand:geheim@db.example:6543/checkpoints").unwrap();
        assert_eq!(target.server, "db.example:6543/checkpoints");
    }
}
