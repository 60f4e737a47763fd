//! From a task to its run: every run has handlers of its own, made when its first task comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agentwrite::config::Limits;
use agentwrite::ids::RunId;
use agentwrite::manuscript::Manuscript;
use agentwrite::ports::{Clock, Dice, Run, RunStore, StoreError, TaskStore, TrafficStore};
use agentwrite::retry::RetryPolicy;
use agentwrite::task::{ClaimedTask, Kind};
use async_trait::async_trait;
use planner::PlanHandler;
use section_writer::SectionHandler;
use tokio::sync::watch;
use worker::{Caller, Failures, Gate, Handler, LiveLimits, Outcome, RunConfigs};

use super::Shared;
use crate::endpoint::Endpoint;

/// Name of the one endpoint of a process.
const ENDPOINT: &str = "default";

/// What is known of one run.
struct Entry {
    config_version: u32,
    limits: watch::Sender<Limits>,
    handlers: HashMap<Kind, Arc<dyn Handler>>,
}

/// The runs that this process has seen tasks of.
pub struct Desk {
    shared: Shared,
    endpoint: Endpoint,
    gate: Gate,
    entries: Mutex<HashMap<RunId, Entry>>,
}

impl Desk {
    /// An empty desk.
    pub fn new(shared: Shared, endpoint: Endpoint) -> Arc<Self> {
        Arc::new(Self { shared, endpoint, gate: Gate::default(), entries: Mutex::default() })
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<RunId, Entry>> {
        // Each holder makes one change: a panic cannot leave the map half changed.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what an operator changed: limits at once; another configuration version is read with the next task.
    pub fn refresh(&self, run: &Run) {
        let mut entries = self.entries();
        let Some(entry) = entries.get(&run.id) else { return };
        if entry.config_version != run.config_version {
            entries.remove(&run.id);
            return;
        }
        entry.limits.send_if_modified(|limits| {
            let changed = *limits != run.limits;
            *limits = run.limits;
            changed
        });
    }

    async fn handler(&self, id: &RunId, kind: &Kind) -> Result<Option<Arc<dyn Handler>>, StoreError> {
        if let Some(entry) = self.entries().get(id) {
            return Ok(entry.handlers.get(kind).cloned());
        }
        let Some(run) = self.shared.store.run(id).await? else { return Ok(None) };
        let configs = RunConfigs::load(&*self.shared.store, &run)
            .await
            .map_err(|error| StoreError::new(format!("config {id}"), error))?;
        let (limits, live) = watch::channel(run.limits);
        let handlers = self.handlers(&run, &Arc::new(configs), &live);
        let found = handlers.get(kind).cloned();
        self.entries().insert(id.clone(), Entry { config_version: run.config_version, limits, handlers });
        Ok(found)
    }

    fn caller(&self, limits: &LiveLimits) -> Caller {
        let shared = &self.shared;
        Caller {
            model: Arc::clone(&self.endpoint.model),
            endpoint: ENDPOINT.to_owned(),
            traffic: Arc::clone(&shared.store) as Arc<dyn TrafficStore>,
            limits: limits.clone(),
            clock: Arc::clone(&shared.clock) as Arc<dyn Clock>,
            drain: shared.drain.clone(),
            abort: shared.abort.clone(),
            crash: shared.crash.clone(),
            gate: self.gate.clone(),
        }
    }

    fn handlers(&self, run: &Run, configs: &Arc<RunConfigs>, limits: &LiveLimits) -> HashMap<Kind, Arc<dyn Handler>> {
        let retry = RetryPolicy {
            attempts: run.config.attempts,
            crash_limit: run.config.crash_limit,
            ..RetryPolicy::default()
        };
        let tasks = Arc::clone(&self.shared.store) as Arc<dyn TaskStore>;
        let clock = Arc::clone(&self.shared.clock) as Arc<dyn Clock>;
        let dice = Arc::clone(&self.shared.dice) as Arc<dyn Dice>;
        let all: [Arc<dyn Handler>; 2] = [
            Arc::new(PlanHandler {
                configs: Arc::clone(configs),
                tasks: Arc::clone(&tasks),
                caller: self.caller(limits),
                retry,
                clock: Arc::clone(&clock),
                dice: Arc::clone(&dice),
            }),
            Arc::new(SectionHandler {
                configs: Arc::clone(configs),
                tasks,
                caller: self.caller(limits),
                context_tokens: self.endpoint.context_tokens(),
                retry,
                clock,
                dice,
            }),
        ];
        all.into_iter().map(|handler| (handler.kind(), handler)).collect()
    }
}

/// Handles one kind of task of every run.
pub struct ByRun {
    kind: Kind,
    desk: Arc<Desk>,
}

impl ByRun {
    /// A handler.
    pub fn new(kind: Kind, desk: Arc<Desk>) -> Self {
        Self { kind, desk }
    }
}

#[async_trait]
impl Handler for ByRun {
    fn kind(&self) -> Kind {
        self.kind.clone()
    }

    async fn handle(&self, task: &ClaimedTask, memory: &mut Option<Manuscript>) -> Outcome {
        let shared = &self.desk.shared;
        let retry = RetryPolicy::default();
        let failures = Failures { retry: &retry, clock: &*shared.clock, dice: &*shared.dice, task };
        match self.desk.handler(&task.key.run, &self.kind).await {
            Ok(Some(handler)) => handler.handle(task, memory).await,
            Ok(None) => failures.internal("the task's run is not in the store"),
            Err(error) => failures.store(&error),
        }
    }
}
