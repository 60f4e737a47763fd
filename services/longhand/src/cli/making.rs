//! Arguments of what makes text: `run`, `estimate`, `resume`, `submit`, `serve`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub work: WorkArgs,
    /// Folder for the database, shards, manifest and card [default: ./longhand-out/<file stem>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    #[command(flatten)]
    pub limits: LimitFlags,
    /// Use the built-in simulated model: synthetic text, no network
    #[arg(long, conflicts_with = "base_url")]
    pub simulate: bool,
    /// Take changed settings for samples that have no plan yet
    #[arg(long)]
    pub accept_changes: bool,
    /// Read and check everything, call nothing, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before a paid run
    #[arg(long)]
    pub yes: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub watch: WatchArgs,
}

/// What is to be written, and how, as a run of its own.
#[derive(Debug, Args)]
pub struct WorkArgs {
    #[command(flatten)]
    pub text: TextArgs,
    /// Samples per shard
    #[arg(long, value_name = "N")]
    pub shard_size: Option<u32>,
    /// Name of the run
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

/// What is to be written, and how.
#[derive(Debug, Args)]
pub struct TextArgs {
    /// JSONL or Parquet rows with `prompt`, `instruction` or `messages`
    #[arg(value_name = "INSTRUCTIONS")]
    pub instructions: PathBuf,
    /// Only the first N rows
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Layout of the write prompt
    #[arg(long, value_enum)]
    pub layout: Option<LayoutArg>,
    /// Sections one after another, or all at once
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    /// Seed of the run
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Sampling temperature of plan and write
    #[arg(long, value_name = "T")]
    pub temperature: Option<f64>,
    /// How plans are asked for
    #[arg(long, value_enum)]
    pub plan_format: Option<PlanFormatArg>,
    /// Samples made from each instruction
    #[arg(long, value_name = "N")]
    pub samples_per_instruction: Option<u32>,
    /// The field that holds the instruction
    #[arg(long, value_name = "NAME")]
    pub prompt_field: Option<String>,
    /// Append the length of a `length` column to instructions that state none
    #[arg(long)]
    pub append_length: bool,
    /// Stop at the first bad row
    #[arg(long)]
    pub strict: bool,
}

/// `estimate`.
#[derive(Debug, Args)]
pub struct EstimateArgs {
    #[command(flatten)]
    pub text: TextArgs,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    #[command(flatten)]
    pub limits: LimitFlags,
    /// Make N real plan calls first, spread over the lengths, and reckon with their plans
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub sample: usize,
    /// Make them with the built-in simulated model
    #[arg(long, conflicts_with = "base_url")]
    pub simulate: bool,
    /// Time to the first token of an answer [default: 1, or as sampled]
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub first_token_seconds: Option<f64>,
    /// Speed of one answer after that [default: 50, or as sampled]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub tokens_per_second: Option<f64>,
    /// Words that a plan gives a section [default: 600, or as sampled]
    #[arg(long, value_name = "WORDS", value_parser = positive)]
    pub words_per_section: Option<f64>,
    /// Share of calls that the high end of a range repeats
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    pub retries: f64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value > 0.0 && value.is_finite() { Ok(value) } else { Err("must be above 0".to_owned()) }
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=10.0).contains(&value) { Ok(value) } else { Err("must be from 0 to 10".to_owned()) }
}

/// What a process shows of itself.
#[derive(Debug, Args, Default, Clone, PartialEq)]
pub struct WatchArgs {
    /// Show /metrics for Prometheus at this address
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
}

/// `resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// A run's folder, or a run of the distributed edition: its id, the start of it, or its name
    #[arg(value_name = "RUN|DIR")]
    pub place: String,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    #[command(flatten)]
    pub limits: LimitFlags,
    /// Do not ask before a paid run
    #[arg(long)]
    pub yes: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub watch: WatchArgs,
}

/// `submit`.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub models: ModelArgs,
    #[command(flatten)]
    pub limits: LimitFlags,
    #[command(flatten)]
    pub share: ShareArgs,
    /// Mark the text as synthetic: what serves is a simulator [default: if the model's name is `simulated`]
    #[arg(long)]
    pub synthetic: bool,
    /// The endpoints that make it, by their names [default: the pools of the processes that serve]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub endpoint: Vec<String>,
    /// Do not ask before a paid run
    #[arg(long)]
    pub yes: bool,
    /// Wait for the end of the run; the exit code is that of `run`
    #[arg(long)]
    pub wait: bool,
    /// Print JSON instead of the run's id
    #[arg(long)]
    pub json: bool,
}

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// What the process does
    #[arg(value_enum)]
    pub role: ServeRole,
    #[command(flatten)]
    pub address: AddressArgs,
    /// Most calls in flight of this process
    #[arg(long, value_name = "N")]
    pub concurrency: Option<u32>,
    /// Folder for answers that wait for the database [default: longhand-spool]
    #[arg(long, value_name = "DIR")]
    pub spool: Option<String>,
    #[command(flatten)]
    pub watch: WatchArgs,
}

/// Roles of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServeRole {
    /// Everything
    All,
    /// Admit, dispatch, rescue; make plans
    Planner,
    /// Write sections
    SectionWriter,
    /// Judge samples, write shards
    ShardPacker,
    /// Train models on finished shards (`train --detach`)
    Trainer,
}

/// Where the models are, and which.
#[derive(Debug, Args, Default, PartialEq)]
pub struct EndpointArgs {
    #[command(flatten)]
    pub address: AddressArgs,
    #[command(flatten)]
    pub models: ModelArgs,
}

/// Where the models are.
#[derive(Debug, Args, Default, Clone, PartialEq)]
pub struct AddressArgs {
    /// OpenAI-compatible base URL [default: OPENAI_BASE_URL, else https://api.openai.com/v1]
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// Environment variable that holds the key [default: OPENAI_API_KEY]
    #[arg(long, value_name = "VAR")]
    pub api_key_env: Option<String>,
}

/// Which models.
#[derive(Debug, Args, Default, Clone, PartialEq)]
pub struct ModelArgs {
    /// Model of both roles
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Model of the role `plan`
    #[arg(long, value_name = "NAME")]
    pub plan_model: Option<String>,
}

/// Limits that may change while a run runs.
#[derive(Debug, Args, Default, Clone, PartialEq)]
pub struct LimitFlags {
    /// Most calls in flight
    #[arg(long, value_name = "N")]
    pub concurrency: Option<u32>,
    /// Requests per minute
    #[arg(long, value_name = "N")]
    pub rpm: Option<u32>,
    /// Tokens per minute, prompt and answer
    #[arg(long, value_name = "N")]
    pub tpm: Option<u32>,
    /// Hard cap; needs prices
    #[arg(long, value_name = "USD")]
    pub max_cost: Option<f64>,
    /// Price of uncached prompt tokens
    #[arg(long, value_name = "USD_PER_M")]
    pub price_in: Option<f64>,
    /// Price of cached prompt tokens [default: --price-in]
    #[arg(long, value_name = "USD_PER_M")]
    pub price_cached: Option<f64>,
    /// Price of answer tokens
    #[arg(long, value_name = "USD_PER_M")]
    pub price_out: Option<f64>,
}

/// A run's share among the runs of a fleet.
#[derive(Debug, Args, Default, Clone, Copy)]
pub struct ShareArgs {
    /// Share of the slots, against other runs at work: 1 to 100 [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(agentwrite::config::Limits::MOST_WEIGHT)))]
    pub weight: Option<u32>,
}

/// Layouts of the write prompt.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LayoutArg {
    /// One user message that holds all earlier text
    Paper,
    /// Earlier sections as assistant turns
    Turns,
}

/// Order of writing.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ModeArg {
    /// Section k sees all earlier text
    Serial,
    /// All sections at once
    Parallel,
}

/// Formats of plans.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PlanFormatArg {
    /// JSON schema where the endpoint takes it, text otherwise
    Auto,
    /// JSON
    Json,
    /// The paper's lines
    Text,
}
