//! A dataset in a local folder: `shards/`, `manifest.json` and `README.md`. Other files beside them (the run's
//! `longhand.db`) are left alone.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::durable;
use crate::manifest::{Manifest, ManifestError};
use crate::shard_name::ShardFileName;
use crate::shard_sink::{Published, ShardSink, SinkError, Staged};

/// Folder of the shards inside the dataset's folder.
pub const SHARD_DIR: &str = "shards";
/// The manifest's file name.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The dataset card's file name, where `datasets` looks for it.
pub const CARD_FILE: &str = "README.md";

/// A dataset's folder on a local file system.
#[derive(Debug, Clone)]
pub struct DatasetFolder {
    root: PathBuf,
}

/// The manifest or the card could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file system failed, or the suffix is not a plain one.
    #[error(transparent)]
    Place(#[from] SinkError),
    /// The manifest is not one that this build can take.
    #[error("{}", path.display())]
    Manifest {
        /// The manifest's path.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ManifestError,
    },
}

impl DatasetFolder {
    /// The dataset in `root`; makes `root/shards`, durably, where it is missing.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, SinkError> {
        let root = root.into();
        let shards = root.join(SHARD_DIR);
        fs::create_dir_all(&shards).map_err(failed("create", &shards))?;
        durable::sync_folder(&root).map_err(failed("sync", &root))?;
        durable::sync_parent(&root).map_err(failed("sync the folder of", &root))?;
        Ok(Self { root })
    }

    /// Where a shard file is, published or not.
    pub fn shard_path(&self, file: ShardFileName) -> PathBuf {
        self.shard_dir().join(file.to_string())
    }

    /// Replaces `manifest.json` as a whole, durably. `suffix` as in [`ShardSink::stage`].
    pub fn write_manifest(&self, manifest: &Manifest, suffix: &str) -> Result<(), FolderError> {
        let path = self.root.join(MANIFEST_FILE);
        let json = manifest.to_json().map_err(|source| FolderError::Manifest { path: path.clone(), source })?;
        Ok(replace(&path, json.as_bytes(), suffix)?)
    }

    /// Replaces `README.md` as a whole, durably.
    pub fn write_card(&self, card: &str, suffix: &str) -> Result<(), FolderError> {
        Ok(replace(&self.root.join(CARD_FILE), card.as_bytes(), suffix)?)
    }

    /// The manifest; none if there is no such file yet.
    pub fn read_manifest(&self) -> Result<Option<Manifest>, FolderError> {
        let path = self.root.join(MANIFEST_FILE);
        let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
        Manifest::from_json(&bytes).map(Some).map_err(|source| FolderError::Manifest { path, source })
    }

    /// Removes published shard files that are not `listed` and returns their names, sorted.
    ///
    /// A crash after the publish and before the store's commit leaves such a file. Usually the next try makes the same
    /// bytes and adopts it; a newer build may make others and would meet a conflict for ever. Only the store knows what
    /// is listed: a manifest that is behind it would cost shards. Files that are not named like shards stay.
    pub fn sweep_unlisted(&self, listed: &BTreeSet<ShardFileName>) -> Result<Vec<String>, SinkError> {
        let unlisted = |name: &str| name.parse().is_ok_and(|file| !listed.contains(&file));
        remove_where(&self.shard_dir(), unlisted)
    }

    fn shard_dir(&self) -> PathBuf {
        self.root.join(SHARD_DIR)
    }
}

impl ShardSink for DatasetFolder {
    fn stage(&self, file: ShardFileName, bytes: &[u8], suffix: &str) -> Result<Staged, SinkError> {
        check_suffix(suffix)?;
        let temp = durable::staged_path(&self.shard_path(file), suffix);
        durable::write_new(&temp, bytes).map_err(failed("stage", &temp))?;
        Ok(Staged { file, temp, bytes: bytes.len() as u64, sha256: durable::sha256_hex(bytes) })
    }

    fn publish(&self, staged: Staged) -> Result<Published, SinkError> {
        let target = self.shard_path(staged.file);
        let already_there = match create_only_rename(&staged.temp, &target) {
            Ok(()) => false,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => true,
            Err(error) => return Err(failed("publish", &target)(error)),
        };
        if already_there {
            let existing = fs::read(&target).map_err(failed("read", &target))?;
            let existing = durable::sha256_hex(&existing);
            remove_if_there(&staged.temp)?;
            if existing != staged.sha256 {
                return Err(SinkError::Conflict { file: staged.file, existing, offered: staged.sha256 });
            }
            // Whoever put it there may have died before syncing.
            durable::sync_file(&target).map_err(failed("sync", &target))?;
        }
        durable::sync_parent(&target).map_err(failed("sync the folder of", &target))?;
        Ok(Published { file: staged.file, bytes: staged.bytes, sha256: staged.sha256, already_there })
    }

    fn read(&self, file: ShardFileName) -> Result<Option<Vec<u8>>, SinkError> {
        read_if_there(&self.shard_path(file))
    }

    fn sweep_orphans(&self, is_live: &dyn Fn(&str) -> bool) -> Result<Vec<String>, SinkError> {
        let orphan = |name: &str| staged_form(name).is_some_and(|suffix| !is_live(suffix));
        let mut removed = remove_where(&self.shard_dir(), orphan)?;
        removed.extend(remove_where(&self.root, orphan)?);
        removed.sort();
        Ok(removed)
    }
}

/// The suffix of a file that this module staged; none for any other file, above all for the user's own.
fn staged_form(name: &str) -> Option<&str> {
    let (target, suffix) = name.split_once(durable::STAGED_MARK)?;
    let ours = target == MANIFEST_FILE || target == CARD_FILE || target.parse::<ShardFileName>().is_ok();
    (ours && durable::is_plain_suffix(suffix)).then_some(suffix)
}

/// Gives `temp` the name `target` unless that is taken (`AlreadyExists`).
///
/// A plain rename replaces its target, so the name is made as a second link, which the system refuses if it exists.
fn create_only_rename(temp: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(temp, target) {
        Ok(()) => fs::remove_file(temp),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // FAT and some network mounts have no links (EPERM, EOPNOTSUPP, ENOSYS).
        Err(_) => rename_if_free(temp, target),
    }
}

/// Without links the test and the rename are two steps. Two packers between them would replace a shard by the same
/// shard: its bytes are a function of its frozen members.
fn rename_if_free(temp: &Path, target: &Path) -> io::Result<()> {
    if target.try_exists()? {
        return Err(ErrorKind::AlreadyExists.into());
    }
    fs::rename(temp, target)
}

fn replace(path: &Path, bytes: &[u8], suffix: &str) -> Result<(), SinkError> {
    check_suffix(suffix)?;
    durable::replace(path, bytes, suffix).map_err(failed("write", path))
}

fn check_suffix(suffix: &str) -> Result<(), SinkError> {
    if durable::is_plain_suffix(suffix) { Ok(()) } else { Err(SinkError::Suffix(suffix.to_owned())) }
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, SinkError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

fn remove_if_there(path: &Path) -> Result<(), SinkError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn remove_where(folder: &Path, unwanted: impl Fn(&str) -> bool) -> Result<Vec<String>, SinkError> {
    let mut removed = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let entry = entry.map_err(failed("list", folder))?;
        let is_file = entry.file_type().map_err(failed("look at", &entry.path()))?.is_file();
        if let Some(name) = entry.file_name().to_str().filter(|name| is_file && unwanted(name)) {
            remove_if_there(&entry.path())?;
            removed.push(name.to_owned());
        }
    }
    durable::sync_folder(folder).map_err(failed("sync", folder))?;
    removed.sort();
    Ok(removed)
}

fn failed(step: &'static str, path: impl AsRef<OsStr>) -> impl FnOnce(io::Error) -> SinkError {
    let path = PathBuf::from(path.as_ref());
    move |source| SinkError::Io { step, path, source }
}

#[cfg(test)]
mod tests;
