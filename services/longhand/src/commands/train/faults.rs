//! What a person is told when training cannot go on.

use std::path::Path;

use trainer::TrainError;

use crate::fault::{Exit, Fault, chain_of};

/// The fault of an error. `out` is the job's folder.
pub fn fault_of(error: &TrainError, out: &Path) -> Fault {
    let out = out.display();
    let logs = format!("longhand train logs {out}");
    let what = error.to_string();
    let cause = std::error::Error::source(error).map(chain_of);
    let fault = match error {
        TrainError::Store(_) => Fault::new("storage", Exit::Unreachable, "the store of the training job failed"),
        TrainError::NoJob(_) => Fault::new("not_found", Exit::NotFound, what),
        TrainError::Held { .. } => Fault::new("already_running", Exit::Conflict, what)
            .help("watch it with `longhand train status`, or stop it with `longhand train stop`"),
        TrainError::Lost(_) => Fault::new("lease_lost", Exit::Conflict, what),
        TrainError::ShardAltered { .. } => Fault::new("shard_altered", Exit::Conflict, what)
            .help("put the published file back; `longhand doctor RUN|DIR` checks them all"),
        TrainError::ShardMissing { .. } => Fault::new("shard_missing", Exit::NotFound, what)
            .help("put the published file back; `longhand doctor RUN|DIR` checks them all"),
        TrainError::Place(_) => Fault::new("shards", Exit::Unreachable, what),
        TrainError::Data { .. } => Fault::usage("bad_data", what),
        TrainError::CacheFull { .. } => {
            Fault::usage("cache_full", what).help("raise [train] cache_gb, or LONGHAND__TRAIN__CACHE_GB")
        }
        TrainError::Io { .. } => Fault::new("out_unwritable", Exit::Unreachable, what),
        TrainError::NothingToTrain(_) => Fault::new("nothing_to_train", Exit::WorkFailed, what)
            .help("`longhand why RUN|DIR` says what became of the samples"),
        TrainError::BackendStart { .. } => Fault::usage("backend_start", what)
            .help("install the bundled backend (docs/TRAINING.md), or name another command in [train] backend"),
        TrainError::Backend { code, .. } => of_backend(code, &what, &logs),
        TrainError::BackendCrashes { .. } => Fault::new("backend_crashes", Exit::Unreachable, what).help(logs.clone()),
        TrainError::BackendVersion(_) => {
            Fault::usage("backend_version", what).help("use the backend of this version of longhand (docs/TRAINING.md)")
        }
        TrainError::OrderChanged { .. } => Fault::new("order_changed", Exit::Conflict, what)
            .help("go on with the backend and data that the round was begun with, or start anew with another --out"),
        TrainError::Incomplete { .. } => Fault::new("backend_incomplete", Exit::Unreachable, what).help(logs.clone()),
    };
    match cause {
        Some(cause) => fault.because(cause),
        None => fault,
    }
}

fn of_backend(code: &str, what: &str, logs: &str) -> Fault {
    let kept = "the last good checkpoint is kept: the same command goes on from it";
    match code {
        "out_of_memory" => Fault::new("out_of_memory", Exit::WorkFailed, what)
            .because(kept)
            .help("LoRA instead of --full, a smaller --max-length, or {\"offload\": true} in --recipe FILE"),
        "nan" => Fault::new("nan", Exit::WorkFailed, what)
            .because(kept)
            .help(format!("a lower --learning-rate with another --out; {logs}")),
        "bad_shard" => Fault::new("shard_altered", Exit::Conflict, what),
        "bad_recipe" => Fault::usage("bad_recipe", what),
        "template_missing" => {
            Fault::usage("template_missing", what).help("name one with --template chatml|llama3|glm4|FILE")
        }
        "too_long_for_model" => Fault::usage("too_long_for_model", what).help("a smaller --max-length"),
        "bad_checkpoint" => Fault::new("bad_checkpoint", Exit::Unreachable, what).help(logs.to_owned()),
        "backend_crashes" => Fault::new("backend_crashes", Exit::Unreachable, what),
        _ => Fault::new("backend", Exit::Unreachable, what).because(code.to_owned()).help(logs.to_owned()),
    }
}
