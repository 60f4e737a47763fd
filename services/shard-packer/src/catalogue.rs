//! What the published shards hold in sum, kept from round to round so that no shard is read again.

use std::collections::BTreeSet;

use agentwrite::ports::{PublishedShard, Range};
use dataset::{DatasetPlace, Manifest, ShardFormat, decode_parquet};

use crate::PackError;
use crate::manifest::files;
use crate::shard::{Contents, shard_name};

/// The shards that a manifest would list, and what they hold.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    shards: BTreeSet<Range>,
    contents: Contents,
}

impl Catalogue {
    /// Takes over what the place's manifest says, where that agrees with the published shards. A manifest that lists
    /// anything else counts for nothing.
    pub(crate) fn from_manifest(manifest: &Manifest, published: &[PublishedShard]) -> Self {
        let mut shards = BTreeSet::new();
        let mut listed = 0;
        for shard in published {
            let found = files(shard).filter(|file| manifest.files.contains(file)).count();
            if found == shard.files.len() {
                shards.insert(shard.range);
            }
            listed += found;
        }
        if listed != manifest.files.len() {
            return Self::default();
        }
        let contents = Contents {
            tally: manifest.tally.clone(),
            plan_models: manifest.models.plan.iter().filter(|_| listed > 0).cloned().collect(),
            write_models: manifest.models.write.iter().filter(|_| listed > 0).cloned().collect(),
        };
        Self { shards, contents }
    }

    /// Adds a shard whose contents are at hand.
    pub(crate) fn add(&mut self, shard: &PublishedShard, contents: &Contents) {
        if self.shards.insert(shard.range) {
            self.contents.merge(contents);
        }
    }

    /// What the shards hold in sum.
    pub(crate) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Reads the shards that another process published, or that the manifest had not come to list.
    pub(crate) fn catch_up(&mut self, place: &dyn DatasetPlace, published: &[PublishedShard]) -> Result<(), PackError> {
        for shard in published {
            if !self.shards.contains(&shard.range) {
                let contents = if shard.files.is_empty() { Contents::default() } else { read(place, shard)? };
                self.add(shard, &contents);
            }
        }
        Ok(())
    }
}

fn read(place: &dyn DatasetPlace, shard: &PublishedShard) -> Result<Contents, PackError> {
    let name = shard_name(shard.range).file(ShardFormat::Parquet);
    let file = name.to_string();
    let Some(bytes) = place.read_shard(name)? else { return Err(PackError::Damaged { file }) };
    let rows = decode_parquet(&bytes).map_err(|source| PackError::Unreadable { file: file.clone(), source })?;
    if rows.len() as u64 != shard.rows {
        return Err(PackError::Damaged { file });
    }
    Ok(Contents::of(&rows))
}
