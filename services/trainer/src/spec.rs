//! What a training job is: frozen when it is created, but for what the machine decides.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainingKind {
    /// Supervised fine-tuning on samples.
    Sft,
    /// Direct preference optimisation on pairs.
    Dpo,
}

impl TrainingKind {
    /// As the recipe has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sft => "sft",
            Self::Dpo => "dpo",
        }
    }

    /// Passes over the data where nobody says: those of the paper.
    pub fn epochs(self) -> u32 {
        match self {
            Self::Sft => 4,
            Self::Dpo => 2,
        }
    }
}

/// Where shards come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceSpec {
    /// A dataset's folder.
    Folder(PathBuf),
    /// A run of the distributed edition.
    Run(String),
    /// A file.
    File(PathBuf),
}

/// General data that is mixed in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeneralSpec {
    /// The file.
    pub path: PathBuf,
    /// Times that each of its rows counts an epoch.
    pub weight: f64,
}

/// A training job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSpec {
    /// What is trained.
    pub kind: TrainingKind,
    /// Where shards come from.
    pub sources: Vec<SourceSpec>,
    /// General data.
    pub general: Vec<GeneralSpec>,
    /// Start at so many shards, while the run goes on; none = when it is complete.
    pub stream: Option<u32>,
    /// Its folder.
    pub out: PathBuf,
    /// Fields of the recipe, those of [`MACHINE_FIELDS`] included.
    pub recipe: Map<String, Value>,
}

/// Fields of a recipe that may change between two starts of a job: they do not say what is trained, only how the machine at
/// hand does it (`schemas/training/protocol.md`).
pub const MACHINE_FIELDS: [&str; 8] = [
    "processes",
    "sharding",
    "offload",
    "attention",
    "memory_limit_bytes",
    "gradient_checkpointing",
    "checkpoint_every",
    "keep_checkpoints",
];

/// Fields of a recipe that the trainer writes.
pub const OWN_FIELDS: [&str; 9] =
    ["schema", "kind", "job", "round", "output_dir", "resume_from", "continue_from", "start_step", "data"];

impl TrainingSpec {
    /// Passes over the data.
    pub fn epochs(&self) -> u32 {
        let epochs = self.recipe.get("epochs").and_then(Value::as_u64).and_then(|epochs| u32::try_from(epochs).ok());
        epochs.filter(|epochs| *epochs > 0).unwrap_or(self.kind.epochs())
    }

    /// What differs from a job that was begun, apart from what may: names of fields, with both values.
    pub fn differences(&self, begun: &Self) -> Vec<String> {
        let (mine, theirs) = (self.frozen(), begun.frozen());
        let names: std::collections::BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
        let shown = |value: Option<&Value>| value.map_or_else(|| "not set".to_owned(), ToString::to_string);
        names
            .into_iter()
            .filter(|name| mine.get(*name) != theirs.get(*name))
            .map(|name| format!("{name}: {} then, {} now", shown(theirs.get(name)), shown(mine.get(name))))
            .collect()
    }

    /// Everything that may not change.
    fn frozen(&self) -> Map<String, Value> {
        let mut fields = self.recipe.clone();
        fields.retain(|name, _| !MACHINE_FIELDS.contains(&name.as_str()));
        for (name, value) in [
            ("kind", serde_json::to_value(self.kind)),
            ("sources", serde_json::to_value(&self.sources)),
            ("general", serde_json::to_value(&self.general)),
            ("stream", serde_json::to_value(self.stream)),
        ] {
            fields.insert(name.to_owned(), value.expect("plain values"));
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_the_machine_decides_may_change() {
        let Value::Object(recipe) = json!({"base_model": "m", "max_length": 2048, "processes": 1}) else { panic!() };
        let spec = TrainingSpec {
            kind: TrainingKind::Sft,
            sources: vec![SourceSpec::Folder("out".into())],
            general: Vec::new(),
            stream: None,
            out: "model".into(),
            recipe,
        };
        let mut other = spec.clone();
        other.recipe.insert("processes".into(), json!(8));
        other.recipe.insert("offload".into(), json!(true));
        assert_eq!(other.differences(&spec), Vec::<String>::new());
        other.recipe.insert("max_length".into(), json!(1024));
        other.stream = Some(2);
        assert_eq!(other.differences(&spec), ["max_length: 2048 then, 1024 now", "stream: null then, 2 now"]);
        assert_eq!((spec.epochs(), other.epochs()), (4, 4));
    }
}
