//! `longhand repack RUN|DIR --to NEW`: sample gates and shards again from stored text, without a call.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use agentwrite::gates::sample::SamplePolicy;
use agentwrite::ids::OwnerId;
use serde_json::{Value, json};
use shard_packer::{PackError, RepackReport, RepackSource};
use worker::RandomDice;

use crate::cli::RepackArgs;
use crate::fault::{Exit, Fault, chain_of};
use crate::output::{put, put_json};
use crate::place::Place;
use crate::settings::nearest;

/// Repacks.
pub async fn run(config_file: Option<&Path>, args: &RepackArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let place = Place::read(config_file, &args.at.place).await?;
    let policy = policy(&place.run.config.sample_policy, &args.gate)?;
    let source = RepackSource {
        packs: Arc::clone(&place.store) as Arc<_>,
        runs: Arc::clone(&place.store) as Arc<_>,
        report: Arc::clone(&place.store) as Arc<_>,
        clock: Arc::clone(&place.clock),
        run: place.run.id.clone(),
        owner: OwnerId::new(RandomDice::default().id("own")),
        eval: None,
    };
    let report = shard_packer::repack(&source, &policy, &args.to).await.map_err(|error| fault(args, &error))?;
    place.close().await;
    if args.at.json {
        put_json(out, &as_json(args, &report))?;
    } else {
        put(out, &as_text(args, &report))?;
    }
    Ok(Exit::Done)
}

fn fault(args: &RepackArgs, error: &PackError) -> Fault {
    let fault = Fault::new("repack", Exit::Conflict, format!("{} cannot be written", args.to.display()));
    fault.because(chain_of(error)).help("name a folder that is new or empty with --to")
}

/// The run's policy with `NAME=VALUE` on top.
fn policy(standing: &SamplePolicy, gates: &[String]) -> Result<SamplePolicy, Fault> {
    let mut fields = serde_json::to_value(standing).expect("a policy is made of plain values");
    for gate in gates {
        let (name, text) = gate.split_once('=').ok_or_else(|| {
            Fault::usage("gate", format!("--gate {gate} is not NAME=VALUE"))
                .help("longhand repack DIR --to NEW --gate reject_length_score=70")
        })?;
        let known = fields.as_object_mut().expect("a policy is an object");
        let Some(old) = known.get_mut(name) else {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            let near = nearest(name, &names).unwrap_or(names[0]).to_owned();
            return Err(Fault::usage("gate", format!("there is no gate setting {name}"))
                .help(format!("did you mean {near}? There are {}", names.join(", "))));
        };
        let value: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let fits = (old.is_boolean() && value.is_boolean()) || (old.is_number() && value.is_number());
        if !fits {
            let wanted = if old.is_boolean() { "true or false" } else { "a number" };
            return Err(Fault::usage("gate", format!("--gate {gate}: {name} is {wanted}")));
        }
        *old = value;
    }
    serde_json::from_value(fields).map_err(|error| Fault::usage("gate", "the gates cannot be used").because(error))
}

fn as_json(args: &RepackArgs, report: &RepackReport) -> Value {
    json!({
        "schema": 1, "to": args.to.display().to_string(), "samples": report.samples, "rows": report.rows,
        "won": report.won, "lost": report.lost, "rejected": report.rejected, "dataset_hash": report.dataset_hash,
    })
}

fn as_text(args: &RepackArgs, report: &RepackReport) -> String {
    let mut out = format!("{} of {} whole texts are in {}\n", report.rows, report.samples, args.to.display());
    for (title, counts) in [("won", &report.won), ("lost", &report.lost), ("rejected now", &report.rejected)] {
        for (code, count) in counts {
            let _ = writeln!(out, "  {title:<13} {count:>6}  {code}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_named_as_in_the_settings_and_typed() {
        let standing = SamplePolicy::default();
        let changed = policy(&standing, &["reject_length_score=70".to_owned(), "language=false".to_owned()]).unwrap();
        assert!((changed.reject_length_score - 70.0).abs() < f64::EPSILON && !changed.language);
        let fault = policy(&standing, &["reject_lenght_score=70".to_owned()]).unwrap_err();
        assert!(fault.help.unwrap().contains("reject_length_score"));
        assert!(policy(&standing, &["language=3".to_owned()]).is_err());
        assert!(policy(&standing, &["language".to_owned()]).is_err());
    }
}
