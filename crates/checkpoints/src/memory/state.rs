//! The state: runs and what belongs to them, the outbox, buckets and gates.

use std::collections::BTreeMap;

use agentwrite::config::{Limits, Mode, RunConfig};
use agentwrite::ids::{AttemptId, RunId, SampleId, Timestamp, TrainingId};
use agentwrite::ports::{OperatorAction, Range, Run, RunState, TaskMessage, Totals};
use agentwrite::sample::{SampleEvent, SampleState};
use agentwrite::task::{Kind, TaskKey, TaskState};

use super::rows::{Answer, Attempt, Membership, Sample, Shard, StandingPlan, StandingSection, Task};
use super::training::Job;
use super::{Guards, MemoryError};

/// Faults that a test asked for.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub refuse: u32,
    pub lose: u32,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub runs: BTreeMap<RunId, RunData>,
    /// By id, oldest first.
    pub outbox: BTreeMap<i64, (TaskMessage, Timestamp)>,
    pub last_outbox: i64,
    /// Virtual schedules: when the next unit is free, in milliseconds.
    pub buckets: BTreeMap<String, f64>,
    pub gates: BTreeMap<String, (Timestamp, String)>,
    pub trainings: BTreeMap<TrainingId, Job>,
    pub guards: Guards,
    pub faults: Faults,
}

impl State {
    pub fn run_mut(&mut self, run: &RunId) -> Result<&mut RunData, MemoryError> {
        self.runs.get_mut(run).ok_or_else(|| MemoryError::NoRun(run.clone()))
    }
}

#[derive(Debug)]
pub(super) struct RunData {
    pub id: RunId,
    pub name: String,
    pub state: RunState,
    pub reason: Option<String>,
    /// Version n stands at n - 1; never empty.
    pub configs: Vec<RunConfig>,
    pub limits: Limits,
    /// In the tail: follow-up tasks wait to be dispatched.
    pub ordered: bool,
    pub created_at: Timestamp,
    pub control_epoch: i64,
    /// Supplementary shards handed out.
    pub supplements: u32,
    pub samples: BTreeMap<SampleId, Sample>,
    pub ordinals: BTreeMap<u64, SampleId>,
    /// By sample and revision.
    pub plans: BTreeMap<(SampleId, u32), StandingPlan>,
    /// By sample, revision and place.
    pub sections: BTreeMap<(SampleId, u32, u32), StandingSection>,
    /// Results of kinds that have no table of their own.
    pub results: BTreeMap<TaskKey, (serde_json::Value, AttemptId)>,
    pub tasks: BTreeMap<TaskKey, Task>,
    pub attempts: BTreeMap<AttemptId, Attempt>,
    /// Attempts by subject, in the order of their start.
    pub tries: BTreeMap<String, Vec<AttemptId>>,
    /// Kept answers by subject, in the order of their arrival.
    pub answers: BTreeMap<String, Vec<Answer>>,
    pub shards: BTreeMap<Range, Shard>,
    pub members: BTreeMap<SampleId, Membership>,
    pub totals: Totals,
    pub statistics: BTreeMap<i64, Totals>,
    pub actions: Vec<OperatorAction>,
}

impl RunData {
    /// The newest configuration.
    pub fn config(&self) -> &RunConfig {
        self.configs.last().expect("a run is created with its first configuration")
    }

    /// Number of the newest configuration.
    pub fn config_version(&self) -> u32 {
        self.configs.len() as u32
    }

    /// The configuration that a sample was planned under.
    pub fn config_of(&self, sample: &Sample) -> &RunConfig {
        self.configs.get((sample.config_version as usize).saturating_sub(1)).unwrap_or_else(|| self.config())
    }

    pub fn is_parallel(&self, sample: &Sample) -> bool {
        self.config_of(sample).text.mode == Mode::Parallel
    }

    /// The run as the port shows it.
    pub fn view(&self) -> Run {
        Run {
            id: self.id.clone(),
            name: self.name.clone(),
            state: self.state,
            reason: self.reason.clone(),
            config: self.config().clone(),
            config_version: self.config_version(),
            limits: self.limits,
            samples: self.samples.len() as u64,
            created_at: self.created_at,
            control_epoch: self.control_epoch,
        }
    }

    /// Samples in ordinal order.
    pub fn in_order(&self) -> impl Iterator<Item = (&SampleId, &Sample)> {
        self.ordinals.values().filter_map(|id| self.samples.get_key_value(id))
    }

    /// Samples of a range in ordinal order.
    pub fn of_range(&self, range: Range) -> impl Iterator<Item = (&SampleId, &Sample)> {
        self.in_order().filter(move |(_, sample)| sample.range == range)
    }

    /// Accepted sections of the standing revision, in order.
    pub fn standing(&self, id: &SampleId, revision: u32) -> impl Iterator<Item = (u32, &StandingSection)> {
        let (first, last) = ((id.clone(), revision, 0), (id.clone(), revision, u32::MAX));
        self.sections.range(first..=last).map(|((_, _, place), section)| (*place, section))
    }

    /// The state that a sample would have after an event.
    pub fn after(&self, id: &SampleId, event: SampleEvent) -> Result<SampleState, MemoryError> {
        let sample = self.samples.get(id).ok_or_else(|| MemoryError::NoSample(self.id.clone(), id.clone()))?;
        step(id, sample.state, event)
    }

    /// Moves a sample to a state that [`Self::after`] gave, and the counters with it.
    pub fn move_to(&mut self, id: &SampleId, state: SampleState) {
        let Some(sample) = self.samples.get_mut(id) else { return };
        count_state(&mut self.totals, sample.state, -1);
        count_state(&mut self.totals, state, 1);
        sample.state = state;
    }

    /// The sample that a task works for, if the task is one of the two kinds that make samples and the sample still
    /// stands at the task's revision.
    pub fn sample_served(&self, key: &TaskKey) -> Option<SampleId> {
        let id = SampleId::new(key.subject.clone());
        let serves = makes_samples(&key.kind) && self.samples.get(&id).is_some_and(|s| s.revision == key.revision);
        serves.then_some(id)
    }

    /// Live tasks of the kinds that make samples, of one sample, at any revision.
    pub fn live_of(&self, id: &SampleId) -> Vec<TaskKey> {
        [Kind::PLAN, Kind::SECTION]
            .into_iter()
            .flat_map(|kind| {
                let edge = |place, revision| TaskKey {
                    run: self.id.clone(),
                    kind: kind.clone(),
                    subject: id.as_str().to_owned(),
                    place,
                    revision,
                };
                self.tasks.range(edge(0, 0)..=edge(u32::MAX, u32::MAX))
            })
            .filter(|(_, task)| task.is_live())
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Fails a sample whose task died; its other live tasks (parallel mode) go with it, so that I5 holds. Check with
    /// [`Self::after`] first.
    pub fn fail_sample(&mut self, id: &SampleId, code: agentwrite::failure::ErrorCode, reason: &str) {
        self.move_to(id, SampleState::Failed);
        if let Some(sample) = self.samples.get_mut(id) {
            sample.code = Some(code);
            sample.reason = Some(reason.to_owned());
        }
        for key in self.live_of(id) {
            if let Some(task) = self.tasks.get_mut(&key) {
                task.leave(TaskState::Dropped);
            }
        }
    }
}

/// Whether a kind's results are plans and sections of samples.
pub(super) fn makes_samples(kind: &Kind) -> bool {
    *kind == Kind::PLAN || *kind == Kind::SECTION
}

/// One step of the sample's state machine.
pub(super) fn step(id: &SampleId, from: SampleState, event: SampleEvent) -> Result<SampleState, MemoryError> {
    from.apply(event).map_err(|source| MemoryError::Illegal { sample: id.clone(), source })
}

/// Adds to the counter of a state.
pub(super) fn count_state(totals: &mut Totals, state: SampleState, by: i64) {
    if let Some(index) = SampleState::ALL.iter().position(|other| *other == state) {
        totals.states[index] = totals.states[index].saturating_add_signed(by);
    }
}
