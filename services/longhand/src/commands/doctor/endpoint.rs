//! `longhand doctor --endpoint`: what the endpoints can do, by two small calls each.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use llm::{HttpChat, Preflight};

use crate::cli::DoctorArgs;
use crate::commands::drive::endpoint_flags;
use crate::endpoint::fault_of;
use crate::fault::{Exit, Fault};
use crate::output::{put, put_json};
use crate::settings::{self, Settings, environment};

/// Looks at every endpoint of the pools, and at those that only a run could name.
pub async fn run(config_file: Option<&Path>, args: &DoctorArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let (settings, _) = settings::load(config_file, endpoint_flags(&args.endpoint))?;
    let mut reports = Vec::new();
    for name in names(&settings, args.endpoint.address.base_url.is_some())? {
        let (config, terms) = settings.endpoint_config(&name, &environment())?;
        let model = model_of(&settings, &name, terms.model)?;
        let chat = HttpChat::new(config)
            .map_err(|error| Fault::usage("endpoint", format!("the endpoint {name} cannot be used")).because(error))?;
        let report = llm::preflight(&chat, &model, true).await;
        let fault = fault_of(&report, &chat);
        reports.push((name, report, fault));
    }
    if args.json {
        let all: serde_json::Map<String, serde_json::Value> = reports
            .iter()
            .map(|(name, report, _)| (name.clone(), serde_json::to_value(report).expect("a report is plain values")))
            .collect();
        let first = reports.first().map(|(_, report, _)| report);
        put_json(out, &serde_json::json!({"schema": 1, "endpoint": first, "endpoints": all}))?;
    } else {
        for (at, (name, report, _)) in reports.iter().enumerate() {
            let title =
                if reports.len() > 1 { format!("{}[{name}]\n", if at > 0 { "\n" } else { "" }) } else { String::new() };
            put(out, &format!("{title}{}", as_text(report)))?;
        }
    }
    reports.into_iter().find_map(|(_, _, fault)| fault).map_or(Ok(Exit::Done), Err)
}

/// Who is looked at; a URL on the command line is the only one.
fn names(settings: &Settings, only_the_flag: bool) -> Result<Vec<String>, Fault> {
    let pools = settings.role_pools()?;
    let mut names: Vec<String> = pools.names().into_iter().map(str::to_owned).collect();
    if !only_the_flag {
        let others: Vec<String> = settings.endpoints.keys().filter(|name| !names.contains(name)).cloned().collect();
        names.extend(others);
    }
    Ok(names)
}

/// The model that an endpoint is asked for: its own name, else the one of its role.
fn model_of(settings: &Settings, name: &str, own: Option<String>) -> Result<String, Fault> {
    let endpoint = &settings.endpoint;
    let plans_only = !settings.role_pools()?.write.iter().any(|writes| writes == name);
    let plans = plans_only && !endpoint.plan_model.is_empty();
    let model = own.unwrap_or_else(|| if plans { &endpoint.plan_model } else { &endpoint.model }.clone());
    if model.is_empty() {
        return Err(Fault::usage("no_model", "no model is named").help("add --model NAME"));
    }
    Ok(model)
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
