//! The store on SQLite: WAL, `synchronous=FULL`, one writer that groups waiting intents into one transaction.

/// A statement of `schemas/sqlite/`.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("../../../../schemas/sqlite/", $name, ".sql"))
    };
}

mod admit;
mod claim;
mod dispatch;
mod fail;
mod follow_up;
mod invariants;
mod load;
mod overview;
mod pack;
mod record;
mod report;
mod rescue;
mod retry;
mod rows;
mod runs;
mod tasks;
mod totals;
mod traffic;
mod writer;

use std::path::Path;
use std::str::FromStr;

use agentwrite::ports::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor};

pub use overview::{OutcomeTotals, WholeLength};
use writer::Writer;

/// The schema version that this build reads and writes.
pub const SCHEMA_VERSION: i64 = 1;

const MIGRATIONS: &[(i64, &str)] = &[(1, include_str!("../../../../schemas/migrations/sqlite/0001_checkpoints.sql"))];

/// The checkpoint store of the embedded edition.
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
}

/// The database of a folder cannot be used by this build.
#[derive(Debug, thiserror::Error)]
#[error("the database has schema version {found}, this build of longhand knows version {known}")]
pub struct SchemaMismatch {
    /// What the file says.
    pub found: i64,
    /// What this build knows.
    pub known: i64,
}

impl SqliteStore {
    /// Opens or creates the database for writing, and brings a fresh one to the schema of this build.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("open {}", path.display()), error);
        let options = options(path).create_if_missing(true);
        let mut connection = options.clone().connect().await.map_err(fail)?;
        migrate(&mut connection, path).await?;
        let readers = reader_pool(options.clone().read_only(true).create_if_missing(false)).await.map_err(fail)?;
        Ok(Self { writer: Writer::start(connection, options), readers })
    }

    /// Opens an existing database for reading beside its runner. Writing intents fail.
    pub async fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("open {}", path.display()), error);
        // WAL needs a shared-memory file that a reader may have to create, hence no `read_only` here: `query_only` instead.
        let options = options(path).create_if_missing(false).pragma("query_only", "on");
        let mut connection = options.clone().connect().await.map_err(fail)?;
        check_version(&mut connection, path).await?;
        let readers = reader_pool(options.clone()).await.map_err(fail)?;
        Ok(Self { writer: Writer::start(connection, options), readers })
    }

    /// Waits until everything written is on disk and closes the database.
    pub async fn close(&self) {
        // The writer goes last: a reader that closes last could not move the log into the database.
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::from_str("sqlite:")
        .expect("a constant address")
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(std::time::Duration::from_secs(5))
        .statement_cache_capacity(512)
        .pragma("cache_size", "-65536")
        .pragma("temp_store", "memory")
        .pragma("wal_autocheckpoint", "4000")
        .log_statements(tracing::log::LevelFilter::Off)
}

async fn reader_pool(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        .max_connections(4)
        .min_connections(1)
        .connect_with(options.pragma("cache_size", "-8192"))
        .await
}

async fn user_version(connection: &mut sqlx::SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("pragma user_version").fetch_one(connection).await
}

async fn check_version(connection: &mut sqlx::SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let fail = |error: sqlx::Error| StoreError::new(format!("open {}", path.display()), error);
    let found = user_version(connection).await.map_err(fail)?;
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    Err(StoreError::new(format!("open {}", path.display()), SchemaMismatch { found, known: SCHEMA_VERSION }))
}

async fn migrate(connection: &mut sqlx::SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let fail = |error: sqlx::Error| StoreError::new(format!("migrate {}", path.display()), error);
    let found = user_version(connection).await.map_err(fail)?;
    if found > SCHEMA_VERSION {
        return check_version(connection, path).await;
    }
    for (version, script) in MIGRATIONS.iter().filter(|(version, _)| *version > found) {
        let mut transaction = connection.begin_with("begin immediate").await.map_err(fail)?;
        transaction.execute(*script).await.map_err(fail)?;
        let stamp = format!("pragma user_version = {version}");
        transaction.execute(sqlx::AssertSqlSafe(stamp)).await.map_err(fail)?;
        transaction.commit().await.map_err(fail)?;
    }
    Ok(())
}
