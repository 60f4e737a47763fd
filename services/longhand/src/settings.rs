//! Settings in layers: defaults < `longhand.toml` < `.env` < `LONGHAND__SECTION__KEY` < flags. Unknown keys are errors that
//! name the nearest known one. This is the one place that reads the environment.

mod endpoints;
mod key;
mod layers;
mod money;
mod schema;
mod servers;
mod telemetry;
mod train;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agentwrite::config::{Mode, RoleConfig, RunConfig, TextConfig};
use agentwrite::gates::sample::SamplePolicy;
use agentwrite::gates::section::SectionPolicy;
use agentwrite::plan::{PlanFormat, PlanPolicy};
use agentwrite::prompts::{Layout, PromptTexts};
use agentwrite::task::LeaseTimes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;

use crate::fault::Fault;

pub use endpoints::{DEFAULT, EndpointSettings, MemberSettings, PoolSettings, RolePools};
pub use layers::{Layers, Origin, nearest};
pub use money::{PriceSettings, Pricing, Served, cap_without_price, half_a_price};
pub use schema::json_schema;
pub use servers::{ServerSettings, ShardSettings, ShardsUrl, SpoolSettings};
pub use telemetry::TelemetrySettings;
pub use train::TrainSettings;

/// The name of the simulated model.
pub const SIMULATED: &str = "simulated";

/// All settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the model is: the endpoint `default`.
    pub endpoint: EndpointSettings,
    /// Further endpoints, by name.
    pub endpoints: BTreeMap<String, MemberSettings>,
    /// Which endpoints serve which role.
    pub pools: PoolSettings,
    /// How it samples.
    pub sampling: SamplingSettings,
    /// The prompts.
    pub prompts: PromptSettings,
    /// Plans.
    pub plan: PlanSettings,
    /// The gates.
    pub gates: GateSettings,
    /// Limits.
    pub limits: LimitSettings,
    /// Prices of models.
    pub prices: PriceSettings,
    /// The run.
    pub run: RunSettings,
    /// Claims.
    pub lease: LeaseSettings,
    /// PostgreSQL, in the distributed edition.
    pub database: ServerSettings,
    /// RabbitMQ, in the distributed edition.
    pub queue: ServerSettings,
    /// The place of the shards, in the distributed edition.
    pub shards: ShardSettings,
    /// Where answers wait for a database that is away, in the distributed edition.
    pub spool: SpoolSettings,
    /// What a process shows of itself.
    pub telemetry: TelemetrySettings,
    /// The trainer.
    pub train: TrainSettings,
}

/// `[sampling]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingSettings {
    /// Seed of the run.
    pub seed: u64,
    /// Temperature of both roles.
    pub temperature: f64,
    /// Nucleus sampling; 0 = not sent, as in the paper.
    pub top_p: f64,
    /// Largest plan in tokens.
    pub plan_max_tokens: u32,
    /// Largest section in tokens.
    pub write_max_tokens: u32,
    /// Tokens allowed for reasoning on top.
    pub reasoning_tokens: u32,
    /// Fields passed through with plan calls.
    pub plan_extra_body: Map<String, Value>,
    /// Fields passed through with section calls.
    pub write_extra_body: Map<String, Value>,
}

impl Default for SamplingSettings {
    fn default() -> Self {
        Self {
            seed: 42,
            temperature: 1.0,
            top_p: 0.0,
            plan_max_tokens: 8192,
            write_max_tokens: 4096,
            reasoning_tokens: 0,
            plan_extra_body: Map::new(),
            write_extra_body: Map::new(),
        }
    }
}

/// `[prompts]`: a file each; empty = built in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptSettings {
    /// Plans as text.
    pub plan: String,
    /// Plans as JSON.
    pub plan_json: String,
    /// Sections.
    pub write: String,
    /// The suffix of a re-ask.
    pub reask: String,
    /// A system message; empty = none, as in the paper.
    pub system: String,
}

/// `[plan]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanSettings {
    /// `auto`, `json`, `text`.
    pub format: PlanFormat,
    /// What a plan must be like.
    pub policy: PlanPolicy,
}

/// `[gates]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateSettings {
    /// `[gates.section]`
    pub section: SectionPolicy,
    /// `[gates.sample]`
    pub sample: SamplePolicy,
}

/// `[limits]`: 0 = none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Most calls in flight.
    pub concurrency: u32,
    /// Requests per minute.
    pub rpm: u32,
    /// Tokens per minute.
    pub tpm: u32,
    /// Hard cap in USD.
    pub max_cost: f64,
    /// USD per million uncached prompt tokens.
    pub price_in: f64,
    /// USD per million cached prompt tokens; `price_in` if 0.
    pub price_cached: f64,
    /// USD per million answer tokens.
    pub price_out: f64,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { concurrency: 16, rpm: 0, tpm: 0, max_cost: 0.0, price_in: 0.0, price_cached: 0.0, price_out: 0.0 }
    }
}

/// `[run]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunSettings {
    /// Samples per shard.
    pub shard_size: u32,
    /// `paper` or `turns`.
    pub layout: Layout,
    /// `serial` or `parallel`.
    pub mode: Mode,
    /// Counted failures after which a task dies.
    pub attempts: u32,
    /// Crashes after which a task dies.
    pub crash_limit: u32,
    /// Samples made from each instruction.
    pub samples_per_instruction: u32,
    /// The field that holds the instruction; empty = `prompt`, `instruction` or `messages`.
    pub prompt_field: String,
    /// Append a column's length to instructions that state none.
    pub append_length: bool,
    /// How long a drain may take before calls in flight are aborted.
    pub grace_seconds: f64,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            shard_size: 256,
            layout: Layout::Paper,
            mode: Mode::Serial,
            attempts: 8,
            crash_limit: 20,
            samples_per_instruction: 1,
            prompt_field: String::new(),
            append_length: false,
            grace_seconds: 85.0,
        }
    }
}

/// `[lease]`
#[expect(clippy::struct_field_names, reason = "a bare number carries its unit")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeaseSettings {
    /// A claim lapses after this.
    pub lease_seconds: f64,
    /// Claims are renewed this often.
    pub heartbeat_seconds: f64,
    /// Stalled work is looked for this often.
    pub rescue_seconds: f64,
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self { lease_seconds: 90.0, heartbeat_seconds: 20.0, rescue_seconds: 15.0 }
    }
}

/// The prompt files as read.
fn read_prompt(path: &str, built_in: &str) -> Result<String, Fault> {
    if path.is_empty() {
        return Ok(built_in.to_owned());
    }
    std::fs::read_to_string(path)
        .map_err(|error| Fault::usage("prompt_file", format!("the prompt {path} cannot be read")).because(error))
}

impl Settings {
    /// The frozen configuration of a run with these settings.
    pub fn run_config(&self, synthetic: bool) -> Result<RunConfig, Fault> {
        for (name, body) in [("plan", &self.sampling.plan_extra_body), ("write", &self.sampling.write_extra_body)] {
            llm::check_extra_body(body).map_err(|error| {
                Fault::usage("extra_body", format!("[sampling] {name}_extra_body cannot be used")).because(error)
            })?;
        }
        let endpoint = &self.endpoint;
        let model = if synthetic && endpoint.model.is_empty() { SIMULATED } else { endpoint.model.as_str() };
        if model.is_empty() {
            return Err(Fault::usage("no_model", "no model is named")
                .help("add --model NAME, or set [endpoint] model in longhand.toml"));
        }
        let plan_model = if endpoint.plan_model.is_empty() { model } else { endpoint.plan_model.as_str() };
        let sampling = &self.sampling;
        let role = |model: &str, max_tokens: u32, extra_body: &Map<String, Value>| RoleConfig {
            model: model.to_owned(),
            temperature: sampling.temperature,
            top_p: (sampling.top_p > 0.0).then_some(sampling.top_p),
            max_tokens,
            reasoning_tokens: sampling.reasoning_tokens,
            extra_body: extra_body.clone(),
        };
        Ok(RunConfig {
            text: TextConfig {
                plan: role(plan_model, sampling.plan_max_tokens, &sampling.plan_extra_body),
                write: role(model, sampling.write_max_tokens, &sampling.write_extra_body),
                layout: self.run.layout,
                mode: self.run.mode,
                plan_format: self.plan.format,
                prompts: self.prompt_texts()?,
                seed: sampling.seed,
                append_length: self.run.append_length,
                plan_policy: self.plan.policy.clone(),
                section_policy: self.gates.section.clone(),
            },
            sample_policy: self.gates.sample.clone(),
            shard_size: self.run.shard_size.max(1),
            attempts: self.run.attempts.max(1),
            crash_limit: self.run.crash_limit.max(1),
            synthetic,
            endpoints: Vec::new(),
        })
    }

    fn prompt_texts(&self) -> Result<PromptTexts, Fault> {
        let built_in = PromptTexts::built_in(self.run.layout);
        let prompts = &self.prompts;
        let texts = PromptTexts {
            plan: read_prompt(&prompts.plan, &built_in.plan)?,
            plan_json: read_prompt(&prompts.plan_json, &built_in.plan_json)?,
            write: read_prompt(&prompts.write, &built_in.write)?,
            reask: read_prompt(&prompts.reask, &built_in.reask)?,
            system: if prompts.system.is_empty() { None } else { Some(read_prompt(&prompts.system, "")?) },
        };
        agentwrite::prompts::Prompts::parse(&texts, self.run.layout)
            .map_err(|error| Fault::usage("prompt_template", "a prompt cannot be used").because(error))?;
        Ok(texts)
    }

    /// Lease times.
    pub fn lease_times(&self) -> LeaseTimes {
        let seconds = |value: f64| Duration::from_secs_f64(value.clamp(0.05, 86_400.0));
        LeaseTimes {
            lease: seconds(self.lease.lease_seconds),
            heartbeat: seconds(self.lease.heartbeat_seconds),
            rescue: seconds(self.lease.rescue_seconds),
        }
    }
}

/// The process environment.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

/// Reads all layers. `file` is the `--config` flag; without it `./longhand.toml` is read if it is there.
pub fn load(file: Option<&Path>, flags: toml::Table) -> Result<(Settings, Layers), Fault> {
    let layers = Layers::read(file, &environment(), flags)?;
    let settings = layers.settings()?;
    Ok((settings, layers))
}

/// The default folder of a run.
pub fn default_out(instructions: &Path) -> PathBuf {
    let stem = instructions.file_stem().map_or_else(|| "run".into(), std::ffi::OsStr::to_os_string);
    Path::new("longhand-out").join(stem)
}
