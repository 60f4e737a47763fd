//! The command line: a contract (README, docs/). Parsing only; what a command does stands in `commands/`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Makes ultra-long training data: instructions in, verified shards out.
#[derive(Debug, Parser)]
#[command(name = "longhand", version, about, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Settings file [default: ./longhand.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Messages for people: error, warn, info, debug
    #[arg(long, global = true, value_name = "LEVEL", default_value = "warn")]
    pub log_level: String,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn instructions into shards, all in one process
    #[command(after_help = "Examples:
  longhand run examples/instructions.jsonl --simulate --out out
  OPENAI_API_KEY=... longhand run instructions.jsonl --out out --model gpt-4o-mini --limit 3
  longhand run instructions.jsonl --out out --base-url http://127.0.0.1:8000/v1 --model Qwen/Qwen2.5-7B-Instruct --concurrency 64")]
    Run(Box<RunArgs>),
    /// Continue an interrupted run
    #[command(after_help = "Examples:\n  longhand resume out\n  longhand resume out --max-cost 80")]
    Resume(Box<ResumeArgs>),
    /// Show where a run stands
    #[command(after_help = "Examples:\n  longhand status out\n  longhand status out --watch")]
    Status(StatusArgs),
    /// List samples
    #[command(
        after_help = "Examples:\n  longhand samples out --state failed\n  longhand samples out --error refusal --json"
    )]
    Samples(SamplesArgs),
    /// Show one sample: plan, sections, tries
    #[command(
        after_help = "Examples:\n  longhand inspect smp_3fk2v9 --in out --text\n  longhand inspect --random 3 --in out"
    )]
    Inspect(InspectArgs),
    /// Group failures by root cause and say what helps
    #[command(after_help = "Examples:\n  longhand why out\n  longhand why out --json")]
    Why(PlaceArgs),
    /// Start failed samples again, from where they stopped
    #[command(
        after_help = "Examples:\n  longhand retry out --error refusal --model gpt-4o\n  longhand retry out smp_3fk2v9 --from-section 4"
    )]
    Retry(RetryArgs),
    /// Stop taking new work; calls in flight are recorded
    #[command(after_help = "Examples:\n  longhand pause out\n  longhand resume out")]
    Pause(PlaceArgs),
    /// Stop for good; finished samples stay
    #[command(after_help = "Examples:\n  longhand cancel out\n  longhand cancel out --json")]
    Cancel(PlaceArgs),
    /// Change the limits of a run, also while it runs
    #[command(
        after_help = "Examples:\n  longhand limits out --concurrency 32\n  longhand limits out --rpm 600 --max-cost 80"
    )]
    Limits(LimitsArgs),
    /// Apply the sample gates again to stored text, without a call
    #[command(
        after_help = "Examples:\n  longhand repack out --to out-70 --gate reject_length_score=70\n  longhand repack out --to out-all --gate language=false"
    )]
    Repack(RepackArgs),
    /// Summarise a run: lengths, gates, tokens, money
    #[command(after_help = "Examples:\n  longhand report out\n  longhand report out --json")]
    Report(PlaceArgs),
    /// Write samples to a file or folder
    #[command(
        after_help = "Examples:\n  longhand export out --format jsonl --to out.jsonl\n  longhand export out --format markdown --to texts --where meta.topic=rome"
    )]
    Export(ExportArgs),
    /// Check a folder, its promises, an endpoint
    #[command(
        after_help = "Examples:\n  longhand doctor out\n  longhand doctor --endpoint --base-url http://127.0.0.1:8000/v1"
    )]
    Doctor(DoctorArgs),
    /// Submit instructions to the distributed edition; prints the run's id
    #[command(
        after_help = "Examples:\n  longhand submit instructions.jsonl --model gpt-4o-mini\n  longhand submit instructions.jsonl --model gpt-4o-mini --wait"
    )]
    Submit(Box<SubmitArgs>),
    /// Be a process of the distributed edition, for every run in its database
    #[command(
        after_help = "Examples:\n  longhand serve all --base-url http://127.0.0.1:8000/v1\n  longhand serve section-writer --concurrency 64"
    )]
    Serve(ServeArgs),
    /// Create or update the schema of the database of the distributed edition
    #[command(after_help = "Example:\n  LONGHAND__DATABASE__URL=postgres://... longhand migrate")]
    Migrate,
    /// Check that database and queue of the distributed edition answer and fit
    #[command(after_help = "Example:\n  longhand health --json")]
    Health {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show settings, their schema, the prompts
    #[command(after_help = "Examples:\n  longhand config show\n  longhand config prompts")]
    Config(ConfigArgs),
    /// Serve a simulated model: faults, limits, latency, prefix cache
    #[command(
        after_help = "Examples:\n  longhand simulate-llm --listen 127.0.0.1:8099\n  longhand simulate-llm --listen 127.0.0.1:8099 --faults all=0.02 --latency-ms 1000"
    )]
    SimulateLlm(SimulateArgs),
    /// Print shell completions
    #[command(
        after_help = "Examples:\n  longhand completions bash > /etc/bash_completion.d/longhand\n  longhand completions zsh"
    )]
    Completions {
        /// bash, zsh, fish, elvish, powershell
        shell: clap_complete::Shell,
    },
}

/// A run, and how to print.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// A run's folder (or, distributed, its id)
    #[arg(value_name = "RUN|DIR")]
    pub place: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

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
}

/// What is to be written, and how.
#[derive(Debug, Args)]
pub struct WorkArgs {
    /// JSONL or Parquet rows with `prompt`, `instruction` or `messages`
    #[arg(value_name = "INSTRUCTIONS")]
    pub instructions: PathBuf,
    /// Only the first N rows
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Samples per shard
    #[arg(long, value_name = "N")]
    pub shard_size: Option<u32>,
    /// Layout of the write prompt
    #[arg(long, value_enum)]
    pub layout: Option<LayoutArg>,
    /// Sections one after another, or all at once
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    /// Name of the run
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
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

/// `submit`.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    #[command(flatten)]
    pub work: WorkArgs,
    /// Model of both roles
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Model of the role `plan`
    #[arg(long, value_name = "NAME")]
    pub plan_model: Option<String>,
    #[command(flatten)]
    pub limits: LimitFlags,
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
    /// OpenAI-compatible base URL [default: OPENAI_BASE_URL, else https://api.openai.com/v1]
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// Environment variable that holds the key [default: OPENAI_API_KEY]
    #[arg(long, value_name = "VAR")]
    pub api_key_env: Option<String>,
    /// Most calls in flight of this process
    #[arg(long, value_name = "N")]
    pub concurrency: Option<u32>,
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
}

/// Where the model is.
#[derive(Debug, Args, Default)]
pub struct EndpointArgs {
    /// OpenAI-compatible base URL [default: OPENAI_BASE_URL, else https://api.openai.com/v1]
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// Model of both roles
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Model of the role `plan`
    #[arg(long, value_name = "NAME")]
    pub plan_model: Option<String>,
    /// Environment variable that holds the key [default: OPENAI_API_KEY]
    #[arg(long, value_name = "VAR")]
    pub api_key_env: Option<String>,
}

/// Limits that may change while a run runs.
#[derive(Debug, Args, Default, Clone)]
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

/// `resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The run's folder
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
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
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A run's folder (or, distributed, its id)
    #[arg(value_name = "RUN|DIR")]
    pub place: String,
    /// Keep showing until the run ends
    #[arg(long)]
    pub watch: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `samples`.
#[derive(Debug, Args)]
pub struct SamplesArgs {
    /// A run's folder (or, distributed, its id)
    #[arg(value_name = "RUN|DIR")]
    pub place: String,
    /// Only in this state: pending planning planned writing written packed rejected failed cancelled
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// Only with this error code
    #[arg(long, value_name = "CODE")]
    pub error: Option<String>,
    /// Most rows
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
    /// Only after this ordinal (the last page's `next`)
    #[arg(long, value_name = "ORDINAL")]
    pub after: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The sample, or the start of its id
    #[arg(value_name = "SAMPLE", required_unless_present = "random", conflicts_with = "random")]
    pub sample: Option<String>,
    /// So many samples by chance
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1")]
    pub random: Option<u32>,
    /// The run
    #[arg(long = "in", value_name = "RUN|DIR", default_value = ".")]
    pub place: String,
    /// The whole text
    #[arg(long)]
    pub text: bool,
    /// One section, counted from 1
    #[arg(long, value_name = "K")]
    pub section: Option<u32>,
    /// The exact prompt of section K, 0 for the plan's
    #[arg(long, value_name = "K")]
    pub prompt: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// A run's folder (or, distributed, its id)
    #[arg(value_name = "RUN|DIR")]
    pub place: String,
    /// Only these samples
    #[arg(value_name = "SAMPLE")]
    pub samples: Vec<String>,
    /// Only those with this error code
    #[arg(long, value_name = "CODE")]
    pub error: Option<String>,
    /// Discard sections from K on; 0 discards the plan too
    #[arg(long, value_name = "K")]
    pub from_section: Option<u32>,
    /// Another model for what is written from now on
    #[arg(long, value_name = "M")]
    pub model: Option<String>,
    /// Only say what would happen
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `limits`.
#[derive(Debug, Args)]
pub struct LimitsArgs {
    /// A run's folder (or, distributed, its id)
    #[arg(value_name = "RUN|DIR")]
    pub place: String,
    #[command(flatten)]
    pub limits: LimitFlags,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `repack`.
#[derive(Debug, Args)]
pub struct RepackArgs {
    /// A run's folder (or, distributed, its id)
    #[arg(value_name = "RUN|DIR")]
    pub place: String,
    /// The new folder
    #[arg(long, value_name = "NEW")]
    pub to: PathBuf,
    /// A sample gate's threshold or switch; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub gate: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A run's folder (or, distributed, its id)
    #[arg(value_name = "RUN|DIR")]
    pub place: String,
    /// What to write
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// A file (`.jsonl`, `.parquet`) or a folder
    #[arg(long, value_name = "PATH")]
    pub to: PathBuf,
    /// States to write, comma separated
    #[arg(long, value_name = "STATES", value_delimiter = ',', default_value = "packed")]
    pub state: Vec<String>,
    /// Only rows whose meta field has this value; may be given several times
    #[arg(long = "where", value_name = "meta.FIELD=VALUE")]
    pub filter: Vec<String>,
    /// Replace files that are there already
    #[arg(long)]
    pub overwrite: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// A run's folder: database, invariants, shard files
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Ask the endpoint what it can do (two small calls)
    #[arg(long = "endpoint")]
    pub check_endpoint: bool,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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

/// Formats of exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One JSON object a line
    Jsonl,
    /// Parquet
    Parquet,
    /// One Markdown file a sample
    Markdown,
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
