//! Training jobs.

use std::time::Duration;

use agentwrite::ids::{OwnerId, Timestamp, TrainingId};
use agentwrite::ports::{
    OpenRound, RecordCheckpoint, Registered, ShardLease, StoreError, Training, TrainingCheckpoint, TrainingDesk,
    TrainingEnd, TrainingPosition, TrainingRound, TrainingSession, TrainingStore, TrainingView,
};
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use serde_json::Value;

use super::SqliteStore;
use super::statement::{all, execute, first, json, json_or_none, one};
use crate::columns::{to_json, training_end, training_state};

impl SqliteStore {
    /// Carries out a fenced intent on a job that is held with this fence; `None` if it is not. `work` gets how far the job
    /// has come.
    async fn held<T, W>(
        &self,
        intent: &'static str,
        id: &TrainingId,
        fence: i64,
        mut work: W,
    ) -> Result<Option<T>, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&Connection, &str, TrainingPosition) -> rusqlite::Result<T> + Send + 'static,
    {
        let id = id.clone();
        self.writer
            .run(intent, move |connection| {
                let seen = |row: &Row<'_>| Ok(TrainingPosition { round: row.get(0)?, step: count(row, 1)? });
                let seen = first(connection, sql!("training_held"), params![id.as_str(), fence], seen)?;
                seen.map(|seen| work(connection, id.as_str(), seen)).transpose()
            })
            .await
    }
}

#[async_trait]
impl TrainingStore for SqliteStore {
    async fn take_training(
        &self,
        id: &TrainingId,
        owner: &OwnerId,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let (id, owner) = (id.clone(), owner.clone());
        self.writer
            .run("take_training", move |connection| {
                let values = params![id.as_str(), owner.as_str(), now.after(lease).0, now.0];
                first(connection, sql!("training_take"), values, |row| row.get(0))
            })
            .await
    }

    async fn renew_training(
        &self,
        id: &TrainingId,
        fence: i64,
        lease: Duration,
        seen: TrainingPosition,
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError> {
        let id = id.clone();
        self.writer
            .run("renew_training", move |connection| {
                let values = params![id.as_str(), fence, now.after(lease).0, seen.round, seen.step as i64];
                first(connection, sql!("training_renew"), values, |row| row.get(0))
            })
            .await
    }

    async fn open_round(
        &self,
        id: &TrainingId,
        fence: i64,
        round: &OpenRound,
        _now: Timestamp,
    ) -> Result<Option<TrainingRound>, StoreError> {
        let round = round.clone();
        self.held("open_round", id, fence, move |connection, job, _| {
            let known = rounds(connection, job)?;
            if !known.iter().any(|known| known.number == round.number) {
                let mut shards = round.shards.clone();
                let leased = leases(connection, job)?;
                shards.retain(|shard| !leased.iter().any(|lease| lease.shard == shard.sha256));
                let values = params![job, round.number, round.epochs, to_json(&shards)?, to_json(&round.detail)?];
                execute(connection, sql!("training_round_add"), values)?;
                for shard in &shards {
                    for epoch in 1..=round.epochs {
                        let values = params![job, epoch, shard.sha256, round.number];
                        execute(connection, sql!("training_lease_add"), values)?;
                    }
                }
            }
            let standing = rounds(connection, job)?.into_iter().find(|known| known.number == round.number);
            standing.ok_or(rusqlite::Error::QueryReturnedNoRows)
        })
        .await
    }

    async fn freeze_order(
        &self,
        id: &TrainingId,
        fence: i64,
        round: u32,
        hash: &str,
    ) -> Result<Option<String>, StoreError> {
        let hash = hash.to_owned();
        let frozen = self.held("freeze_order", id, fence, move |connection, job, _| {
            first(connection, sql!("training_order"), params![job, round, hash], |row| row.get(0))
        });
        Ok(frozen.await?.flatten())
    }

    async fn begin_session(
        &self,
        id: &TrainingId,
        fence: i64,
        round: u32,
        from: Option<u32>,
        now: Timestamp,
    ) -> Result<Option<TrainingSession>, StoreError> {
        self.held("begin_session", id, fence, move |connection, job, seen| {
            let kept = from.unwrap_or(0);
            execute(connection, sql!("training_supersede"), params![job, kept])?;
            execute(connection, sql!("training_undo"), params![job, kept])?;
            execute(connection, sql!("training_reopen"), params![job, round])?;
            let known = checkpoints(connection, job)?;
            let step = known.iter().find(|it| Some(it.number) == from).map_or(0, |checkpoint| checkpoint.step);
            execute(connection, sql!("training_seen"), params![job, round, step as i64])?;
            let number = sessions(connection, job)?.len() as u32 + 1;
            let redone_steps = seen.step.saturating_sub(step);
            let values = params![job, number, round, from, redone_steps as i64, now.0];
            execute(connection, sql!("training_session_add"), values)?;
            Ok(TrainingSession { number, round, from, redone_steps, started_at: now })
        })
        .await
    }

    async fn record_checkpoint(
        &self,
        id: &TrainingId,
        fence: i64,
        checkpoint: &RecordCheckpoint,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let record = checkpoint.clone();
        self.held("record_checkpoint", id, fence, move |connection, job, _| {
            let known = checkpoints(connection, job)?;
            let same = known.iter().find(|it| (it.session, it.step) == (record.session, record.step));
            let number = same.map_or(known.len() as u32 + 1, |known| known.number);
            let RecordCheckpoint { session, round, path, .. } = &record;
            let step = record.step as i64;
            let values = params![job, number, session, round, step, path, to_json(&record.detail)?, now.0];
            execute(connection, sql!("training_checkpoint_add"), values)?;
            for (epoch, shard) in &record.done {
                execute(connection, sql!("training_done"), params![job, epoch, shard, round, number])?;
            }
            if record.closes_round {
                execute(connection, sql!("training_round_close"), params![job, round])?;
            }
            execute(connection, sql!("training_seen"), params![job, round, step])?;
            Ok(number)
        })
        .await
    }

    async fn register_model(
        &self,
        id: &TrainingId,
        fence: i64,
        model: &Value,
        _now: Timestamp,
    ) -> Result<Option<Registered>, StoreError> {
        let (id, model) = (id.clone(), model.clone());
        self.writer
            .run("register_model", move |connection| {
                let job = id.as_str();
                // A job that has its model is held by nobody, so a repeated intent is told by its fence alone.
                if first(connection, sql!("training_registered"), params![job, fence], |_| Ok(()))?.is_some() {
                    return Ok(Some(Registered::Already));
                }
                if first(connection, sql!("training_held"), params![job, fence], |_| Ok(()))?.is_none() {
                    return Ok(None);
                }
                let open: u64 = one(connection, sql!("training_open_leases"), [job], |row| count(row, 0))?;
                if open > 0 {
                    return Ok(Some(Registered::Incomplete));
                }
                execute(connection, sql!("training_register"), params![job, to_json(&model)?])?;
                Ok(Some(Registered::New))
            })
            .await
    }

    async fn give_back_training(
        &self,
        id: &TrainingId,
        fence: i64,
        end: &TrainingEnd,
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (id, end) = (id.clone(), end.clone());
        self.writer
            .run("give_back_training", move |connection| {
                let (state, reason) = training_end(&end);
                let values = params![id.as_str(), fence, state.as_str(), reason];
                Ok(execute(connection, sql!("training_give_back"), values)? == 1)
            })
            .await
    }
}

#[async_trait]
impl TrainingDesk for SqliteStore {
    async fn create_training(&self, id: &TrainingId, spec: &Value, now: Timestamp) -> Result<Training, StoreError> {
        let (id, spec) = (id.clone(), spec.clone());
        self.writer
            .run("create_training", move |connection| {
                execute(connection, sql!("training_create"), params![id.as_str(), to_json(&spec)?, now.0])?;
                one(connection, sql!("training_read"), [id.as_str()], training)
            })
            .await
    }

    async fn training(&self, id: &TrainingId) -> Result<Option<TrainingView>, StoreError> {
        let id = id.clone();
        self.reader
            .run("training", move |connection| {
                let job = id.as_str();
                let Some(training) = first(connection, sql!("training_read"), [job], training)? else {
                    return Ok(None);
                };
                Ok(Some(TrainingView {
                    training,
                    rounds: rounds(connection, job)?,
                    leases: leases(connection, job)?,
                    sessions: sessions(connection, job)?,
                    checkpoints: checkpoints(connection, job)?,
                }))
            })
            .await
    }

    async fn trainings(&self) -> Result<Vec<Training>, StoreError> {
        self.reader.run("trainings", |connection| all(connection, sql!("training_list"), [], training)).await
    }

    async fn stop_training(&self, id: &TrainingId, now: Timestamp) -> Result<bool, StoreError> {
        let id = id.clone();
        let stop = self.writer.run("stop_training", move |connection| {
            execute(connection, sql!("training_stop"), params![id.as_str(), now.0])
        });
        Ok(stop.await? == 1)
    }
}

/// A number that is never negative.
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|count| count as u64)
}

fn training(row: &Row<'_>) -> rusqlite::Result<Training> {
    let owner: Option<String> = row.get(5)?;
    let until = Timestamp(row.get(6)?);
    Ok(Training {
        id: TrainingId::new(row.get::<_, String>(0)?),
        spec: json(row, 1)?,
        state: training_state(row.get_ref(2)?.as_str()?)?,
        reason: row.get(3)?,
        stop_asked: row.get(4)?,
        held: owner.map(|owner| (OwnerId::new(owner), until)),
        seen: TrainingPosition { round: row.get(7)?, step: count(row, 8)? },
        model: json_or_none(row, 9)?,
        created_at: Timestamp(row.get(10)?),
    })
}

fn rounds(connection: &Connection, job: &str) -> rusqlite::Result<Vec<TrainingRound>> {
    all(connection, sql!("training_round_list"), [job], |row| {
        Ok(TrainingRound {
            number: row.get(0)?,
            epochs: row.get(1)?,
            shards: json(row, 2)?,
            detail: json(row, 3)?,
            order_hash: row.get(4)?,
            closed: row.get(5)?,
        })
    })
}

fn leases(connection: &Connection, job: &str) -> rusqlite::Result<Vec<ShardLease>> {
    all(connection, sql!("training_lease_list"), [job], |row| {
        Ok(ShardLease { epoch: row.get(0)?, shard: row.get(1)?, round: row.get(2)?, done: row.get(3)? })
    })
}

fn sessions(connection: &Connection, job: &str) -> rusqlite::Result<Vec<TrainingSession>> {
    all(connection, sql!("training_session_list"), [job], |row| {
        Ok(TrainingSession {
            number: row.get(0)?,
            round: row.get(1)?,
            from: row.get(2)?,
            redone_steps: count(row, 3)?,
            started_at: Timestamp(row.get(4)?),
        })
    })
}

fn checkpoints(connection: &Connection, job: &str) -> rusqlite::Result<Vec<TrainingCheckpoint>> {
    all(connection, sql!("training_checkpoint_list"), [job], |row| {
        Ok(TrainingCheckpoint {
            number: row.get(0)?,
            session: row.get(1)?,
            round: row.get(2)?,
            step: count(row, 3)?,
            path: row.get(4)?,
            superseded: row.get(5)?,
            detail: json(row, 6)?,
            at: Timestamp(row.get(7)?),
        })
    })
}
