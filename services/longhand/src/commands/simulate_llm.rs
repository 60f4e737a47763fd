//! `longhand simulate-llm`: the simulated model over HTTP.

use std::io::Write;

use llm_simulator::{SimulatorConfig, WhenFull};
use tokio_util::sync::CancellationToken;

use crate::cli::SimulateArgs;
use crate::fault::{Exit, Fault};
use crate::output::put;

/// Serves until a signal.
pub async fn run(args: SimulateArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let config = config(&args)?;
    let listener = tokio::net::TcpListener::bind(args.listen).await.map_err(|error| {
        Fault::new("listen", Exit::Unreachable, format!("{} cannot be listened on", args.listen)).because(error)
    })?;
    let address = listener
        .local_addr()
        .map_err(|error| Fault::new("listen", Exit::Unreachable, "the address cannot be read").because(error))?;
    // Tests and scripts read this line to learn the port.
    put(out, &format!("http://{address}/v1\n"))?;
    eprintln!("simulated model: the text is synthetic; statistics at http://{address}/stats");
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let served = llm_simulator::serve(listener, config, shutdown);
    tokio::pin!(served);
    tokio::select! {
        result = &mut served => {
            result.map_err(|error| Fault::new("serve", Exit::Unreachable, "the simulator stopped").because(error))?;
        }
        _ = tokio::signal::ctrl_c() => stop.cancel(),
    }
    Ok(Exit::Done)
}

fn config(args: &SimulateArgs) -> Result<SimulatorConfig, Fault> {
    let faults = match &args.faults {
        None => llm_simulator::Faults::default(),
        Some(text) => text
            .parse()
            .map_err(|error| Fault::usage("faults", format!("--faults {text} cannot be read")).because(error))?,
    };
    Ok(SimulatorConfig {
        seed: args.seed,
        latency_ms: args.latency_ms,
        first_token_ms: args.first_token_ms,
        per_token_us: args.per_token_us,
        concurrency: args.concurrency,
        when_full: if args.reject { WhenFull::Reject } else { WhenFull::Queue },
        rpm: args.rpm.map(u64::from),
        tpm: args.tpm.map(u64::from),
        context_tokens: args.context_tokens,
        drop_front: args.drop_front,
        cache_tokens: args.cache_tokens,
        events: args.events.max(1),
        api_key: args.api_key.clone(),
        faults,
        ..SimulatorConfig::default()
    })
}
