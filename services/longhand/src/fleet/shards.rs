//! Where the shards of all runs go: a folder that all packers see, or a bucket. Each run has a place of its own in it.

use std::path::PathBuf;
use std::sync::Arc;

use agentwrite::ids::RunId;
use dataset::{Bucket, BucketError, DatasetFolder, DatasetPlace, PlaceError};
use tokio::runtime::Handle;
use worker::RandomDice;

use crate::fault::{Exit, Fault, chain_of};
use crate::settings::{Settings, ShardsUrl};

/// The place of all shards.
#[derive(Debug, Clone)]
pub enum Shards {
    /// A folder.
    Folder(PathBuf),
    /// A bucket.
    Bucket(Bucket),
}

impl Shards {
    /// The place that the settings name. A bucket is tried out, so that a wrong key shows before calls are paid for.
    pub async fn connect(settings: &Settings) -> Result<Self, Fault> {
        let shards = Self::named(settings)?;
        if let Self::Bucket(bucket) = &shards {
            bucket.check(&RandomDice::default().id("own")).await.map_err(|error| fault_of(&error))?;
        }
        Ok(shards)
    }

    /// The same, untried; nothing is asked and nothing made.
    pub fn named(settings: &Settings) -> Result<Self, Fault> {
        Ok(match settings.shards.place(&crate::settings::environment())? {
            ShardsUrl::Folder(folder) => Self::Folder(folder),
            ShardsUrl::Bucket(settings) => Self::Bucket(
                Bucket::connect(&settings, Handle::current())
                    .map_err(|error| bucket_fault("the bucket cannot be used", &error))?,
            ),
        })
    }

    /// The same for reading alone: nothing is tried out, and nothing is made.
    pub fn connect_to_read(settings: &Settings) -> Result<Self, Fault> {
        match settings.shards.place(&crate::settings::environment())? {
            ShardsUrl::Folder(folder) => Ok(Self::Folder(folder)),
            ShardsUrl::Bucket(settings) => Bucket::connect(&settings, Handle::current())
                .map(Self::Bucket)
                .map_err(|error| bucket_fault("the bucket cannot be used", &error)),
        }
    }

    /// The place of a run, for reading.
    pub fn place_to_read(&self, run: &RunId) -> Arc<dyn DatasetPlace> {
        match self {
            Self::Folder(folder) => Arc::new(DatasetFolder::at(folder.join(run.as_str()))),
            Self::Bucket(bucket) => Arc::new(bucket.dataset(run.as_str())),
        }
    }

    /// The place of a run.
    pub fn place(&self, run: &RunId) -> Result<Arc<dyn DatasetPlace>, PlaceError> {
        Ok(match self {
            Self::Folder(folder) => Arc::new(DatasetFolder::open(folder.join(run.as_str()))?),
            Self::Bucket(bucket) => Arc::new(bucket.dataset(run.as_str())),
        })
    }
}

/// Why a place cannot be used.
pub fn fault_of(error: &PlaceError) -> Fault {
    match error {
        PlaceError::Bucket { source, step, object } => bucket_fault(&format!("cannot {step} {object}"), source),
        error => Fault::new("shards", Exit::Unreachable, "the shards cannot be used").because(chain_of(error)),
    }
}

/// Why a bucket cannot be used.
fn bucket_fault(what: &str, error: &BucketError) -> Fault {
    let (code, exit, help) = match error {
        BucketError::Settings(_) => ("shards_url", Exit::Usage, "export LONGHAND__SHARDS__URL=s3://BUCKET/PREFIX"),
        BucketError::NoBucket => {
            ("no_bucket", Exit::Unreachable, "make the bucket, or name another in LONGHAND__SHARDS__URL")
        }
        BucketError::NoKey => ("shards_auth", Exit::Auth, "export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=..."),
        BucketError::Refused(_) => (
            "shards_auth",
            Exit::Auth,
            "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and the key's rights: docs/OPERATIONS.md has the policy",
        ),
        BucketError::Region => ("shards_region", Exit::Usage, "export AWS_REGION=REGION with the bucket's region"),
        BucketError::Unreachable(_) => {
            ("shards_unreachable", Exit::Unreachable, "check that the store runs, and AWS_ENDPOINT_URL and AWS_REGION")
        }
        BucketError::Overwrites => (
            "shards_overwritten",
            Exit::Unreachable,
            "use a store with conditional writes, or a folder (file:///FOLDER)",
        ),
        BucketError::Failed(_) => {
            ("shards", Exit::Unreachable, "docs/OPERATIONS.md says what the store must be able to do")
        }
    };
    Fault::new(code, exit, what).because(error).help(help)
}
