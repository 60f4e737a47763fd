//! The endpoints behind a process: the configured ones, in the pools of their roles, or the simulator inside the process.

mod look;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agentwrite::ports::ChatModel;
use llm::{FirstAlone, HttpChat};
use llm_simulator::{InProcess, Simulator, SimulatorConfig};
use worker::{Endpoints, Member, Terms};

use crate::fault::Fault;
use crate::settings::{DEFAULT, RolePools, Settings, environment};
use crate::wiring::Models;

pub use look::fault_of;

/// The endpoints of a process and the pools that they form.
pub struct Endpoint {
    /// Every endpoint of some role, or of `[endpoints]` where a process serves runs that may name them.
    known: Vec<Known>,
    pools: RolePools,
    /// Pools made so far, by their members.
    made: Mutex<HashMap<Vec<String>, Arc<Endpoints>>>,
    /// Whether calls cost money, as far as one can tell: not on loopback, not simulated.
    pub paid: bool,
    /// For people.
    pub title: String,
}

/// One endpoint.
struct Known {
    member: Arc<Member>,
    /// The client, unless simulated.
    http: Option<Arc<HttpChat>>,
}

impl Endpoint {
    /// The simulator inside the process.
    pub fn simulated(seed: u64) -> Self {
        let config = SimulatorConfig {
            seed,
            first_token_ms: 30,
            per_token_us: 100,
            cache_tokens: 2_000_000,
            ..SimulatorConfig::default()
        };
        let simulator = InProcess::new(Simulator::new(config), Duration::from_secs(60));
        let member = Member::new(DEFAULT, Arc::new(simulator), Terms::default());
        let alone = vec![DEFAULT.to_owned()];
        Self {
            known: vec![Known { member, http: None }],
            pools: RolePools { plan: alone.clone(), write: alone },
            made: Mutex::default(),
            paid: false,
            title: "simulated model (the text is synthetic)".to_owned(),
        }
    }

    /// The endpoints of the configured pools.
    pub fn configured(settings: &Settings) -> Result<Self, Fault> {
        let pools = settings.role_pools()?;
        let names = pools.names().into_iter().map(str::to_owned).collect();
        Self::of(settings, pools, names)
    }

    /// The same, and every other endpoint that a run may ask for by its name.
    pub fn of_a_server(settings: &Settings) -> Result<Self, Fault> {
        let pools = settings.role_pools()?;
        let mut names: Vec<String> = pools.names().into_iter().map(str::to_owned).collect();
        let others = settings.endpoints.keys().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>();
        names.extend(others);
        Self::of(settings, pools, names)
    }

    fn of(settings: &Settings, pools: RolePools, names: Vec<String>) -> Result<Self, Fault> {
        let environment = environment();
        let mut known = Vec::with_capacity(names.len());
        let mut paid = false;
        for name in names {
            let (config, terms) = settings.endpoint_config(&name, &environment)?;
            let chat = HttpChat::new(config).map_err(|error| {
                Fault::usage("endpoint", format!("the endpoint {name} cannot be used")).because(error)
            })?;
            for warning in chat.base_url().warnings(chat.config().api_key.is_some()) {
                eprintln!("warning: {warning}");
            }
            let chat = Arc::new(chat);
            let costs = !chat.base_url().is_loopback();
            paid |= costs;
            let port = Arc::clone(&chat);
            let model: Arc<dyn ChatModel> = if costs { Arc::new(FirstAlone::new(port)) } else { port };
            known.push(Known { member: Member::new(name, model, terms), http: Some(chat) });
        }
        let hosts: Vec<String> = known.iter().filter_map(|it| Some(it.http.as_ref()?.base_url().host())).collect();
        let title = format!("{} at {}", settings.endpoint.model, hosts.join(", "));
        Ok(Self { known, pools, made: Mutex::default(), paid, title })
    }

    /// Every endpoint.
    pub fn members(&self) -> Vec<Arc<Member>> {
        self.known.iter().map(|known| Arc::clone(&known.member)).collect()
    }

    /// The first endpoint of the pool of plans.
    pub fn first_planner(&self) -> Arc<Member> {
        let known = self.known(&self.pools.plan[0]).expect("the pools were checked when they were configured");
        Arc::clone(&known.member)
    }

    /// The pools of the roles.
    pub fn models(&self) -> Models {
        let pool = |names: &[String]| self.pool(names).expect("the pools were checked when they were configured");
        Models {
            plan: pool(&self.pools.plan),
            write: pool(&self.pools.write),
            context_tokens: self.context_tokens(&self.pools.write),
        }
    }

    /// The pools of a run that asks for endpoints by name; the process's own if it names none. An error is the name of an
    /// endpoint that this process does not know.
    pub fn models_of(&self, names: &[String]) -> Result<Models, String> {
        if names.is_empty() {
            return Ok(self.models());
        }
        let pool = self.pool(names)?;
        Ok(Models { plan: Arc::clone(&pool), write: pool, context_tokens: self.context_tokens(names) })
    }

    /// The smallest context of these endpoints in tokens, where known: a sample may move from one to another.
    fn context_tokens(&self, names: &[String]) -> Option<u32> {
        names.iter().filter_map(|name| self.known(name)?.http.as_ref()?.context_tokens()).min()
    }

    fn known(&self, name: &str) -> Option<&Known> {
        self.known.iter().find(|known| known.member.name == name)
    }

    /// The pool of these endpoints: one for all that ask for the same.
    fn pool(&self, names: &[String]) -> Result<Arc<Endpoints>, String> {
        // Each holder makes one change: a panic cannot leave the map half changed.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = made.get(names) {
            return Ok(Arc::clone(pool));
        }
        let member = |name: &String| self.known(name).map(|known| Arc::clone(&known.member)).ok_or(name.clone());
        let members = names.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        let pool = Endpoints::new(members).ok_or_else(String::new)?;
        made.insert(names.to_vec(), Arc::clone(&pool));
        Ok(pool)
    }
}
