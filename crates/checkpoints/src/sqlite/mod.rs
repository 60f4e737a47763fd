//! The store on SQLite: WAL, `synchronous=FULL`, one writer that groups waiting intents into one transaction.

/// A statement of `schemas/sqlite/`.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("../../../../schemas/sqlite/", $name, ".sql"))
    };
}

mod admit;
mod attempt;
mod batch;
mod claim;
mod dispatch;
mod fail;
mod follow_up;
mod invariants;
mod load;
mod outlines;
mod overview;
mod pack;
mod record;
mod report;
mod rescue;
mod retry;
mod runs;
mod statement;
mod subject;
mod tasks;
mod thread;
mod traffic;
mod training;

use std::path::Path;
use std::time::Duration;

use agentwrite::ports::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use thread::{Begin, DatabaseThread};

/// The schema version that this build reads and writes.
pub const SCHEMA_VERSION: i64 = 3;
/// The oldest one that it reads without changing it: what came since are other indices, and the tables of training.
const READS_FROM: i64 = 1;

/// Page caches, in KiB as SQLite wants them written. The writer's holds the inner pages of every index and the window of
/// samples in work; any other is stale after each commit, so a large one would be memory for nothing.
const WRITER_CACHE_KIB: i64 = -8_192;
const CACHE_KIB: i64 = -4_096;

const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../../../../schemas/migrations/sqlite/0001_checkpoints.sql")),
    (2, include_str!("../../../../schemas/migrations/sqlite/0002_plain_tests.sql")),
    (3, include_str!("../../../../schemas/migrations/sqlite/0003_training.sql")),
];

/// The checkpoint store of the embedded edition.
///
/// Small reads of the hot path go through the writer's connection: its page cache outlives its own commits, while any other
/// connection's is stale after each of them. Reads of whole runs have a connection of their own and hold nobody up.
pub struct SqliteStore {
    writer: DatabaseThread,
    reader: DatabaseThread,
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
        Self::opened(path, |path| {
            let mut writer = connect(path, OpenFlags::SQLITE_OPEN_CREATE)?;
            writer.pragma_update(None, "cache_size", WRITER_CACHE_KIB)?;
            migrate(&mut writer)?;
            let writer = DatabaseThread::start("sqlite-writer", writer, Begin::Immediate)?;
            Ok(Self { writer, reader: reader(path)? })
        })
        .await
    }

    /// Opens an existing database for reading beside its runner. Writing intents fail.
    pub async fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        Self::opened(path, |path| {
            let connection = connect(path, OpenFlags::empty())?;
            check_version(schema_version(&connection)?)?;
            // WAL needs a shared-memory file that a reader may have to create, hence no read-only file: `query_only` instead.
            connection.pragma_update(None, "query_only", true)?;
            let writer = DatabaseThread::start("sqlite-queries", connection, Begin::Snapshot)?;
            Ok(Self { writer, reader: reader(path)? })
        })
        .await
    }

    async fn opened(
        path: &Path,
        open: impl FnOnce(&Path) -> Result<Self, OpenError> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (name, path) = (format!("open {}", path.display()), path.to_owned());
        match tokio::task::spawn_blocking(move || open(&path)).await {
            Ok(Ok(store)) => Ok(store),
            Ok(Err(OpenError::Schema(mismatch))) => Err(StoreError::new(name, mismatch)),
            Ok(Err(OpenError::Database(error))) => Err(StoreError::new(name, error)),
            Ok(Err(OpenError::Thread(error))) => Err(StoreError::new(name, error)),
            Err(error) => Err(StoreError::new(name, error)),
        }
    }

    /// Waits until everything written is on disk and closes the database.
    pub async fn close(&self) {
        // The writer goes last: a reader that closes last could not move the log into the database.
        self.reader.close().await;
        self.writer.close().await;
    }
}

#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error(transparent)]
    Schema(#[from] SchemaMismatch),
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Thread(#[from] std::io::Error),
}

fn reader(path: &Path) -> Result<DatabaseThread, OpenError> {
    let connection = connect(path, OpenFlags::empty())?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(DatabaseThread::start("sqlite-reader", connection, Begin::Snapshot)?)
}

fn connect(path: &Path, create: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // Plans do not depend on values: otherwise a statement with a variable limit is prepared again whenever it is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "wal_autocheckpoint", 16_000)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn check_version(found: i64) -> Result<(), SchemaMismatch> {
    let known = (READS_FROM..=SCHEMA_VERSION).contains(&found);
    if known { Ok(()) } else { Err(SchemaMismatch { found, known: SCHEMA_VERSION }) }
}

fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let found = schema_version(connection)?;
    if found > SCHEMA_VERSION {
        check_version(found)?;
    }
    for (version, script) in MIGRATIONS.iter().filter(|(version, _)| *version > found) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
