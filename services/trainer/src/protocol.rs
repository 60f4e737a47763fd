//! What a backend says, one JSON object a line (`schemas/training/protocol.md`, version 1).
//!
//! A reader is tolerant: fields and events that it does not know are passed over, and a line that is no event is text for the
//! log. To add an event: a variant of [`Event`], its form in `schemas/training/event.schema.json`, an example beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the protocol.
pub const PROTOCOL_VERSION: u64 = 1;

/// An event.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Versions, device, processes.
    Hello(Hello),
    /// Data verified, order frozen; before the first step.
    Plan(Box<Plan>),
    /// An optimizer step.
    Progress(Progress),
    /// A checkpoint is on disk.
    Checkpoint(CheckpointSaid),
    /// For people.
    Warning {
        /// One line.
        message: String,
    },
    /// Checkpoint and model are on disk.
    Done(Box<Done>),
    /// A signal stopped it; a checkpoint is on disk, if there was a step.
    Stopped {
        /// Steps of the round.
        step: u64,
        /// The checkpoint.
        checkpoint: Option<String>,
    },
    /// It cannot go on.
    Error {
        /// `out_of_memory`, `nan`, `bad_recipe`, ...
        code: String,
        /// One line.
        message: String,
    },
}

/// Who works where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The backend's name.
    pub backend: String,
    /// Its version.
    pub version: String,
    /// Versions of what it is made of.
    #[serde(default)]
    pub packages: BTreeMap<String, String>,
    /// The devices.
    #[serde(default)]
    pub device: Value,
    /// Processes.
    #[serde(default)]
    pub processes: u32,
}

/// What a round will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Rows over all epochs.
    pub rows: u64,
    /// Rows left out.
    #[serde(default)]
    pub skipped: Skipped,
    /// Tokens over all epochs.
    pub tokens: u64,
    /// Those that the loss sees.
    pub target_tokens: u64,
    /// Packs.
    pub packs: u64,
    /// Optimizer steps of the round.
    pub steps: u64,
    /// Hash of the frozen order of rows and packs.
    pub order_sha256: String,
    /// The chat template.
    #[serde(default)]
    pub template: Option<String>,
    /// The attention in use.
    #[serde(default)]
    pub attention: Option<String>,
    /// Parameters.
    #[serde(default)]
    pub parameters: Option<u64>,
    /// Parameters that are trained.
    #[serde(default)]
    pub trainable_parameters: Option<u64>,
    /// An estimate, in bytes.
    #[serde(default)]
    pub memory_bytes_per_device: u64,
    /// An estimate, in bytes.
    #[serde(default)]
    pub checkpoint_bytes: u64,
    /// A row as the model sees it; of a dry run only, for it holds text.
    #[serde(default)]
    pub example: Option<Example>,
}

/// Rows left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Skipped {
    /// Distinct rows.
    pub rows: u64,
    /// By reason.
    #[serde(default)]
    pub reasons: BTreeMap<String, u64>,
    /// Where they are listed.
    #[serde(default)]
    pub path: Option<String>,
}

/// A row as the model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// The shard.
    pub name: String,
    /// The row in it, from 0.
    pub row: u64,
    /// Its pieces.
    pub segments: Vec<Segment>,
}

/// A piece of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Its text.
    pub text: String,
    /// Whether the loss sees it.
    pub target: bool,
    /// Its tokens.
    pub tokens: u64,
}

/// An optimizer step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Step of the round, from 1.
    pub step: u64,
    /// Steps of the round.
    pub of: u64,
    /// The epoch.
    #[serde(default)]
    pub epoch: Option<u32>,
    /// Its loss.
    pub loss: f64,
    /// Its rate.
    pub learning_rate: f64,
    /// Tokens trained in the round.
    #[serde(default)]
    pub tokens: u64,
    /// Tokens a second.
    #[serde(default)]
    pub tokens_per_second: f64,
    /// Peak of the busiest device.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
}

/// A pass over a shard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pass {
    /// The shard, as the recipe calls it.
    pub name: String,
    /// The epoch, from 1.
    pub epoch: u32,
}

/// A checkpoint, as announced or as its `index.json` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointSaid {
    /// Steps of the round in it.
    pub step: u64,
    /// Its folder; not in `index.json`.
    #[serde(default)]
    pub path: String,
    /// Hash of its `index.json`.
    #[serde(default)]
    pub index_sha256: Option<String>,
    /// Hash of the order of the round.
    #[serde(default)]
    pub order_sha256: Option<String>,
    /// Every pass that it contains, cumulative in the round.
    #[serde(default)]
    pub shards: Vec<Pass>,
    /// Tokens trained in the round.
    #[serde(default)]
    pub tokens: u64,
    /// Those that the loss saw.
    #[serde(default)]
    pub target_tokens: u64,
    /// Of the last step.
    #[serde(default)]
    pub loss: Option<f64>,
}

/// A round is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Steps of the round.
    pub steps: u64,
    /// Tokens.
    #[serde(default)]
    pub tokens: u64,
    /// Those that the loss saw.
    #[serde(default)]
    pub target_tokens: u64,
    /// The model's folder.
    #[serde(default)]
    pub model_path: Option<String>,
    /// Hash over its files.
    #[serde(default)]
    pub model_sha256: Option<String>,
    /// The last checkpoint.
    pub checkpoint: String,
    /// Of the first and the last step.
    #[serde(default)]
    pub losses: Value,
    /// Every pass of the round.
    #[serde(default)]
    pub shards: Vec<Pass>,
    /// Hash of the order of the round.
    #[serde(default)]
    pub order_sha256: Option<String>,
}

/// What a line of a backend's standard output is.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// An event.
    Event(Event),
    /// An event that this build does not know, which is no fault.
    Unknown,
    /// An event of another version of the protocol, which cannot be trusted to mean the same.
    OtherVersion(String),
    /// Anything else: text for the log.
    Text,
}

/// Reads a line.
pub fn read_line(line: &str) -> Line {
    const KNOWN: [&str; 8] = ["hello", "plan", "progress", "checkpoint", "warning", "done", "stopped", "error"];
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(line) else { return Line::Text };
    let (Some(schema), Some(event)) = (object.get("schema"), object.get("event").and_then(Value::as_str)) else {
        return Line::Text;
    };
    if schema.as_u64() != Some(PROTOCOL_VERSION) {
        return Line::OtherVersion(schema.to_string());
    }
    if !KNOWN.contains(&event) {
        return Line::Unknown;
    }
    serde_json::from_value(Value::Object(object)).map_or(Line::Text, Line::Event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_of_the_protocol_is_read() {
        let examples = include_str!("../../../schemas/training/examples/events.jsonl");
        let read: Vec<Line> = examples.lines().map(read_line).collect();
        assert!(read.len() >= 8, "{read:?}");
        for (line, text) in read.iter().zip(examples.lines()) {
            assert!(matches!(line, Line::Event(_)), "{text}: {line:?}");
        }
    }

    #[test]
    fn what_is_no_event_is_told_apart() {
        for (line, is) in [
            ("Loading checkpoint shards: 100%", Line::Text),
            ("", Line::Text),
            ("{\"loss\": 2.0}", Line::Text),
            ("[1, 2]", Line::Text),
            // Cut off, or a field of the wrong type.
            ("{\"schema\": 1, \"event\": \"progress\", \"step\": ", Line::Text),
            ("{\"schema\": 1, \"event\": \"progress\", \"step\": \"many\"}", Line::Text),
            ("{\"schema\": 1, \"event\": \"tea\"}", Line::Unknown),
            ("{\"schema\": 2, \"event\": \"hello\"}", Line::OtherVersion("2".to_owned())),
        ] {
            assert_eq!(read_line(line), is, "{line}");
        }
    }
}
