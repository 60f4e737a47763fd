//! `longhand run INSTRUCTIONS`: the whole road in one process.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentwrite::config::{Limits, RunConfig};
use agentwrite::estimate::Assumptions;
use agentwrite::ids::{Hash, RunId};
use agentwrite::ports::{Clock, Control, Run, RunState, RunStore};
use agentwrite::sample::Input;
use checkpoints::sqlite::SqliteStore;
use planner::{Intake, IntakeSettings};
use toml::{Table, Value};
use worker::{RandomDice, SystemClock};

use crate::cli::{EndpointArgs, LayoutArg, LimitFlags, ModeArg, PlanFormatArg, RunArgs, TextArgs, WorkArgs};
use crate::commands::{drive, estimate};
use crate::endpoint::Endpoint;
use crate::fault::{Exit, Fault};
use crate::folder::Folder;
use crate::output::put;
use crate::settings::{self, Settings};

/// Runs.
pub async fn run(config_file: Option<&Path>, args: RunArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let mut flags = flags(&args.work, &args.endpoint, &args.limits);
    drive::add_watch_flags(&mut flags, &args.watch);
    let (settings, _) = settings::load(config_file, flags)?;
    let config = settings.run_config(args.simulate)?;
    let pricing = estimate::pricing(&settings, &config, !args.simulate)?;
    let limits = settings.run_limits(&pricing)?;
    let intake = read_input(&args.work.text, &settings)?;
    report_intake(&intake);
    if args.dry_run {
        put(out, &dry_run(&args, &intake, &config))?;
        return Ok(if intake.errors.is_empty() { Exit::Done } else { Exit::WorkFailed });
    }
    if intake.inputs.is_empty() {
        return Err(no_rows(&args.work.text));
    }
    let dir = args.out.clone().unwrap_or_else(|| {
        let dir = settings::default_out(&args.work.text.instructions);
        eprintln!("writing to {}", dir.display());
        dir
    });
    let endpoint = if args.simulate { Endpoint::simulated(config.text.seed) } else { Endpoint::configured(&settings)? };
    let folder = Folder::lock(&dir)?;
    let fresh = !folder.has_run();
    if fresh {
        endpoint.look(&config.text).await?;
        if let Some(note) = pricing.note() {
            eprintln!("{note}");
        }
        if endpoint.paid {
            drive::confirm_paid(&intake, &config, &limits, args.yes)?;
        }
    }
    let store = Arc::new(folder.open().await?);
    let run = enter(&store, &name_of(&args.work), &config, &limits, &intake, &args).await?;
    folder.keep_settings(&settings)?;
    drive::drive(folder, store, run, endpoint, &settings, args.json, out).await
}

/// Flags as the top layer of settings.
pub fn flags(args: &WorkArgs, endpoint: &EndpointArgs, limits: &LimitFlags) -> Table {
    let mut flags = drive::endpoint_flags(endpoint);
    drive::add_limit_flags(&mut flags, limits);
    text_flags(&mut flags, &args.text);
    drive::set(&mut flags, "run", "shard_size", args.shard_size.map(|size| Value::Integer(size.into())));
    flags
}

/// The flags of what is to be written.
pub fn text_flags(flags: &mut Table, args: &TextArgs) {
    let mut set = |section: &str, key: &str, value: Option<Value>| drive::set(flags, section, key, value);
    set(
        "run",
        "layout",
        args.layout.map(|layout| match layout {
            LayoutArg::Paper => "paper".into(),
            LayoutArg::Turns => "turns".into(),
        }),
    );
    set(
        "run",
        "mode",
        args.mode.map(|mode| match mode {
            ModeArg::Serial => "serial".into(),
            ModeArg::Parallel => "parallel".into(),
        }),
    );
    set("run", "samples_per_instruction", args.samples_per_instruction.map(|count| Value::Integer(count.into())));
    set("run", "prompt_field", args.prompt_field.clone().map(Value::String));
    set("run", "append_length", args.append_length.then_some(Value::Boolean(true)));
    set("sampling", "seed", args.seed.map(|seed| Value::Integer(seed as i64)));
    set("sampling", "temperature", args.temperature.map(Value::Float));
    set(
        "plan",
        "format",
        args.plan_format.map(|format| match format {
            PlanFormatArg::Auto => "auto".into(),
            PlanFormatArg::Json => "json".into(),
            PlanFormatArg::Text => "text".into(),
        }),
    );
}

/// The run's name; the file's, if none is given.
pub fn name_of(args: &WorkArgs) -> String {
    let stem = || args.text.instructions.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    args.name.clone().or_else(stem).unwrap_or_else(|| "run".to_owned())
}

/// A run without samples is none.
pub fn no_rows(args: &TextArgs) -> Fault {
    Fault::usage("no_rows", format!("{} has no usable row", args.instructions.display()))
}

/// Reads the instructions.
pub fn read_input(args: &TextArgs, settings: &Settings) -> Result<Intake, Fault> {
    let path: &PathBuf = &args.instructions;
    let bytes = std::fs::read(path).map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Usage };
        Fault::new("instructions", exit, format!("{} cannot be read", path.display())).because(error)
    })?;
    let intake_settings = IntakeSettings {
        prompt_field: (!settings.run.prompt_field.is_empty()).then(|| settings.run.prompt_field.clone()),
        samples_per_instruction: settings.run.samples_per_instruction.max(1),
        strict: args.strict,
        limit: args.limit,
        append_length: settings.run.append_length,
        source: path.display().to_string(),
    };
    let bad = |error: planner::RowError| {
        Fault::usage("bad_row", format!("{}:{}: {}", error.source, error.line, error.what)).help(error.fix)
    };
    if path.extension().is_some_and(|extension| extension == "parquet") {
        let rows = dataset::read_rows(&bytes).map_err(|error| {
            Fault::usage("instructions", format!("{} is not readable Parquet", path.display())).because(error)
        })?;
        return planner::take_rows(rows, &intake_settings).map_err(bad);
    }
    planner::read_instructions(&bytes, &intake_settings).map_err(bad)
}

/// Tells a person what was wrong with the rows.
pub fn report_intake(intake: &Intake) {
    const SHOWN: usize = 10;
    for error in intake.errors.iter().take(SHOWN) {
        eprintln!("warning: {error}");
    }
    if intake.errors.len() > SHOWN {
        eprintln!("warning: {} more bad rows", intake.errors.len() - SHOWN);
    }
    if !intake.duplicates.is_empty() {
        eprintln!("warning: {} rows repeat an earlier one and add nothing", intake.duplicates.len());
    }
}

/// What was read, as it is printed.
fn dry_run(args: &RunArgs, intake: &Intake, config: &RunConfig) -> String {
    let lengths = &intake.lengths;
    let assumptions = Assumptions::default();
    let steps_of = |input: &Input| assumptions.steps_of(input, &config.text.plan_policy);
    let sections: u64 = intake.inputs.iter().map(|(input, _)| u64::from(steps_of(input))).sum();
    if args.json {
        let report = serde_json::json!({
            "schema": 1, "rows": intake.rows, "samples": intake.inputs.len(), "bad_rows": intake.errors.len(),
            "duplicates": intake.duplicates.len(),
            "lengths": {"column": lengths.column, "read": lengths.read, "none": lengths.none, "ambiguous": lengths.ambiguous},
            "sections_estimated": sections, "plan_model": config.text.plan.model, "write_model": config.text.write.model,
            "required": intake.inputs.iter().map(|(input, _)| serde_json::json!({
                "sample": input.sample_id(), "id": input.id, "length": input.length})).collect::<Vec<_>>(),
        });
        return format!("{report}\n");
    }
    let mut out = format!(
        "rows        {}, {} bad, {} duplicates\nsamples     {}, about {sections} sections\n",
        intake.rows,
        intake.errors.len(),
        intake.duplicates.len(),
        intake.inputs.len()
    );
    let _ = writeln!(
        out,
        "lengths     {} from a column, {} read from the instruction, {} none, {} ambiguous",
        lengths.column, lengths.read, lengths.none, lengths.ambiguous
    );
    let _ = writeln!(out, "models      plan {}, write {}", config.text.plan.model, config.text.write.model);
    for (input, _) in intake.inputs.iter().take(20) {
        let estimate = steps_of(input);
        let length = input.length.as_ref().map_or("-".to_owned(), |length| {
            if length.low == length.high { length.low.to_string() } else { format!("{}-{}", length.low, length.high) }
        });
        let title: String = input.instruction().chars().take(70).collect();
        let title = title.replace('\n', " ");
        let _ = writeln!(out, "  {} {length:>11} words  {estimate:>2} sections  {title}", input.sample_id());
    }
    if intake.inputs.len() > 20 {
        let _ = writeln!(out, "  ... and {} more", intake.inputs.len() - 20);
    }
    out
}

/// Creates the run of a fresh folder, or goes on with the one that is there if it is the same.
async fn enter(
    store: &Arc<SqliteStore>,
    name: &str,
    config: &RunConfig,
    limits: &Limits,
    intake: &Intake,
    args: &RunArgs,
) -> Result<Run, Fault> {
    let run = match store.runs().await?.into_iter().next() {
        None => create(&**store, &SystemClock, name, config, limits).await?,
        Some(run) => go_on(store, run, config, limits, intake, args).await?,
    };
    fill(&**store, &SystemClock, &run.id, intake).await
}

/// A new run, with an id of its own.
pub async fn create(
    store: &dyn RunStore,
    clock: &dyn Clock,
    name: &str,
    config: &RunConfig,
    limits: &Limits,
) -> Result<Run, Fault> {
    let random = RandomDice::default().id("run");
    let id = RunId::new(format!("run_{}", Hash::of("run id", &[random]).short(12)));
    Ok(store.create_run(&id, name, config, limits, clock.now()).await?)
}

/// Gives a run its samples and starts it. What it has already is not added again.
pub async fn fill(store: &dyn RunStore, clock: &dyn Clock, run: &RunId, intake: &Intake) -> Result<Run, Fault> {
    for chunk in intake.inputs.chunks(500) {
        store.add_samples(run, chunk, clock.now()).await?;
    }
    store.start_run(run, clock.now()).await?;
    store.run(run).await?.ok_or_else(|| Fault::new("internal", Exit::Unreachable, "the run is gone"))
}

async fn go_on(
    store: &Arc<SqliteStore>,
    run: Run,
    config: &RunConfig,
    limits: &Limits,
    intake: &Intake,
    args: &RunArgs,
) -> Result<Run, Fault> {
    let clock = SystemClock;
    same_input(store, &run, intake, args).await?;
    if run.config != *config {
        let diff = differences(&run.config, config);
        if !args.accept_changes {
            return Err(Fault::new(
                "changed_settings",
                Exit::Conflict,
                "these settings are not those of the run in this folder",
            )
            .because(diff.join("; "))
            .help(
                "use the old settings, another --out folder, or --accept-changes for samples that have no plan yet",
            ));
        }
        eprintln!("taken for samples without a plan: {}", diff.join("; "));
        store.control(&run.id, "run", &Control::Configure(Box::new(config.clone())), clock.now()).await?;
    }
    if run.limits != *limits {
        store.control(&run.id, "run", &Control::Limits(*limits), clock.now()).await?;
    }
    if run.state == RunState::Cancelled {
        return Err(Fault::new("cancelled", Exit::Conflict, format!("run {} was cancelled", run.name))
            .help("`longhand retry DIR` starts its samples again"));
    }
    if run.state == RunState::Paused {
        store.control(&run.id, "run", &Control::Resume, clock.now()).await?;
    }
    Ok(store.run(&run.id).await?.unwrap_or(run))
}

/// Rows may be appended; removed or edited ones would leave samples that belong to nothing.
async fn same_input(store: &Arc<SqliteStore>, run: &Run, intake: &Intake, args: &RunArgs) -> Result<(), Fault> {
    let stored = store.sample_keys(&run.id).await?;
    let mut seen = std::collections::HashSet::new();
    let given: Vec<Hash> = intake.inputs.iter().map(|(input, _)| input.key()).filter(|key| seen.insert(*key)).collect();
    let common = stored.iter().zip(&given).take_while(|(old, new)| old == new).count();
    let removed =
        stored.len() > given.len() && args.work.text.limit.is_none() || common < stored.len().min(given.len());
    if !removed {
        return Ok(());
    }
    let what = if common == 0 {
        format!("{} belongs to another input", run.name)
    } else {
        format!("row {} of the input is not the one that was submitted", common + 1)
    };
    Err(Fault::new("changed_input", Exit::Conflict, what)
        .because(format!("{} of {} submitted samples are still there in order", common, stored.len()))
        .help("restore the input file (rows may be appended), or use another --out folder"))
}

/// What differs, field by field.
fn differences(old: &RunConfig, new: &RunConfig) -> Vec<String> {
    let value = |config: &RunConfig| serde_json::to_value(config).unwrap_or_default();
    let mut found = Vec::new();
    compare("", &value(old), &value(new), &mut found);
    found
}

fn compare(path: &str, old: &serde_json::Value, new: &serde_json::Value, found: &mut Vec<String>) {
    match (old, new) {
        (serde_json::Value::Object(old), serde_json::Value::Object(new)) => {
            for (key, value) in old {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&path, value, new.get(key).unwrap_or(&serde_json::Value::Null), found);
            }
        }
        (old, new) if old != new => {
            let short = |value: &serde_json::Value| {
                let text = value.to_string();
                if text.chars().count() > 60 {
                    format!("{}...", text.chars().take(57).collect::<String>())
                } else {
                    text
                }
            };
            found.push(format!("{path}: {} -> {}", short(old), short(new)));
        }
        _ => {}
    }
}
