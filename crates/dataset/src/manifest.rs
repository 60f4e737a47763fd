//! The manifest: which files are the dataset, what is in them, and what it took to make them.
//!
//! Everything but `accounting` is content: a function of the rows and the frozen configuration, covered by
//! [`Manifest::content_hash`]. `accounting` differs between two runs that made the same texts and is outside every
//! hash. A change of form gets a new version; manifests of old versions stay readable.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::durable::sha256_hex;
use crate::place::SHARD_DIR;
use crate::shard_name::{ShardFileName, ShardFormat, ShardNameError};
use crate::tally::RowTally;

/// The manifest's `schema`.
pub const MANIFEST_VERSION: u32 = 1;

/// A dataset as a whole. Fill the public fields, leave the rest to `..Manifest::default()`, then [`Manifest::seal`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this form; [`MANIFEST_VERSION`].
    pub schema: u32,
    /// The dataset's name.
    pub name: String,
    /// Every published file, by name: each shard as Parquet, and as JSONL where twins are written.
    pub files: Vec<ShardFile>,
    /// Closed ranges of ordinals without a row, which have no file.
    pub empty_ranges: Vec<OrdinalRange>,
    /// Samples of the run by state (`packed`, `rejected`, `failed`, ...).
    pub states: BTreeMap<String, u64>,
    /// Sums over the rows of all shards.
    pub tally: RowTally,
    /// Models that planned and wrote.
    pub models: Models,
    /// Hash of the prompt templates.
    pub prompt_version: String,
    /// Hash of the configuration that shapes text.
    pub config_hash: String,
    /// SHA-256 over the list of files, see [`Manifest::seal`].
    pub dataset_hash: String,
    /// What it took: run, times, attempts, tokens, spend. Outside every hash.
    pub accounting: Accounting,
}

/// One published file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardFile {
    /// Path below the dataset's folder: `shards/shard-00000.parquet`.
    pub name: String,
    /// `parquet` or `jsonl`.
    pub format: String,
    /// Rows in it.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, lower-case hex.
    pub sha256: String,
    /// The range of ordinals that it closes; of a supplementary shard, its lowest and highest.
    pub ordinals: OrdinalRange,
}

/// `[first, last]`, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrdinalRange(pub u64, pub u64);

/// Models by role, each list sorted and without doubles.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    /// Models that planned.
    pub plan: Vec<String>,
    /// Models that wrote.
    pub write: Vec<String>,
}

/// What it took to make the dataset. Money is in millionths of a US dollar, times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounting {
    /// The run.
    pub run_id: String,
    /// When it was submitted.
    pub submitted_at: String,
    /// When this manifest was written.
    pub written_at: String,
    /// Attempts that sent a request (`called`), and attempts by outcome where that was no result (`failed`, and of them
    /// `throttled`; `wasted`, `orphaned`).
    pub attempts: BTreeMap<String, u64>,
    /// Prompt tokens, cached ones included.
    pub prompt_tokens: u64,
    /// Prompt tokens that the endpoint took from its prefix cache.
    pub cached_prompt_tokens: u64,
    /// Tokens of all answers.
    pub completion_tokens: u64,
    /// Settled spend.
    pub spend_micro_usd: u64,
    /// Reservations of calls whose end was never seen.
    pub suspect_micro_usd: u64,
}

/// A manifest that can't be written or taken.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not of this form.
    #[error("not a manifest")]
    Json(#[from] serde_json::Error),
    /// Written by another version of Longhand.
    #[error("manifest schema is {found}, this build reads {MANIFEST_VERSION}")]
    Version {
        /// The file's `schema`, or `missing`.
        found: String,
    },
    /// A file is not named like a shard.
    #[error("a listed file is not a shard")]
    Name(#[from] ShardNameError),
    /// Parts of the manifest contradict each other.
    #[error("manifest contradicts itself: {0}")]
    Contradiction(String),
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            schema: MANIFEST_VERSION,
            name: String::new(),
            files: Vec::new(),
            empty_ranges: Vec::new(),
            states: BTreeMap::new(),
            tally: RowTally::default(),
            models: Models::default(),
            prompt_version: String::new(),
            config_hash: String::new(),
            dataset_hash: hash_of_files(&[]),
            accounting: Accounting::default(),
        }
    }
}

impl ShardFile {
    /// The entry of a published file.
    pub fn new(published: &crate::Published, rows: u64, ordinals: OrdinalRange) -> Self {
        Self {
            name: format!("{SHARD_DIR}/{}", published.file),
            format: published.file.format.as_str().to_owned(),
            rows,
            bytes: published.bytes,
            sha256: published.sha256.clone(),
            ordinals,
        }
    }

    /// The shard and format that the name stands for.
    ///
    /// # Errors
    /// The name is not `shards/` and a shard's file name.
    pub fn file_name(&self) -> Result<ShardFileName, ShardNameError> {
        let name = self.name.strip_prefix(SHARD_DIR).and_then(|rest| rest.strip_prefix('/'));
        name.ok_or_else(|| ShardNameError(self.name.clone()))?.parse()
    }
}

impl Manifest {
    /// Puts the lists in order, sets `dataset_hash` and checks the whole.
    ///
    /// `dataset_hash` is the SHA-256 of the lines that `sha256sum` prints for `files`, in their order. In the dataset's
    /// folder `sha256sum shards/*.jsonl shards/*.parquet | LC_ALL=C sort -k 2 | sha256sum` gives it.
    ///
    /// # Errors
    /// A file that is not named like a shard, or parts that contradict each other.
    pub fn seal(mut self) -> Result<Self, ManifestError> {
        self.files.sort_by(|left, right| left.name.cmp(&right.name));
        self.empty_ranges.sort_unstable();
        for models in [&mut self.models.plan, &mut self.models.write] {
            models.sort();
            models.dedup();
        }
        self.dataset_hash = hash_of_files(&self.files);
        self.check()?;
        Ok(self)
    }

    /// Files of one format, by name.
    pub fn files_as(&self, format: ShardFormat) -> impl Iterator<Item = &ShardFile> {
        self.files.iter().filter(move |file| file.format == format.as_str())
    }

    /// SHA-256 over all of the manifest but `accounting`, lower-case hex.
    ///
    /// # Errors
    /// None in practice: the serialiser's interface has one.
    pub fn content_hash(&self) -> Result<String, ManifestError> {
        let mut content = serde_json::to_value(self)?;
        if let Some(object) = content.as_object_mut() {
            object.shift_remove("accounting");
        }
        Ok(sha256_hex(&serde_json::to_vec(&content)?))
    }

    /// The text of `manifest.json`.
    ///
    /// # Errors
    /// The manifest contradicts itself: it was changed after [`Manifest::seal`].
    pub fn to_json(&self) -> Result<String, ManifestError> {
        self.check()?;
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads a `manifest.json`, its version first.
    ///
    /// # Errors
    /// Another version, another form, or parts that contradict each other.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        let json: serde_json::Value = serde_json::from_slice(bytes)?;
        let version = json.get("schema");
        if version.and_then(serde_json::Value::as_u64) != Some(u64::from(MANIFEST_VERSION)) {
            return Err(ManifestError::Version { found: version.map_or("missing".to_owned(), ToString::to_string) });
        }
        let manifest: Self = serde_json::from_value(json)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let tally = &self.tally;
        let in_files: u64 = self.files_as(ShardFormat::Parquet).map(|file| file.rows).sum();
        let in_bins: u64 = tally.words.histogram.iter().map(|bin| bin.rows).sum();
        let in_order = self.files.windows(2).all(|pair| pair[0].name < pair[1].name);
        for (holds, claim) in [
            (self.schema == MANIFEST_VERSION, "`schema` is not this build's".to_owned()),
            (in_order, "files are not in order, or one is listed twice".to_owned()),
            (in_files == tally.rows, format!("Parquet files hold {in_files} rows, the tally {}", tally.rows)),
            (tally.words.has_paper_bins(), "the histogram has other bins".to_owned()),
            (in_bins == tally.rows, format!("the histogram holds {in_bins} rows, the tally {}", tally.rows)),
            (self.dataset_hash == hash_of_files(&self.files), "`dataset_hash` is not that of the files".to_owned()),
        ] {
            if !holds {
                return Err(ManifestError::Contradiction(claim));
            }
        }
        self.files.iter().try_for_each(|file| self.check_file(file))
    }

    /// Relies on the order of `files`.
    fn check_file(&self, file: &ShardFile) -> Result<(), ManifestError> {
        let name = file.file_name()?;
        if file.format != name.format.as_str() {
            return Err(ManifestError::Contradiction(format!("{} is called {}", file.name, file.format)));
        }
        if name.format == ShardFormat::Jsonl {
            let twin = format!("{SHARD_DIR}/{}", name.shard.file(ShardFormat::Parquet));
            let twin = self.files.binary_search_by(|other| other.name.cmp(&twin)).map(|at| &self.files[at]);
            if !twin.is_ok_and(|twin| (twin.rows, twin.ordinals) == (file.rows, file.ordinals)) {
                return Err(ManifestError::Contradiction(format!("{} has no Parquet twin with its rows", file.name)));
            }
        }
        Ok(())
    }
}

/// Over the lines that `sha256sum` prints for the files, so that anybody can check it with the usual tools.
fn hash_of_files(files: &[ShardFile]) -> String {
    let lines: Vec<String> = files.iter().map(|file| format!("{}  {}\n", file.sha256, file.name)).collect();
    sha256_hex(lines.concat().as_bytes())
}

#[cfg(test)]
mod tests;
