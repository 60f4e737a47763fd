//! Where shards come from, as named on the command line and as read by a trainer.

use std::path::Path;
use std::sync::Arc;

use agentwrite::ids::RunId;
use checkpoints::postgres::PostgresStore;
use dataset::{DatasetFolder, MANIFEST_FILE};
use trainer::{FileSource, ManifestSource, PublishedSource, Source, SourceSpec, Sources, TrainingSpec};

use crate::fault::{Exit, Fault, chain_of};
use crate::fleet::shards::Shards;
use crate::place::{DATABASE, Place};
use crate::settings::Settings;

/// The source that an argument names: a dataset's folder or manifest, a file, or else a run of the distributed edition.
pub async fn named(config_file: Option<&Path>, settings: &Settings, text: &str) -> Result<SourceSpec, Fault> {
    let path = Path::new(text);
    let absolute =
        || std::path::absolute(path).map_err(|error| Fault::usage("path", format!("{text} is no path")).because(error));
    if path.is_dir() {
        if path.join(MANIFEST_FILE).is_file() || path.join(DATABASE).is_file() {
            return Ok(SourceSpec::Folder(absolute()?));
        }
        return Err(Fault::new(
            "not_found",
            Exit::NotFound,
            format!("{text} holds no dataset: there is no {MANIFEST_FILE}"),
        )
        .help("give the folder that was passed to `longhand run --out`, or a dataset's folder"));
    }
    if path.is_file() {
        let absolute = absolute()?;
        return match path.extension().and_then(std::ffi::OsStr::to_str) {
            Some("parquet" | "jsonl") => Ok(SourceSpec::File(absolute)),
            Some("json") if path.ends_with(MANIFEST_FILE) => {
                Ok(SourceSpec::Folder(absolute.parent().unwrap_or(&absolute).to_owned()))
            }
            _ => Err(Fault::usage("source", format!("{text} is neither a dataset nor a .parquet or .jsonl file"))),
        };
    }
    if !settings.database.is_named() {
        return Err(Fault::new("not_found", Exit::NotFound, format!("there is no file or folder {text}"))
            .because("no database is configured in which it could be a run")
            .help("give a run's folder, or export LONGHAND__DATABASE__URL"));
    }
    let place = Place::read(config_file, text).await?;
    let run = place.run.id.to_string();
    place.close().await;
    Ok(SourceSpec::Run(run))
}

/// Whether a job needs the database of the distributed edition.
pub fn in_fleet(spec: &TrainingSpec) -> bool {
    spec.sources.iter().any(|source| matches!(source, SourceSpec::Run(_)))
}

/// The sources of a job.
pub fn open(
    settings: &Settings,
    spec: &TrainingSpec,
    database: Option<&Arc<PostgresStore>>,
) -> Result<Arc<dyn Source>, Fault> {
    let shards = if in_fleet(spec) { Some(Shards::connect_to_read(settings)?) } else { None };
    let mut sources: Vec<Arc<dyn Source>> = Vec::new();
    for source in &spec.sources {
        sources.push(match (source, database, &shards) {
            (SourceSpec::Folder(folder), ..) => {
                Arc::new(ManifestSource::new(Arc::new(DatasetFolder::at(folder.clone()))))
            }
            (SourceSpec::File(path), ..) => Arc::new(FileSource::new(path.clone())),
            (SourceSpec::Run(run), Some(store), Some(shards)) => {
                let run = RunId::new(run.clone());
                let place = shards.place_to_read(&run);
                Arc::new(PublishedSource { run, runs: store.clone(), packs: store.clone(), place })
            }
            (SourceSpec::Run(run), ..) => {
                return Err(Fault::usage("no_url", format!("{run} is a run of a database, and none is named"))
                    .help("export LONGHAND__DATABASE__URL=postgres://USER:PASSWORD@HOST:5432/DATABASE"));
            }
        });
    }
    Ok(Arc::new(Sources::new(sources)))
}

/// The clock could not be read, or some such.
pub fn store_fault(error: &agentwrite::ports::StoreError) -> Fault {
    Fault::new("storage", Exit::Unreachable, "the store of the training job failed").because(chain_of(error))
}
