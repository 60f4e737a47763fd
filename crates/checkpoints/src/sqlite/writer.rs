//! The one writer: whatever waits goes into one transaction, so that an fsync is shared.
//!
//! Intents of the hot path (claims, results) are carried out set-wise; every other intent runs inside a savepoint, so that
//! its failure rolls back itself alone. Replies are sent after the commit, never before.

use std::collections::HashSet;

use agentwrite::ports::{ClaimTask, RecordResult, Recorded, StoreError};
use agentwrite::task::ClaimedTask;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::{claim, record};

/// Most intents in one transaction.
const MOST_INTENTS: usize = 512;

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;
/// Runs inside the transaction; what it returns is called once the outcome of the commit is known.
type Finish = Box<dyn FnOnce(Result<(), String>) + Send>;
type Intent = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> Boxed<'c, Result<Finish, sqlx::Error>> + Send>;

/// Any other intent: its name, its work, and what to do when that fails.
type Other = (&'static str, Intent, Box<dyn FnOnce(sqlx::Error) + Send>);

enum Job {
    Claim(ClaimTask, Reply<Option<ClaimedTask>>),
    Record(Box<RecordResult>, Reply<Recorded>),
    Other(&'static str, Intent, Box<dyn FnOnce(sqlx::Error) + Send>),
    Close(oneshot::Sender<()>),
}

/// A handle to the writer.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// A boxed future that may move between threads.
pub(super) type Boxed<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

fn stopped(intent: &str) -> StoreError {
    StoreError::new(intent, "the writer has stopped")
}

impl Writer {
    /// Starts the writer on its connection; `options` make another one after a failed transaction.
    #[expect(clippy::disallowed_methods, reason = "the writer ends with its channel, and `close` waits for it")]
    pub(super) fn start(connection: SqliteConnection, options: SqliteConnectOptions) -> Self {
        let (jobs, waiting) = mpsc::channel(4_096);
        tokio::spawn(work(Database { connection, options, broken: false }, waiting));
        Self { jobs }
    }

    pub(super) async fn claim(&self, claim: ClaimTask) -> Result<Option<ClaimedTask>, StoreError> {
        self.send("claim_task", |reply| Job::Claim(claim, reply)).await
    }

    pub(super) async fn record(&self, result: RecordResult) -> Result<Recorded, StoreError> {
        self.send("record_result", |reply| Job::Record(Box::new(result), reply)).await
    }

    /// Carries out any other intent in the next transaction.
    pub(super) async fn write<T, F>(&self, intent: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Boxed<'c, Result<T, sqlx::Error>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel::<Result<T, StoreError>>();
        let reply = std::sync::Arc::new(std::sync::Mutex::new(Some(reply)));
        let failed = std::sync::Arc::clone(&reply);
        let send = move |result: Result<T, StoreError>| {
            if let Some(reply) = reply.lock().ok().and_then(|mut reply| reply.take()) {
                let _ = reply.send(result);
            }
        };
        let run: Intent = Box::new(move |connection| {
            Box::pin(async move {
                let value = work(connection).await?;
                let finish: Finish = Box::new(move |committed| {
                    send(committed.map(|()| value).map_err(|error| StoreError::new(intent, error)));
                });
                Ok(finish)
            })
        });
        let fail = Box::new(move |error: sqlx::Error| {
            if let Some(reply) = failed.lock().ok().and_then(|mut reply| reply.take()) {
                let _ = reply.send(Err(StoreError::new(intent, error)));
            }
        });
        self.jobs.send(Job::Other(intent, run, fail)).await.map_err(|_| stopped(intent))?;
        answer.await.map_err(|_| stopped(intent))?
    }

    async fn send<T>(&self, intent: &'static str, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.map_err(|_| stopped(intent))?;
        answer.await.map_err(|_| stopped(intent))?
    }

    pub(super) async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        if self.jobs.send(Job::Close(reply)).await.is_ok() {
            let _ = answer.await;
        }
    }
}

/// The writer's connection. After a failed transaction (disk full, I/O error) SQLite may have rolled back by itself, so
/// that nobody knows how deep in a transaction the connection is: it is replaced, and the next batch starts clean.
struct Database {
    connection: SqliteConnection,
    options: SqliteConnectOptions,
    broken: bool,
}

impl Database {
    async fn sound(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        if self.broken {
            let fresh = self.options.connect().await?;
            let old = std::mem::replace(&mut self.connection, fresh);
            // Closing ends the transaction that may still be open and frees its lock.
            let _ = old.close_hard().await;
            self.broken = false;
        }
        Ok(&mut self.connection)
    }

    async fn close(self) {
        let _ = self.connection.close().await;
    }
}

async fn work(mut database: Database, mut waiting: mpsc::Receiver<Job>) {
    let mut held_back: Vec<Job> = Vec::new();
    loop {
        let mut jobs = std::mem::take(&mut held_back);
        if jobs.is_empty() {
            match waiting.recv().await {
                Some(job) => jobs.push(job),
                None => break,
            }
        }
        while jobs.len() < MOST_INTENTS {
            match waiting.try_recv() {
                Ok(job) => jobs.push(job),
                Err(_) => break,
            }
        }
        let mut batch = Batch::default();
        let mut closing = Vec::new();
        for job in jobs {
            batch.add(job, &mut held_back, &mut closing);
        }
        batch.carry_out(&mut database).await;
        if !closing.is_empty() && held_back.is_empty() {
            database.close().await;
            for reply in closing {
                let _ = reply.send(());
            }
            return;
        }
        held_back.extend(closing.into_iter().map(Job::Close));
    }
    database.close().await;
}

#[derive(Default)]
struct Batch {
    claims: Vec<(ClaimTask, Reply<Option<ClaimedTask>>)>,
    records: Vec<(RecordResult, Reply<Recorded>)>,
    others: Vec<Other>,
    places: HashSet<(String, String, u32)>,
}

impl Batch {
    /// Two results for one place may not share a batch: an update sees a row once, and exactly one must win.
    fn add(&mut self, job: Job, held_back: &mut Vec<Job>, closing: &mut Vec<oneshot::Sender<()>>) {
        match job {
            Job::Claim(claim, reply) => self.claims.push((claim, reply)),
            Job::Record(record, reply) => {
                let key = &record.task;
                let place = (key.kind.as_str().to_owned(), key.subject.clone(), key.place);
                if self.places.insert(place) {
                    self.records.push((*record, reply));
                } else {
                    held_back.push(Job::Record(record, reply));
                }
            }
            Job::Other(intent, run, fail) => self.others.push((intent, run, fail)),
            Job::Close(reply) => closing.push(reply),
        }
    }

    async fn carry_out(self, database: &mut Database) {
        if self.claims.is_empty() && self.records.is_empty() && self.others.is_empty() {
            return;
        }
        let (claims, claim_replies): (Vec<_>, Vec<_>) = self.claims.into_iter().unzip();
        let (records, record_replies): (Vec<_>, Vec<_>) = self.records.into_iter().unzip();
        let mut finishes = Vec::with_capacity(self.others.len());
        let mut others = self.others.into_iter();
        let outcome = match database.sound().await {
            Ok(connection) => transact(connection, &claims, &records, &mut others, &mut finishes).await,
            Err(error) => Err(error),
        };
        database.broken |= outcome.is_err();
        let error = outcome.as_ref().err().map(ToString::to_string);
        if let Some(error) = &error {
            for (_, _, fail) in others {
                fail(again(error));
            }
        }
        for finish in finishes {
            finish(error.clone().map_or(Ok(()), Err));
        }
        match outcome {
            Ok((recorded, claimed)) => {
                for (reply, result) in record_replies.into_iter().zip(recorded) {
                    let _ = reply.send(result.map_err(|error| StoreError::new("record_result", error)));
                }
                for (reply, result) in claim_replies.into_iter().zip(claimed) {
                    let _ = reply.send(result.map_err(|error| StoreError::new("claim_task", error)));
                }
            }
            Err(error) => {
                let error = error.to_string();
                for reply in record_replies {
                    let _ = reply.send(Err(StoreError::new("record_result", error.clone())));
                }
                for reply in claim_replies {
                    let _ = reply.send(Err(StoreError::new("claim_task", error.clone())));
                }
            }
        }
    }
}

/// The error of the whole transaction, for one intent of it.
fn again(error: &str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::other(error.to_owned()))
}

type Each<T> = Vec<Result<T, sqlx::Error>>;

async fn transact(
    connection: &mut SqliteConnection,
    claims: &[ClaimTask],
    records: &[RecordResult],
    others: &mut std::vec::IntoIter<Other>,
    finishes: &mut Vec<Finish>,
) -> Result<(Each<Recorded>, Each<Option<ClaimedTask>>), sqlx::Error> {
    let mut transaction = connection.begin_with("begin immediate").await?;
    let recorded = set_wise(&mut transaction, records, record::record_results).await?;
    for (intent, run, fail) in others {
        let mut savepoint = match transaction.begin().await {
            Ok(savepoint) => savepoint,
            Err(error) => {
                fail(again(&error.to_string()));
                return Err(error);
            }
        };
        match run(&mut savepoint).await {
            Ok(finish) => {
                // From here on it hears of the whole transaction's outcome.
                finishes.push(finish);
                savepoint.commit().await?;
            }
            Err(error) => {
                tracing::warn!(intent, %error, "a store intent failed");
                fail(error);
                savepoint.rollback().await?;
            }
        }
    }
    let claimed = set_wise(&mut transaction, claims, claim::claim_tasks).await?;
    transaction.commit().await?;
    Ok((recorded, claimed))
}

/// Carries out a set of intents at once; if that fails, one by one, so that only the one at fault fails.
async fn set_wise<I, T>(
    connection: &mut SqliteConnection,
    intents: &[I],
    run: impl for<'c> Fn(&'c mut SqliteConnection, &'c [I]) -> Boxed<'c, Result<Vec<T>, sqlx::Error>>,
) -> Result<Each<T>, sqlx::Error> {
    if intents.is_empty() {
        return Ok(Vec::new());
    }
    let mut savepoint = connection.begin().await?;
    match run(&mut savepoint, intents).await {
        Ok(values) => {
            savepoint.commit().await?;
            return Ok(values.into_iter().map(Ok).collect());
        }
        Err(error) if intents.len() == 1 => {
            savepoint.rollback().await?;
            return Ok(vec![Err(error)]);
        }
        Err(_) => savepoint.rollback().await?,
    }
    let mut each = Vec::with_capacity(intents.len());
    for intent in intents {
        let mut savepoint = connection.begin().await?;
        match run(&mut savepoint, std::slice::from_ref(intent)).await {
            Ok(values) => {
                savepoint.commit().await?;
                each.extend(values.into_iter().map(Ok));
            }
            Err(error) => {
                savepoint.rollback().await?;
                each.push(Err(error));
            }
        }
    }
    Ok(each)
}
