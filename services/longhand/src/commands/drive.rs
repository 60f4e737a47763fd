//! What `run` and `resume` share: flags as settings, the question before a paid run, driving, the closing lines.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use agentwrite::config::{Limits, Price, RunConfig};
use agentwrite::estimate::Assumptions;
use agentwrite::ports::{ReportStore, Run, RunState};
use agentwrite::sample::SampleState;
use checkpoints::sqlite::SqliteStore;
use planner::Intake;
use toml::{Table, Value};

use crate::cli::{EndpointArgs, LimitFlags, WatchArgs};
use crate::commands::estimate::{Outlook, rough};
use crate::embedded::{Embedded, Ended};
use crate::endpoint::Endpoint;
use crate::fault::{Exit, Fault};
use crate::folder::Folder;
use crate::output::put;
use crate::settings::{Settings, cap_without_price, half_a_price};
use crate::signals::Stopped;
use crate::watch::Watch;

/// Puts a flag into the table of flags.
pub fn set(flags: &mut Table, section: &str, key: &str, value: Option<Value>) {
    let Some(value) = value else { return };
    let section = flags.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(table) = section {
        table.insert(key.to_owned(), value);
    }
}

/// The endpoint's flags.
pub fn endpoint_flags(args: &EndpointArgs) -> Table {
    let mut flags = Table::new();
    for (key, value) in [
        ("base_url", &args.address.base_url),
        ("model", &args.models.model),
        ("plan_model", &args.models.plan_model),
        ("api_key_env", &args.address.api_key_env),
    ] {
        set(&mut flags, "endpoint", key, value.clone().map(Value::String));
    }
    if args.address.base_url.is_some() {
        // A URL on the command line is the only endpoint, whatever pools there are.
        set(&mut flags, "pools", "plan", Some(Value::Array(Vec::new())));
        set(&mut flags, "pools", "write", Some(Value::Array(Vec::new())));
    }
    flags
}

/// The flags of what a process shows of itself.
pub fn add_watch_flags(flags: &mut Table, args: &WatchArgs) {
    set(flags, "telemetry", "metrics", args.metrics.clone().map(Value::String));
}

/// The limits' flags.
pub fn add_limit_flags(flags: &mut Table, args: &LimitFlags) {
    for (key, value) in [("concurrency", args.concurrency), ("rpm", args.rpm), ("tpm", args.tpm)] {
        set(flags, "limits", key, value.map(|value| Value::Integer(value.into())));
    }
    for (key, value) in [
        ("max_cost", args.max_cost),
        ("price_in", args.price_in),
        ("price_cached", args.price_cached),
        ("price_out", args.price_out),
    ] {
        set(flags, "limits", key, value.map(Value::Float));
    }
}

/// The run's limits with the given flags on top. A cap without a price is refused; `listed` is the price of the table, for a
/// run that has none yet.
pub fn merged_limits(old: &Limits, flags: &LimitFlags, listed: Option<Price>) -> Result<Limits, Fault> {
    let mut limits = *old;
    if let Some(concurrency) = flags.concurrency {
        limits.concurrency = concurrency.max(1);
    }
    if let Some(rpm) = flags.rpm {
        limits.rpm = (rpm > 0).then_some(rpm);
    }
    if let Some(tpm) = flags.tpm {
        limits.tpm = (tpm > 0).then_some(tpm);
    }
    if flags.price_in.is_some() || flags.price_cached.is_some() || flags.price_out.is_some() {
        let usd = |nano: u64| nano as f64 / 1_000.0;
        let before = limits.price.or(listed).unwrap_or(Price { input: 0, cached: 0, output: 0 });
        let input = flags.price_in.unwrap_or(usd(before.input));
        let cached = flags.price_cached.unwrap_or(if limits.price.is_some() { usd(before.cached) } else { input });
        let output = flags.price_out.unwrap_or(usd(before.output));
        if input <= 0.0 || output <= 0.0 {
            return Err(half_a_price());
        }
        limits.price = Some(Price::from_usd_per_million(input, cached, output));
    }
    if let Some(cap) = flags.max_cost {
        limits.max_cost_nanousd = (cap > 0.0).then_some((cap * 1e9) as u64);
    }
    if limits.max_cost_nanousd.is_some() && limits.price.is_none() {
        limits.price = Some(listed.ok_or_else(cap_without_price)?);
    }
    Ok(limits)
}

/// Samples up to which a paid run starts without a question.
const WITHOUT_A_QUESTION: usize = 20;

/// Asks once before a run that costs money.
pub fn confirm_paid(intake: &Intake, config: &RunConfig, limits: &Limits, yes: bool) -> Result<(), Fault> {
    if intake.inputs.len() <= WITHOUT_A_QUESTION {
        return Ok(());
    }
    let inputs: Vec<_> = intake.inputs.iter().map(|(input, _)| input).collect();
    let outlook = Outlook::of(&config.text, Assumptions::default(), *limits, &inputs, |_| None)?;
    eprint!("{}", rough(&outlook));
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        if limits.max_cost_nanousd.is_some() {
            return Ok(());
        }
        return Err(Fault::usage("not_confirmed", "a paid run without a terminal needs a word from you")
            .help("add --yes, or --max-cost USD (with --price-in and --price-out where the price is unknown)"));
    }
    eprint!("Start? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    if read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Fault::usage("not_confirmed", "not started"))
}

/// Drives the run and prints how it ended.
pub async fn drive(
    folder: Folder,
    store: Arc<SqliteStore>,
    run: Run,
    endpoint: Endpoint,
    settings: &Settings,
    json: bool,
    out: &mut dyn Write,
) -> Result<Exit, Fault> {
    let dir = folder.dir.clone();
    if run.config.synthetic {
        eprintln!("simulated model: the text is synthetic");
    }
    let watch = Watch::start(settings, "longhand-run")?;
    let embedded = Embedded {
        dir: dir.clone(),
        store: Arc::clone(&store),
        endpoint,
        leases: settings.lease_times(),
        grace: Duration::from_secs_f64(settings.run.grace_seconds.clamp(0.0, 86_400.0)),
        crash: crash_points()?,
        watch: watch.clone(),
        run,
    };
    let ended = embedded.drive().await;
    watch.finish().await;
    let ended = ended?;
    let totals = store.totals(&ended.run.id).await?;
    let exit = exit_of(&ended, &totals);
    if json {
        put(out, &format!("{}\n", super::status::json(&ended.run, &totals, None)))?;
    }
    closing(&dir, &ended, &totals);
    store.close().await;
    Ok(exit)
}

/// Test builds only: `LONGHAND_CRASH=point:n` kills the process there, and by `LONGHAND_CLOCK_OFF=file` its clock is wrong by as
/// many seconds as the file says.
pub fn crash_points() -> Result<worker::CrashPoints, Fault> {
    if let Some(file) = crate::settings::environment().get("LONGHAND_CLOCK_OFF")
        && !worker::wrong_clock(file.into())
    {
        return Err(Fault::usage("crash_point", "the clock of this build cannot be wrong"));
    }
    match crate::settings::environment().get("LONGHAND_CRASH") {
        None => Ok(worker::CrashPoints::default()),
        Some(text) => worker::CrashPoints::armed(text)
            .ok_or_else(|| Fault::usage("crash_point", format!("this build has no crash point {text}"))),
    }
}

/// The exit code of a run as it stands.
pub fn exit_of_run(run: &Run, totals: &agentwrite::ports::Totals) -> Exit {
    let failed = totals.state(SampleState::Failed) + totals.state(SampleState::Rejected);
    match (run.state, run.reason.as_deref()) {
        (RunState::Done | RunState::Cancelled, _) if failed > 0 => Exit::WorkFailed,
        (RunState::Done | RunState::Cancelled | RunState::Pending | RunState::Running, _) => Exit::Done,
        (RunState::Failed, _) => Exit::Unreachable,
        (RunState::Paused, Some("auth")) => Exit::Auth,
        (RunState::Paused, Some("bad_request")) => Exit::Usage,
        (RunState::Paused, _) => Exit::Limit,
    }
}

fn exit_of(ended: &Ended, totals: &agentwrite::ports::Totals) -> Exit {
    match (ended.run.state, ended.stopped) {
        (RunState::Running | RunState::Pending, Some(Stopped::Interrupt)) => Exit::Interrupted,
        (RunState::Running | RunState::Pending, Some(Stopped::Terminate)) => Exit::Terminated,
        _ => exit_of_run(&ended.run, totals),
    }
}

/// The last lines of a run: where the shards are, what failed, how to go on.
fn closing(dir: &std::path::Path, ended: &Ended, totals: &agentwrite::ports::Totals) {
    let dir = dir.display();
    let packed = totals.state(SampleState::Packed);
    let failed = totals.state(SampleState::Failed);
    let rejected = totals.state(SampleState::Rejected);
    match ended.run.state {
        RunState::Done => {
            eprintln!("done: {packed} samples, {} words in {dir}/shards (manifest.json, README.md)", totals.words);
        }
        RunState::Paused => {
            let reason = ended.run.reason.as_deref().unwrap_or("user");
            eprintln!("paused ({reason}): go on with `longhand resume {dir}`; `longhand why {dir}` says more");
        }
        RunState::Cancelled => eprintln!("cancelled: {packed} finished samples are in {dir}/shards"),
        RunState::Failed => eprintln!("failed: {}", ended.run.reason.as_deref().unwrap_or("unknown")),
        RunState::Running | RunState::Pending => {
            eprintln!("stopped: go on with `longhand resume {dir}` or the same command");
        }
    }
    if failed + rejected > 0 {
        eprintln!("{failed} failed, {rejected} rejected: `longhand why {dir}`");
    }
}
