//! `longhand limits RUN|DIR`: shows the limits of a run, or changes them, also while it runs.

use std::io::Write;
use std::path::Path;

use agentwrite::config::Limits;
use agentwrite::ports::{Control, RunState};
use serde_json::json;

use crate::cli::{LimitFlags, LimitsArgs};
use crate::commands::control::wish;
use crate::commands::drive::merged_limits;
use crate::commands::status::limits_json;
use crate::fault::{Exit, Fault};
use crate::output::{put, put_json};
use crate::place::Place;
use crate::tables::{Align, Table, count, usd};

/// Shows or changes.
pub async fn run(config_file: Option<&Path>, args: &LimitsArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let change = args.limits != LimitFlags::default() || args.share.weight.is_some();
    let place = if change {
        Place::operate(config_file, &args.at.place).await?
    } else {
        Place::read(config_file, &args.at.place).await?
    };
    let before = place.run.limits;
    let after = wanted(&place, args)?;
    if after != before {
        wish(&place, &Control::Limits(after)).await?;
    }
    if args.at.json {
        let (before, after) = (limits_json(&before), limits_json(&after));
        put_json(out, &json!({"schema": 1, "run": place.run.id, "before": before, "after": after}))?;
    } else {
        put(out, &table(&before, &after))?;
        if after != before && place.run.state == RunState::Paused {
            eprintln!("the run is paused: `{}` goes on", place.resume());
        }
    }
    place.close().await;
    Ok(Exit::Done)
}

/// The run's limits with what is asked for on top.
fn wanted(place: &Place, args: &LimitsArgs) -> Result<Limits, Fault> {
    let limits = merged_limits(&place.run.limits, &args.limits, None)?;
    let Some(weight) = args.share.weight else { return Ok(limits) };
    if place.is_folder() {
        return Err(Fault::usage("weight", format!("{} shares its endpoint with no other run", place.name))
            .because("a weight divides the slots of a fleet among its runs")
            .help("a folder has --concurrency N"));
    }
    Ok(Limits { weight, ..limits })
}

fn table(before: &Limits, after: &Limits) -> String {
    let mut table = Table::new(&[("", Align::Left), ("", Align::Left)]);
    for ((name, old), (_, new)) in lines(before).into_iter().zip(lines(after)) {
        table.row([name.to_owned(), if old == new { old } else { format!("{old} -> {new}") }]);
    }
    table.render(0)
}

fn lines(limits: &Limits) -> [(&'static str, String); 6] {
    let none = || "none".to_owned();
    [
        ("concurrency", count(limits.concurrency.into())),
        ("requests/min", limits.rpm.map_or_else(none, |rpm| count(rpm.into()))),
        ("tokens/min", limits.tpm.map_or_else(none, |tpm| count(tpm.into()))),
        ("cap", limits.max_cost_nanousd.map_or_else(none, usd)),
        (
            "price",
            limits.price.map_or_else(
                || "unknown".to_owned(),
                |price| {
                    let per_million = |nano: u64| usd(nano * 1_000_000);
                    format!(
                        "{} in, {} cached, {} out per million tokens",
                        per_million(price.input),
                        per_million(price.cached),
                        per_million(price.output)
                    )
                },
            ),
        ),
        ("weight", count(limits.weight.into())),
    ]
}
