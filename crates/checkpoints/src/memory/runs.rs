//! The store as intake and operators see it.

use std::cmp::Reverse;

use agentwrite::config::{Limits, RunConfig};
use agentwrite::ids::{Hash, RunId, Timestamp};
use agentwrite::ports::{Added, Control, Retried, RetryPlan, Run, RunState, RunStore, StoreError};
use agentwrite::sample::Input;
use async_trait::async_trait;

use super::{MemoryStore, control, intake, retry};

#[async_trait]
impl RunStore for MemoryStore {
    async fn create_run(
        &self,
        id: &RunId,
        name: &str,
        config: &RunConfig,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Run, StoreError> {
        self.write("create_run", |state| Ok(intake::create_run(state, id, name, config, limits, now)))
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        self.read(|state| state.runs.get(id).map(super::state::RunData::view))
    }

    async fn config(&self, run: &RunId, version: u32) -> Result<Option<RunConfig>, StoreError> {
        self.read(|state| state.runs.get(run)?.configs.get((version as usize).checked_sub(1)?).cloned())
    }

    async fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.read(|state| {
            let mut runs: Vec<Run> = state.runs.values().map(super::state::RunData::view).collect();
            runs.sort_by_key(|run| Reverse((run.created_at, run.id.clone())));
            runs
        })
    }

    async fn add_samples(&self, run: &RunId, inputs: &[(Input, u32)], _now: Timestamp) -> Result<Added, StoreError> {
        self.write("add_samples", |state| intake::add_samples(state, run, inputs))
    }

    async fn start_run(&self, run: &RunId, _now: Timestamp) -> Result<(), StoreError> {
        self.write("start_run", |state| intake::start_run(state, run))
    }

    async fn sample_keys(&self, run: &RunId) -> Result<Vec<Hash>, StoreError> {
        self.read(|state| intake::sample_keys(state, run))
    }

    async fn control(
        &self,
        run: &RunId,
        who: &str,
        control: &Control,
        now: Timestamp,
    ) -> Result<Option<Run>, StoreError> {
        self.write("control", |state| control::control(state, run, who, control, now))
    }

    async fn retry(&self, run: &RunId, who: &str, plan: &RetryPlan, now: Timestamp) -> Result<Retried, StoreError> {
        self.write("retry", |state| retry::retry(state, run, who, plan, now))
    }

    async fn finish_run(&self, run: &RunId, _now: Timestamp) -> Result<RunState, StoreError> {
        self.write("finish_run", |state| intake::finish_run(state, run))
    }
}
