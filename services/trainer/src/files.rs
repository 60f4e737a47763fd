//! Files: hashed while they are read, replaced as a whole.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::TrainError;

/// SHA-256 of a file, lower-case hex; none if it is not there.
pub(crate) fn sha256_of(path: &Path) -> Result<Option<String>, TrainError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(TrainError::io("read", path)(error)),
    };
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(TrainError::io("read", path))? {
            0 => return Ok(Some(format!("{:x}", hasher.finalize()))),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// SHA-256 of bytes, lower-case hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Replaces a file as a whole, durably: a reader and a power cut see the old bytes or the new.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let staged = path.with_extension(format!("tmp-{}", std::process::id()));
    let write = || {
        let mut file = File::create(&staged)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&staged, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(TrainError::io("write", path))
}

/// Runs `work` where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TrainError> + Send + 'static,
) -> Result<T, TrainError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
