//! A run's folder: made, locked, opened. Holding the lock proves that no other runner of this folder lives.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use checkpoints::sqlite::SqliteStore;

use crate::fault::{Exit, Fault};
use crate::place::{DATABASE, open_fault};

/// Locked by whoever is at work in a folder.
pub const LOCK: &str = "longhand.lock";
/// Endpoint and lease settings of the run, for `longhand resume DIR`. Holds no key.
const SETTINGS: &str = "settings.toml";

/// A locked folder.
pub struct Folder {
    /// Where it is.
    pub dir: PathBuf,
    /// Released when the process ends, however it ends.
    _lock: File,
}

impl Folder {
    /// Makes the folder if it is not there and locks it.
    pub fn lock(dir: &Path) -> Result<Self, Fault> {
        let unwritable = |error: std::io::Error| {
            Fault::usage("out_unwritable", format!("{} cannot be written", dir.display()))
                .because(error)
                .help("choose another folder with --out DIR")
        };
        fs::create_dir_all(dir).map_err(unwritable)?;
        let lock = File::options().create(true).append(true).open(dir.join(LOCK)).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(Fault::new("already_running", Exit::Conflict, format!("{} has a runner already", dir.display()))
                    .because("another longhand process holds its lock")
                    .help(format!("watch it with `longhand status {} --watch`", dir.display())))
            }
            Err(TryLockError::Error(error)) => Err(unwritable(error)),
        }
    }

    /// Whether there is a database in it.
    pub fn has_run(&self) -> bool {
        self.dir.join(DATABASE).is_file()
    }

    /// Opens its database.
    pub async fn open(&self) -> Result<SqliteStore, Fault> {
        SqliteStore::open(&self.dir.join(DATABASE)).await.map_err(|error| open_fault(&self.dir, &error))
    }

    /// Keeps the endpoint's settings for `resume`.
    pub fn keep_settings(&self, settings: &crate::settings::Settings) -> Result<(), Fault> {
        let kept = toml::Table::from_iter([
            ("endpoint".to_owned(), toml::Value::try_from(&settings.endpoint).expect("plain values")),
            ("endpoints".to_owned(), toml::Value::try_from(&settings.endpoints).expect("plain values")),
            ("pools".to_owned(), toml::Value::try_from(&settings.pools).expect("plain values")),
            ("lease".to_owned(), toml::Value::try_from(&settings.lease).expect("plain values")),
        ]);
        let text = format!("# Written by longhand for `longhand resume`. Holds no key.\n{kept}");
        fs::write(self.dir.join(SETTINGS), text).map_err(|error| {
            Fault::new("storage", Exit::Unreachable, format!("{} cannot be written", self.dir.join(SETTINGS).display()))
                .because(error)
        })
    }

    /// The kept settings, as a settings file.
    pub fn kept_settings(&self) -> Option<PathBuf> {
        let path = self.dir.join(SETTINGS);
        path.is_file().then_some(path)
    }

    /// Whether some process is at work in a folder. Asks for a moment's shared lock, which hinders no reader.
    pub fn has_runner(dir: &Path) -> bool {
        let Ok(lock) = File::open(dir.join(LOCK)) else { return false };
        matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}
