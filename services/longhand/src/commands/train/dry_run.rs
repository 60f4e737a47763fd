//! `train sft|dpo --dry-run`: what would be trained.

use std::fmt::Write as _;
use std::io::Write;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use trainer::{Planned, Segment, TrainingSpec};

use super::faults::fault_of;
use super::foreground::base_model;
use super::home::Jobs;
use super::request::Request;
use super::sources;
use crate::fault::{Exit, Fault};
use crate::output::{harmless, put, put_json};
use crate::settings::Settings;
use crate::tables::{bytes, count};

/// Asks the backend and shows its plan.
pub async fn run(settings: &Settings, request: &Request, as_json: bool, out: &mut dyn Write) -> Result<Exit, Fault> {
    let spec = &request.spec;
    let jobs = if sources::in_fleet(spec) { Some(Jobs::of_fleet(settings).await?) } else { None };
    let source = sources::open(settings, spec, jobs.as_ref().and_then(Jobs::database))?;
    let folder = tempfile::tempdir()
        .map_err(|error| Fault::new("storage", Exit::Unreachable, "no temporary folder can be made").because(error))?;
    let planned =
        trainer::dry_run(spec, &*source, folder.path(), &settings.train.backend(), &CancellationToken::new()).await;
    if let Some(jobs) = jobs {
        jobs.close().await;
    }
    let (offer, mut planned) = planned.map_err(|error| fault_of(&error, &spec.out))?;
    // The list of skipped rows is in the folder that goes with this call.
    planned.plan.skipped.path = None;
    if !offer.complete {
        eprintln!("warning: the run goes on ({}): this is the plan for what is there now", offer.standing);
    }
    for warning in &planned.warnings {
        eprintln!("warning: {}", harmless(warning));
    }
    let shards = offer.shards.len();
    if as_json {
        let mut plan = serde_json::to_value(&planned.plan).expect("plain values");
        // The text of a row is for the eyes of whoever asked, not for a pipe.
        if let Some(plan) = plan.as_object_mut() {
            plan.shift_remove("example");
        }
        let versions = &planned.versions;
        put_json(
            out,
            &json!({"schema": 1, "kind": spec.kind, "base_model": base_model(spec), "shards": shards,
                    "complete": offer.complete, "versions": versions, "plan": plan}),
        )?;
    } else {
        put(out, &text(spec, shards, &planned))?;
    }
    Ok(Exit::Done)
}

fn text(spec: &TrainingSpec, shards: usize, planned: &Planned) -> String {
    let plan = &planned.plan;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    line("train", format!("{} of {}", spec.kind.as_str(), base_model(spec)));
    let epochs = spec.epochs();
    line("data", format!("{shards} shards; {} rows over {epochs} epochs", count(plan.rows)));
    if plan.skipped.rows > 0 {
        let reasons: Vec<String> =
            plan.skipped.reasons.iter().map(|(reason, rows)| format!("{reason} {}", count(*rows))).collect();
        line("skipped", format!("{} rows: {}", count(plan.skipped.rows), reasons.join(", ")));
    }
    line("tokens", format!("{}, of which the loss sees {}", count(plan.tokens), count(plan.target_tokens)));
    line("steps", format!("{} of {} packs in all", count(plan.steps), count(plan.packs)));
    if let (Some(all), Some(trained)) = (plan.parameters, plan.trainable_parameters) {
        line("parameters", format!("{} of {} are trained", count(trained), count(all)));
    }
    let set = [("template", &plan.template), ("attention", &plan.attention)];
    for (name, value) in set {
        if let Some(value) = value {
            line(name, harmless(value));
        }
    }
    line("memory", format!("about {} on each device", bytes(plan.memory_bytes_per_device)));
    line("disk", format!("about {} a checkpoint", bytes(plan.checkpoint_bytes)));
    line("order", plan.order_sha256.clone());
    if let Some(example) = &plan.example {
        line("row", format!("{} of {}; what the loss sees stands between [[ and ]]", example.row, example.name));
        text.push_str(&shown(&example.segments));
    }
    text
}

/// A row as the model sees it.
fn shown(segments: &[Segment]) -> String {
    let mut text = String::new();
    for segment in segments {
        let piece = harmless(&segment.text);
        let _ = if segment.target { write!(text, "[[{piece}]]") } else { write!(text, "{piece}") };
    }
    text.push('\n');
    text
}
