//! From a task to its run: every run has handlers of its own, made when its first task comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agentwrite::config::Limits;
use agentwrite::ids::RunId;
use agentwrite::manuscript::Manuscript;
use agentwrite::ports::{Run, RunStore, StoreError};
use agentwrite::retry::RetryPolicy;
use agentwrite::task::{ClaimedTask, Kind};
use async_trait::async_trait;
use tokio::sync::watch;
use worker::{Failures, Gate, Handler, Outcome, RunConfigs};

use super::Shared;
use crate::endpoint::Endpoint;
use crate::wiring::Model;

/// What is known of one run.
struct Entry {
    config_version: u32,
    /// Whether the endpoint answered when it was asked for the model's context.
    looked: bool,
    limits: watch::Sender<Limits>,
    handlers: HashMap<Kind, Arc<dyn Handler>>,
}

/// The runs that this process has seen tasks of.
pub struct Desk {
    shared: Shared,
    endpoint: Endpoint,
    gate: Gate,
    /// Held while a run's handlers are made: its first tasks come together.
    making: tokio::sync::Mutex<()>,
    entries: Mutex<HashMap<RunId, Entry>>,
}

impl Desk {
    /// An empty desk.
    pub fn new(shared: Shared, endpoint: Endpoint) -> Arc<Self> {
        Arc::new(Self {
            shared,
            endpoint,
            gate: Gate::default(),
            making: tokio::sync::Mutex::default(),
            entries: Mutex::default(),
        })
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<RunId, Entry>> {
        // Each holder makes one change: a panic cannot leave the map half changed.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what an operator changed: limits at once; another configuration version is read with the next task, when an
    /// endpoint that did not answer is asked again too.
    pub fn refresh(&self, run: &Run) {
        let mut entries = self.entries();
        let Some(entry) = entries.get(&run.id) else { return };
        if entry.config_version != run.config_version || !entry.looked {
            entries.remove(&run.id);
            return;
        }
        entry.limits.send_if_modified(|limits| {
            let changed = *limits != run.limits;
            *limits = run.limits;
            changed
        });
    }

    /// The handler, if the run is known.
    #[expect(clippy::option_option, reason = "a known run may lack a handler of this kind")]
    fn known(&self, id: &RunId, kind: &Kind) -> Option<Option<Arc<dyn Handler>>> {
        self.entries().get(id).map(|entry| entry.handlers.get(kind).cloned())
    }

    async fn handler(&self, id: &RunId, kind: &Kind) -> Result<Option<Arc<dyn Handler>>, StoreError> {
        if let Some(known) = self.known(id, kind) {
            return Ok(known);
        }
        let _turn = self.making.lock().await;
        if let Some(known) = self.known(id, kind) {
            return Ok(known);
        }
        let Some(run) = self.shared.store.run(id).await? else { return Ok(None) };
        let configs = RunConfigs::load(&*self.shared.store, &run)
            .await
            .map_err(|error| StoreError::new(format!("config {id}"), error))?;
        let context = self.endpoint.context_of(&run.config.text.write.model).await;
        if let Err(code) = &context {
            tracing::warn!(run = %run.id, %code, "the endpoint was not asked for its context; it will be asked again");
        }
        let (looked, context_tokens) = (context.is_ok(), context.unwrap_or(self.endpoint.context_tokens()));
        let model = Model { chat: Arc::clone(&self.endpoint.model), context_tokens, gate: self.gate.clone() };
        let (limits, live) = watch::channel(run.limits);
        let handlers = self.shared.wiring.handlers(&run, &Arc::new(configs), &model, &live);
        let handlers: HashMap<_, _> = handlers.into_iter().map(|handler| (handler.kind(), handler)).collect();
        let found = handlers.get(kind).cloned();
        self.entries().insert(id.clone(), Entry { config_version: run.config_version, looked, limits, handlers });
        Ok(found)
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
        let wiring = &self.desk.shared.wiring;
        let retry = RetryPolicy::default();
        let failures = Failures { retry: &retry, clock: &*wiring.clock, dice: &*wiring.dice, task };
        match self.desk.handler(&task.key.run, &self.kind).await {
            Ok(Some(handler)) => handler.handle(task, memory).await,
            Ok(None) => failures.internal("the task's run is not in the store"),
            Err(error) => failures.store(&error),
        }
    }
}
