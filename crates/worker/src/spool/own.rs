//! The log that this process writes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::log::{Says, record};

/// The lock of a subfolder.
pub(super) const LOCK: &str = "lock";
/// Its log.
pub(super) const LOG: &str = "answers.log";
/// A log longer than this is written anew with what is open. 64 MiB.
const LONGEST: u64 = 64 << 20;

/// A subfolder whose lock this process holds.
#[derive(Debug)]
pub(super) struct Own {
    folder: PathBuf,
    file: File,
    /// Bytes of whole records.
    length: u64,
    next: u64,
    /// All entries below are on the disk, but for those of a failed fsync.
    synced: u64,
    /// Entries whose fsync failed. A system may drop what it could not write and call the next fsync a success.
    doubtful: Range<u64>,
    /// Answers by number, as they stand in the log.
    open: BTreeMap<u64, String>,
    /// The folder of all, if it was not there before.
    made: Option<PathBuf>,
    /// Released when the process ends, however it ends.
    _lock: File,
}

impl Own {
    /// Makes and locks a subfolder. It gets its name when it is locked already: nobody can take it for a dead process's.
    pub(super) fn create(spool: &Path, name: &str) -> io::Result<Self> {
        let made = (!spool.exists()).then(|| spool.to_owned());
        let hidden = spool.join(format!(".{name}"));
        fs::create_dir_all(&hidden)?;
        let lock = File::options().create(true).append(true).open(hidden.join(LOCK))?;
        lock.try_lock()?;
        let file = File::options().create(true).write(true).truncate(true).open(hidden.join(LOG))?;
        let folder = spool.join(name);
        fs::rename(&hidden, &folder)?;
        sync_folder(&folder)?;
        sync_folder(spool)?;
        Ok(Self {
            folder,
            file,
            length: 0,
            next: 0,
            synced: 0,
            doubtful: 0..0,
            open: BTreeMap::new(),
            made,
            _lock: lock,
        })
    }

    /// Appends an answer. Its number.
    pub(super) fn append(&mut self, text: String) -> io::Result<u64> {
        if self.length > LONGEST && self.open_bytes() < LONGEST / 2 {
            self.write_anew()?;
        }
        let number = self.next;
        self.write(&record(Says::Answer, number, &text))?;
        self.next += 1;
        self.open.insert(number, text);
        Ok(number)
    }

    /// Marks an entry as done. Not fsynced: an entry that comes back is found repeated.
    pub(super) fn done(&mut self, number: u64) -> io::Result<()> {
        self.open.remove(&number);
        if self.open.is_empty() {
            self.length = 0;
            return self.cut();
        }
        self.write(&record(Says::Done, number, ""))
    }

    /// The file and how many entries are in it, if `number` is not known to be on the disk.
    pub(super) fn unsynced(&self, number: u64) -> Option<io::Result<(File, u64)>> {
        if self.doubtful.contains(&number) {
            return Some(Err(io::Error::other("an fsync of the spool failed")));
        }
        (number >= self.synced).then(|| Ok((self.file.try_clone()?, self.next)))
    }

    /// All entries below `up_to` are on the disk.
    pub(super) fn synced(&mut self, up_to: u64) {
        self.synced = self.synced.max(up_to);
    }

    /// An fsync of all entries below `up_to` failed.
    pub(super) fn not_synced(&mut self, up_to: u64) {
        let from = if self.doubtful.is_empty() { self.synced } else { self.doubtful.start };
        self.doubtful = from..up_to.max(self.doubtful.end);
    }

    /// Whether the store has everything.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Removes the subfolder.
    pub(super) fn remove(self) {
        if let Err(error) = remove_folder(&self.folder) {
            tracing::debug!(%error, "an empty folder of the spool is left to others");
        }
        if let Some(spool) = self.made {
            // Others may be in it.
            let _ = fs::remove_dir(spool);
        }
    }

    /// Puts another file in the log's place, for as long as a test wants its fsyncs to fail.
    #[cfg(test)]
    pub(super) fn over(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }

    fn open_bytes(&self) -> u64 {
        self.open.values().map(|text| text.len() as u64).sum()
    }

    /// A write that failed may have left half a record; the next one begins where the last whole one ends.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(io::SeekFrom::Start(self.length))?;
        if let Err(error) = self.file.write_all(bytes) {
            let _ = self.cut();
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)
    }

    /// The log with what is open and nothing else, durable before it takes the old one's place.
    fn write_anew(&mut self) -> io::Result<()> {
        let part = self.folder.join(format!("{LOG}.part"));
        let mut file = File::create(&part)?;
        let mut length = 0;
        for (number, text) in &self.open {
            let bytes = record(Says::Answer, *number, text);
            file.write_all(&bytes)?;
            length += bytes.len() as u64;
        }
        file.sync_all()?;
        fs::rename(&part, self.folder.join(LOG))?;
        sync_folder(&self.folder)?;
        (self.file, self.length, self.synced, self.doubtful) = (file, length, self.next, 0..0);
        Ok(())
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes a subfolder. The caller holds its lock.
pub(super) fn remove_folder(folder: &Path) -> io::Result<()> {
    let gone = |outcome: io::Result<()>| match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    };
    gone(fs::remove_file(folder.join(LOG)))?;
    gone(fs::remove_file(folder.join(format!("{LOG}.part"))))?;
    gone(fs::remove_file(folder.join(LOCK)))?;
    gone(fs::remove_dir(folder))
}
