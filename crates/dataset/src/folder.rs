//! A dataset in a local folder: `shards/`, `manifest.json` and `README.md`. Other files beside them (the run's
//! `longhand.db`) are left alone.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::durable;
use crate::manifest::Manifest;
use crate::place::{
    CARD_FILE, DatasetPlace, MANIFEST_FILE, PlaceError, Published, SHARD_DIR, manifest_text, parse_manifest,
};
use crate::shard_name::ShardFileName;

/// A dataset's folder on a local file system.
///
/// A shard becomes visible in two steps. *Stage* puts the whole file, on disk for certain, under a name that no reader
/// takes. *Publish* gives it its final name if that name is free. A crash between the two leaves an orphan, which the
/// sweep removes; it can't leave half a shard.
#[derive(Debug, Clone)]
pub struct DatasetFolder {
    root: PathBuf,
}

/// A file that is durable but not visible yet. Dropping it leaves an orphan for the sweep.
#[derive(Debug)]
#[must_use = "a staged shard is not visible until it is published"]
struct Staged {
    file: ShardFileName,
    temp: PathBuf,
    bytes: u64,
    sha256: String,
}

impl DatasetFolder {
    /// The dataset in `root`; makes `root/shards`, durably, where it is missing.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, PlaceError> {
        let root = root.into();
        let shards = root.join(SHARD_DIR);
        fs::create_dir_all(&shards).map_err(failed("create", &shards))?;
        durable::sync_folder(&root).map_err(failed("sync", &root))?;
        durable::sync_parent(&root).map_err(failed("sync the folder of", &root))?;
        Ok(Self { root })
    }

    /// The dataset in `root`, as it is: makes nothing, and may find nothing.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where a shard file is, published or not.
    pub fn shard_path(&self, file: ShardFileName) -> PathBuf {
        self.shard_dir().join(file.to_string())
    }

    fn shard_dir(&self) -> PathBuf {
        self.root.join(SHARD_DIR)
    }

    fn stage(&self, file: ShardFileName, bytes: &[u8], suffix: &str) -> Result<Staged, PlaceError> {
        check_suffix(suffix)?;
        let temp = durable::staged_path(&self.shard_path(file), suffix);
        durable::write_new(&temp, bytes).map_err(failed("stage", &temp))?;
        Ok(Staged { file, temp, bytes: bytes.len() as u64, sha256: durable::sha256_hex(bytes) })
    }

    fn publish(&self, staged: Staged) -> Result<Published, PlaceError> {
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
                return Err(PlaceError::Conflict { file: staged.file, existing, offered: staged.sha256 });
            }
            // Whoever put it there may have died before syncing.
            durable::sync_file(&target).map_err(failed("sync", &target))?;
        }
        durable::sync_parent(&target).map_err(failed("sync the folder of", &target))?;
        Ok(Published { file: staged.file, bytes: staged.bytes, sha256: staged.sha256, already_there })
    }
}

impl DatasetPlace for DatasetFolder {
    fn put_shard(&self, file: ShardFileName, bytes: &[u8], suffix: &str) -> Result<Published, PlaceError> {
        self.publish(self.stage(file, bytes, suffix)?)
    }

    fn read_shard(&self, file: ShardFileName) -> Result<Option<Vec<u8>>, PlaceError> {
        read_if_there(&self.shard_path(file))
    }

    fn shard_digest(&self, file: ShardFileName) -> Result<Option<(u64, String)>, PlaceError> {
        let path = self.shard_path(file);
        if_there(durable::digest_of(&path), &path)
    }

    fn write_manifest(&self, manifest: &Manifest, suffix: &str) -> Result<(), PlaceError> {
        let path = self.root.join(MANIFEST_FILE);
        let json = manifest_text(manifest, || path.display().to_string())?;
        replace(&path, json.as_bytes(), suffix)
    }

    fn read_manifest(&self) -> Result<Option<Manifest>, PlaceError> {
        let path = self.root.join(MANIFEST_FILE);
        let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
        parse_manifest(&bytes, || path.display().to_string()).map(Some)
    }

    fn write_card(&self, card: &str, suffix: &str) -> Result<(), PlaceError> {
        replace(&self.root.join(CARD_FILE), card.as_bytes(), suffix)
    }

    fn sweep(&self, listed: &BTreeSet<ShardFileName>) -> Result<Vec<String>, PlaceError> {
        let is_unlisted = |name: &str| name.parse().is_ok_and(|file| !listed.contains(&file));
        let mut removed = remove_where(&self.shard_dir(), |name| is_staged(name) || is_unlisted(name))?;
        removed.extend(remove_where(&self.root, is_staged)?);
        removed.sort();
        Ok(removed)
    }
}

/// Whether a file is one that this module staged; never the user's own.
fn is_staged(name: &str) -> bool {
    let Some((target, suffix)) = name.split_once(durable::STAGED_MARK) else { return false };
    let ours = target == MANIFEST_FILE || target == CARD_FILE || target.parse::<ShardFileName>().is_ok();
    ours && durable::is_plain_suffix(suffix)
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

fn replace(path: &Path, bytes: &[u8], suffix: &str) -> Result<(), PlaceError> {
    check_suffix(suffix)?;
    durable::replace(path, bytes, suffix).map_err(failed("write", path))
}

fn check_suffix(suffix: &str) -> Result<(), PlaceError> {
    if durable::is_plain_suffix(suffix) { Ok(()) } else { Err(PlaceError::Suffix(suffix.to_owned())) }
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, PlaceError> {
    if_there(fs::read(path), path)
}

fn if_there<T>(read: io::Result<T>, path: &Path) -> Result<Option<T>, PlaceError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

fn remove_if_there(path: &Path) -> Result<(), PlaceError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn remove_where(folder: &Path, unwanted: impl Fn(&str) -> bool) -> Result<Vec<String>, PlaceError> {
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

fn failed(step: &'static str, path: impl AsRef<OsStr>) -> impl FnOnce(io::Error) -> PlaceError {
    let path = PathBuf::from(path.as_ref());
    move |source| PlaceError::Io { step, path, source }
}

#[cfg(test)]
mod tests;
