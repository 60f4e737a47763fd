//! `[endpoint]`, `[endpoints.NAME]` and `[pools]`: where the models are, and who serves which role.
//!
//! `[endpoint]` is the endpoint called `default`; a pool that is not named is made of it alone.

use std::collections::BTreeMap;
use std::time::Duration;

use agentwrite::config::{Price, RunConfig};
use serde::{Deserialize, Serialize};
use worker::Terms;

use super::key::{KeySource, no_key};
use super::{Served, Settings, half_a_price, nearest};
use crate::fault::Fault;

/// Name of the endpoint of `[endpoint]`.
pub const DEFAULT: &str = "default";

/// `[endpoint]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointSettings {
    /// OpenAI-compatible base URL.
    pub base_url: String,
    /// Model of both roles.
    pub model: String,
    /// Model of the role `plan`; `model` if empty.
    pub plan_model: String,
    /// Environment variable that holds the key.
    pub api_key_env: String,
    /// File that holds the key, instead of the variable.
    pub api_key_file: String,
    /// Context in tokens; 0 = ask the endpoint.
    pub context_tokens: u32,
    /// `auto`, `yes`, `no`: whether a JSON schema is sent for plans.
    pub json_schema: String,
    /// Body field or `header:NAME` that carries the sample id to the endpoint's cache router; empty = none.
    pub affinity: String,
    /// `none`, `vllm`, `deepseek`: how an answer that was cut is begun in the call that continues it; `none` = a turn asks for
    /// the rest.
    pub assistant_prefix: llm::AssistantPrefix,
    /// Longest wait for a connection.
    pub connect_seconds: f64,
    /// Longest wait for the first token.
    pub first_token_seconds: f64,
    /// Longest wait between tokens.
    pub idle_seconds: f64,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            model: String::new(),
            plan_model: String::new(),
            api_key_env: "OPENAI_API_KEY".to_owned(),
            api_key_file: String::new(),
            context_tokens: 0,
            json_schema: "auto".to_owned(),
            affinity: String::new(),
            assistant_prefix: llm::AssistantPrefix::None,
            connect_seconds: 10.0,
            first_token_seconds: 120.0,
            idle_seconds: 60.0,
        }
    }
}

/// `[endpoints.NAME]`: a member of a pool. Empty or 0 = as for any endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemberSettings {
    /// OpenAI-compatible base URL.
    pub base_url: String,
    /// Its own name for the run's models.
    pub model: String,
    /// Environment variable that holds the key.
    pub api_key_env: String,
    /// File that holds the key, instead of the variable.
    pub api_key_file: String,
    /// Its share of the samples, against the other members of a pool.
    pub weight: f64,
    /// Most calls in flight of one process; learned if 0.
    pub concurrency: u32,
    /// Requests per minute, of all processes together; none if 0.
    pub rpm: u32,
    /// Tokens per minute, of all processes together; none if 0.
    pub tpm: u32,
    /// Context in tokens; 0 = ask the endpoint.
    pub context_tokens: u32,
    /// `auto`, `yes`, `no`: whether a JSON schema is sent for plans.
    pub json_schema: String,
    /// Body field or `header:NAME` that carries the sample id to the endpoint's cache router; empty = none.
    pub affinity: String,
    /// `none`, `vllm`, `deepseek`: how an answer that was cut is begun in the call that continues it; `none` = a turn asks for
    /// the rest.
    pub assistant_prefix: llm::AssistantPrefix,
    /// Longest wait for a connection; as in `[endpoint]` if 0.
    pub connect_seconds: f64,
    /// Longest wait for the first token; as in `[endpoint]` if 0.
    pub first_token_seconds: f64,
    /// Longest wait between tokens; as in `[endpoint]` if 0.
    pub idle_seconds: f64,
    /// USD per million uncached prompt tokens; the run's price if this and `price_out` are 0.
    pub price_in: f64,
    /// USD per million cached prompt tokens; `price_in` if 0.
    pub price_cached: f64,
    /// USD per million answer tokens.
    pub price_out: f64,
}

impl Default for MemberSettings {
    fn default() -> Self {
        Self {
            base_url: String::new(),
            model: String::new(),
            api_key_env: String::new(),
            api_key_file: String::new(),
            weight: 1.0,
            concurrency: 0,
            rpm: 0,
            tpm: 0,
            context_tokens: 0,
            json_schema: "auto".to_owned(),
            affinity: String::new(),
            assistant_prefix: llm::AssistantPrefix::None,
            connect_seconds: 0.0,
            first_token_seconds: 0.0,
            idle_seconds: 0.0,
            price_in: 0.0,
            price_cached: 0.0,
            price_out: 0.0,
        }
    }
}

impl MemberSettings {
    /// Its own price, if it states one.
    fn price(&self) -> Option<Price> {
        let cached = if self.price_cached > 0.0 { self.price_cached } else { self.price_in };
        let is_priced = self.price_in > 0.0 && self.price_out > 0.0;
        is_priced.then(|| Price::from_usd_per_million(self.price_in, cached, self.price_out))
    }
}

/// `[pools]`: names of endpoints a role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolSettings {
    /// Plans; as `write` if empty.
    pub plan: Vec<String>,
    /// Sections; `default` alone if empty.
    pub write: Vec<String>,
}

/// The endpoints of each role, checked: there are some, they are configured, none is named twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePools {
    /// Plans.
    pub plan: Vec<String>,
    /// Sections.
    pub write: Vec<String>,
}

impl RolePools {
    /// Every endpoint that some role has, once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.write.iter().chain(&self.plan).map(String::as_str).collect();
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(*name));
        names
    }
}

impl Settings {
    /// The endpoints of each role.
    pub fn role_pools(&self) -> Result<RolePools, Fault> {
        let write = if self.pools.write.is_empty() { vec![DEFAULT.to_owned()] } else { self.pools.write.clone() };
        let plan = if self.pools.plan.is_empty() { write.clone() } else { self.pools.plan.clone() };
        for (role, names) in [("plan", &plan), ("write", &write)] {
            self.check_names(names, &format!("[pools] {role}"))?;
        }
        Ok(RolePools { plan, write })
    }

    /// Whether these are names of configured endpoints, none of them twice. `source` is for the message.
    pub fn check_names(&self, names: &[String], source: &str) -> Result<(), Fault> {
        for (at, name) in names.iter().enumerate() {
            if name != DEFAULT && !self.endpoints.contains_key(name) {
                let known: Vec<&str> = [DEFAULT].into_iter().chain(self.endpoints.keys().map(String::as_str)).collect();
                let fault = Fault::usage("unknown_endpoint", format!("{source}: there is no endpoint {name:?}"));
                return Err(match nearest(name, &known) {
                    Some(near) => fault.help(format!("did you mean {near:?}? Known: {}", known.join(", "))),
                    None => fault.help(format!("known: {}; [endpoints.{name}] would make it one", known.join(", "))),
                });
            }
            if names[..at].contains(name) {
                return Err(Fault::usage("unknown_endpoint", format!("{source} names {name:?} twice"))
                    .help("weight = 2 gives an endpoint twice the samples"));
            }
        }
        Ok(())
    }

    /// An endpoint's configuration, with the key from the environment or a file, and its terms.
    pub fn endpoint_config(
        &self,
        name: &str,
        environment: &BTreeMap<String, String>,
    ) -> Result<(llm::EndpointConfig, Terms), Fault> {
        let settings = self.member(name)?;
        let mut config = llm::EndpointConfig::new(name, settings.base_url.clone());
        config.timeouts = self.timeouts(&settings);
        config.context_tokens = (settings.context_tokens > 0).then_some(settings.context_tokens);
        config.json_schema = match settings.json_schema.as_str() {
            "yes" => llm::JsonSchema::Yes,
            "no" => llm::JsonSchema::No,
            _ => llm::JsonSchema::Auto,
        };
        config.assistant_prefix = settings.assistant_prefix;
        config.affinity = match settings.affinity.strip_prefix("header:") {
            Some(name) => Some(llm::AffinityField::Header(name.to_owned())),
            None if settings.affinity.is_empty() => None,
            None => Some(llm::AffinityField::Body(settings.affinity.clone())),
        };
        let source = KeySource { name, variable: &settings.api_key_env, file: &settings.api_key_file };
        (config.api_key, config.key_source) = source.read(environment)?;
        let base = llm::BaseUrl::parse(&settings.base_url).map_err(|error| {
            Fault::usage("base_url", format!("the base URL of endpoint {name} cannot be used")).because(error)
        })?;
        if config.api_key.is_none() && base.needs_key() {
            return Err(no_key(&source, &base.host(), &config.key_source));
        }
        Ok((config, terms(name, &settings)?))
    }

    /// Whether some endpoint of the pools asks for money, as far as its address tells: it is not on this machine.
    pub fn paid_endpoint(&self) -> Result<bool, Fault> {
        for name in self.role_pools()?.names() {
            let url = llm::BaseUrl::parse(&self.member(name)?.base_url).map_err(|error| {
                Fault::usage("base_url", format!("the base URL of endpoint {name} cannot be used")).because(error)
            })?;
            if !url.is_loopback() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Who serves what of a run: each endpoint of its pools, by its own name for the model.
    pub fn served(&self, config: &RunConfig) -> Result<Vec<Served>, Fault> {
        let pools = match config.endpoints.as_slice() {
            [] => self.role_pools()?,
            named => RolePools { plan: named.to_vec(), write: named.to_vec() },
        };
        let (plan, write) = (&config.text.plan.model, &config.text.write.model);
        let mut served = Vec::new();
        for (name, model) in
            pools.plan.iter().map(|name| (name, plan)).chain(pools.write.iter().map(|name| (name, write)))
        {
            let own = self.member(name)?.model;
            let it = Served { endpoint: name.clone(), model: if own.is_empty() { model.clone() } else { own } };
            if !served.contains(&it) {
                served.push(it);
            }
        }
        Ok(served)
    }

    /// The price that an endpoint states for itself.
    pub(super) fn own_price(&self, name: &str) -> Option<Price> {
        self.endpoints.get(name).and_then(MemberSettings::price)
    }

    /// What is configured for an endpoint; `[endpoint]` in the shape of the others.
    fn member(&self, name: &str) -> Result<MemberSettings, Fault> {
        if let Some(member) = self.endpoints.get(name) {
            return Ok(member.clone());
        }
        self.check_names(&[name.to_owned()], "pool")?;
        let endpoint = &self.endpoint;
        Ok(MemberSettings {
            base_url: endpoint.base_url.clone(),
            api_key_env: endpoint.api_key_env.clone(),
            api_key_file: endpoint.api_key_file.clone(),
            context_tokens: endpoint.context_tokens,
            json_schema: endpoint.json_schema.clone(),
            affinity: endpoint.affinity.clone(),
            assistant_prefix: endpoint.assistant_prefix,
            ..MemberSettings::default()
        })
    }

    fn timeouts(&self, member: &MemberSettings) -> llm::Timeouts {
        let seconds =
            |own: f64, all: f64| Duration::from_secs_f64(if own > 0.0 { own } else { all }.clamp(0.01, 86_400.0));
        llm::Timeouts {
            connect: seconds(member.connect_seconds, self.endpoint.connect_seconds),
            first_token: seconds(member.first_token_seconds, self.endpoint.first_token_seconds),
            idle: seconds(member.idle_seconds, self.endpoint.idle_seconds),
        }
    }
}

fn terms(name: &str, settings: &MemberSettings) -> Result<Terms, Fault> {
    let limit = |value: u32| (value > 0).then_some(value);
    if !(settings.weight > 0.0 && settings.weight.is_finite()) {
        return Err(Fault::usage("config_value", format!("[endpoints.{name}] weight must be more than 0"))
            .help("an endpoint that is to get nothing is left out of [pools]"));
    }
    let price = settings.price();
    let states = [settings.price_in, settings.price_cached, settings.price_out].iter().any(|price| *price > 0.0);
    if states && price.is_none() {
        return Err(half_a_price().help(format!("give [endpoints.{name}] both price_in and price_out")));
    }
    Ok(Terms {
        weight: settings.weight,
        concurrency: limit(settings.concurrency),
        rpm: limit(settings.rpm),
        tpm: limit(settings.tpm),
        model: Some(settings.model.clone()).filter(|model| !model.is_empty()),
        price,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(toml: &str) -> Settings {
        toml::from_str(toml).unwrap()
    }

    const TWO: &str = "[endpoints.gpu-1]\nbase_url = \"http://gpu-1:8000/v1\"\nmodel = \"own\"\nweight = 2\n\
         first_token_seconds = 7\nconcurrency = 40\nrpm = 60\nprice_in = 1.0\nprice_out = 2.0\naffinity = \"header:x-session\"\n\
         [endpoints.cloud]\nbase_url = \"https://api.example/v1\"\napi_key_env = \"CLOUD_KEY\"\n";

    #[test]
    fn without_pools_the_endpoint_is_the_only_one() {
        let pools = settings("").role_pools().unwrap();
        assert_eq!(
            (pools.plan.as_slice(), pools.write.as_slice()),
            (&["default".to_owned()][..], &["default".to_owned()][..])
        );
        let pools = settings(&format!("{TWO}[pools]\nwrite = [\"gpu-1\", \"default\"]")).role_pools().unwrap();
        assert_eq!(pools.plan, ["gpu-1", "default"]);
        assert_eq!(pools.names(), ["gpu-1", "default"]);
    }

    #[test]
    fn a_pool_takes_known_names_once() {
        let fault = settings(&format!("{TWO}[pools]\nplan = [\"gpu1\"]")).role_pools().unwrap_err();
        assert_eq!(fault.code, "unknown_endpoint");
        assert!(fault.help.unwrap().contains("\"gpu-1\""));
        let fault = settings(&format!("{TWO}[pools]\nwrite = [\"cloud\", \"cloud\"]")).role_pools().unwrap_err();
        assert!(fault.what.contains("twice"), "{}", fault.what);
    }

    #[test]
    fn a_member_has_its_own_terms_key_and_waits() {
        let settings = settings(TWO);
        let (config, terms) = settings.endpoint_config("gpu-1", &BTreeMap::new()).unwrap();
        assert_eq!(config.timeouts.first_token, Duration::from_secs(7));
        assert_eq!(config.timeouts.connect, Duration::from_secs(10));
        assert_eq!(config.affinity, Some(llm::AffinityField::Header("x-session".to_owned())));
        assert_eq!((terms.weight, terms.concurrency, terms.rpm, terms.tpm), (2.0, Some(40), Some(60), None));
        assert_eq!(terms.model.as_deref(), Some("own"));
        assert_eq!(terms.price, Some(Price { input: 1_000, cached: 1_000, output: 2_000 }));
        let keys = |name: &str| BTreeMap::from([(name.to_owned(), "sk-1".to_owned())]);
        // A key that is meant for somebody else goes nowhere.
        let fault = settings.endpoint_config("cloud", &keys("OPENAI_API_KEY")).unwrap_err();
        assert_eq!(fault.code, "auth");
        assert!(fault.help.unwrap().contains("CLOUD_KEY"));
        let (config, _) = settings.endpoint_config("cloud", &keys("CLOUD_KEY")).unwrap();
        assert_eq!(config.key_source, "env CLOUD_KEY");
    }

    #[test]
    fn half_a_price_of_a_member_is_refused() {
        let settings = settings("[endpoints.a]\nbase_url = \"http://localhost:1\"\nprice_in = 1.0");
        let fault = settings.endpoint_config("a", &BTreeMap::new()).unwrap_err();
        assert_eq!(fault.code, "half_a_price");
        assert!(fault.help.unwrap().contains("[endpoints.a]"));
    }

    #[test]
    fn a_weight_of_nothing_is_refused() {
        let settings = settings("[endpoints.a]\nbase_url = \"http://localhost:1\"\nweight = 0");
        assert_eq!(settings.endpoint_config("a", &BTreeMap::new()).unwrap_err().code, "config_value");
    }
}
