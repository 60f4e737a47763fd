//! Where shards come from: a dataset's manifest in a folder or a bucket, the published shards of a run in the store, files.
//!
//! To add a source: implement [`Source`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentwrite::ids::RunId;
use agentwrite::ports::{PackStore, RunState, RunStore};
use agentwrite::sample::SampleState;
use async_trait::async_trait;
use dataset::{DatasetPlace, Manifest, ShardFormat, count_rows};

use crate::TrainError;
use crate::files::{blocking, sha256_of};

/// A shard that can be trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Its name, unique in its source.
    pub name: String,
    /// `parquet` or `jsonl`.
    pub format: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// Rows in it.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// What a source has now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offer {
    /// Its shards, in the order in which they are published.
    pub shards: Vec<Offered>,
    /// Whether there will be no more.
    pub complete: bool,
    /// Rows that there may be in the end, as far as one can tell.
    pub expected_rows: u64,
    /// Where the run stands, for people.
    pub standing: String,
}

/// A shard's bytes, or where they are.
#[derive(Debug)]
pub enum Fetched {
    /// To be verified and kept in the cache.
    Bytes(Vec<u8>),
    /// A file of this machine, used where it is.
    Here(PathBuf),
}

/// Something that has shards.
#[async_trait]
pub trait Source: Send + Sync {
    /// What it has now.
    async fn offer(&self) -> Result<Offer, TrainError>;
    /// Fetches a shard that it offered.
    async fn fetch(&self, shard: &Offered) -> Result<Fetched, TrainError>;
}

/// A dataset, known by its manifest alone.
pub struct ManifestSource {
    place: Arc<dyn DatasetPlace>,
}

impl ManifestSource {
    /// The dataset at a place.
    pub fn new(place: Arc<dyn DatasetPlace>) -> Self {
        Self { place }
    }
}

/// What a manifest offers. The run goes on while it counts samples that are not at their end.
fn offer_of(manifest: &Manifest) -> Offer {
    let count =
        |states: &[SampleState]| -> u64 { states.iter().filter_map(|state| manifest.states.get(state.as_str())).sum() };
    let open: Vec<SampleState> =
        SampleState::ALL.into_iter().filter(|state| state.is_unfinished() || *state == SampleState::Written).collect();
    let (open, all) = (count(&open), count(&SampleState::ALL));
    let shards = manifest.files_as(ShardFormat::Parquet).map(|file| Offered {
        name: file.name.clone(),
        format: file.format.clone(),
        sha256: file.sha256.clone(),
        rows: file.rows,
        bytes: file.bytes,
    });
    let standing = format!("{} of {all} samples are finished", all - open);
    let expected_rows = open + count(&[SampleState::Packed]);
    Offer { shards: shards.filter(|shard| shard.rows > 0).collect(), complete: open == 0, expected_rows, standing }
}

#[async_trait]
impl Source for ManifestSource {
    async fn offer(&self) -> Result<Offer, TrainError> {
        let place = Arc::clone(&self.place);
        let manifest = blocking(move || Ok(place.read_manifest()?)).await?;
        Ok(manifest
            .as_ref()
            .map_or_else(|| Offer { standing: "there is no manifest yet".to_owned(), ..Offer::default() }, offer_of))
    }

    async fn fetch(&self, shard: &Offered) -> Result<Fetched, TrainError> {
        fetch_from(Arc::clone(&self.place), shard.name.clone()).await
    }
}

/// Reads a shard file by its name in the dataset.
async fn fetch_from(place: Arc<dyn DatasetPlace>, name: String) -> Result<Fetched, TrainError> {
    blocking(move || {
        let file = name.rsplit('/').next().and_then(|file| file.parse().ok());
        let bytes = match file {
            Some(file) => place.read_shard(file)?,
            None => None,
        };
        bytes.map(Fetched::Bytes).ok_or(TrainError::ShardMissing { name })
    })
    .await
}

/// The shards that a run of the distributed edition has published, as its store says.
pub struct PublishedSource {
    /// The run.
    pub run: RunId,
    /// Its state.
    pub runs: Arc<dyn RunStore>,
    /// Its shards.
    pub packs: Arc<dyn PackStore>,
    /// Where they are.
    pub place: Arc<dyn DatasetPlace>,
}

#[async_trait]
impl Source for PublishedSource {
    async fn offer(&self) -> Result<Offer, TrainError> {
        // The state first: what a finished run has published does not change any more.
        let run = self.runs.run(&self.run).await?;
        let expected_rows = run.as_ref().map_or(0, |run| run.samples);
        let state = run.map(|run| run.state);
        let over = matches!(state, None | Some(RunState::Done | RunState::Failed | RunState::Cancelled));
        let complete = over && self.packs.unpublished(&self.run).await?.is_empty();
        let published = self.packs.published(&self.run).await?;
        let mut shards = Vec::new();
        for shard in published.iter().filter(|shard| shard.rows > 0) {
            let parquet = shard.files.iter().find(|file| file.format == ShardFormat::Parquet.as_str());
            shards.extend(parquet.map(|file| Offered {
                name: format!("{}/{}", dataset::SHARD_DIR, file.name),
                format: file.format.clone(),
                sha256: file.sha256.clone(),
                rows: shard.rows,
                bytes: file.bytes,
            }));
        }
        let state = state.map_or("gone", RunState::as_str);
        let standing = format!("run {} is {state}, {} shards", self.run, shards.len());
        Ok(Offer { shards, complete, expected_rows, standing })
    }

    async fn fetch(&self, shard: &Offered) -> Result<Fetched, TrainError> {
        fetch_from(Arc::clone(&self.place), shard.name.clone()).await
    }
}

/// One file of this machine, complete as it is.
pub struct FileSource {
    path: PathBuf,
}

impl FileSource {
    /// The file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

/// The file as a shard: hashed, its rows counted.
pub(crate) fn look_at(path: &Path) -> Result<Offered, TrainError> {
    let bad = |source: Box<dyn std::error::Error + Send + Sync>| TrainError::Data { path: path.to_owned(), source };
    let format = path.extension().map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
    let kind = match format.as_str() {
        "parquet" => ShardFormat::Parquet,
        "jsonl" => ShardFormat::Jsonl,
        _ => return Err(bad("its name ends in neither .parquet nor .jsonl".into())),
    };
    let bytes = std::fs::metadata(path).map_err(|error| bad(error.into()))?.len();
    let rows = count_rows(path, kind).map_err(|error| bad(error.into()))?;
    let sha256 = sha256_of(path)?.ok_or_else(|| bad("it is not there any more".into()))?;
    Ok(Offered { name: path.display().to_string(), format, sha256, rows, bytes })
}

#[async_trait]
impl Source for FileSource {
    async fn offer(&self) -> Result<Offer, TrainError> {
        let path = self.path.clone();
        let shard = blocking(move || look_at(&path)).await?;
        let shards = if shard.rows > 0 { vec![shard] } else { Vec::new() };
        let expected_rows = shards.iter().map(|shard| shard.rows).sum();
        Ok(Offer { shards, complete: true, expected_rows, standing: format!("{} is a file", self.path.display()) })
    }

    async fn fetch(&self, shard: &Offered) -> Result<Fetched, TrainError> {
        let (path, shard) = (self.path.clone(), shard.clone());
        blocking(move || match sha256_of(&path)? {
            Some(found) if found == shard.sha256 => Ok(Fetched::Here(path)),
            Some(found) => Err(TrainError::ShardAltered { name: shard.name, found, listed: shard.sha256 }),
            None => Err(TrainError::ShardMissing { name: shard.name }),
        })
        .await
    }
}

/// Several sources as one. Names get the number of their source in front, so that they stay unique.
pub struct Sources(Vec<Arc<dyn Source>>);

impl Sources {
    /// These, in order.
    pub fn new(sources: Vec<Arc<dyn Source>>) -> Self {
        Self(sources)
    }
}

#[async_trait]
impl Source for Sources {
    async fn offer(&self) -> Result<Offer, TrainError> {
        let mut all = Offer { complete: true, ..Offer::default() };
        let mut known = BTreeSet::new();
        for (number, source) in self.0.iter().enumerate() {
            let offer = source.offer().await?;
            for mut shard in offer.shards {
                // The same bytes twice are one shard: each counts once an epoch.
                if known.insert(shard.sha256.clone()) {
                    if self.0.len() > 1 {
                        shard.name = format!("{number}/{}", shard.name);
                    }
                    all.shards.push(shard);
                }
            }
            all.complete &= offer.complete;
            all.expected_rows += offer.expected_rows;
            if !offer.complete || all.standing.is_empty() {
                all.standing = offer.standing;
            }
        }
        Ok(all)
    }

    async fn fetch(&self, shard: &Offered) -> Result<Fetched, TrainError> {
        let missing = || TrainError::ShardMissing { name: shard.name.clone() };
        if let [only] = self.0.as_slice() {
            return only.fetch(shard).await;
        }
        let (number, name) = shard.name.split_once('/').ok_or_else(missing)?;
        let source = number.parse::<usize>().ok().and_then(|number| self.0.get(number)).ok_or_else(missing)?;
        source.fetch(&Offered { name: name.to_owned(), ..shard.clone() }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataset::{OrdinalRange, ShardFile};

    fn manifest(states: &[(&str, u64)]) -> Manifest {
        let file = |name: &str, format: &str, rows: u64| ShardFile {
            name: format!("shards/{name}.{format}"),
            format: format.to_owned(),
            rows,
            bytes: 100,
            sha256: "ab".repeat(32),
            ordinals: OrdinalRange(0, 3),
        };
        Manifest {
            files: vec![
                file("shard-00000", "jsonl", 4),
                file("shard-00000", "parquet", 4),
                file("shard-00001", "parquet", 0),
            ],
            states: states.iter().map(|(state, count)| ((*state).to_owned(), *count)).collect(),
            ..Manifest::default()
        }
    }

    #[test]
    fn a_manifest_offers_each_shard_once_and_says_whether_more_will_come() {
        let offer = offer_of(&manifest(&[("packed", 4), ("writing", 2), ("failed", 1)]));
        assert_eq!(
            offer.shards.iter().map(|shard| shard.name.as_str()).collect::<Vec<_>>(),
            ["shards/shard-00000.parquet"]
        );
        assert_eq!((offer.complete, offer.standing.as_str()), (false, "5 of 7 samples are finished"));
        assert!(!offer_of(&manifest(&[("packed", 4), ("written", 1)])).complete, "it is still to be packed");
        assert!(offer_of(&manifest(&[("packed", 4), ("rejected", 2), ("cancelled", 1)])).complete);
    }

    #[tokio::test]
    async fn files_are_shards_and_the_same_bytes_count_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Arc::new(FileSource::new(path)) as Arc<dyn Source>
        };
        let sources = Sources::new(vec![
            file("a.jsonl", "{\"x\": 1}\n{\"x\": 2}\n"),
            file("b.jsonl", "{\"x\": 1}\n\n{\"x\": 2}\n{\"x\": 3}"),
            file("c.jsonl", "{\"x\": 1}\n{\"x\": 2}\n"),
        ]);
        let offer = sources.offer().await.unwrap();
        assert_eq!(offer.shards.iter().map(|shard| shard.rows).collect::<Vec<_>>(), [2, 3]);
        assert!(offer.complete && offer.shards[1].name.starts_with("1/"));
        assert!(matches!(sources.fetch(&offer.shards[1]).await.unwrap(), Fetched::Here(_)));
        std::fs::write(folder.path().join("b.jsonl"), "{}\n").unwrap();
        assert_eq!(sources.fetch(&offer.shards[1]).await.unwrap_err().code(), "shard_altered");
        let other = Sources::new(vec![file("d.txt", "x")]);
        assert_eq!(other.offer().await.unwrap_err().code(), "bad_data");
    }
}
