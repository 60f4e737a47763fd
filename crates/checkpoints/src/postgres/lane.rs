//! A lane carries hot intents of one process, all of one sort: whatever waits goes into one transaction, so that its round
//! trips and its fsync are shared. Where nothing is written, what waits goes into one set of statements without one.
//!
//! When a set fails, its intents are parted in halves and tried again, so that only the one at fault fails. Replies
//! are sent after the commit, never before.

use std::collections::HashSet;

use agentwrite::ports::StoreError;
use agentwrite::task::TaskKey;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::{mpsc, oneshot};

use super::transaction::{Boxed, Opening, is_gone, transact_on};

/// After so many transactions the counters are folded.
const FOLD_AFTER: u32 = 200;

type Reply<O> = oneshot::Sender<Result<O, StoreError>>;

enum Job<I, O> {
    Do(I, Reply<O>),
    Close(oneshot::Sender<()>),
}

type SetWise<I, O> = for<'c> fn(&'c mut PgConnection, &'c [I]) -> Done<'c, Vec<O>>;
type Tidy = for<'p> fn(&'p PgPool) -> Done<'p, ()>;
/// The pool tries a connection out whenever it hands one over or takes it back, so a lane keeps its own while it has work.
type Held = Option<PoolConnection<Postgres>>;
type Done<'a, T> = Boxed<'a, Result<T, sqlx::Error>>;

/// What a lane does with its intents.
pub(super) struct Work<I, O> {
    /// The intent's name, for errors.
    pub(super) intent: &'static str,
    /// Most intents at once.
    pub(super) most: usize,
    /// How their transaction begins; none where nothing is written.
    pub(super) opening: Option<fn(&[I]) -> Opening>,
    /// The task that an intent is about.
    pub(super) task: fn(&I) -> &TaskKey,
    /// Carries a set of intents out, one value each.
    pub(super) run: SetWise<I, O>,
    /// What is done now and then between two transactions.
    pub(super) tidy: Option<Tidy>,
}

impl<I: Sync, O> Work<I, O> {
    /// Carries intents out on the connection that is held, or on one that is held from then on.
    async fn carry_out(&self, pool: &PgPool, held: &mut Held, items: &[I]) -> Result<Vec<O>, sqlx::Error> {
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => pool.acquire().await?,
        };
        let outcome = match self.opening {
            Some(opening) => transact_on(&mut connection, &opening(items), items, self.run).await,
            None => (self.run)(&mut connection, items).await,
        };
        if outcome.is_ok() {
            *held = Some(connection);
        }
        outcome
    }
}

/// A handle to a lane.
pub(super) struct Lane<I, O> {
    intent: &'static str,
    jobs: mpsc::Sender<Job<I, O>>,
}

impl<I: Send + Sync + 'static, O: Send + 'static> Lane<I, O> {
    /// Starts a lane on connections of the pool.
    #[expect(clippy::disallowed_methods, reason = "the lane ends with its channel, and `close` waits for it")]
    pub(super) fn start(pool: PgPool, work: Work<I, O>) -> Self {
        let (jobs, waiting) = mpsc::channel(4_096);
        let intent = work.intent;
        tokio::spawn(drive(pool, work, waiting));
        Self { intent, jobs }
    }

    /// Carries out an intent with the next transaction.
    pub(super) async fn carry_out(&self, item: I) -> Result<O, StoreError> {
        let stopped = || StoreError::new(self.intent, "the store is closed");
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Do(item, reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Waits until everything that was asked for is done.
    pub(super) async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        if self.jobs.send(Job::Close(reply)).await.is_ok() {
            let _ = answer.await;
        }
    }
}

async fn drive<I: Send + Sync, O: Send>(pool: PgPool, work: Work<I, O>, mut waiting: mpsc::Receiver<Job<I, O>>) {
    let mut held_back: Vec<Job<I, O>> = Vec::new();
    let mut since_tidy = 0;
    let mut connection: Held = None;
    loop {
        let mut jobs = std::mem::take(&mut held_back);
        if jobs.is_empty() {
            if waiting.is_empty() {
                connection = None;
            }
            match waiting.recv().await {
                Some(job) => jobs.push(job),
                None => return,
            }
        }
        while jobs.len() < work.most {
            match waiting.try_recv() {
                Ok(job) => jobs.push(job),
                Err(_) => break,
            }
        }
        let mut batch = Batch { items: Vec::with_capacity(jobs.len()), replies: Vec::with_capacity(jobs.len()) };
        let mut closing = Vec::new();
        batch.fill(jobs, work.task, &mut held_back, &mut closing);
        batch.carry_out(&pool, &mut connection, &work).await;
        if !closing.is_empty() && held_back.is_empty() {
            for reply in closing {
                let _ = reply.send(());
            }
            return;
        }
        held_back.extend(closing.into_iter().map(Job::Close));
        since_tidy += 1;
        if let Some(tidy) = work.tidy.filter(|_| since_tidy >= FOLD_AFTER) {
            since_tidy = 0;
            connection = None;
            if let Err(error) = tidy(&pool).await {
                tracing::warn!(%error, "folding the counters failed; they are right all the same");
            }
        }
    }
}

struct Batch<I, O> {
    items: Vec<I>,
    replies: Vec<Reply<O>>,
}

impl<I: Send + Sync, O: Send> Batch<I, O> {
    /// Two intents about one place may not share a transaction: an update sees a row once, and exactly one must win.
    fn fill(
        &mut self,
        jobs: Vec<Job<I, O>>,
        task: fn(&I) -> &TaskKey,
        held_back: &mut Vec<Job<I, O>>,
        closing: &mut Vec<oneshot::Sender<()>>,
    ) {
        let mut places = HashSet::with_capacity(jobs.len());
        for job in jobs {
            match job {
                Job::Do(item, reply) => {
                    let key = task(&item);
                    let place = (key.run.clone(), key.kind.clone(), key.subject.clone(), key.place);
                    if places.insert(place) {
                        self.items.push(item);
                        self.replies.push(reply);
                    } else {
                        held_back.push(Job::Do(item, reply));
                    }
                }
                Job::Close(reply) => closing.push(reply),
            }
        }
    }

    async fn carry_out(self, pool: &PgPool, connection: &mut Held, work: &Work<I, O>) {
        let mut parts = vec![self];
        while let Some(mut part) = parts.pop() {
            if part.items.is_empty() {
                continue;
            }
            match work.carry_out(pool, connection, &part.items).await {
                Ok(values) => {
                    for (reply, value) in part.replies.into_iter().zip(values) {
                        let _ = reply.send(Ok(value));
                    }
                }
                Err(error) if part.items.len() > 1 && !is_gone(&error) => {
                    let half = part.items.len() / 2;
                    let (items, replies) = (part.items.split_off(half), part.replies.split_off(half));
                    parts.push(Batch { items, replies });
                    parts.push(part);
                }
                Err(error) => part.fail(work.intent, error),
            }
        }
    }

    fn fail(self, intent: &str, error: sqlx::Error) {
        tracing::warn!(intent, %error, intents = self.items.len(), "store intents failed");
        let text = error.to_string();
        let mut whole = Some(error);
        for reply in self.replies {
            let error = match whole.take() {
                Some(error) => StoreError::new(intent, error),
                None => StoreError::new(intent, text.clone()),
            };
            let _ = reply.send(Err(error));
        }
    }
}
