//! A dataset in a bucket of a store that speaks S3: the objects have the names of a folder's files, below the dataset's
//! own prefix.
//!
//! An object is there as a whole or not at all, so nothing is staged. A shard is put with `If-None-Match: *`, which the
//! store refuses if the name is taken. The request is signed over the SHA-256 of its body, so that the store refuses
//! bytes that changed on their way; the size is asked for afterwards.
//!
//! Timeouts and retries are those of the client in `s3.rs` and nowhere else here.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, GetResult, ObjectStore, ObjectStoreExt, PutMode};
use tokio::runtime::Handle;

use crate::durable::{Digesting, sha256_hex};
use crate::manifest::Manifest;
use crate::place::{
    CARD_FILE, DatasetPlace, MANIFEST_FILE, PlaceError, Published, SHARD_DIR, manifest_text, parse_manifest,
};
use crate::s3::{S3Settings, meaning};
use crate::shard_name::ShardFileName;

/// Why a bucket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The settings cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The store has no bucket of this name.
    #[error("there is no such bucket")]
    NoBucket,
    /// No key was given, and the machine has no role.
    #[error("no key is given and this machine has no role")]
    NoKey,
    /// The store refuses the key, or the key may not do this. Holds the store's code.
    #[error("the store refuses this key ({0})")]
    Refused(String),
    /// The bucket is in another region.
    #[error("the bucket is not in this region")]
    Region,
    /// No answer.
    #[error("the store does not answer: {0}")]
    Unreachable(String),
    /// The store replaces objects that it should not: it can't keep the promise that a shard never changes.
    #[error("the store does not honour `If-None-Match`, so published shards could be overwritten")]
    Overwrites,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// A bucket that holds datasets, each below a prefix of its own.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    /// `s3://BUCKET`, for messages.
    name: String,
    prefix: Path,
    runtime: Handle,
}

/// One dataset in a bucket. Its calls wait on the runtime's network: they panic on a thread that runs tasks.
#[derive(Debug, Clone)]
pub struct DatasetBucket {
    bucket: Bucket,
    root: Path,
}

impl Bucket {
    /// The bucket; makes no request. `runtime` must have I/O and time, and threads besides the one that waits.
    pub fn connect(settings: &S3Settings, runtime: Handle) -> Result<Self, BucketError> {
        let store = Arc::new(settings.client()?);
        Ok(Self { store, name: format!("s3://{}", settings.bucket), prefix: settings.prefix.clone(), runtime })
    }

    /// A bucket in memory.
    #[cfg(test)]
    pub(crate) fn in_memory(runtime: Handle) -> Self {
        let store = Arc::new(object_store::memory::InMemory::new());
        Self { store, name: "s3://memory".to_owned(), prefix: Path::from("some/prefix"), runtime }
    }

    /// The dataset `name`.
    pub fn dataset(&self, name: &str) -> DatasetBucket {
        DatasetBucket { bucket: self.clone(), root: self.prefix.clone().join(name) }
    }

    /// Whether everything that packing needs can be done here: lists, puts an object, is refused when it puts it again,
    /// reads and deletes it. `suffix` as in [`DatasetPlace`]; a crash may leave an object `probe-SUFFIX`.
    pub async fn check(&self, suffix: &str) -> Result<(), PlaceError> {
        let listed = self.store.list(Some(&self.prefix)).try_next().await;
        listed.map_err(|error| self.failed("list", &self.prefix, &error))?;
        let probe = self.prefix.clone().join(format!("probe-{suffix}"));
        let put = || self.store.put_opts(&probe, Bytes::from_static(b"probe").into(), PutMode::Create.into());
        put().await.map_err(|error| self.failed("write", &probe, &error))?;
        let again = put().await;
        let read = self.store.get(&probe).await;
        self.store.delete(&probe).await.map_err(|error| self.failed("delete", &probe, &error))?;
        read.map_err(|error| self.failed("read", &probe, &error))?;
        match again {
            Err(Error::AlreadyExists { .. }) => Ok(()),
            Ok(_) => Err(self.trouble("write", &probe, BucketError::Overwrites)),
            Err(error) => Err(self.failed("write", &probe, &error)),
        }
    }

    fn address(&self, path: &Path) -> String {
        format!("{}/{path}", self.name)
    }

    fn failed(&self, step: &'static str, path: &Path, error: &Error) -> PlaceError {
        self.trouble(step, path, meaning(error))
    }

    fn trouble(&self, step: &'static str, path: &Path, source: BucketError) -> PlaceError {
        PlaceError::Bucket { step, object: self.address(path), source }
    }
}

/// Where it is; the client knows the key.
impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address(&self.prefix))
    }
}

impl DatasetBucket {
    fn shards(&self) -> Path {
        self.root.clone().join(SHARD_DIR)
    }

    fn shard(&self, file: ShardFileName) -> Path {
        self.shards().join(file.to_string())
    }

    async fn put(&self, file: ShardFileName, bytes: Bytes) -> Result<Published, PlaceError> {
        let (bucket, at) = (&self.bucket, self.shard(file));
        let (size, sha256) = (bytes.len() as u64, sha256_hex(&bytes));
        let already_there = match bucket.store.put_opts(&at, bytes.into(), PutMode::Create.into()).await {
            Ok(_) => false,
            Err(Error::AlreadyExists { .. }) => true,
            Err(error) => return Err(bucket.failed("write", &at, &error)),
        };
        if already_there {
            let Some(existing) = self.get(&at).await? else {
                let what = "its name is taken, yet it is not there: another process may be writing it";
                return Err(bucket.trouble("write", &at, BucketError::Failed(what.to_owned())));
            };
            let existing = sha256_hex(&existing);
            if existing != sha256 {
                return Err(PlaceError::Conflict { file, existing, offered: sha256 });
            }
        } else {
            let there = bucket.store.head(&at).await.map_err(|error| bucket.failed("verify", &at, &error))?.size;
            if there != size {
                let what = format!("{size} bytes were put, {there} are there");
                return Err(bucket.trouble("verify", &at, BucketError::Failed(what)));
            }
        }
        Ok(Published { file, bytes: size, sha256, already_there })
    }

    async fn get(&self, at: &Path) -> Result<Option<Bytes>, PlaceError> {
        let Some(found) = self.find(at).await? else { return Ok(None) };
        found.bytes().await.map(Some).map_err(|error| self.bucket.failed("read", at, &error))
    }

    async fn digest(&self, at: &Path) -> Result<Option<(u64, String)>, PlaceError> {
        let Some(found) = self.find(at).await? else { return Ok(None) };
        let (mut digesting, mut pieces) = (Digesting::default(), found.into_stream());
        while let Some(piece) = pieces.try_next().await.map_err(|error| self.bucket.failed("read", at, &error))? {
            digesting.push(&piece);
        }
        Ok(Some(digesting.finish()))
    }

    /// An object whose bytes are still to come; none if there is no such object.
    async fn find(&self, at: &Path) -> Result<Option<GetResult>, PlaceError> {
        match self.bucket.store.get(at).await {
            Ok(found) => Ok(Some(found)),
            // A bucket that is gone is no dataset without files.
            Err(error @ Error::NotFound { .. }) => match meaning(&error) {
                BucketError::NoBucket => Err(self.bucket.failed("read", at, &error)),
                _ => Ok(None),
            },
            Err(error) => Err(self.bucket.failed("read", at, &error)),
        }
    }

    async fn replace(&self, at: Path, bytes: Bytes) -> Result<(), PlaceError> {
        let put = self.bucket.store.put(&at, bytes.into()).await;
        put.map(drop).map_err(|error| self.bucket.failed("write", &at, &error))
    }

    async fn sweep_unlisted(&self, listed: &BTreeSet<ShardFileName>) -> Result<Vec<String>, PlaceError> {
        let (bucket, shards) = (&self.bucket, self.shards());
        let found: Vec<_> = bucket
            .store
            .list(Some(&shards))
            .try_collect()
            .await
            .map_err(|error| bucket.failed("list", &shards, &error))?;
        let mut removed = Vec::new();
        for object in found {
            let Some(file) = object.location.filename().and_then(|name| name.parse().ok()) else { continue };
            // Only what is directly below, under the name that this dataset would give it.
            if object.location == self.shard(file) && !listed.contains(&file) {
                let deleted = bucket.store.delete(&object.location).await;
                deleted.map_err(|error| bucket.failed("delete", &object.location, &error))?;
                removed.push(file.to_string());
            }
        }
        removed.sort();
        Ok(removed)
    }

    /// Waits for an answer on this thread.
    fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        self.bucket.runtime.block_on(answer)
    }
}

impl DatasetPlace for DatasetBucket {
    fn put_shard(&self, file: ShardFileName, bytes: &[u8], _suffix: &str) -> Result<Published, PlaceError> {
        self.wait(self.put(file, Bytes::copy_from_slice(bytes)))
    }

    fn read_shard(&self, file: ShardFileName) -> Result<Option<Vec<u8>>, PlaceError> {
        Ok(self.wait(self.get(&self.shard(file)))?.map(Vec::from))
    }

    fn shard_digest(&self, file: ShardFileName) -> Result<Option<(u64, String)>, PlaceError> {
        self.wait(self.digest(&self.shard(file)))
    }

    fn write_manifest(&self, manifest: &Manifest, _suffix: &str) -> Result<(), PlaceError> {
        let at = self.root.clone().join(MANIFEST_FILE);
        let json = manifest_text(manifest, || self.bucket.address(&at))?;
        self.wait(self.replace(at, json.into()))
    }

    fn read_manifest(&self) -> Result<Option<Manifest>, PlaceError> {
        let at = self.root.clone().join(MANIFEST_FILE);
        let Some(bytes) = self.wait(self.get(&at))? else { return Ok(None) };
        parse_manifest(&bytes, || self.bucket.address(&at)).map(Some)
    }

    fn write_card(&self, card: &str, _suffix: &str) -> Result<(), PlaceError> {
        self.wait(self.replace(self.root.clone().join(CARD_FILE), card.to_owned().into()))
    }

    fn sweep(&self, listed: &BTreeSet<ShardFileName>) -> Result<Vec<String>, PlaceError> {
        self.wait(self.sweep_unlisted(listed))
    }
}

#[cfg(test)]
mod tests;
