//! What a run left in its folder: shards, manifest, store.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use agentwrite::ports::{ReportStore, Run, RunStore, SampleFilter, SampleRow, Totals};
use agentwrite::sample::SampleState;
use checkpoints::sqlite::SqliteStore;
use dataset::Row;
use serde_json::Value;

/// A run's folder, read from outside.
#[derive(Debug, Clone)]
pub struct Folder {
    dir: PathBuf,
}

/// One look at the store.
#[derive(Debug, Clone)]
pub struct StoreView {
    /// The run.
    pub run: Run,
    /// Its counters.
    pub totals: Totals,
    /// All samples in ordinal order.
    pub samples: Vec<SampleRow>,
    /// Broken invariants.
    pub violations: Vec<(String, String, String)>,
    /// Failed attempts and rejected answers by code.
    pub codes: Vec<(String, u64)>,
}

impl StoreView {
    /// Samples in a state.
    pub fn count(&self, state: SampleState) -> u64 {
        self.totals.state(state)
    }
}

impl Folder {
    /// The folder at `dir`.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Name and bytes of every file below `shards/`.
    pub fn shard_bytes(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.dir.join("shards")).expect("the folder has shards");
        entries
            .map(|entry| {
                let path = entry.expect("a folder can be listed").path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (name, fs::read(&path).expect("a shard can be read"))
            })
            .collect()
    }

    /// The manifest.
    pub fn manifest(&self) -> Value {
        let text = fs::read_to_string(self.dir.join("manifest.json")).expect("there is a manifest");
        serde_json::from_str(&text).expect("the manifest is JSON")
    }

    /// The manifest without what differs between two runs that made the same texts.
    pub fn manifest_content(&self) -> Value {
        let mut manifest = self.manifest();
        manifest.as_object_mut().map(|fields| fields.remove("accounting"));
        manifest
    }

    /// Panics, with the names of what differs, unless both folders hold the same dataset, byte for byte.
    #[track_caller]
    pub fn assert_same_dataset(&self, other: &Self) {
        let (mine, theirs) = (self.shard_bytes(), other.shard_bytes());
        assert_eq!(mine.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "names of shards");
        let differ: Vec<_> =
            mine.iter().filter(|(name, bytes)| theirs[*name] != **bytes).map(|(name, _)| name).collect();
        assert!(differ.is_empty(), "{differ:?} differ between {} and {}", self.dir.display(), other.dir.display());
        assert_eq!(self.manifest_content(), other.manifest_content(), "content of the manifest");
    }

    /// The rows of all JSONL twins in the order of their shards, checked against their Parquet files.
    pub fn rows(&self) -> Vec<Row> {
        let files = self.shard_bytes();
        let mut rows = Vec::new();
        for (name, bytes) in &files {
            let Some(stem) = name.strip_suffix(".jsonl") else { continue };
            let twin = dataset::decode_jsonl(bytes).expect("a JSONL shard can be read");
            let parquet = &files[&format!("{stem}.parquet")];
            assert_eq!(dataset::decode_parquet(parquet).expect("a Parquet shard can be read"), twin, "{name}");
            rows.extend(twin);
        }
        rows
    }

    /// Looks at the store, also while a runner works on it.
    pub fn store(&self) -> StoreView {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        runtime.block_on(async {
            let store = SqliteStore::open_read_only(&self.dir.join("longhand.db")).await.expect("the store opens");
            let view = view(&store).await.expect("the store can be read");
            store.close().await;
            view
        })
    }

    /// The run's counters alone, which is quick; none before the run is in the store.
    pub fn totals(&self) -> Option<Totals> {
        let database = self.dir.join("longhand.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        runtime.block_on(async {
            let store = SqliteStore::open_read_only(&database).await.ok()?;
            let run = store.runs().await.ok()?.into_iter().next();
            let totals = match run {
                Some(run) => store.totals(&run.id).await.ok(),
                None => None,
            };
            store.close().await;
            totals
        })
    }

    /// Parquet shards that are published.
    pub fn parquet_files(&self) -> usize {
        let entries = fs::read_dir(self.dir.join("shards")).into_iter().flatten().flatten();
        entries.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "parquet")).count()
    }

    /// Every file of the folder that holds `needle`.
    pub fn files_with(&self, needle: &str) -> Vec<PathBuf> {
        files(&self.dir).into_iter().filter(|path| holds(path, needle)).collect()
    }
}

async fn view(store: &SqliteStore) -> Result<StoreView, agentwrite::ports::StoreError> {
    let run = store.runs().await?.into_iter().next().expect("the folder holds a run");
    let mut samples = Vec::new();
    let mut filter = SampleFilter::default();
    loop {
        let page = store.samples(&run.id, &filter, 1000).await?;
        samples.extend(page.rows);
        filter.after = page.next;
        if page.next.is_none() {
            break;
        }
    }
    Ok(StoreView {
        totals: store.totals(&run.id).await?,
        violations: store.violations(&run.id).await?,
        codes: store.attempt_codes(&run.id).await?,
        samples,
        run,
    })
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn holds(path: &Path, needle: &str) -> bool {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}
