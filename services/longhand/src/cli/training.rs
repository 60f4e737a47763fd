//! Arguments of `train`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `train`.
#[derive(Debug, Subcommand)]
pub enum TrainCommand {
    /// Fine-tune a model on finished samples
    #[command(after_help = "Examples:
  longhand train sft out --model Qwen/Qwen2.5-7B --dry-run
  longhand train sft out --model Qwen/Qwen2.5-7B --general chat.jsonl=0.5 --out models/long
  longhand train sft run_7fk2m3x9 --model Qwen/Qwen2.5-7B --out models/long --stream 8

The same command again goes on from the last checkpoint.")]
    Sft(Box<TrainArgs>),
    /// Optimise a model on preference pairs (TRL's columns: prompt, chosen, rejected)
    #[command(
        after_help = "Example:\n  longhand train dpo pairs.jsonl --model models/long/model --out models/long-dpo"
    )]
    Dpo(Box<TrainArgs>),
    /// Show where training jobs stand
    #[command(after_help = "Examples:\n  longhand train status models/long --watch\n  longhand train status --json")]
    Status(TrainStatusArgs),
    /// Show what the trainer and its backend said
    #[command(after_help = "Example:\n  longhand train logs models/long --follow")]
    Logs(TrainLogsArgs),
    /// Stop a job after a checkpoint; it can be started again
    #[command(after_help = "Examples:\n  longhand train stop models/long\n  longhand train stop trn_7fk2m3x9")]
    Stop(TrainPlaceArgs),
    /// Let the trainers of the distributed edition take a stopped or failed job up again
    #[command(after_help = "Example:\n  longhand train start trn_7fk2m3x9")]
    Start(TrainPlaceArgs),
}

/// `train sft`, `train dpo`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Folders of runs or datasets, runs of the distributed edition, .parquet or .jsonl files
    #[arg(value_name = "RUN|DIR|FILE", required = true)]
    pub sources: Vec<String>,
    /// The model to start from: a folder, or a name on the Hugging Face hub
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Folder for checkpoints and model [default: ./longhand-out/<name>-sft or -dpo]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// General data mixed in, with how often each of its rows counts an epoch
    #[arg(long, value_name = "FILE[=WEIGHT]")]
    pub general: Vec<String>,
    /// Start when N shards are ready and go on while the run does [default N: 1]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1")]
    pub stream: Option<u32>,
    /// Passes over the data [default: 4, dpo 2]
    #[arg(long, value_name = "N")]
    pub epochs: Option<u32>,
    /// Longest row in tokens; longer ones are skipped and listed [default: 32768]
    #[arg(long, value_name = "TOKENS")]
    pub max_length: Option<u32>,
    /// Packs (dpo: pairs) of one step, whatever the number of GPUs [default: 8]
    #[arg(long, value_name = "N")]
    pub packs_per_step: Option<u32>,
    /// Peak learning rate [default: 1e-4, full 1e-5, dpo 1e-6]
    #[arg(long, value_name = "X")]
    pub learning_rate: Option<f64>,
    /// How target tokens are weighed
    #[arg(long, value_enum)]
    pub loss: Option<LossArg>,
    /// Train all parameters instead of LoRA adapters
    #[arg(long, conflicts_with = "lora_rank")]
    pub full: bool,
    /// Rank of the LoRA adapters [default: 64]
    #[arg(long, value_name = "R")]
    pub lora_rank: Option<u32>,
    /// DPO's beta [default: 0.1]
    #[arg(long, value_name = "X")]
    pub beta: Option<f64>,
    /// Chat template: auto, chatml, llama3, glm4, or a file
    #[arg(long, value_name = "NAME|FILE")]
    pub template: Option<String>,
    /// Seed of the order of rows and of new weights [default: 42]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Steps between checkpoints [default: 400, or half an hour]
    #[arg(long, value_name = "STEPS")]
    pub checkpoint_every: Option<u32>,
    /// Backend processes [default: one per GPU]
    #[arg(long, value_name = "N")]
    pub processes: Option<u32>,
    /// Further fields of the recipe (schemas/training/recipe.schema.json); flags win
    #[arg(long, value_name = "FILE.json")]
    pub recipe: Option<PathBuf>,
    /// Leave the work to `serve trainer`; prints the job's id
    #[arg(long, conflicts_with = "dry_run")]
    pub detach: bool,
    /// Show what would be trained; no step is made and nothing is written
    #[arg(long)]
    pub dry_run: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which loss.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum LossArg {
    /// Every target token of a step alike (the paper)
    TokenAveraged,
    /// Every answer alike
    SequenceAveraged,
    /// As the paper's released code does it
    Released,
}

/// A training job, and how to print.
#[derive(Debug, Args)]
pub struct TrainPlaceArgs {
    /// A job's folder, or the id of a job of the distributed edition
    #[arg(value_name = "JOB|DIR")]
    pub place: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `train status`.
#[derive(Debug, Args)]
pub struct TrainStatusArgs {
    /// A job's folder, or the id of a job of the distributed edition [default: all jobs of that]
    #[arg(value_name = "JOB|DIR")]
    pub place: Option<String>,
    /// Keep showing until it ends
    #[arg(long, requires = "place")]
    pub watch: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `train logs`.
#[derive(Debug, Args)]
pub struct TrainLogsArgs {
    /// A job's folder, or the id of a job of the distributed edition whose folder is on this machine
    #[arg(value_name = "JOB|DIR")]
    pub place: String,
    /// Only the last N lines; 0 for all
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub lines: usize,
    /// Keep showing until the job ends
    #[arg(long, short)]
    pub follow: bool,
    /// Print the lines as they are kept: JSON
    #[arg(long)]
    pub json: bool,
}
