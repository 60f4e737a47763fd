//! Where a run lives: in a folder with `longhand.db`, or in the database of the distributed edition. Commands see the ports
//! of its store and need not know which; [`Home`] is for the few that differ.
//!
//! Readers open a folder read-only beside its runner; operators write control rows, in either home.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use agentwrite::ids::{RunId, Timestamp};
use agentwrite::ports::{Clock, OverviewStore, PackStore, ReportStore, Run, RunRow, RunState, RunStore};
use checkpoints::postgres::PostgresStore;
use checkpoints::sqlite::{SchemaMismatch, SqliteStore};
use worker::SystemClock;

use crate::fault::{Exit, Fault, chain_of};
use crate::fleet::{StoreClock, lead, servers};
use crate::folder::Folder;
use crate::settings::{self, Settings};
use crate::tables::{duration, one_line};

/// Name of the database inside a run's folder.
pub const DATABASE: &str = "longhand.db";
/// Candidates that an ambiguous name lists.
const SHOWN: usize = 8;

/// The ports of a store that commands read and operate a run through.
pub trait Checkpoints: RunStore + ReportStore + PackStore + OverviewStore {}
impl<S: RunStore + ReportStore + PackStore + OverviewStore> Checkpoints for S {}

/// What kind of place it is.
pub enum Home {
    /// A folder, on which one process at a time works.
    Folder {
        /// Where it is.
        dir: PathBuf,
        /// Its database.
        database: Arc<SqliteStore>,
    },
    /// A database, on whose runs a fleet of processes works.
    Fleet {
        /// The database.
        database: Arc<PostgresStore>,
        /// All settings, where one needs more than the database.
        settings: Box<Settings>,
    },
}

/// An opened run.
pub struct Place {
    /// Where it lives.
    pub home: Home,
    /// Its store.
    pub store: Arc<dyn Checkpoints>,
    /// The run.
    pub run: Run,
    /// What commands take for it: the folder as it was given, or the run's id.
    pub name: String,
    /// The clock that times in the store are read against.
    pub clock: Arc<dyn Clock>,
}

impl Place {
    /// Opens a run for reading. `place` is a folder if it holds `longhand.db`, else a run's id.
    pub async fn read(config_file: Option<&Path>, place: &str) -> Result<Self, Fault> {
        let Some(dir) = folder(place) else { return Self::in_fleet(config_file, place).await };
        let store = SqliteStore::open_read_only(&dir.join(DATABASE)).await.map_err(|error| open_fault(&dir, &error))?;
        Self::in_folder(place, dir, store).await
    }

    /// Opens a run for an operator's wish; whoever works on it notices within a second.
    pub async fn operate(config_file: Option<&Path>, place: &str) -> Result<Self, Fault> {
        let Some(dir) = folder(place) else { return Self::in_fleet(config_file, place).await };
        let store = SqliteStore::open(&dir.join(DATABASE)).await.map_err(|error| open_fault(&dir, &error))?;
        Self::in_folder(place, dir, store).await
    }

    async fn in_folder(place: &str, dir: PathBuf, store: SqliteStore) -> Result<Self, Fault> {
        let run = store.runs().await?.into_iter().next();
        let run = run.ok_or_else(|| {
            Fault::new("not_found", Exit::NotFound, format!("{} holds no run yet", dir.display()))
                .help("start it again with the same `longhand run` command")
        })?;
        let database = Arc::new(store);
        let store = Arc::clone(&database) as Arc<dyn Checkpoints>;
        Ok(Self {
            home: Home::Folder { dir, database },
            store,
            run,
            name: place.to_owned(),
            clock: Arc::new(SystemClock),
        })
    }

    async fn in_fleet(config_file: Option<&Path>, place: &str) -> Result<Self, Fault> {
        if !could_be_a_run(place) {
            return Err(no_folder(place).help("give the folder that was passed to `longhand run --out`, or a run's id"));
        }
        let (settings, _) = settings::load(config_file, toml::Table::new())?;
        if !settings.database.is_named() {
            return Err(no_folder(place)
                .because("no database is configured in which it could be the id of a run")
                .help("give the folder that was passed to `longhand run --out`, or export LONGHAND__DATABASE__URL"));
        }
        let database = Arc::new(servers::database_of_a_command(&settings).await?);
        let clock = StoreClock::start(&database).await?;
        let found = the_one(place, database.run_list(Some(place)).await?, clock.now())?;
        let run = match found {
            Some(id) => database.run(&id).await?,
            None => None,
        };
        let Some(run) = run else {
            database.close().await;
            return Err(no_folder(place)
                .because(format!("{} has no run of this id, start of an id, or name", database.server()))
                .help("`longhand runs` lists them"));
        };
        let store = Arc::clone(&database) as Arc<dyn Checkpoints>;
        let name = run.id.to_string();
        Ok(Self { home: Home::Fleet { database, settings: Box::new(settings) }, store, run, name, clock })
    }

    /// Whether somebody is at work on the run: for a folder its runner, for a run of a fleet a process that plans it.
    pub async fn at_work(&self) -> Result<bool, Fault> {
        match &self.home {
            Home::Folder { dir, .. } => Ok(Folder::has_runner(dir)),
            Home::Fleet { database, .. } => {
                let name = lead::name("planner", &self.run.id);
                Ok(database.leader(&name).await?.is_some())
            }
        }
    }

    /// Whether it is a folder of its own.
    pub fn is_folder(&self) -> bool {
        matches!(self.home, Home::Folder { .. })
    }

    /// The command that makes a paused run go on.
    pub fn resume(&self) -> String {
        format!("longhand resume {}", self.name)
    }

    /// The command that comes after a wish that needs somebody at work: a folder without a runner is to be resumed.
    pub async fn next(&self, state: RunState) -> Result<String, Fault> {
        let driven = match self.home {
            Home::Folder { .. } => self.at_work().await?,
            Home::Fleet { .. } => true,
        };
        let goes_on = driven && matches!(state, RunState::Running | RunState::Pending);
        Ok(if goes_on { format!("longhand status {} --watch", self.name) } else { self.resume() })
    }

    /// Waits until everything written is there to stay, and closes the store.
    pub async fn close(&self) {
        match &self.home {
            Home::Folder { database, .. } => database.close().await,
            Home::Fleet { database, .. } => database.close().await,
        }
    }
}

/// The folder that an argument names, if it holds a run's database.
pub fn folder(place: &str) -> Option<PathBuf> {
    let dir = PathBuf::from(place);
    dir.join(DATABASE).is_file().then_some(dir)
}

/// A path is no id: one word may be either.
fn could_be_a_run(place: &str) -> bool {
    let mut components = Path::new(place).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(name)), None) if name == place)
}

fn no_folder(place: &str) -> Fault {
    let what = if Path::new(place).is_dir() {
        format!("{place} holds no run: there is no {DATABASE} in it")
    } else {
        format!("there is no run {place}")
    };
    Fault::new("not_found", Exit::NotFound, what)
}

/// The run that is meant: the one with this id, or else the only one with this name, or else the only one whose id starts so.
fn the_one(place: &str, found: Vec<RunRow>, now: Timestamp) -> Result<Option<RunId>, Fault> {
    if let Some(exact) = found.iter().find(|row| row.run.as_str() == place) {
        return Ok(Some(exact.run.clone()));
    }
    let (named, begun): (Vec<RunRow>, Vec<RunRow>) = found.into_iter().partition(|row| row.name == place);
    let (rows, how) = if named.is_empty() { (begun, "is the start of") } else { (named, "is the name of") };
    if let [row] = rows.as_slice() {
        return Ok(Some(row.run.clone()));
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let mut candidates: Vec<String> = rows.iter().take(SHOWN).map(|row| candidate(row, now)).collect();
    if rows.len() > SHOWN {
        candidates.push(format!("and {} more", rows.len() - SHOWN));
    }
    Err(Fault::usage("ambiguous", format!("{place} {how} {} runs", rows.len()))
        .because(candidates.join("\n         "))
        .help("give the whole id; `longhand runs` lists all"))
}

fn candidate(row: &RunRow, now: Timestamp) -> String {
    format!(
        "{}  {}  {}, {} old",
        row.run,
        one_line(&row.name, 40),
        row.state.as_str(),
        duration(now.since(row.created_at))
    )
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

#[cfg(test)]
mod tests {
    use super::*;
    use agentwrite::config::Limits;

    fn row(run: &str, name: &str) -> RunRow {
        RunRow {
            run: RunId::new(run),
            name: name.to_owned(),
            state: RunState::Running,
            reason: None,
            limits: Limits::default(),
            created_at: Timestamp(0),
            states: [0; 9],
        }
    }

    fn meant(place: &str, rows: &[(&str, &str)]) -> Result<Option<String>, Fault> {
        let rows = rows.iter().map(|(run, name)| row(run, name)).collect();
        Ok(the_one(place, rows, Timestamp(3_000))?.map(|run| run.to_string()))
    }

    #[test]
    fn an_id_goes_before_a_name_and_a_name_before_the_start_of_an_id() {
        let id = |text: &str| Some(text.to_owned());
        assert_eq!(meant("run_a", &[("run_ab", "x"), ("run_a", "x"), ("run_b", "run_a")]).unwrap(), id("run_a"));
        assert_eq!(meant("run", &[("run_ab", "essays"), ("run_b", "run")]).unwrap(), id("run_b"));
        assert_eq!(meant("run_a", &[("run_ab", "essays")]).unwrap(), id("run_ab"));
        assert_eq!(meant("run_a", &[]).unwrap(), None);
        let fault = meant("essays", &[("run_a", "essays"), ("run_b", "essays")]).unwrap_err();
        assert_eq!((fault.code, fault.exit), ("ambiguous", Exit::Usage));
        let cause = fault.cause.unwrap();
        assert!(cause.contains("run_a  essays  running, 3.0 s old") && cause.contains("run_b"), "{cause}");
        let many: Vec<String> = (0..12).map(|number| format!("run_{number}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|run| (run.as_str(), "x")).collect();
        assert!(meant("run_", &many).unwrap_err().cause.unwrap().ends_with("and 4 more"));
    }

    #[test]
    fn a_path_is_never_looked_up_as_a_run() {
        for place in [".", "..", "/srv/out", "out/", "./run_a", "a/b", ""] {
            assert!(!could_be_a_run(place), "{place}");
        }
        assert!(could_be_a_run("run_a") && could_be_a_run("essays"));
    }
}
