//! `longhand estimate INSTRUCTIONS`: what a run would take. The reckoning is `agentwrite::estimate`; here are the input, the
//! prices, the plans that may be made first, and the printing.

mod outlook;
mod page;
mod sampling;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use agentwrite::config::{RunConfig, TextConfig};
use agentwrite::estimate::Assumptions;
use agentwrite::ports::ChatModel;

use crate::cli::EstimateArgs;
use crate::commands::drive;
use crate::commands::run::{no_rows, read_input, report_intake, text_flags};
use crate::endpoint::Endpoint;
use crate::fault::{Exit, Fault};
use crate::output::{put, put_json};
use crate::settings::{self, Pricing, Settings};

pub use outlook::Outlook;
pub use page::rough;

/// Estimates.
pub async fn run(config_file: Option<&Path>, args: EstimateArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let mut flags = drive::endpoint_flags(&args.endpoint);
    text_flags(&mut flags, &args.text);
    drive::add_limit_flags(&mut flags, &args.limits);
    let (settings, _) = settings::load(config_file, flags)?;
    // Without a model all but the price can be told.
    let nameless = settings.endpoint.model.is_empty() && args.sample == 0;
    let config = settings.run_config(args.simulate || nameless)?;
    let pricing = pricing(&settings, &config, !args.simulate && !nameless)?;
    let limits = settings.run_limits(&pricing)?;
    let intake = read_input(&args.text, &settings)?;
    report_intake(&intake);
    if intake.inputs.is_empty() {
        return Err(no_rows(&args.text));
    }
    let inputs: Vec<_> = intake.inputs.iter().map(|(input, _)| input).collect();
    let before = assumptions(&args);
    let sampled = match args.sample {
        0 => None,
        count => {
            let (model, text) = model(&settings, &config, args.simulate).await?;
            Some(sampling::sample(&model, &text, &inputs, count, &limits, &before).await?)
        }
    };
    let after = sampled.as_ref().map_or(before, |sampled| stated(&args, sampled.learn(before)));
    let plans = |at: usize| sampled.as_ref().and_then(|sampled| sampled.plan_of(at));
    let outlook = Outlook::of(&config.text, after, limits, &inputs, plans)?;
    if args.json {
        put_json(out, &page::json(&args.text.instructions, &outlook, &pricing, sampled.as_ref()))?;
    } else {
        put(out, &page::text(&args.text.instructions, &outlook, &pricing, sampled.as_ref()))?;
    }
    Ok(Exit::Done)
}

/// Who makes the plans, after a look that costs nothing: the first endpoint of its pool, and the configuration with the name
/// that the model has there.
async fn model(
    settings: &Settings,
    config: &RunConfig,
    simulate: bool,
) -> Result<(Arc<dyn ChatModel>, TextConfig), Fault> {
    let endpoint = if simulate { Endpoint::simulated(config.text.seed) } else { Endpoint::configured(settings)? };
    endpoint.look(&config.text).await?;
    let member = endpoint.first_planner();
    let mut text = config.text.clone();
    if let Some(own) = &member.terms.model {
        text.plan.model.clone_from(own);
    }
    Ok((Arc::clone(&member.model), text))
}

/// The price of the models of a run, `named` by its settings and not simulated.
pub fn pricing(settings: &Settings, config: &RunConfig, named: bool) -> Result<Pricing, Fault> {
    let paid = named && settings.paid_endpoint()?;
    settings.pricing(&settings.served(config)?, paid)
}

fn assumptions(args: &EstimateArgs) -> Assumptions {
    stated(args, Assumptions::default())
}

/// What the flags state wins over what is assumed and over what was sampled.
fn stated(args: &EstimateArgs, base: Assumptions) -> Assumptions {
    Assumptions {
        first_token_seconds: args.first_token_seconds.unwrap_or(base.first_token_seconds),
        tokens_per_second: args.tokens_per_second.unwrap_or(base.tokens_per_second),
        words_per_step: args.words_per_section.unwrap_or(base.words_per_step),
        retry_share: args.retries,
        ..base
    }
}
