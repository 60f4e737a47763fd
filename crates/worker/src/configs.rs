//! A run's configuration in every version: a sample is written under the one that stood when it was planned.

use std::collections::BTreeMap;

use agentwrite::config::RunConfig;
use agentwrite::ids::Hash;
use agentwrite::ports::{Run, RunStore, StoreError};
use agentwrite::prompts::{Prompts, TemplateError};

/// One version, with its prompts parsed.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The configuration.
    pub config: RunConfig,
    /// Its prompts.
    pub prompts: Prompts,
    /// The hash of its [`text`](RunConfig::text), from which every sample's chain starts.
    pub text_hash: Hash,
}

impl Settled {
    /// Parses the prompts of a configuration.
    pub fn new(config: RunConfig) -> Result<Self, TemplateError> {
        let prompts = Prompts::parse(&config.text.prompts, config.text.layout)?;
        let text_hash = config.text.hash();
        Ok(Self { config, prompts, text_hash })
    }
}

/// All versions of a run's configuration.
#[derive(Debug, Clone, Default)]
pub struct RunConfigs(BTreeMap<u32, Settled>);

/// The versions could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigsError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Prompts of a stored version cannot be parsed by this build.
    #[error("configuration version {version}: {source}")]
    Prompts {
        /// The version.
        version: u32,
        /// Why.
        #[source]
        source: TemplateError,
    },
}

impl RunConfigs {
    /// Reads every version of a run's configuration.
    pub async fn load(runs: &dyn RunStore, run: &Run) -> Result<Self, ConfigsError> {
        let mut configs = BTreeMap::new();
        for version in 1..=run.config_version {
            if let Some(config) = runs.config(&run.id, version).await? {
                let settled = Settled::new(config).map_err(|source| ConfigsError::Prompts { version, source })?;
                configs.insert(version, settled);
            }
        }
        Ok(Self(configs))
    }

    /// One version.
    pub fn get(&self, version: u32) -> Option<&Settled> {
        self.0.get(&version)
    }
}
