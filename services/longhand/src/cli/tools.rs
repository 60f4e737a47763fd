//! Arguments of what needs no run: `doctor`, `config`, `simulate-llm`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::EndpointArgs;

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// A run's folder, or a run of the distributed edition: database, invariants, shard files
    #[arg(value_name = "RUN|DIR")]
    pub place: Option<String>,
    /// Ask the endpoint what it can do (two small calls)
    #[arg(long = "endpoint")]
    pub check_endpoint: bool,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `dashboards`.
#[derive(Debug, Args)]
pub struct DashboardsArgs {
    /// What to do with them
    #[command(subcommand)]
    pub command: DashboardsCommand,
}

/// What can be done with dashboards.
#[derive(Debug, Subcommand)]
pub enum DashboardsCommand {
    /// Write grafana/dashboards/*.json and prometheus/rules/longhand.yml into a folder
    Write {
        /// The folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
}

/// `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// What to show
    #[arg(value_enum)]
    pub what: ConfigWhat,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `config` shows.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ConfigWhat {
    /// Every setting, its value and where it comes from
    Show,
    /// JSON schema of longhand.toml
    Schema,
    /// The built-in prompts
    Prompts,
}

/// `simulate-llm`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8099")]
    pub listen: std::net::SocketAddr,
    /// Seed of texts and faults
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Time of a whole answer; overrides the two below
    #[arg(long, value_name = "MS")]
    pub latency_ms: Option<u64>,
    /// Time to the first token
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub first_token_ms: u64,
    /// Time per further token
    #[arg(long, value_name = "US", default_value_t = 0)]
    pub per_token_us: u64,
    /// Most answers at a time
    #[arg(long, value_name = "N")]
    pub concurrency: Option<usize>,
    /// Reject with 429 instead of queueing when that is reached
    #[arg(long, requires = "concurrency")]
    pub reject: bool,
    /// Requests per minute
    #[arg(long, value_name = "N")]
    pub rpm: Option<u32>,
    /// Tokens per minute
    #[arg(long, value_name = "N")]
    pub tpm: Option<u32>,
    /// Context length in tokens
    #[arg(long, value_name = "N")]
    pub context_tokens: Option<u64>,
    /// Drop the front of prompts that are too long instead of refusing them
    #[arg(long, requires = "context_tokens")]
    pub drop_front: bool,
    /// Prefix cache in tokens; 0 for none
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub cache_tokens: u64,
    /// Fault rates: `all=0.02` or `refusal=0.05,empty=0.02`
    #[arg(long, value_name = "KIND=RATE,...")]
    pub faults: Option<String>,
    /// Most server-sent events per answer
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub events: usize,
    /// Key that requests must carry
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,
}
