//! Shards on the local disk: named by their hash, verified whenever they are taken, the least recently used ones removed
//! when the cap would be passed.
//!
//! One trainer at a time works with a cache: what a round needs stays only as long as its own trainer makes room.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::TrainError;
use crate::files::{replace, sha256_hex, sha256_of};

/// A shard that may go: last use, size, place.
type Other = (SystemTime, u64, PathBuf);

/// A folder of shards.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    cap_bytes: u64,
}

impl Cache {
    /// A cache in `folder` of at most `cap_bytes`.
    pub fn new(folder: impl Into<PathBuf>, cap_bytes: u64) -> Self {
        Self { folder: folder.into(), cap_bytes }
    }

    /// Where a shard is or would be.
    fn path(&self, sha256: &str, format: &str) -> PathBuf {
        self.folder.join(format!("{sha256}.{format}"))
    }

    /// A shard that is here and whole. One that is damaged is removed.
    pub(crate) fn get(&self, sha256: &str, format: &str) -> Result<Option<PathBuf>, TrainError> {
        let path = self.path(sha256, format);
        match sha256_of(&path)? {
            Some(found) if found == sha256 => {
                // The time of its last use; a disk that will not note it only makes a poorer choice later.
                let _ = File::options().append(true).open(&path).and_then(|file| file.set_modified(now()));
                Ok(Some(path))
            }
            Some(_) => {
                fs::remove_file(&path).map_err(TrainError::io("remove", &path))?;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Keeps the bytes of a shard, if they are what the manifest lists.
    pub(crate) fn put(&self, name: &str, sha256: &str, format: &str, bytes: &[u8]) -> Result<PathBuf, TrainError> {
        let found = sha256_hex(bytes);
        if found != sha256 {
            return Err(TrainError::ShardAltered { name: name.to_owned(), found, listed: sha256.to_owned() });
        }
        fs::create_dir_all(&self.folder).map_err(TrainError::io("create", &self.folder))?;
        let path = self.path(sha256, format);
        replace(&path, bytes)?;
        Ok(path)
    }

    /// Removes the least recently used shards until `bytes` more fit. Those of `needed` (SHA-256) stay.
    pub(crate) fn make_room(&self, bytes: u64, needed: &BTreeSet<String>) -> Result<(), TrainError> {
        let (kept, mut others) = self.held(needed)?;
        if kept + bytes > self.cap_bytes {
            return Err(TrainError::CacheFull { need: kept + bytes, cap: self.cap_bytes });
        }
        others.sort();
        let mut held = kept + others.iter().map(|(_, size, _)| size).sum::<u64>();
        for (_, size, path) in others {
            if held + bytes <= self.cap_bytes {
                break;
            }
            fs::remove_file(&path).map_err(TrainError::io("remove", &path))?;
            held -= size;
        }
        Ok(())
    }

    /// Bytes of needed shards; the other ones by last use, with size and place.
    fn held(&self, needed: &BTreeSet<String>) -> Result<(u64, Vec<Other>), TrainError> {
        let (mut kept, mut others) = (0, Vec::new());
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((0, others)),
            Err(error) => return Err(TrainError::io("list", &self.folder)(error)),
        };
        for entry in entries {
            let failed = || TrainError::io("look at", &self.folder);
            let entry = entry.map_err(failed())?;
            let about = entry.metadata().map_err(failed())?;
            if !about.is_file() || !is_ours(&entry.path()) {
                continue;
            }
            let is_needed = entry.path().file_stem().is_some_and(|stem| needed.contains(&*stem.to_string_lossy()));
            if is_needed {
                kept += about.len();
            } else {
                others.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len(), entry.path()));
            }
        }
        Ok((kept, others))
    }
}

/// Whether a file is named as this module names them; others are somebody's own.
fn is_ours(path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[expect(clippy::disallowed_methods, reason = "the time of a file's last use, which decides nothing but eviction")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(cache: &Cache, text: &str) -> (String, PathBuf) {
        let sha256 = sha256_hex(text.as_bytes());
        cache.make_room(text.len() as u64, &BTreeSet::new()).unwrap();
        let path = cache.put(text, &sha256, "jsonl", text.as_bytes()).unwrap();
        (sha256, path)
    }

    #[test]
    fn a_shard_that_is_not_the_listed_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), 100);
        let listed = sha256_hex(b"right");
        let error = cache.put("shard-00000.jsonl", &listed, "jsonl", b"wrong").unwrap_err();
        assert_eq!(error.code(), "shard_altered");
        assert!(error.to_string().contains("shard-00000.jsonl"), "{error}");
        assert_eq!(cache.get(&listed, "jsonl").unwrap(), None);
    }

    #[test]
    fn what_was_damaged_since_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), 100);
        let (sha256, path) = put(&cache, "some rows");
        assert_eq!(cache.get(&sha256, "jsonl").unwrap(), Some(path.clone()));
        fs::write(&path, "some rowz").unwrap();
        assert_eq!(cache.get(&sha256, "jsonl").unwrap(), None);
        assert!(!path.exists());
    }

    #[test]
    fn the_least_recently_used_goes_first_and_what_is_needed_stays() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), 25);
        let (old, old_path) = put(&cache, "old: 10 b.");
        let (used, used_path) = put(&cache, "used: 10 b");
        let hour = std::time::Duration::from_secs(3600);
        for (path, age) in [(&old_path, 3), (&used_path, 2)] {
            File::options().append(true).open(path).unwrap().set_modified(now() - age * hour).unwrap();
        }
        // Used again, the older one is the newer one.
        cache.get(&old, "jsonl").unwrap();
        cache.make_room(10, &BTreeSet::new()).unwrap();
        assert!(old_path.exists() && !used_path.exists());
        assert_eq!(cache.get(&used, "jsonl").unwrap(), None);
        let error = cache.make_room(20, &BTreeSet::from([old.clone()])).unwrap_err();
        assert!(matches!(error, TrainError::CacheFull { need: 30, cap: 25 }), "{error:?}");
        assert!(cache.get(&old, "jsonl").unwrap().is_some());
    }
}
