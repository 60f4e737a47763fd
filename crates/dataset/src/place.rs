//! The place where a dataset goes, apart from how its files are written.
//!
//! A place holds `shards/`, `manifest.json` and `README.md`. A shard file is there as a whole or not at all, and once it
//! is there it never changes; manifest and card are replaced as a whole. [`crate::DatasetFolder`] and
//! [`crate::DatasetBucket`] are the places. A new one passes the tests in `place/tests.rs`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::bucket::BucketError;
use crate::manifest::{Manifest, ManifestError};
use crate::shard_name::ShardFileName;

/// Where the shards are inside a place.
pub const SHARD_DIR: &str = "shards";
/// The manifest's file name.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The dataset card's file name, where `datasets` looks for it.
pub const CARD_FILE: &str = "README.md";

/// Somewhere one dataset is kept. Calls block: run them where blocking is allowed.
///
/// `suffix` is 1 to 64 letters, digits, `-` or `_`, different for every call (random): a place that writes under a
/// temporary name first makes it of that, and two processes may not meet in one file.
pub trait DatasetPlace: Send + Sync {
    /// Puts a shard file in place, durably, without ever replacing one. Repeatable: if the name is taken by the same
    /// bytes, that is success; by other bytes, [`PlaceError::Conflict`].
    fn put_shard(&self, file: ShardFileName, bytes: &[u8], suffix: &str) -> Result<Published, PlaceError>;

    /// A shard file's bytes; none if there is no such file. Compare their hash with the manifest's.
    fn read_shard(&self, file: ShardFileName) -> Result<Option<Vec<u8>>, PlaceError>;

    /// Size in bytes and SHA-256 (lower-case hex) of a shard file as it is now, however large; none if there is no such file.
    fn shard_digest(&self, file: ShardFileName) -> Result<Option<(u64, String)>, PlaceError>;

    /// Replaces `manifest.json` as a whole, durably.
    fn write_manifest(&self, manifest: &Manifest, suffix: &str) -> Result<(), PlaceError>;

    /// The manifest; none if there is no such file yet.
    fn read_manifest(&self) -> Result<Option<Manifest>, PlaceError>;

    /// Replaces `README.md` as a whole, durably.
    fn write_card(&self, card: &str, suffix: &str) -> Result<(), PlaceError>;

    /// Removes what a dead process left, half-written files and shard files that are not `listed`, and returns the names,
    /// sorted. The caller knows that nobody else is writing here. Files that are not named like a shard stay.
    ///
    /// A crash after a file is in place and before the store's commit leaves one that is not listed. Usually the next try
    /// makes the same bytes and adopts it; a newer build may make others and would meet a conflict for ever. Only the
    /// store knows what is listed: a manifest that is behind it would cost shards.
    fn sweep(&self, listed: &BTreeSet<ShardFileName>) -> Result<Vec<String>, PlaceError>;
}

/// A shard file in its place; it never changes from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its name.
    pub file: ShardFileName,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, lower-case hex, as `sha256sum` prints it.
    pub sha256: String,
    /// An earlier call had done it already.
    pub already_there: bool,
}

/// Something could not be put, read or swept.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The suffix would not make a plain file name.
    #[error("staging suffix {0:?} is not 1 to 64 letters, digits, `-` or `_`")]
    Suffix(String),
    /// The name is taken by different bytes: a closed shard never changes.
    #[error("{file} exists with other content (sha256 {existing}, new {offered})")]
    Conflict {
        /// The shard file.
        file: ShardFileName,
        /// Hash of what is there.
        existing: String,
        /// Hash of what should have been put there.
        offered: String,
    },
    /// The manifest is not one that this build can take.
    #[error("{path}")]
    Manifest {
        /// Where the manifest is.
        path: String,
        /// What is wrong with it.
        #[source]
        source: ManifestError,
    },
    /// The file system failed.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// What was being done, as a verb.
        step: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The object store failed.
    #[error("cannot {step} {object}")]
    Bucket {
        /// What was being done, as a verb.
        step: &'static str,
        /// The object or prefix, as `s3://BUCKET/KEY`.
        object: String,
        /// What the store says.
        #[source]
        source: BucketError,
    },
}

impl PlaceError {
    /// Whether trying again later may help: a disk or a server that refuses for a while must not end a week's run.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Bucket { .. })
    }
}

/// Reads the text of a manifest that stands at `path`.
pub(crate) fn parse_manifest(bytes: &[u8], path: impl FnOnce() -> String) -> Result<Manifest, PlaceError> {
    Manifest::from_json(bytes).map_err(|source| PlaceError::Manifest { path: path(), source })
}

/// The text of a manifest that goes to `path`.
pub(crate) fn manifest_text(manifest: &Manifest, path: impl FnOnce() -> String) -> Result<String, PlaceError> {
    manifest.to_json().map_err(|source| PlaceError::Manifest { path: path(), source })
}

#[cfg(test)]
mod tests;
