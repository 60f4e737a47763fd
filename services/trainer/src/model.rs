//! The record of a trained model: what it was made from, by what, on which way.

use agentwrite::ids::Timestamp;
use agentwrite::ports::TrainingView;
use serde_json::{Value, json};

use crate::journal::rfc3339;
use crate::rounds::RoundDetail;
use crate::spec::TrainingSpec;

/// The version of the record.
const RECORD_VERSION: u32 = 1;

/// The record of a job whose rounds are all whole.
///
/// `lineage` holds the checkpoints that sessions really went on from, first to last; `passes` says for each shard and epoch
/// the checkpoint that it is done with, each exactly once. Work that was done after a checkpoint and lost is in neither: it was
/// done again, and counts in `redone_steps`.
pub(crate) fn record(view: &TrainingView, spec: &TrainingSpec, now: Timestamp) -> Value {
    let standing = view.standing();
    let last = standing.map_or(Value::Null, |checkpoint| checkpoint.detail.clone());
    let detail = |number: u32| {
        let round = view.rounds.iter().find(|round| round.number == number);
        round.and_then(|round| serde_json::from_value::<RoundDetail>(round.detail.clone()).ok())
    };
    let closing = |number: u32| {
        view.checkpoints.iter().rev().find(|checkpoint| checkpoint.round == number && !checkpoint.superseded)
    };
    let shards: Vec<Value> = view
        .rounds
        .iter()
        .flat_map(|round| {
            round.shards.iter().map(|shard| {
                json!({
                    "name": shard.name, "sha256": shard.sha256, "rows": shard.rows, "round": round.number,
                    "epochs": round.epochs,
                })
            })
        })
        .collect();
    let rounds: Vec<Value> = view
        .rounds
        .iter()
        .map(|round| {
            let closing = closing(round.number);
            let said = closing.map_or(Value::Null, |checkpoint| checkpoint.detail.clone());
            let frozen = detail(round.number);
            json!({
                "round": round.number, "order_sha256": round.order_hash, "step": closing.map(|it| it.step),
                "schedule": frozen.as_ref().and_then(|detail| detail.schedule.clone()),
                "general": frozen.map(|detail| without_paths(detail.general)),
                "tokens": said["tokens"], "target_tokens": said["target_tokens"], "losses": said["losses"],
            })
        })
        .collect();
    let lineage: Vec<Value> = view
        .lineage()
        .into_iter()
        .map(|checkpoint| {
            json!({
                "checkpoint": checkpoint.number, "session": checkpoint.session, "round": checkpoint.round,
                "step": checkpoint.step, "index_sha256": checkpoint.detail["index_sha256"],
            })
        })
        .collect();
    let passes: Vec<Value> = view
        .leases
        .iter()
        .map(|lease| json!({"epoch": lease.epoch, "shard": lease.shard, "checkpoint": lease.done}))
        .collect();
    json!({
        "schema": RECORD_VERSION,
        "job": view.training.id,
        "kind": spec.kind,
        "base_model": spec.recipe.get("base_model"),
        "model_path": last["model_path"],
        "model_sha256": last["model_sha256"],
        "registered_at": rfc3339(now),
        "step": standing.map(|checkpoint| checkpoint.step),
        "epochs": spec.epochs(),
        "recipe": spec.recipe,
        "shards": shards,
        "rounds": rounds,
        "versions": {"longhand": env!("CARGO_PKG_VERSION"), "backend": last["backend"]},
        "lineage": lineage,
        "passes": passes,
        "sessions": view.sessions.len(),
        "redone_steps": view.sessions.iter().map(|session| session.redone_steps).sum::<u64>(),
    })
}

fn without_paths(mut general: Vec<Value>) -> Vec<Value> {
    for source in general.iter_mut().filter_map(Value::as_object_mut) {
        source.shift_remove("path");
    }
    general
}
