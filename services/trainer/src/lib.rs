//! The trainer: pulls finished shards, verifies them, drives a training backend round by round, registers the model.
//!
//! The way of a shard: [`Source`] (a manifest, a run, a file) -> a round's frozen list in the store -> [`Cache`] (verified) ->
//! the recipe -> the backend, a child process that speaks `schemas/training/protocol.md` -> a checkpoint, recorded together
//! with what it contains -> `model.json`.
//!
//! Promises:
//! - a round's shards, and the order of its rows and packs, are frozen before its first step;
//! - what is done is written together with the checkpoint that contains it, so in the lineage of the registered model each
//!   shard counts exactly once an epoch, whatever died on the way;
//! - bytes that are not those of the manifest are never trained on;
//! - a model is registered once.
//!
//! To add a backend: a command line that speaks the protocol. To add a source of shards: see `source.rs`.

mod backend;
mod cache;
mod dry_run;
mod error;
mod fetch;
mod files;
mod journal;
mod lines;
mod model;
mod protocol;
mod recipe;
mod rounds;
mod source;
mod spec;
mod trainer;

pub use backend::{BackendSettings, Planned};
pub use cache::Cache;
pub use dry_run::dry_run;
pub use error::TrainError;
pub use journal::{LOG_FILE, Phase, Standing, last_standing};
pub use protocol::{Event, Line, Plan, Segment, read_line};
pub use source::{Fetched, FileSource, ManifestSource, Offer, Offered, PublishedSource, Source, Sources};
pub use spec::{GeneralSpec, MACHINE_FIELDS, OWN_FIELDS, SourceSpec, TrainingKind, TrainingSpec};
pub use trainer::{MODEL_FILE, MODEL_LINK, Outcome, Store, Trainer, TrainerParts, TrainerSettings, leave_record};
