//! The store as the trainer sees it: training jobs, their rounds, the leases of shards, checkpoints, the registered model.
//!
//! A job is a sequence of rounds. A round freezes its shards before its first step, and each (job, epoch, shard) is leased by
//! one round. "Done" is written together with the checkpoint that contains it, and taken back together with a checkpoint that
//! is given up for an earlier one: what is done is what the newest standing checkpoint holds, each shard once an epoch.
//!
//! Everything but the desk's intents is fenced: a trainer that lost its job changes nothing any more.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StoreError;
use crate::ids::{OwnerId, Timestamp, TrainingId};

/// Where a training job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainingState {
    /// Some trainer works on it, or may take it up.
    Running,
    /// An operator or a signal stopped it; it goes on when it is started again.
    Stopped,
    /// It cannot go on as it is; the last good checkpoint is kept.
    Failed,
    /// Its model is registered.
    Done,
}

impl TrainingState {
    /// As stored and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn read(text: &str) -> Option<Self> {
        [Self::Running, Self::Stopped, Self::Failed, Self::Done].into_iter().find(|state| state.as_str() == text)
    }
}

/// How far a job has come, counted in optimizer steps of the whole job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct TrainingPosition {
    /// The round, from 1; 0 before the first.
    pub round: u32,
    /// Optimizer steps done.
    pub step: u64,
}

/// A training job.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Its id.
    pub id: TrainingId,
    /// What was asked for; frozen, and opaque to the store.
    pub spec: Value,
    /// Where it stands.
    pub state: TrainingState,
    /// Why it is stopped or failed.
    pub reason: Option<String>,
    /// An operator wants it to stop.
    pub stop_asked: bool,
    /// The trainer at work, until its lease lapses.
    pub held: Option<(OwnerId, Timestamp)>,
    /// How far the trainer has come, checkpoint or not.
    pub seen: TrainingPosition,
    /// The registered model.
    pub model: Option<Value>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A shard of a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingShard {
    /// SHA-256 of the file, hexadecimal: names the shard in leases, for a name may stand for different bytes elsewhere.
    pub sha256: String,
    /// The file, for people.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
}

/// A round to be opened.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenRound {
    /// Its number, from 1.
    pub number: u32,
    /// How often its shards are gone through.
    pub epochs: u32,
    /// Its shards, in order.
    pub shards: Vec<TrainingShard>,
    /// What else is frozen with it, opaque to the store.
    pub detail: Value,
}

/// A round as it is frozen.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingRound {
    /// Its number, from 1.
    pub number: u32,
    /// How often its shards are gone through.
    pub epochs: u32,
    /// Its shards, in order.
    pub shards: Vec<TrainingShard>,
    /// What else was frozen with it.
    pub detail: Value,
    /// Hash of the order of its rows and packs, once the backend has said it.
    pub order_hash: Option<String>,
    /// Its last checkpoint contains all of it.
    pub closed: bool,
}

/// A (job, epoch, shard).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardLease {
    /// The epoch, from 1.
    pub epoch: u32,
    /// SHA-256 of the shard.
    pub shard: String,
    /// The round that has it.
    pub round: u32,
    /// The checkpoint that contains it; none while it is not done.
    pub done: Option<u32>,
}

/// A start of the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingSession {
    /// Its number, from 1.
    pub number: u32,
    /// The round that it works on.
    pub round: u32,
    /// The checkpoint that it goes on from; none = from the start.
    pub from: Option<u32>,
    /// Steps done before it that no standing checkpoint holds.
    pub redone_steps: u64,
    /// When it was started.
    pub started_at: Timestamp,
}

/// A checkpoint to be recorded. Its files are whole and durable.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordCheckpoint {
    /// The session that made it.
    pub session: u32,
    /// The round.
    pub round: u32,
    /// Optimizer steps of the whole job in it.
    pub step: u64,
    /// Its folder.
    pub path: String,
    /// Shards that are wholly in it and were not in the checkpoint before: epoch and SHA-256.
    pub done: Vec<(u32, String)>,
    /// Whether the whole round is in it.
    pub closes_round: bool,
    /// Losses and the like.
    pub detail: Value,
}

/// A recorded checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingCheckpoint {
    /// Its number in the job, from 1.
    pub number: u32,
    /// The session that made it.
    pub session: u32,
    /// The round.
    pub round: u32,
    /// Optimizer steps of the whole job in it.
    pub step: u64,
    /// Its folder.
    pub path: String,
    /// Given up: the job went on from an earlier one.
    pub superseded: bool,
    /// Losses and the like.
    pub detail: Value,
    /// When it was recorded.
    pub at: Timestamp,
}

/// A job with everything that is known of it, each list in order.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingView {
    /// The job.
    pub training: Training,
    /// Its rounds.
    pub rounds: Vec<TrainingRound>,
    /// Its leases.
    pub leases: Vec<ShardLease>,
    /// Its sessions.
    pub sessions: Vec<TrainingSession>,
    /// Its checkpoints.
    pub checkpoints: Vec<TrainingCheckpoint>,
}

impl TrainingView {
    /// The newest checkpoint that stands.
    pub fn standing(&self) -> Option<&TrainingCheckpoint> {
        self.checkpoints.iter().rev().find(|checkpoint| !checkpoint.superseded)
    }

    /// The checkpoints that the newest standing one descends from, first to last, itself included: those that sessions
    /// really went on from.
    pub fn lineage(&self) -> Vec<&TrainingCheckpoint> {
        let mut lineage = Vec::new();
        let mut next = self.standing();
        while let Some(checkpoint) = next {
            lineage.push(checkpoint);
            let session = self.sessions.iter().find(|session| session.number == checkpoint.session);
            let from = session.and_then(|session| session.from);
            // Numbers fall, so this ends.
            next = from
                .and_then(|from| self.checkpoints.iter().find(|it| it.number == from && it.number < checkpoint.number));
        }
        lineage.reverse();
        lineage
    }
}

/// Why a trainer gives a job back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrainingEnd {
    /// Nothing is wrong: whoever is free may take it up.
    Released,
    /// Somebody stopped it.
    Stopped(String),
    /// It cannot go on as it is.
    Failed(String),
}

/// What became of a model that was to be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It is the job's model now.
    New,
    /// The job has its model already; nothing changed.
    Already,
    /// Shards of the job are not done.
    Incomplete,
}

/// The store as a trainer sees it. `None`: the fence is stale, the job is another trainer's, nothing was changed.
#[async_trait]
pub trait TrainingStore: Send + Sync {
    /// Takes a job that is not done and that nobody holds, makes it running and forgets a wish to stop it. The fence, which
    /// grows with every take; `None` while somebody else holds it, or where there is nothing to take.
    async fn take_training(
        &self,
        id: &TrainingId,
        owner: &OwnerId,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError>;

    /// Prolongs the lease and says how far the work has come. Whether an operator wants it to stop.
    async fn renew_training(
        &self,
        id: &TrainingId,
        fence: i64,
        lease: Duration,
        seen: TrainingPosition,
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError>;

    /// Freezes a round and leases its shards for all its epochs. Shards that an earlier round of the job has are left out. A
    /// round of this number that is there stays as it is. The round as it stands.
    async fn open_round(
        &self,
        id: &TrainingId,
        fence: i64,
        round: &OpenRound,
        now: Timestamp,
    ) -> Result<Option<TrainingRound>, StoreError>;

    /// Freezes the order of a round's rows and packs. The hash that stands: the first one.
    async fn freeze_order(
        &self,
        id: &TrainingId,
        fence: i64,
        round: u32,
        hash: &str,
    ) -> Result<Option<String>, StoreError>;

    /// A start of the backend, from a checkpoint or from nothing. Later checkpoints are superseded, and what they contain is
    /// not done any more.
    async fn begin_session(
        &self,
        id: &TrainingId,
        fence: i64,
        round: u32,
        from: Option<u32>,
        now: Timestamp,
    ) -> Result<Option<TrainingSession>, StoreError>;

    /// Records a checkpoint and, with it, what is done. Its number: the same for the same session and step, whose path and
    /// detail are those that were recorded last.
    async fn record_checkpoint(
        &self,
        id: &TrainingId,
        fence: i64,
        checkpoint: &RecordCheckpoint,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError>;

    /// Makes this the job's model, once, and the job done; only if all its leases are.
    async fn register_model(
        &self,
        id: &TrainingId,
        fence: i64,
        model: &Value,
        now: Timestamp,
    ) -> Result<Option<Registered>, StoreError>;

    /// Gives the job back. Whether it was held; a job that is done stays done.
    async fn give_back_training(
        &self,
        id: &TrainingId,
        fence: i64,
        end: &TrainingEnd,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
}

/// The store as people see training.
#[async_trait]
pub trait TrainingDesk: Send + Sync {
    /// Creates a job, or returns the one that has this id.
    async fn create_training(&self, id: &TrainingId, spec: &Value, now: Timestamp) -> Result<Training, StoreError>;

    /// A job with everything that is known of it.
    async fn training(&self, id: &TrainingId) -> Result<Option<TrainingView>, StoreError>;

    /// All jobs, newest first.
    async fn trainings(&self) -> Result<Vec<Training>, StoreError>;

    /// Asks whoever works on the job to stop after a checkpoint; one that nobody works on is stopped. Whether there is such a
    /// job that is not done.
    async fn stop_training(&self, id: &TrainingId, now: Timestamp) -> Result<bool, StoreError>;
}
