//! From a task to its run: every run has handlers of its own, made when its first task comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agentwrite::config::Limits;
use agentwrite::failure::ErrorCode;
use agentwrite::ids::RunId;
use agentwrite::manuscript::Manuscript;
use agentwrite::ports::{Run, RunStore, StoreError, TrafficStore};
use agentwrite::retry::RetryPolicy;
use agentwrite::task::{ClaimedTask, Kind};
use async_trait::async_trait;
use tokio::sync::watch;
use worker::{Failures, Handler, Outcome, RunConfigs};

use super::Shared;
use crate::endpoint::Endpoint;

/// What is known of one run.
struct Entry {
    config_version: u32,
    /// Whether the endpoint answered when it was asked for the model's context.
    looked: bool,
    limits: watch::Sender<Limits>,
    handlers: HashMap<Kind, Arc<dyn Handler>>,
}

/// A run that this process cannot work on.
#[derive(Debug, thiserror::Error)]
enum DeskError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run asks for an endpoint that is not configured here.
    #[error("the run asks for the endpoint {0:?}, which is not configured in the processes that serve")]
    NoEndpoint(String),
}

/// The runs that this process has seen tasks of.
pub struct Desk {
    shared: Shared,
    endpoint: Endpoint,
    /// Held while a run's handlers are made: its first tasks come together.
    making: tokio::sync::Mutex<()>,
    entries: Mutex<HashMap<RunId, Entry>>,
}

impl Desk {
    /// An empty desk.
    pub fn new(shared: Shared, endpoint: Endpoint) -> Arc<Self> {
        Arc::new(Self { shared, endpoint, making: tokio::sync::Mutex::default(), entries: Mutex::default() })
    }

    /// Takes over the gates that other processes closed.
    pub async fn follow_gates(&self) -> Result<(), StoreError> {
        for member in self.endpoint.members() {
            if let Some((until, _)) = self.shared.store.gate(&member.name).await? {
                member.close_until(until);
            }
        }
        Ok(())
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

    async fn handler(&self, id: &RunId, kind: &Kind) -> Result<Option<Arc<dyn Handler>>, DeskError> {
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
        let named = &run.config.endpoints;
        let looked = match self.endpoint.learn_context(named, &run.config.text.write.model).await {
            Ok(()) => true,
            Err(code) => {
                tracing::warn!(run = %run.id, %code, "an endpoint did not tell its context; it will be asked again");
                false
            }
        };
        let models = self.endpoint.models_of(named).map_err(DeskError::NoEndpoint)?;
        let (limits, live) = watch::channel(run.limits);
        let handlers = self.shared.wiring.handlers(&run, &Arc::new(configs), &models, &live);
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
            Err(DeskError::Store(error)) => failures.store(&error),
            Err(error @ DeskError::NoEndpoint(_)) => failures.permanent(ErrorCode::BadRequest, error.to_string()),
        }
    }
}
