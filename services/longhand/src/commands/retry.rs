//! `longhand retry RUN|DIR [SAMPLE...]`: failed, rejected and cancelled samples go on.
//!
//! Without named samples it asks once on a terminal and needs `--yes` elsewhere: a filter may catch more than one thinks.
//! Named samples are a word clear enough.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::path::Path;

use agentwrite::ids::SampleId;
use agentwrite::ports::{Retried, RetryPlan};
use serde_json::json;

use crate::cli::RetryArgs;
use crate::commands::names;
use crate::fault::{Exit, Fault};
use crate::output::{put, put_json};
use crate::place::Place;
use crate::tables::{count, plural};

/// Samples that a dry run names.
const SHOWN: usize = 20;

/// Retries.
pub async fn run(config_file: Option<&Path>, args: &RetryArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let error = args.error.as_deref().map(names::code).transpose()?;
    let place = Place::operate(config_file, &args.at.place).await?;
    let mut plan = RetryPlan {
        samples: named(&place, &args.samples).await?,
        error,
        from_section: args.from_section,
        model: args.model.clone(),
        dry_run: true,
    };
    let found = apply(&place, &plan).await?;
    if found.samples.is_empty() {
        nothing(&place, &plan, args, out).await?;
        place.close().await;
        return Ok(Exit::Done);
    }
    let mut done = found;
    if !args.dry_run {
        confirm(args, &done)?;
        plan.dry_run = false;
        done = apply(&place, &plan).await?;
    }
    report(&place, args, &done, out).await?;
    place.close().await;
    Ok(Exit::Done)
}

async fn apply(place: &Place, plan: &RetryPlan) -> Result<Retried, Fault> {
    Ok(place.store.retry(&place.run.id, "command line", plan, place.clock.now()).await?)
}

async fn named(place: &Place, names: &[String]) -> Result<Vec<SampleId>, Fault> {
    let mut samples = Vec::with_capacity(names.len());
    for name in names {
        let sample = names::sample(place, name).await?;
        if !samples.contains(&sample) {
            samples.push(sample);
        }
    }
    Ok(samples)
}

/// Says why there is nothing to do.
async fn nothing(place: &Place, plan: &RetryPlan, args: &RetryArgs, out: &mut dyn Write) -> Result<(), Fault> {
    if args.at.json {
        return put_json(
            out,
            &json!({"schema": 1, "run": place.run.id, "samples": [], "kept_sections": 0,
            "dry_run": args.dry_run}),
        );
    }
    let mut text = "nothing to retry: no sample".to_owned();
    if let Some(error) = plan.error {
        let _ = write!(text, " with the code {error}");
    }
    text.push_str(" that failed, was rejected or cancelled\n");
    for sample in &plan.samples {
        if let Some(detail) = place.store.sample(&place.run.id, sample).await? {
            let _ = writeln!(text, "  {sample} is {}", detail.row.state.as_str());
        }
    }
    put(out, &text)
}

fn confirm(args: &RetryArgs, found: &Retried) -> Result<(), Fault> {
    if args.yes || !args.samples.is_empty() {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Fault::usage(
            "not_confirmed",
            format!("{} would go on", plural(found.samples.len() as u64, "sample")),
        )
        .because("without a terminal nobody can be asked")
        .help("add --yes, name the samples, or look first with --dry-run"));
    }
    eprint!("{}. Go on? [y/N] ", summary(found, true));
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    if read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Fault::usage("not_confirmed", "nothing was changed"))
}

fn summary(retried: &Retried, would: bool) -> String {
    let kept = match retried.kept_sections {
        0 => "no section is kept".to_owned(),
        1 => "1 section is kept".to_owned(),
        kept => format!("{} sections are kept", count(kept)),
    };
    let samples = retried.samples.len() as u64;
    let verb = match (would, samples) {
        (true, _) => "would go on",
        (false, 1) => "goes on",
        (false, _) => "go on",
    };
    format!("{} {verb}, {kept}", plural(samples, "sample"))
}

async fn report(place: &Place, args: &RetryArgs, retried: &Retried, out: &mut dyn Write) -> Result<(), Fault> {
    if args.at.json {
        return put_json(
            out,
            &json!({"schema": 1, "run": place.run.id, "samples": retried.samples,
            "kept_sections": retried.kept_sections, "supplement": retried.supplement, "dry_run": args.dry_run}),
        );
    }
    let mut text = format!("{}\n", summary(retried, args.dry_run));
    if args.dry_run {
        for sample in retried.samples.iter().take(SHOWN) {
            let _ = writeln!(text, "  {sample}");
        }
        if retried.samples.len() > SHOWN {
            let _ = writeln!(text, "  and {} more", count((retried.samples.len() - SHOWN) as u64));
        }
        return put(out, &text);
    }
    if let Some(number) = retried.supplement {
        let _ = writeln!(text, "their shards are closed: they go into shards/shard-s{number:04}");
    }
    let run = place.store.run(&place.run.id).await?.unwrap_or_else(|| place.run.clone());
    let next = place.next(run.state).await?;
    if next != place.resume() {
        let who = if place.is_folder() { "the runner at work takes" } else { "processes that serve take" };
        let _ = writeln!(text, "{who} them up");
    }
    let _ = writeln!(text, "next     {next}");
    put(out, &text)
}
