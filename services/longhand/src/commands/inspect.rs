//! `longhand inspect SAMPLE|--random [N]`: one sample whole: what was asked, the plan, each section with its tries.

mod page;
mod prompt;
mod trace;

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::Path;

use agentwrite::clean;
use agentwrite::ids::SampleId;
use agentwrite::ports::{Dice, SampleDetail, SampleFilter};
use agentwrite::sample::SampleState;
use serde_json::{Value, json};
use worker::RandomDice;

use crate::cli::InspectArgs;
use crate::commands::names;
use crate::fault::{Exit, Fault};
use crate::output::{harmless, put, put_json};
use crate::place::Place;
use crate::settings::{self, TelemetrySettings};

/// Most samples that one command shows by chance.
const MOST_RANDOM: u32 = 1_000;

/// Inspects.
pub async fn run(config_file: Option<&Path>, args: &InspectArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let place = Place::read(config_file, &args.place).await?;
    let telemetry = if args.trace { Some(settings::load(config_file, toml::Table::new())?.0.telemetry) } else { None };
    let samples = match (&args.sample, args.random) {
        (Some(name), _) => vec![names::sample(&place, name).await?],
        (None, wanted) => by_chance(&place, wanted.unwrap_or(1), &RandomDice::default()).await?,
    };
    let mut documents = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let Some(detail) = place.store.sample(&place.run.id, sample).await? else { continue };
        if args.json {
            documents.push(document(args, telemetry.as_ref(), &place, &detail).await?);
            continue;
        }
        if index > 0 {
            put(out, "\n")?;
        }
        if samples.len() > 1 && (args.text || args.section.is_some() || args.prompt.is_some()) {
            put(out, &format!("=== {sample}\n"))?;
        }
        put(out, &shown(&text(args, telemetry.as_ref(), &place, &detail).await?))?;
    }
    if args.json {
        put_json(out, &envelope(args, documents))?;
    }
    place.close().await;
    Ok(Exit::Done)
}

/// A document by itself carries the schema; several stand in a list.
fn envelope(args: &InspectArgs, mut documents: Vec<Value>) -> Value {
    if args.sample.is_none() {
        return json!({"schema": 1, "samples": documents});
    }
    let mut all = serde_json::Map::from_iter([("schema".to_owned(), Value::from(1))]);
    if let Some(Value::Object(document)) = documents.pop() {
        all.extend(document);
    }
    Value::Object(all)
}

/// On a terminal, model text can't move the cursor; elsewhere it passes unchanged.
fn shown(text: &str) -> String {
    if std::io::stdout().is_terminal() { harmless(text) } else { text.to_owned() }
}

async fn text(
    args: &InspectArgs,
    telemetry: Option<&TelemetrySettings>,
    place: &Place,
    detail: &SampleDetail,
) -> Result<String, Fault> {
    if let Some(telemetry) = telemetry {
        return trace::text(&place.run, detail, telemetry);
    }
    if let Some(section) = args.prompt {
        return Ok(prompt::text(&prompt::request(place, detail, section).await?));
    }
    if let Some(section) = args.section {
        return Ok(format!("{}\n", section_text(detail, section)?));
    }
    if args.text {
        return Ok(format!("{}\n", whole_text(detail)));
    }
    Ok(page::text(&place.run, detail, &place.name))
}

async fn document(
    args: &InspectArgs,
    telemetry: Option<&TelemetrySettings>,
    place: &Place,
    detail: &SampleDetail,
) -> Result<Value, Fault> {
    let sample = &detail.row.sample;
    if let Some(telemetry) = telemetry {
        return trace::json(&place.run, detail, telemetry);
    }
    if let Some(section) = args.prompt {
        let mut prompt = prompt::json(&prompt::request(place, detail, section).await?);
        prompt["sample"] = sample.as_str().into();
        prompt["section"] = section.into();
        return Ok(prompt);
    }
    if let Some(section) = args.section {
        return Ok(json!({"sample": sample, "section": section, "text": section_text(detail, section)?}));
    }
    if args.text {
        return Ok(json!({"sample": sample, "text": whole_text(detail)}));
    }
    Ok(page::json(&place.run, detail))
}

/// The text as it stands, as the training row would hold it.
fn whole_text(detail: &SampleDetail) -> String {
    let sections: Vec<&str> = detail.context.sections.iter().map(|section| section.text.as_str()).collect();
    clean::join(&sections)
}

/// Section `number`, counted from 1.
fn section_text(detail: &SampleDetail, number: u32) -> Result<&str, Fault> {
    let found = detail.context.sections.iter().find(|section| section.place + 1 == number);
    found.map(|section| section.text.as_str()).ok_or_else(|| {
        let row = &detail.row;
        Fault::new("not_found", Exit::NotFound, format!("{} has no section {number}", row.sample)).because(format!(
            "it is {} with {} of {} sections",
            row.state.as_str(),
            row.sections,
            row.places
        ))
    })
}

/// Different samples by chance: packed ones if there are any, since they are what one wants to spot-check.
async fn by_chance(place: &Place, wanted: u32, dice: &dyn Dice) -> Result<Vec<SampleId>, Fault> {
    let totals = place.store.totals(&place.run.id).await?;
    let packed = totals.state(SampleState::Packed);
    let state = (packed > 0).then_some(SampleState::Packed);
    let there = state.map_or(place.run.samples, |_| packed);
    let wanted = u64::from(wanted.min(MOST_RANDOM)).min(there) as usize;
    let (mut seen, mut chosen) = (BTreeSet::new(), Vec::new());
    while chosen.len() < wanted {
        let start = (dice.unit() * place.run.samples as f64) as u64;
        if let Some((ordinal, sample)) = next_unseen(place, state, start, &seen).await? {
            seen.insert(ordinal);
            chosen.push(sample);
        } else {
            break;
        }
    }
    if chosen.is_empty() {
        return Err(Fault::new("not_found", Exit::NotFound, format!("run {} has no sample yet", place.run.name)));
    }
    Ok(chosen)
}

/// The first sample from `start` on that is not chosen yet, around the end of the run if need be.
async fn next_unseen(
    place: &Place,
    state: Option<SampleState>,
    start: u64,
    seen: &BTreeSet<u64>,
) -> Result<Option<(u64, SampleId)>, Fault> {
    for begin in [start, 0] {
        let mut after = begin.checked_sub(1);
        loop {
            let filter = SampleFilter { state, error: None, after };
            let page = place.store.samples(&place.run.id, &filter, 32).await?;
            if let Some(row) = page.rows.iter().find(|row| !seen.contains(&row.ordinal)) {
                return Ok(Some((row.ordinal, row.sample.clone())));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    Ok(None)
}
