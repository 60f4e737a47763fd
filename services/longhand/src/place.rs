//! Where a run lives: a folder with `longhand.db`. Readers beside a runner open it read-only; operators write control rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentwrite::ports::{Run, RunStore};
use checkpoints::sqlite::{SchemaMismatch, SqliteStore};

use crate::fault::{Exit, Fault, chain_of};

/// Name of the database inside a run's folder.
pub const DATABASE: &str = "longhand.db";

/// An opened run.
pub struct Place {
    /// The folder.
    pub dir: PathBuf,
    /// Its store.
    pub store: Arc<SqliteStore>,
    /// The run.
    pub run: Run,
}

impl Place {
    /// Opens a run for reading.
    pub async fn read(place: &str) -> Result<Self, Fault> {
        let dir = Self::folder(place)?;
        let store = SqliteStore::open_read_only(&dir.join(DATABASE)).await.map_err(|error| open_fault(&dir, &error))?;
        Self::with(dir, store).await
    }

    /// Opens a run for an operator's wish; its runner, if there is one, notices within a second.
    pub async fn operate(place: &str) -> Result<Self, Fault> {
        let dir = Self::folder(place)?;
        let store = SqliteStore::open(&dir.join(DATABASE)).await.map_err(|error| open_fault(&dir, &error))?;
        Self::with(dir, store).await
    }

    fn folder(place: &str) -> Result<PathBuf, Fault> {
        let dir = PathBuf::from(place);
        if dir.join(DATABASE).is_file() {
            return Ok(dir);
        }
        let what = if dir.is_dir() {
            format!("{place} holds no run: there is no {DATABASE} in it")
        } else {
            format!("there is no run {place}")
        };
        Err(Fault::new("not_found", Exit::NotFound, what)
            .help("give the folder that was passed to `longhand run --out`"))
    }

    async fn with(dir: PathBuf, store: SqliteStore) -> Result<Self, Fault> {
        let run = store.runs().await?.into_iter().next();
        let run = run.ok_or_else(|| {
            Fault::new("not_found", Exit::NotFound, format!("{} holds no run yet", dir.display()))
                .help("start it again with the same `longhand run` command")
        })?;
        Ok(Self { dir, store: Arc::new(store), run })
    }
}

/// Why a database could not be opened, for a person.
pub fn open_fault(dir: &Path, error: &agentwrite::ports::StoreError) -> Fault {
    let database = dir.join(DATABASE);
    if let Some(mismatch) = error.source.downcast_ref::<SchemaMismatch>() {
        return Fault::new("schema_version", Exit::Conflict, format!("{} cannot be used", database.display()))
            .because(mismatch)
            .help("use the version of longhand that made it, or another --out folder");
    }
    Fault::new("storage", Exit::Unreachable, format!("{} cannot be opened", database.display()))
        .because(chain_of(error))
        .help("check that the folder is writable and its disk has room")
}
