//! Checkpoints that a backend wrote and nobody recorded, because the trainer died in between.

use std::path::Path;

use serde_json::Value;

use crate::TrainError;
use crate::files::sha256_hex;
use crate::protocol::CheckpointSaid;

/// The newest checkpoint after step `least` of a round's folder that is whole: its index is there, of this order, and every
/// file that it lists has its size. The backend checks the hashes when it goes on from it.
pub(super) fn newest_unrecorded(
    checkpoints: &Path,
    least: u64,
    order: Option<&str>,
) -> Result<Option<CheckpointSaid>, TrainError> {
    let Ok(entries) = std::fs::read_dir(checkpoints) else { return Ok(None) };
    let mut newest: Option<CheckpointSaid> = None;
    for entry in entries {
        let entry = entry.map_err(TrainError::io("list", checkpoints))?;
        let step = entry.file_name().to_str().and_then(|name| name.strip_prefix("step-")?.parse::<u64>().ok());
        let Some(step) = step.filter(|step| *step > newest.as_ref().map_or(least, |newest| newest.step)) else {
            continue;
        };
        let path = entry.path();
        let Ok(index) = std::fs::read(path.join("index.json")) else { continue };
        let Ok(value) = serde_json::from_slice::<Value>(&index) else { continue };
        let Ok(said) = serde_json::from_value::<CheckpointSaid>(value.clone()) else { continue };
        if said.step != step || said.order_sha256.as_deref() != order || !has_its_files(&path, &value["files"]) {
            continue;
        }
        let path = path.display().to_string();
        newest = Some(CheckpointSaid { path, index_sha256: Some(sha256_hex(&index)), ..said });
    }
    Ok(newest)
}

/// Whether every listed file has its size. A list of another form says nothing.
fn has_its_files(folder: &Path, files: &Value) -> bool {
    let listed: Vec<(&str, Option<u64>)> = match files {
        Value::Object(files) => files.iter().map(|(name, about)| (name.as_str(), size_of(about))).collect(),
        Value::Array(files) => {
            files.iter().filter_map(|about| Some((about["name"].as_str()?, size_of(about)))).collect()
        }
        _ => Vec::new(),
    };
    listed.into_iter().all(|(name, size)| {
        let there = std::fs::metadata(folder.join(name)).ok().map(|about| about.len());
        there.is_some() && (size.is_none() || there == size)
    })
}

fn size_of(about: &Value) -> Option<u64> {
    about["bytes"].as_u64().or_else(|| about["size"].as_u64())
}
