//! The recipe of one round (`schemas/training/recipe.schema.json`), and what of it the trainer writes itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agentwrite::ids::TrainingId;
use agentwrite::ports::TrainingRound;
use serde_json::{Map, Value, json};

use crate::rounds::RoundDetail;
use crate::spec::TrainingSpec;

/// Where a round starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Start {
    /// The last checkpoint of the round before.
    pub continue_from: Option<String>,
    /// Steps of all rounds before.
    pub step: u64,
}

/// The folder of a round.
pub(crate) fn round_dir(out: &Path, round: u32) -> PathBuf {
    out.join("rounds").join(format!("{round:05}"))
}

/// The recipe, but for `resume_from`, which differs from session to session. `paths` are the verified files by SHA-256.
pub(crate) fn recipe(
    job: &TrainingId,
    spec: &TrainingSpec,
    round: &TrainingRound,
    detail: &RoundDetail,
    start: &Start,
    paths: &BTreeMap<String, PathBuf>,
) -> Map<String, Value> {
    let mut recipe = spec.recipe.clone();
    let format = |sha256: &str| {
        let shard = detail.shards.iter().find(|shard| shard.sha256 == sha256);
        shard.map_or("parquet", |shard| shard.format.as_str())
    };
    let shards: Vec<Value> = round
        .shards
        .iter()
        .map(|shard| {
            json!({
                "name": shard.name, "path": paths.get(&shard.sha256), "format": format(&shard.sha256),
                "sha256": shard.sha256, "rows": shard.rows,
            })
        })
        .collect();
    for (field, value) in [
        ("schema", json!(1)),
        ("kind", json!(spec.kind)),
        ("job", json!(job)),
        ("round", json!(round.number)),
        ("output_dir", json!(round_dir(&spec.out, round.number))),
        ("continue_from", json!(start.continue_from)),
        ("start_step", json!(start.step)),
        ("data", json!({"shards": shards, "general": detail.general})),
        ("epochs", json!(round.epochs)),
        ("save_model", json!(detail.last)),
    ] {
        recipe.insert(field.to_owned(), value);
    }
    if let Some(schedule) = detail.schedule.as_ref().filter(|_| !spec.recipe.contains_key("schedule")) {
        recipe.insert("schedule".to_owned(), schedule.clone());
    }
    recipe
}
