//! Files that survive a power cut: a file is durable when its bytes and the folder entry that names it are synced.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Between a final name and the suffix of its staged form.
pub(crate) const STAGED_MARK: &str = ".tmp-";

/// SHA-256 in lower-case hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Size in bytes and SHA-256 in lower-case hex of what comes a piece at a time.
#[derive(Default)]
pub(crate) struct Digesting {
    bytes: u64,
    hasher: Sha256,
}

impl Digesting {
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.hasher.update(piece);
    }

    pub(crate) fn finish(self) -> (u64, String) {
        (self.bytes, format!("{:x}", self.hasher.finalize()))
    }
}

/// Of a file, which is not held as a whole.
pub(crate) fn digest_of(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut digesting, mut piece) = (Digesting::default(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(digesting.finish()),
            read => digesting.push(&piece[..read]),
        }
    }
}

/// `name.tmp-suffix` beside the final file, so that a rename stays inside one file system.
pub(crate) fn staged_path(target: &Path, suffix: &str) -> PathBuf {
    let mut path = target.as_os_str().to_owned();
    path.push(STAGED_MARK);
    path.push(suffix);
    PathBuf::from(path)
}

/// A suffix that can't leave the folder or break the naming.
pub(crate) fn is_plain_suffix(suffix: &str) -> bool {
    (1..=64).contains(&suffix.len()) && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Makes a new file with these bytes and syncs file and folder. A failure leaves no file, as far as that can be done.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_parent(path));
    if written.is_err() {
        // The disk may be full: give the space back. The first error is the one to report.
        drop(std::fs::remove_file(path));
    }
    written
}

/// Replaces a file as a whole: readers see the old bytes or the new, also after a power cut.
pub(crate) fn replace(path: &Path, bytes: &[u8], suffix: &str) -> io::Result<()> {
    let temp = staged_path(path, suffix);
    write_new(&temp, bytes)?;
    std::fs::rename(&temp, path)?;
    sync_parent(path)
}

/// Syncs the folder that names a file.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// Syncs a folder's entries.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // The parent of a bare file name is the empty path.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

/// Folders can't be opened for syncing here; the file system orders its own entries.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Syncs a file that someone else wrote.
pub(crate) fn sync_file(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
