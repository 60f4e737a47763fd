//! A database connection and the thread that owns it. Whatever waits goes into one transaction, so that an fsync is shared.
//!
//! Intents of a batch are carried out one after the other. If one of them fails, the whole transaction is rolled back and
//! each is carried out again in a transaction of its own, so that only the one at fault fails. Replies are sent after the
//! commit, never before. A conflict is a value, not a failure, and rolls back nothing.

use std::time::Duration;

use agentwrite::ports::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::batch::Batch;

/// Most intents in one transaction.
const MOST_INTENTS: usize = 512;
/// After so many transactions without a rest the thread gathers before each further one: what a transaction costs by itself
/// (log frames of inner pages, counters, an fsync) is then shared by more intents. A wave of answers that come together is over
/// sooner.
const GATHERS_AFTER: u32 = 8;
/// How long it gathers.
const GATHERING: Duration = Duration::from_millis(2);

/// How transactions begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum Begin {
    /// For reading: a snapshot, no lock.
    Snapshot,
    /// For writing: the write lock is taken at once; a transaction that read first could not get it later.
    Immediate,
}

/// A handle to the thread. The thread ends with its last handle, or by [`DatabaseThread::close`].
#[derive(Clone)]
pub(super) struct DatabaseThread {
    messages: mpsc::Sender<Message>,
}

enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// An intent whose type is forgotten.
trait Job: Send {
    fn name(&self) -> &'static str;
    /// Runs inside a transaction and keeps its value; may be called again after a rollback.
    fn carry_out(&mut self, batch: &Batch) -> rusqlite::Result<()>;
    /// Answers, once it is known whether the transaction stands.
    fn answer(self: Box<Self>, outcome: rusqlite::Result<()>);
}

struct Intent<T, W> {
    name: &'static str,
    work: W,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> Job for Intent<T, W>
where
    T: Send,
    W: FnMut(&Batch) -> rusqlite::Result<T> + Send,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn carry_out(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        self.value = Some((self.work)(batch)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: rusqlite::Result<()>) {
        let Self { name, value, reply, .. } = *self;
        let value = outcome
            .and_then(|()| value.ok_or(rusqlite::Error::QueryReturnedNoRows))
            .map_err(|error| StoreError::new(name, error));
        // Who asked may have gone.
        let _ = reply.send(value);
    }
}

impl DatabaseThread {
    /// Starts the thread of this connection.
    pub(super) fn start(name: &str, connection: Connection, begin: Begin) -> std::io::Result<Self> {
        let (messages, waiting) = mpsc::channel(4_096);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || serve(Batch::new(connection), begin, waiting))?;
        Ok(Self { messages })
    }

    /// Carries out an intent in the next transaction. `work` may run twice: what it did the first time was rolled back.
    pub(super) async fn run<T, W>(&self, intent: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&Batch) -> rusqlite::Result<T> + Send + 'static,
    {
        let stopped = || StoreError::new(intent, "the database is closed");
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Intent { name: intent, work, value: None, reply });
        self.messages.send(Message::Job(job)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Waits until everything asked for is on disk and closes the connection.
    pub(super) async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.messages.send(Message::Close(reply)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

fn serve(batch: Batch, begin: Begin, mut waiting: mpsc::Receiver<Message>) {
    let mut jobs = Vec::new();
    let mut without_rest = 0;
    loop {
        without_rest = if waiting.is_empty() { 0 } else { without_rest + 1 };
        let Some(mut message) = waiting.blocking_recv() else { return };
        if without_rest > GATHERS_AFTER && matches!(begin, Begin::Immediate) {
            std::thread::sleep(GATHERING);
        }
        loop {
            match message {
                Message::Job(job) => jobs.push(job),
                Message::Close(reply) => {
                    carry_out(&batch, begin, &mut jobs);
                    drop(batch);
                    let _ = reply.send(());
                    return;
                }
            }
            if jobs.len() >= MOST_INTENTS {
                break;
            }
            match waiting.try_recv() {
                Ok(next) => message = next,
                Err(_) => break,
            }
        }
        carry_out(&batch, begin, &mut jobs);
    }
}

fn carry_out(batch: &Batch, begin: Begin, jobs: &mut Vec<Box<dyn Job>>) {
    if transact(batch, begin, jobs).is_ok() {
        for job in jobs.drain(..) {
            job.answer(Ok(()));
        }
        return;
    }
    for mut job in jobs.drain(..) {
        let outcome = transact(batch, begin, std::slice::from_mut(&mut job));
        if let Err(error) = &outcome {
            tracing::warn!(intent = job.name(), %error, "a store intent failed");
        }
        job.answer(outcome);
    }
}

fn transact(batch: &Batch, begin: Begin, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let begin = match begin {
        Begin::Snapshot => "begin",
        Begin::Immediate => "begin immediate",
    };
    batch.prepare_cached(begin)?.execute([])?;
    let outcome = jobs
        .iter_mut()
        .try_for_each(|job| job.carry_out(batch))
        .and_then(|()| batch.write_totals())
        .and_then(|()| batch.prepare_cached("commit")?.execute([]));
    // SQLite may have rolled back by itself (disk full, I/O error).
    if outcome.is_err() {
        batch.forget_totals();
        if !batch.is_autocommit() {
            batch.execute_batch("rollback")?;
        }
    }
    outcome.map(|_| ())
}
