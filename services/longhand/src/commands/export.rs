//! `longhand export RUN|DIR --format F --to PATH`: samples as one file or a folder, without a call.
//!
//! A row is what the shard of the sample holds, or would hold. Samples without text are left out: an empty answer is
//! poison in training data.

mod filter;
mod markdown;
mod sink;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use agentwrite::config::RunConfig;
use agentwrite::ports::{PackedSample, SampleDetail, SampleFilter};
use agentwrite::sample::SampleState;
use dataset::Row;
use serde_json::json;
use shard_packer::{judge_sample, row_of};

use crate::cli::{ExportArgs, ExportFormat};
use crate::commands::names;
use crate::fault::{Exit, Fault};
use crate::output::{put, put_json};
use crate::place::Place;
use crate::tables::plural;
use filter::Where;
use sink::Sink;

/// Samples read at a time.
const PAGE: u32 = 256;

/// One sample on its way out.
struct Exported {
    /// Position in the input.
    ordinal: u64,
    /// Where it stands.
    state: SampleState,
    /// Its row.
    row: Row,
}

/// Exports.
pub async fn run(config_file: Option<&Path>, args: &ExportArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let states: Vec<SampleState> = args.state.iter().map(|state| names::state(state)).collect::<Result<_, _>>()?;
    let filters: Vec<Where> = args.filter.iter().map(|text| Where::parse(text)).collect::<Result<_, _>>()?;
    let place = Place::read(config_file, &args.at.place).await?;
    let mut sink = Sink::open(args.format, &args.to, args.overwrite)?;
    let mut export = Export { place: &place, configs: BTreeMap::new(), without_text: 0 };
    let mut filter = SampleFilter { state: only(&states), error: None, after: None };
    let mut samples = 0;
    loop {
        let page = place.store.samples(&place.run.id, &filter, PAGE).await?;
        for row in page.rows.iter().filter(|row| states.contains(&row.state)) {
            let Some(detail) = place.store.sample(&place.run.id, &row.sample).await? else { continue };
            if !filters.iter().all(|filter| filter.admits(detail.context.input.meta.as_deref())) {
                continue;
            }
            if let Some(exported) = export.row(detail).await? {
                samples += 1;
                sink.add(exported)?;
            }
        }
        match page.next {
            Some(next) => filter.after = Some(next),
            None => break,
        }
    }
    place.close().await;
    let files = sink.finish()?;
    let without_text = export.without_text;
    if without_text > 0 {
        eprintln!("{} left out: there is no text", plural(without_text, "sample"));
    }
    if args.at.json {
        put_json(
            out,
            &json!({"schema": 1, "run": place.run.id, "samples": samples, "files": files,
            "to": args.to, "without_text": without_text}),
        )?;
    } else {
        let what = if matches!(args.format, ExportFormat::Markdown) || files > 1 {
            format!("{} in {}", plural(samples, "sample"), plural(files, "file"))
        } else {
            plural(samples, "sample")
        };
        put(out, &format!("{what} -> {}\n", args.to.display()))?;
    }
    Ok(Exit::Done)
}

/// The one state that is asked for, so that the store can look for it alone.
fn only(states: &[SampleState]) -> Option<SampleState> {
    match states {
        [state] => Some(*state),
        _ => None,
    }
}

struct Export<'a> {
    place: &'a Place,
    configs: BTreeMap<u32, RunConfig>,
    without_text: u64,
}

impl Export<'_> {
    /// The row of a sample; none if it has no text.
    async fn row(&mut self, detail: SampleDetail) -> Result<Option<Exported>, Fault> {
        if detail.context.sections.is_empty() {
            self.without_text += 1;
            return Ok(None);
        }
        let version = detail.config_version;
        if !self.configs.contains_key(&version) {
            let config = self.place.store.config(&self.place.run.id, version).await?;
            self.configs.insert(version, config.unwrap_or_else(|| self.place.run.config.clone()));
        }
        let config = &self.configs[&version];
        let verdict = detail.verdict.unwrap_or_else(|| judge_sample(&detail.context, config, None));
        let (ordinal, state) = (detail.row.ordinal, detail.row.state);
        let sample = PackedSample { context: detail.context, verdict, config_version: version };
        Ok(Some(Exported { ordinal, state, row: row_of(&sample, config) }))
    }
}
