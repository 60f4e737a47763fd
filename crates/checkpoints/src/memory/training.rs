//! Training jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use agentwrite::ids::{OwnerId, Timestamp, TrainingId};
use agentwrite::ports::{
    OpenRound, RecordCheckpoint, Registered, ShardLease, StoreError, Training, TrainingCheckpoint, TrainingDesk,
    TrainingEnd, TrainingPosition, TrainingRound, TrainingSession, TrainingState, TrainingStore, TrainingView,
};
use async_trait::async_trait;
use serde_json::Value;

use super::MemoryStore;
use super::state::State;

/// A job and everything of it.
#[derive(Debug)]
pub(super) struct Job {
    training: Training,
    fence: i64,
    rounds: BTreeMap<u32, TrainingRound>,
    /// By epoch and shard: the round, and the checkpoint that it is done with.
    leases: BTreeMap<(u32, String), (u32, Option<u32>)>,
    sessions: Vec<TrainingSession>,
    checkpoints: Vec<TrainingCheckpoint>,
}

impl Job {
    fn view(&self) -> TrainingView {
        let mut leases: Vec<ShardLease> = self
            .leases
            .iter()
            .map(|((epoch, shard), (round, done))| ShardLease {
                epoch: *epoch,
                shard: shard.clone(),
                round: *round,
                done: *done,
            })
            .collect();
        leases.sort_by_key(|lease| (lease.epoch, lease.round));
        TrainingView {
            training: self.training.clone(),
            rounds: self.rounds.values().cloned().collect(),
            leases,
            sessions: self.sessions.clone(),
            checkpoints: self.checkpoints.clone(),
        }
    }

    fn open_round(&mut self, round: &OpenRound) -> TrainingRound {
        if !self.rounds.contains_key(&round.number) {
            let mut shards = round.shards.clone();
            shards.retain(|shard| !self.leases.keys().any(|(_, leased)| *leased == shard.sha256));
            for shard in &shards {
                for epoch in 1..=round.epochs {
                    self.leases.entry((epoch, shard.sha256.clone())).or_insert((round.number, None));
                }
            }
            let OpenRound { number, epochs, ref detail, .. } = *round;
            let detail = detail.clone();
            self.rounds
                .insert(number, TrainingRound { number, epochs, shards, detail, order_hash: None, closed: false });
        }
        self.rounds[&round.number].clone()
    }

    fn begin_session(&mut self, round: u32, from: Option<u32>, now: Timestamp) -> TrainingSession {
        let kept = from.unwrap_or(0);
        for checkpoint in self.checkpoints.iter_mut().filter(|checkpoint| checkpoint.number > kept) {
            checkpoint.superseded = true;
        }
        for (_, done) in self.leases.values_mut() {
            *done = done.filter(|checkpoint| *checkpoint <= kept);
        }
        for round in self.rounds.range_mut(round..) {
            round.1.closed = false;
        }
        let step = self.checkpoints.iter().find(|it| Some(it.number) == from).map_or(0, |checkpoint| checkpoint.step);
        let redone_steps = self.training.seen.step.saturating_sub(step);
        self.training.seen = TrainingPosition { round, step };
        let number = self.sessions.len() as u32 + 1;
        let session = TrainingSession { number, round, from, redone_steps, started_at: now };
        self.sessions.push(session.clone());
        session
    }

    fn record(&mut self, record: &RecordCheckpoint, now: Timestamp) -> u32 {
        let same = |it: &&TrainingCheckpoint| (it.session, it.step) == (record.session, record.step);
        let known = self.checkpoints.iter().find(same).map(|known| known.number);
        let number = known.unwrap_or(self.checkpoints.len() as u32 + 1);
        let checkpoint = TrainingCheckpoint {
            number,
            session: record.session,
            round: record.round,
            step: record.step,
            path: record.path.clone(),
            superseded: false,
            detail: record.detail.clone(),
            at: now,
        };
        match self.checkpoints.get_mut(number as usize - 1) {
            Some(known) => *known = TrainingCheckpoint { superseded: known.superseded, at: known.at, ..checkpoint },
            None => self.checkpoints.push(checkpoint),
        }
        for done in &record.done {
            if let Some((round, done)) = self.leases.get_mut(done)
                && *round == record.round
                && done.is_none()
            {
                *done = Some(number);
            }
        }
        if record.closes_round
            && let Some(round) = self.rounds.get_mut(&record.round)
        {
            round.closed = true;
        }
        self.training.seen = TrainingPosition { round: record.round, step: record.step };
        number
    }

    fn let_go(&mut self) {
        self.training.held = None;
    }
}

/// The job, if this fence holds it.
fn held<'a>(state: &'a mut State, id: &TrainingId, fence: i64) -> Option<&'a mut Job> {
    state.trainings.get_mut(id).filter(|job| job.fence == fence && job.training.held.is_some())
}

#[async_trait]
impl TrainingStore for MemoryStore {
    async fn take_training(
        &self,
        id: &TrainingId,
        owner: &OwnerId,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        self.write("take_training", |state| {
            let Some(job) = state.trainings.get_mut(id) else { return Ok(None) };
            let training = &mut job.training;
            let free = training.held.as_ref().is_none_or(|(holder, until)| holder == owner || *until <= now);
            if training.state == TrainingState::Done || !free {
                return Ok(None);
            }
            training.held = Some((owner.clone(), now.after(lease)));
            training.state = TrainingState::Running;
            training.reason = None;
            training.stop_asked = false;
            job.fence += 1;
            Ok(Some(job.fence))
        })
    }

    async fn renew_training(
        &self,
        id: &TrainingId,
        fence: i64,
        lease: Duration,
        seen: TrainingPosition,
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError> {
        self.write("renew_training", |state| {
            let Some(job) = held(state, id, fence) else { return Ok(None) };
            if let Some((_, until)) = &mut job.training.held {
                *until = now.after(lease);
            }
            job.training.seen = seen;
            Ok(Some(job.training.stop_asked))
        })
    }

    async fn open_round(
        &self,
        id: &TrainingId,
        fence: i64,
        round: &OpenRound,
        _now: Timestamp,
    ) -> Result<Option<TrainingRound>, StoreError> {
        self.write("open_round", |state| Ok(held(state, id, fence).map(|job| job.open_round(round))))
    }

    async fn freeze_order(
        &self,
        id: &TrainingId,
        fence: i64,
        round: u32,
        hash: &str,
    ) -> Result<Option<String>, StoreError> {
        self.write("freeze_order", |state| {
            let round = held(state, id, fence).and_then(|job| job.rounds.get_mut(&round));
            Ok(round.map(|round| round.order_hash.get_or_insert_with(|| hash.to_owned()).clone()))
        })
    }

    async fn begin_session(
        &self,
        id: &TrainingId,
        fence: i64,
        round: u32,
        from: Option<u32>,
        now: Timestamp,
    ) -> Result<Option<TrainingSession>, StoreError> {
        self.write("begin_session", |state| Ok(held(state, id, fence).map(|job| job.begin_session(round, from, now))))
    }

    async fn record_checkpoint(
        &self,
        id: &TrainingId,
        fence: i64,
        checkpoint: &RecordCheckpoint,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        self.write("record_checkpoint", |state| Ok(held(state, id, fence).map(|job| job.record(checkpoint, now))))
    }

    async fn register_model(
        &self,
        id: &TrainingId,
        fence: i64,
        model: &Value,
        _now: Timestamp,
    ) -> Result<Option<Registered>, StoreError> {
        self.write("register_model", |state| {
            // A job that has its model is held by nobody, so a repeated intent is told by its fence alone.
            if state.trainings.get(id).is_some_and(|job| job.fence == fence && job.training.model.is_some()) {
                return Ok(Some(Registered::Already));
            }
            let Some(job) = held(state, id, fence) else { return Ok(None) };
            if job.leases.values().any(|(_, done)| done.is_none()) {
                return Ok(Some(Registered::Incomplete));
            }
            job.training.model = Some(model.clone());
            job.training.state = TrainingState::Done;
            job.training.reason = None;
            job.let_go();
            Ok(Some(Registered::New))
        })
    }

    async fn give_back_training(
        &self,
        id: &TrainingId,
        fence: i64,
        end: &TrainingEnd,
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write("give_back_training", |state| {
            let Some(job) = held(state, id, fence) else { return Ok(false) };
            let (state, reason) = match end {
                TrainingEnd::Released => (TrainingState::Running, None),
                TrainingEnd::Stopped(reason) => (TrainingState::Stopped, Some(reason.clone())),
                TrainingEnd::Failed(reason) => (TrainingState::Failed, Some(reason.clone())),
            };
            job.training.state = state;
            job.training.reason = reason;
            job.let_go();
            Ok(true)
        })
    }
}

#[async_trait]
impl TrainingDesk for MemoryStore {
    async fn create_training(&self, id: &TrainingId, spec: &Value, now: Timestamp) -> Result<Training, StoreError> {
        self.write("create_training", |state| {
            let job = state.trainings.entry(id.clone()).or_insert_with(|| Job {
                training: Training {
                    id: id.clone(),
                    spec: spec.clone(),
                    state: TrainingState::Running,
                    reason: None,
                    stop_asked: false,
                    held: None,
                    seen: TrainingPosition::default(),
                    model: None,
                    created_at: now,
                },
                fence: 0,
                rounds: BTreeMap::new(),
                leases: BTreeMap::new(),
                sessions: Vec::new(),
                checkpoints: Vec::new(),
            });
            Ok(job.training.clone())
        })
    }

    async fn training(&self, id: &TrainingId) -> Result<Option<TrainingView>, StoreError> {
        self.read(|state| state.trainings.get(id).map(Job::view))
    }

    async fn trainings(&self) -> Result<Vec<Training>, StoreError> {
        self.read(|state| {
            let mut all: Vec<Training> = state.trainings.values().map(|job| job.training.clone()).collect();
            all.sort_by(|left, right| (right.created_at, &left.id).cmp(&(left.created_at, &right.id)));
            all
        })
    }

    async fn stop_training(&self, id: &TrainingId, now: Timestamp) -> Result<bool, StoreError> {
        self.write("stop_training", |state| {
            let Some(job) = state.trainings.get_mut(id) else { return Ok(false) };
            let training = &mut job.training;
            if training.state == TrainingState::Done {
                return Ok(false);
            }
            training.stop_asked = training.held.as_ref().is_some_and(|(_, until)| *until > now);
            if !training.stop_asked && training.state == TrainingState::Running {
                training.state = TrainingState::Stopped;
                training.reason = Some("user".to_owned());
            }
            Ok(true)
        })
    }
}
