//! `longhand samples RUN|DIR`: a page of samples.

use std::io::Write;
use std::path::Path;

use agentwrite::ports::{SampleFilter, SamplePage};
use serde_json::json;

use crate::cli::SamplesArgs;
use crate::commands::names;
use crate::fault::{Exit, Fault};
use crate::output::{put, put_json};
use crate::place::Place;
use crate::tables::{Align, Table, count, one_line};

/// Columns of an instruction's beginning.
const TITLE: usize = 60;

/// Lists.
pub async fn run(config_file: Option<&Path>, args: &SamplesArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let filter = SampleFilter {
        state: args.state.as_deref().map(names::state).transpose()?,
        error: args.error.as_deref().map(names::code).transpose()?,
        after: args.after,
    };
    let place = Place::read(config_file, &args.at.place).await?;
    let page = place.store.samples(&place.run.id, &filter, args.limit.max(1)).await?;
    place.close().await;
    if args.at.json {
        put_json(out, &json!({"schema": 1, "run": place.run.id, "samples": page.rows, "next": page.next}))?;
        return Ok(Exit::Done);
    }
    if page.rows.is_empty() {
        eprintln!("no sample{}", if filter == SampleFilter::default() { "" } else { " like that" });
        return Ok(Exit::Done);
    }
    put(out, &table(&page))?;
    if let Some(next) = page.next {
        eprintln!("more: the same command with --after {next}");
    }
    Ok(Exit::Done)
}

fn table(page: &SamplePage) -> String {
    let mut table = Table::new(&[
        ("sample", Align::Left),
        ("state", Align::Left),
        ("sections", Align::Right),
        ("words", Align::Right),
        ("code", Align::Left),
        ("instruction", Align::Left),
    ]);
    for row in &page.rows {
        table.row([
            row.sample.to_string(),
            row.state.as_str().to_owned(),
            if row.places == 0 { "-".to_owned() } else { format!("{}/{}", row.sections, row.places) },
            count(row.words),
            row.code.clone().unwrap_or_default(),
            one_line(&row.title, TITLE),
        ]);
    }
    table.render(0)
}
