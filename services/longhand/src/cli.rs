//! The command line: a contract (README, docs/). Parsing only; what a command does stands in `commands/`.

mod making;
mod runs;
mod tools;
mod training;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use making::*;
pub use runs::*;
pub use tools::*;
pub use training::*;

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
    /// How they look: for people, or one JSON object a line
    #[arg(long, global = true, value_name = "FORMAT", env = "LONGHAND_LOG_FORMAT", default_value = "pretty")]
    pub log_format: LogFormat,
}

/// How messages look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people
    Pretty,
    /// One JSON object a line, with the ids of trace and span
    Json,
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
    /// Say what a run would take: calls, tokens, money, time
    #[command(after_help = "Without --sample nothing is called: required lengths, prompts and prices are enough.

Examples:
  longhand estimate instructions.jsonl --model gpt-4o-mini
  longhand estimate instructions.jsonl --model gpt-4o-mini --concurrency 64 --rpm 500 --max-cost 80
  longhand estimate instructions.jsonl --model gpt-4o-mini --sample 8      # makes 8 plans, costs what they cost")]
    Estimate(Box<EstimateArgs>),
    /// Continue an interrupted or paused run
    #[command(
        after_help = "Examples:\n  longhand resume out\n  longhand resume out --max-cost 80\n  longhand resume run_7fk2m3x9"
    )]
    Resume(Box<ResumeArgs>),
    /// List the runs of the distributed edition
    #[command(after_help = "Examples:\n  longhand runs\n  longhand runs --json")]
    Runs(RunsArgs),
    /// Show where a run stands
    #[command(
        after_help = "Examples:\n  longhand status out --watch\n  longhand status run_7fk2m3x9\n  longhand status essays --json"
    )]
    Status(StatusArgs),
    /// List samples
    #[command(
        after_help = "Examples:\n  longhand samples out --state failed\n  longhand samples run_7fk2m3x9 --error refusal --json"
    )]
    Samples(SamplesArgs),
    /// Show one sample: plan, sections, tries
    #[command(
        after_help = "Examples:\n  longhand inspect smp_3fk2v9 --in out --text\n  longhand inspect --random 3 --in run_7fk2m3x9"
    )]
    Inspect(InspectArgs),
    /// Group failures by root cause and say what helps
    #[command(after_help = "Examples:\n  longhand why out\n  longhand why run_7fk2m3x9 --json")]
    Why(PlaceArgs),
    /// Start failed samples again, from where they stopped
    #[command(
        after_help = "Examples:\n  longhand retry out --error refusal --model gpt-4o\n  longhand retry run_7fk2m3x9 smp_3fk2v9 --from-section 4"
    )]
    Retry(RetryArgs),
    /// Stop taking new work; calls in flight are recorded
    #[command(after_help = "Examples:\n  longhand pause out\n  longhand pause run_7fk2m3x9")]
    Pause(PlaceArgs),
    /// Stop for good; finished samples stay
    #[command(after_help = "Examples:\n  longhand cancel out\n  longhand cancel run_7fk2m3x9 --json")]
    Cancel(PlaceArgs),
    /// Change the limits of a run, also while it runs
    #[command(
        after_help = "Examples:\n  longhand limits out --concurrency 32\n  longhand limits out --rpm 600 --max-cost 80\n  longhand limits run_7fk2m3x9 --weight 3"
    )]
    Limits(LimitsArgs),
    /// Apply the sample gates again to stored text, without a call
    #[command(
        after_help = "Examples:\n  longhand repack out --to out-70 --gate reject_length_score=70\n  longhand repack run_7fk2m3x9 --to out-all --gate language=false"
    )]
    Repack(RepackArgs),
    /// Summarise a run: lengths, gates, tokens, money
    #[command(after_help = "Examples:\n  longhand report out\n  longhand report run_7fk2m3x9 --json")]
    Report(PlaceArgs),
    /// Write samples to a file or folder
    #[command(
        after_help = "Examples:\n  longhand export out --format jsonl --to out.jsonl\n  longhand export run_7fk2m3x9 --format markdown --to texts --where meta.topic=rome"
    )]
    Export(ExportArgs),
    /// Check a run, its promises, an endpoint
    #[command(
        after_help = "Examples:\n  longhand doctor out\n  longhand doctor run_7fk2m3x9\n  longhand doctor --endpoint --base-url http://127.0.0.1:8000/v1"
    )]
    Doctor(DoctorArgs),
    /// Submit instructions to the distributed edition; prints the run's id
    #[command(
        after_help = "Examples:\n  longhand submit instructions.jsonl --model gpt-4o-mini\n  longhand submit instructions.jsonl --model gpt-4o-mini --weight 3 --wait"
    )]
    Submit(Box<SubmitArgs>),
    /// Be a process of the distributed edition, for every run in its database
    #[command(
        after_help = "Examples:\n  longhand serve all --base-url http://127.0.0.1:8000/v1\n  longhand serve section-writer --concurrency 64"
    )]
    Serve(ServeArgs),
    /// Train a model on finished shards
    #[command(subcommand)]
    Train(TrainCommand),
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
    /// Dashboards for Grafana, alerts for Prometheus
    #[command(after_help = "Example:\n  longhand dashboards write deploy")]
    Dashboards(DashboardsArgs),
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
