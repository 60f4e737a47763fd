//! `longhand submit INSTRUCTIONS`: a new run of the distributed edition. What serves it is somebody else's.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use agentwrite::config::{Limits, RunConfig};
use agentwrite::ids::RunId;
use agentwrite::ports::{ReportStore, Run, RunState, RunStore, Totals};
use checkpoints::postgres::PostgresStore;
use serde_json::json;

use crate::cli::{EndpointArgs, SubmitArgs};
use crate::commands::drive::{self, exit_of_run};
use crate::commands::estimate;
use crate::commands::run::{create, fill, flags, name_of, no_rows, read_input, report_intake};
use crate::commands::status;
use crate::fault::{Exit, Fault};
use crate::fleet::{StoreClock, servers};
use crate::output::{put, put_json};
use crate::settings::{self, Layers, Origin, SIMULATED, Settings};

/// How often a run is looked at that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Submits.
pub async fn run(config_file: Option<&Path>, args: SubmitArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let endpoint = EndpointArgs { models: args.models.clone(), ..EndpointArgs::default() };
    let (settings, layers) = settings::load(config_file, flags(&args.work, &endpoint, &args.limits))?;
    settings.check_names(&args.endpoint, "--endpoint")?;
    let synthetic = args.synthetic || simulated(&settings);
    let config = RunConfig { endpoints: args.endpoint.clone(), ..settings.run_config(synthetic)? };
    let paid = paid(&settings, &layers)?;
    let pricing = estimate::pricing(&settings, &config, paid)?;
    let limits = Limits { weight: args.share.weight.unwrap_or(1), ..settings.run_limits(&pricing)? };
    let intake = read_input(&args.work.text, &settings)?;
    report_intake(&intake);
    if intake.inputs.is_empty() {
        return Err(no_rows(&args.work.text));
    }
    let store = servers::database_of_a_command(&settings).await?;
    if let Some(note) = pricing.note() {
        eprintln!("{note}");
    }
    if paid {
        drive::confirm_paid(&intake, &config, &limits, args.yes)?;
    }
    let clock = StoreClock::start(&store).await?;
    let run = create(&store, &*clock, &name_of(&args.work), &config, &limits).await?;
    let run = fill(&store, &*clock, &run.id, &intake).await?;
    if !args.json {
        put(out, &format!("{}\n", run.id))?;
    } else if !args.wait {
        put_json(out, &json!({"schema": 1, "run": run.id, "name": run.name, "samples": run.samples}))?;
    }
    let exit = if args.wait { wait(&store, &run.id, args.json, out).await? } else { Exit::Done };
    store.close().await;
    Ok(exit)
}

/// Whether the models go by the name under which `longhand simulate-llm` lists its own: nobody else in a fleet tells that the
/// text is made up, and the dataset card has to.
fn simulated(settings: &Settings) -> bool {
    let endpoint = &settings.endpoint;
    let is_simulator = |name: &str| name == SIMULATED;
    is_simulator(&endpoint.model) && (endpoint.plan_model.is_empty() || is_simulator(&endpoint.plan_model))
}

/// Whether the calls cost money, as far as this process can tell: the processes that serve have the endpoint's address, this
/// one knows it only if it is configured here too, by itself or in a pool.
fn paid(settings: &Settings, layers: &Layers) -> Result<bool, Fault> {
    let unnamed = layers.origin("endpoint.base_url") == Origin::Default;
    if unnamed && settings.role_pools()?.names() == [settings::DEFAULT] {
        return Ok(false);
    }
    settings.paid_endpoint()
}

/// Waits until nobody works on the run any more.
async fn wait(store: &PostgresStore, id: &RunId, json: bool, out: &mut dyn Write) -> Result<Exit, Fault> {
    let (run, totals) = loop {
        // A server that is away for a while ends no run, so it ends no wait.
        match look(store, id).await {
            Ok(Some((run, totals))) if !matches!(run.state, RunState::Pending | RunState::Running) => {
                break (run, totals);
            }
            Ok(Some(_)) => {}
            Ok(None) => return Err(Fault::new("not_found", Exit::NotFound, format!("run {id} is gone"))),
            Err(error) => tracing::warn!(%error, "the run could not be read; trying again"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    if json {
        put(out, &format!("{}\n", status::json(&run, &totals, None)))?;
    }
    let reason = run.reason.as_deref().map_or(String::new(), |reason| format!(" ({reason})"));
    eprintln!("{}{reason}: {} samples finished, {} words", run.state.as_str(), totals.finished(), totals.words);
    Ok(exit_of_run(&run, &totals))
}

async fn look(store: &PostgresStore, id: &RunId) -> Result<Option<(Run, Totals)>, agentwrite::ports::StoreError> {
    let Some(run) = store.run(id).await? else { return Ok(None) };
    Ok(Some((run, store.totals(id).await?)))
}
