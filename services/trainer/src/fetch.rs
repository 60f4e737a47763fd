//! Shards on this machine, each found to be the one that was published.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::TrainError;
use crate::cache::Cache;
use crate::files::blocking;
use crate::source::{Fetched, Offered, Source};

/// Where each of these shards is, by SHA-256.
pub(crate) async fn fetch_all(
    source: &dyn Source,
    cache: &Cache,
    shards: &[Offered],
) -> Result<BTreeMap<String, PathBuf>, TrainError> {
    let needed: BTreeSet<String> = shards.iter().map(|shard| shard.sha256.clone()).collect();
    let mut paths = BTreeMap::new();
    for shard in shards {
        let (kept, sought) = (cache.clone(), shard.clone());
        let path = match blocking(move || kept.get(&sought.sha256, &sought.format)).await? {
            Some(path) => path,
            None => match source.fetch(shard).await? {
                Fetched::Here(path) => path,
                Fetched::Bytes(bytes) => {
                    let (cache, needed, shard) = (cache.clone(), needed.clone(), shard.clone());
                    let put = move || {
                        cache.make_room(bytes.len() as u64, &needed)?;
                        cache.put(&shard.name, &shard.sha256, &shard.format, &bytes)
                    };
                    blocking(put).await?
                }
            },
        };
        // The backend may be started from anywhere.
        let path = std::path::absolute(&path).map_err(TrainError::io("find", &path))?;
        paths.insert(shard.sha256.clone(), path);
    }
    Ok(paths)
}
