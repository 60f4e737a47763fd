//! `longhand doctor --endpoint`: what the endpoint can do, by two small calls.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use llm::{HttpChat, Preflight};

use crate::cli::DoctorArgs;
use crate::commands::drive::endpoint_flags;
use crate::endpoint::fault_of;
use crate::fault::{Exit, Fault};
use crate::output::{put, put_json};
use crate::settings::{self, environment};

/// Looks at the endpoint.
pub async fn run(config_file: Option<&Path>, args: &DoctorArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let (settings, _) = settings::load(config_file, endpoint_flags(&args.endpoint))?;
    if settings.endpoint.model.is_empty() {
        return Err(Fault::usage("no_model", "no model is named").help("add --model NAME"));
    }
    let config = settings.endpoint_config(&environment())?;
    let chat = HttpChat::new(config)
        .map_err(|error| Fault::usage("endpoint", "the endpoint cannot be used").because(error))?;
    let report = llm::preflight(&chat, &settings.endpoint.model, true).await;
    if args.json {
        put_json(out, &serde_json::json!({"schema": 1, "endpoint": report}))?;
    } else {
        put(out, &as_text(&report))?;
    }
    match fault_of(&report, &chat) {
        Some(fault) => Err(fault),
        None => Ok(Exit::Done),
    }
}

fn as_text(report: &Preflight) -> String {
    let yes = |value: bool| if value { "yes" } else { "no" };
    let unknown = || "unknown".to_owned();
    let rows = [
        ("endpoint", report.host.clone()),
        ("key", report.key_source.clone()),
        ("model listed", report.model_listed.map_or_else(unknown, |listed| yes(listed).to_owned())),
        ("model reported", report.reported_model.clone().unwrap_or_else(unknown)),
        ("context tokens", report.context_tokens.map_or_else(unknown, |tokens| tokens.to_string())),
        ("usage in streams", yes(report.streaming_usage).to_owned()),
        ("JSON schema", report.json_schema.map_or_else(unknown, |schema| yes(schema).to_owned())),
        ("cached tokens told", yes(report.cached_tokens_reported).to_owned()),
        ("first token", report.first_token_ms.map_or_else(unknown, |ms| format!("{ms} ms"))),
    ];
    let mut out = String::new();
    for (name, value) in rows {
        let _ = writeln!(out, "{name:<20}{value}");
    }
    for field in &report.dropped {
        let _ = writeln!(out, "{:<20}{field} (the endpoint refuses it)", "not sent");
    }
    for problem in &report.problems {
        let _ = writeln!(out, "{:<20}{problem}", "note");
    }
    out
}
