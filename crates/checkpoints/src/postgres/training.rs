//! Training jobs. Few and rarely written: each intent is a transaction that locks the job's row first.

use std::time::Duration;

use agentwrite::ids::{OwnerId, Timestamp, TrainingId};
use agentwrite::ports::{
    OpenRound, RecordCheckpoint, Registered, ShardLease, StoreError, Training, TrainingCheckpoint, TrainingDesk,
    TrainingEnd, TrainingPosition, TrainingRound, TrainingSession, TrainingStore, TrainingView,
};
use async_trait::async_trait;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::PostgresStore;
use super::rows::wide;
use crate::columns::{Unsound, json, to_json, training_end, training_state};

/// A job and the fence it is held with.
type Held = (TrainingId, i64);

/// Locks a held job; how far it has come. `None` if it is not held with this fence.
async fn lock(connection: &mut PgConnection, held: &Held) -> Result<Option<TrainingPosition>, sqlx::Error> {
    let row = sqlx::query(sql!("training_held")).bind(held.0.as_str()).bind(held.1).fetch_optional(connection).await?;
    row.map(|row| Ok(TrainingPosition { round: narrow(&row, 0)?, step: unsigned(&row, 1)? })).transpose()
}

#[async_trait]
impl TrainingStore for PostgresStore {
    async fn take_training(
        &self,
        id: &TrainingId,
        owner: &OwnerId,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        sqlx::query_scalar(sql!("training_take"))
            .bind(id.as_str())
            .bind(owner.as_str())
            .bind(now.after(lease).0)
            .bind(now.0)
            .fetch_optional(&self.writers)
            .await
            .map_err(|error| StoreError::new(format!("take_training {id}"), error))
    }

    async fn renew_training(
        &self,
        id: &TrainingId,
        fence: i64,
        lease: Duration,
        seen: TrainingPosition,
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError> {
        sqlx::query_scalar(sql!("training_renew"))
            .bind(id.as_str())
            .bind(fence)
            .bind(now.after(lease).0)
            .bind(i64::from(seen.round))
            .bind(wide(seen.step))
            .fetch_optional(&self.writers)
            .await
            .map_err(|error| StoreError::new(format!("renew_training {id}"), error))
    }

    async fn open_round(
        &self,
        id: &TrainingId,
        fence: i64,
        round: &OpenRound,
        _now: Timestamp,
    ) -> Result<Option<TrainingRound>, StoreError> {
        let data = ((id.clone(), fence), round.clone());
        self.write("open_round", data, |connection, (held, round)| {
            Box::pin(async move {
                if lock(connection, held).await?.is_none() {
                    return Ok(None);
                }
                let job = held.0.as_str();
                let known = rounds(connection, job).await?;
                if let Some(known) = known.into_iter().find(|known| known.number == round.number) {
                    return Ok(Some(known));
                }
                let mut shards = round.shards.clone();
                let leased = leases(connection, job).await?;
                shards.retain(|shard| !leased.iter().any(|lease| lease.shard == shard.sha256));
                sqlx::query(sql!("training_round_add"))
                    .bind(job)
                    .bind(i64::from(round.number))
                    .bind(i64::from(round.epochs))
                    .bind(to_json(&shards)?)
                    .bind(to_json(&round.detail)?)
                    .execute(&mut *connection)
                    .await?;
                for shard in &shards {
                    for epoch in 1..=round.epochs {
                        sqlx::query(sql!("training_lease_add"))
                            .bind(job)
                            .bind(i64::from(epoch))
                            .bind(&shard.sha256)
                            .bind(i64::from(round.number))
                            .execute(&mut *connection)
                            .await?;
                    }
                }
                let OpenRound { number, epochs, .. } = *round;
                let detail = round.detail.clone();
                Ok(Some(TrainingRound { number, epochs, shards, detail, order_hash: None, closed: false }))
            })
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
        let data = ((id.clone(), fence), round, hash.to_owned());
        self.write("freeze_order", data, |connection, (held, round, hash)| {
            Box::pin(async move {
                if lock(connection, held).await?.is_none() {
                    return Ok(None);
                }
                sqlx::query_scalar(sql!("training_order"))
                    .bind(held.0.as_str())
                    .bind(i64::from(*round))
                    .bind(hash)
                    .fetch_optional(connection)
                    .await
            })
        })
        .await
    }

    async fn begin_session(
        &self,
        id: &TrainingId,
        fence: i64,
        round: u32,
        from: Option<u32>,
        now: Timestamp,
    ) -> Result<Option<TrainingSession>, StoreError> {
        let data = ((id.clone(), fence), round, from, now);
        self.write("begin_session", data, |connection, (held, round, from, now)| {
            Box::pin(async move {
                let Some(seen) = lock(connection, held).await? else { return Ok(None) };
                let (job, round, from) = (held.0.as_str(), *round, *from);
                let kept = i64::from(from.unwrap_or(0));
                for (statement, value) in [
                    (sql!("training_supersede"), kept),
                    (sql!("training_undo"), kept),
                    (sql!("training_reopen"), i64::from(round)),
                ] {
                    sqlx::query(statement).bind(job).bind(value).execute(&mut *connection).await?;
                }
                let known = checkpoints(connection, job).await?;
                let step = known.iter().find(|it| Some(it.number) == from).map_or(0, |checkpoint| checkpoint.step);
                see(connection, job, round, step).await?;
                let number = sessions(connection, job).await?.len() as u32 + 1;
                let redone_steps = seen.step.saturating_sub(step);
                sqlx::query(sql!("training_session_add"))
                    .bind(job)
                    .bind(i64::from(number))
                    .bind(i64::from(round))
                    .bind(from.map(i64::from))
                    .bind(wide(redone_steps))
                    .bind(now.0)
                    .execute(connection)
                    .await?;
                Ok(Some(TrainingSession { number, round, from, redone_steps, started_at: *now }))
            })
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
        let data = ((id.clone(), fence), checkpoint.clone(), now);
        self.write("record_checkpoint", data, |connection, (held, record, now)| {
            Box::pin(async move {
                if lock(connection, held).await?.is_none() {
                    return Ok(None);
                }
                let job = held.0.as_str();
                let known = checkpoints(connection, job).await?;
                let same = known.iter().find(|it| (it.session, it.step) == (record.session, record.step));
                let number = same.map_or(known.len() as u32 + 1, |known| known.number);
                let round = i64::from(record.round);
                sqlx::query(sql!("training_checkpoint_add"))
                    .bind(job)
                    .bind(i64::from(number))
                    .bind(i64::from(record.session))
                    .bind(round)
                    .bind(wide(record.step))
                    .bind(&record.path)
                    .bind(to_json(&record.detail)?)
                    .bind(now.0)
                    .execute(&mut *connection)
                    .await?;
                for (epoch, shard) in &record.done {
                    sqlx::query(sql!("training_done"))
                        .bind(job)
                        .bind(i64::from(*epoch))
                        .bind(shard)
                        .bind(round)
                        .bind(i64::from(number))
                        .execute(&mut *connection)
                        .await?;
                }
                if record.closes_round {
                    sqlx::query(sql!("training_round_close")).bind(job).bind(round).execute(&mut *connection).await?;
                }
                see(connection, job, record.round, record.step).await?;
                Ok(Some(number))
            })
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
        let data = ((id.clone(), fence), model.clone());
        self.write("register_model", data, |connection, (held, model)| {
            Box::pin(async move {
                let (job, fence) = (held.0.as_str(), held.1);
                let locked = lock(connection, held).await?.is_some();
                // A job that has its model is held by nobody, so a repeated intent is told by its fence alone.
                let registered = sqlx::query(sql!("training_registered")).bind(job).bind(fence);
                if registered.fetch_optional(&mut *connection).await?.is_some() {
                    return Ok(Some(Registered::Already));
                }
                if !locked {
                    return Ok(None);
                }
                let open: i64 =
                    sqlx::query_scalar(sql!("training_open_leases")).bind(job).fetch_one(&mut *connection).await?;
                if open > 0 {
                    return Ok(Some(Registered::Incomplete));
                }
                sqlx::query(sql!("training_register")).bind(job).bind(to_json(model)?).execute(connection).await?;
                Ok(Some(Registered::New))
            })
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
        let (state, reason) = training_end(end);
        let given = sqlx::query(sql!("training_give_back"))
            .bind(id.as_str())
            .bind(fence)
            .bind(state.as_str())
            .bind(reason)
            .execute(&self.writers)
            .await
            .map_err(|error| StoreError::new(format!("give_back_training {id}"), error))?;
        Ok(given.rows_affected() == 1)
    }
}

#[async_trait]
impl TrainingDesk for PostgresStore {
    async fn create_training(&self, id: &TrainingId, spec: &Value, now: Timestamp) -> Result<Training, StoreError> {
        self.write("create_training", (id.clone(), spec.clone(), now), |connection, (id, spec, now)| {
            Box::pin(async move {
                sqlx::query(sql!("training_create"))
                    .bind(id.as_str())
                    .bind(to_json(spec)?)
                    .bind(now.0)
                    .execute(&mut *connection)
                    .await?;
                let row = sqlx::query(sql!("training_read")).bind(id.as_str()).fetch_one(connection).await?;
                training(&row)
            })
        })
        .await
    }

    async fn training(&self, id: &TrainingId) -> Result<Option<TrainingView>, StoreError> {
        self.write("training", id.clone(), |connection, id| {
            Box::pin(async move {
                let job = id.as_str();
                let row = sqlx::query(sql!("training_read")).bind(job).fetch_optional(&mut *connection).await?;
                let Some(row) = row else { return Ok(None) };
                Ok(Some(TrainingView {
                    training: training(&row)?,
                    rounds: rounds(connection, job).await?,
                    leases: leases(connection, job).await?,
                    sessions: sessions(connection, job).await?,
                    checkpoints: checkpoints(connection, job).await?,
                }))
            })
        })
        .await
    }

    async fn trainings(&self) -> Result<Vec<Training>, StoreError> {
        let rows = sqlx::query(sql!("training_list")).fetch_all(&self.readers).await;
        let rows = rows.and_then(|rows| rows.iter().map(training).collect());
        rows.map_err(|error| StoreError::new("trainings", error))
    }

    async fn stop_training(&self, id: &TrainingId, now: Timestamp) -> Result<bool, StoreError> {
        let stopped = sqlx::query(sql!("training_stop")).bind(id.as_str()).bind(now.0).execute(&self.writers).await;
        let stopped = stopped.map_err(|error| StoreError::new(format!("stop_training {id}"), error))?;
        Ok(stopped.rows_affected() == 1)
    }
}

async fn see(connection: &mut PgConnection, job: &str, round: u32, step: u64) -> Result<(), sqlx::Error> {
    let seen = sqlx::query(sql!("training_seen")).bind(job).bind(i64::from(round)).bind(wide(step));
    seen.execute(connection).await.map(drop)
}

/// A whole number that is never negative.
fn unsigned(row: &PgRow, column: usize) -> Result<u64, sqlx::Error> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| Unsound(format!("not a count: {number}")).into())
}

/// The same where it is small.
fn narrow(row: &PgRow, column: usize) -> Result<u32, sqlx::Error> {
    let number: i64 = row.try_get(column)?;
    u32::try_from(number).map_err(|_| Unsound(format!("not a number of ours: {number}")).into())
}

fn narrow_or_none(row: &PgRow, column: usize) -> Result<Option<u32>, sqlx::Error> {
    let there: Option<i64> = row.try_get(column)?;
    there.map(|_| narrow(row, column)).transpose()
}

fn document<T: serde::de::DeserializeOwned>(row: &PgRow, column: usize) -> Result<T, sqlx::Error> {
    Ok(json(row.try_get(column)?)?)
}

fn training(row: &PgRow) -> Result<Training, sqlx::Error> {
    let owner: Option<String> = row.try_get(5)?;
    let until = Timestamp(row.try_get(6)?);
    let model: Option<&str> = row.try_get(9)?;
    Ok(Training {
        id: TrainingId::new(row.try_get::<String, _>(0)?),
        spec: document(row, 1)?,
        state: training_state(row.try_get(2)?)?,
        reason: row.try_get(3)?,
        stop_asked: row.try_get(4)?,
        held: owner.map(|owner| (OwnerId::new(owner), until)),
        seen: TrainingPosition { round: narrow(row, 7)?, step: unsigned(row, 8)? },
        model: model.map(json).transpose()?,
        created_at: Timestamp(row.try_get(10)?),
    })
}

async fn rounds(connection: &mut PgConnection, job: &str) -> Result<Vec<TrainingRound>, sqlx::Error> {
    let rows = sqlx::query(sql!("training_round_list")).bind(job).fetch_all(connection).await?;
    let round = |row: &PgRow| {
        Ok(TrainingRound {
            number: narrow(row, 0)?,
            epochs: narrow(row, 1)?,
            shards: document(row, 2)?,
            detail: document(row, 3)?,
            order_hash: row.try_get(4)?,
            closed: row.try_get(5)?,
        })
    };
    rows.iter().map(round).collect()
}

async fn leases(connection: &mut PgConnection, job: &str) -> Result<Vec<ShardLease>, sqlx::Error> {
    let rows = sqlx::query(sql!("training_lease_list")).bind(job).fetch_all(connection).await?;
    let lease = |row: &PgRow| {
        let done = narrow_or_none(row, 3)?;
        Ok(ShardLease { epoch: narrow(row, 0)?, shard: row.try_get(1)?, round: narrow(row, 2)?, done })
    };
    rows.iter().map(lease).collect()
}

async fn sessions(connection: &mut PgConnection, job: &str) -> Result<Vec<TrainingSession>, sqlx::Error> {
    let rows = sqlx::query(sql!("training_session_list")).bind(job).fetch_all(connection).await?;
    let session = |row: &PgRow| {
        Ok(TrainingSession {
            number: narrow(row, 0)?,
            round: narrow(row, 1)?,
            from: narrow_or_none(row, 2)?,
            redone_steps: unsigned(row, 3)?,
            started_at: Timestamp(row.try_get(4)?),
        })
    };
    rows.iter().map(session).collect()
}

async fn checkpoints(connection: &mut PgConnection, job: &str) -> Result<Vec<TrainingCheckpoint>, sqlx::Error> {
    let rows = sqlx::query(sql!("training_checkpoint_list")).bind(job).fetch_all(connection).await?;
    let checkpoint = |row: &PgRow| {
        Ok(TrainingCheckpoint {
            number: narrow(row, 0)?,
            session: narrow(row, 1)?,
            round: narrow(row, 2)?,
            step: unsigned(row, 3)?,
            path: row.try_get(4)?,
            superseded: row.try_get(5)?,
            detail: document(row, 6)?,
            at: Timestamp(row.try_get(7)?),
        })
    };
    rows.iter().map(checkpoint).collect()
}
