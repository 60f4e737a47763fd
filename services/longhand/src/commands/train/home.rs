//! Where a training job lives: in its folder, or in the database of the distributed edition.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentwrite::ids::TrainingId;
use agentwrite::ports::{Clock, TrainingView};
use checkpoints::postgres::PostgresStore;
use checkpoints::sqlite::SqliteStore;
use serde::{Deserialize, Serialize};
use trainer::Store;
use worker::{RandomDice, SteadyClock};

use super::sources::store_fault;
use crate::fault::{Exit, Fault, chain_of};
use crate::fleet::{StoreClock, servers};
use crate::settings::{self, Settings};

/// The store of a job over folders and files.
const TRAINING_DB: &str = "training.db";
/// Locked by the trainer at work on a folder.
pub const LOCK: &str = crate::folder::LOCK;
/// Names the job of a folder.
const JOB_FILE: &str = "job.json";

/// What stands in a job's folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobFile {
    /// The job.
    pub job: TrainingId,
    /// Whether it is in the database of the distributed edition.
    pub in_database: bool,
}

impl JobFile {
    /// The job of a folder, if it has one.
    pub fn read(out: &Path) -> Result<Option<Self>, Fault> {
        let path = out.join(JOB_FILE);
        let unusable = |error: &dyn std::fmt::Display| {
            Fault::new("storage", Exit::Unreachable, format!("{} cannot be read", path.display())).because(error)
        };
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| unusable(&error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&error)),
        }
    }

    /// The job of a folder; a new one if it has none yet. The caller holds the folder's lock.
    pub fn of(out: &Path, in_database: bool) -> Result<Self, Fault> {
        if let Some(known) = Self::read(out)? {
            if known.in_database != in_database {
                return Err(Fault::new(
                    "changed_recipe",
                    Exit::Conflict,
                    format!("{} belongs to a training job of other data", out.display()),
                )
                .help("choose another folder with --out DIR"));
            }
            return Ok(known);
        }
        let file = Self { job: TrainingId::new(RandomDice::default().id("trn")), in_database };
        file.write(out)?;
        Ok(file)
    }

    /// Writes it down.
    pub fn write(&self, out: &Path) -> Result<(), Fault> {
        let (path, staged) = (out.join(JOB_FILE), out.join(format!("{JOB_FILE}.tmp")));
        let text = serde_json::to_vec(self).expect("plain values");
        let written = std::fs::write(&staged, text).and_then(|()| std::fs::rename(&staged, &path));
        written.map_err(|error| {
            Fault::new("out_unwritable", Exit::Usage, format!("{} cannot be written", path.display())).because(error)
        })
    }
}

/// The store of jobs, in either home.
pub enum Home {
    /// A folder's.
    Folder(Arc<SqliteStore>),
    /// The fleet's.
    Fleet(Arc<PostgresStore>),
}

/// Jobs and the clock that decides their leases.
pub struct Jobs {
    /// Where they are.
    pub home: Home,
    /// Their store.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Jobs {
    /// Those of a folder, to work on; the caller holds its lock.
    pub async fn of_folder(out: &Path) -> Result<Self, Fault> {
        let path = out.join(TRAINING_DB);
        let store = SqliteStore::open(&path).await.map_err(|error| unopened(&path, &error))?;
        Ok(Self::folder(store))
    }

    /// Those of a folder, to look at.
    async fn in_folder(out: &Path, writes: bool) -> Result<Self, Fault> {
        let path = out.join(TRAINING_DB);
        let opened = if writes { SqliteStore::open(&path).await } else { SqliteStore::open_read_only(&path).await };
        opened.map(Self::folder).map_err(|error| unopened(&path, &error))
    }

    fn folder(store: SqliteStore) -> Self {
        let store = Arc::new(store);
        Self { home: Home::Folder(Arc::clone(&store)), store, clock: Arc::new(SteadyClock::start()) }
    }

    /// Those of the distributed edition.
    pub async fn of_fleet(settings: &Settings) -> Result<Self, Fault> {
        let store = Arc::new(servers::database_of_a_command(settings).await?);
        let clock = StoreClock::start(&store).await.map_err(|error| store_fault(&error))?;
        Ok(Self { home: Home::Fleet(Arc::clone(&store)), store, clock })
    }

    /// The same for a process that serves.
    pub fn served(store: Arc<PostgresStore>, clock: Arc<StoreClock>) -> Self {
        Self { home: Home::Fleet(Arc::clone(&store)), store, clock }
    }

    /// The database, if they are a fleet's.
    pub fn database(&self) -> Option<&Arc<PostgresStore>> {
        match &self.home {
            Home::Folder(_) => None,
            Home::Fleet(database) => Some(database),
        }
    }

    /// Waits until everything is written, and closes the store.
    pub async fn close(&self) {
        match &self.home {
            Home::Folder(store) => store.close().await,
            Home::Fleet(store) => store.close().await,
        }
    }
}

fn unopened(path: &Path, error: &agentwrite::ports::StoreError) -> Fault {
    Fault::new("storage", Exit::Unreachable, format!("{} cannot be opened", path.display())).because(chain_of(error))
}

/// A job that a command names.
pub struct Found {
    /// Its store.
    pub jobs: Jobs,
    /// Its id.
    pub id: TrainingId,
    /// Its folder, if that is on this machine.
    pub out: Option<PathBuf>,
    /// What commands take for it.
    pub name: String,
}

impl Found {
    /// The job of a folder, or of an id. `writes` opens a folder's store for an operator's wish.
    pub async fn named(config_file: Option<&Path>, place: &str, writes: bool) -> Result<Self, Fault> {
        let (settings, _) = settings::load(config_file, toml::Table::new())?;
        let name = place.to_owned();
        if let Some(file) = JobFile::read(Path::new(place))? {
            let out = PathBuf::from(place);
            let jobs =
                if file.in_database { Jobs::of_fleet(&settings).await? } else { Jobs::in_folder(&out, writes).await? };
            return Ok(Self { jobs, id: file.job, out: Some(out), name });
        }
        let missing = || Fault::new("not_found", Exit::NotFound, format!("there is no training job {place}"));
        if Path::new(place).exists() || !settings.database.is_named() {
            return Err(missing().help("give the folder that was passed to `longhand train --out`"));
        }
        let jobs = Jobs::of_fleet(&settings).await?;
        let known = jobs.store.trainings().await?;
        let found: Vec<_> = known.into_iter().filter(|job| job.id.as_str().starts_with(place)).collect();
        let exact = found.iter().find(|job| job.id.as_str() == place);
        match (exact, found.as_slice()) {
            (Some(job), _) | (None, [job]) => {
                let out = job.spec["out"].as_str().map(PathBuf::from).filter(|out| out.is_dir());
                Ok(Self { id: job.id.clone(), jobs, out, name })
            }
            (None, []) => Err(missing().help("`longhand train status` lists them")),
            (None, several) => {
                let ids: Vec<&str> = several.iter().map(|job| job.id.as_str()).collect();
                Err(Fault::usage("ambiguous", format!("{place} is the start of {} jobs", ids.len()))
                    .because(ids.join(", ")))
            }
        }
    }

    /// Everything that is known of it.
    pub async fn view(&self) -> Result<TrainingView, Fault> {
        let view = self.jobs.store.training(&self.id).await?;
        view.ok_or_else(|| {
            Fault::new("not_found", Exit::NotFound, format!("training job {} was never begun", self.id))
                .help("start it again with the same `longhand train` command")
        })
    }
}
