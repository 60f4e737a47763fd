//! Arguments of what looks at a run or changes it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{LimitFlags, ShareArgs};

/// A run, and how to print.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// A run's folder, or a run of the distributed edition: its id, the start of it, or its name
    #[arg(value_name = "RUN|DIR")]
    pub place: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `runs`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A run's folder, or a run of the distributed edition: its id, the start of it, or its name
    #[arg(value_name = "RUN|DIR", default_value = ".")]
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
    #[command(flatten)]
    pub at: PlaceArgs,
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
    /// The run: a folder, or the id or name of a run of the distributed edition
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
    /// Where its trace is: id, and link where [telemetry] trace_url is set
    #[arg(long, conflicts_with_all = ["text", "section", "prompt"])]
    pub trace: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    #[command(flatten)]
    pub at: PlaceArgs,
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
}

/// `limits`.
#[derive(Debug, Args)]
pub struct LimitsArgs {
    #[command(flatten)]
    pub at: PlaceArgs,
    #[command(flatten)]
    pub limits: LimitFlags,
    #[command(flatten)]
    pub share: ShareArgs,
}

/// `repack`.
#[derive(Debug, Args)]
pub struct RepackArgs {
    #[command(flatten)]
    pub at: PlaceArgs,
    /// The new folder
    #[arg(long, value_name = "NEW")]
    pub to: PathBuf,
    /// A sample gate's threshold or switch; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub gate: Vec<String>,
}

/// `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub at: PlaceArgs,
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
