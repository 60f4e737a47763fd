//! `longhand limits RUN|DIR`: shows the limits of a run, or changes them, also while it runs.

use std::io::Write;

use agentwrite::config::Limits;
use agentwrite::ports::{Clock, Control, RunState, RunStore};
use serde_json::json;
use worker::SystemClock;

use crate::cli::LimitsArgs;
use crate::commands::drive::merged_limits;
use crate::commands::status::limits_json;
use crate::fault::{Exit, Fault};
use crate::output::{put, put_json};
use crate::place::Place;
use crate::tables::{Align, Table, count, usd};

/// Shows or changes.
pub async fn run(args: &LimitsArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let seen = Place::read(&args.at.place).await?;
    let before = seen.run.limits;
    let mut after = merged_limits(&before, &args.limits)?;
    if let Some(weight) = args.share.weight {
        after.weight = weight;
    }
    if after != before {
        let place = Place::operate(&args.at.place).await?;
        place.store.control(&place.run.id, "command line", &Control::Limits(after), SystemClock.now()).await?;
        place.store.close().await;
    }
    if args.at.json {
        let (before, after) = (limits_json(&before), limits_json(&after));
        put_json(out, &json!({"schema": 1, "run": seen.run.id, "before": before, "after": after}))?;
        return Ok(Exit::Done);
    }
    put(out, &table(&before, &after))?;
    if after != before && seen.run.state == RunState::Paused {
        eprintln!("the run is paused: `longhand resume {}` goes on", args.at.place);
    }
    Ok(Exit::Done)
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
