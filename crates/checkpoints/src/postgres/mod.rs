//! The store on PostgreSQL: several processes write at once, each statement right under READ COMMITTED.
//!
//! Claims, results, verdicts and the reading of samples are grouped within a process (`lane`); every other intent is a short
//! transaction of its own. Rows are locked in one order (`lock`), and what collides all the same is repeated (`transaction`). No
//! transaction is open while a model is called.

/// A statement of `schemas/postgres/`.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("../../../../schemas/postgres/", $name, ".sql"))
    };
}

mod admit;
mod answers;
mod claim;
mod connect;
mod dispatch;
mod fail;
mod follow_up;
mod intake;
mod invariants;
mod lane;
mod lead;
mod load;
mod lock;
mod modes;
mod outlines;
mod overview;
mod pack;
mod record;
mod report;
mod rescue;
mod retry;
mod room;
mod rows;
mod runs;
mod slots;
mod tail;
mod tasks;
mod totals;
mod traffic;
mod training;
mod transaction;
mod verdict;
mod written;

use agentwrite::ports::{ClaimTask, RecordResult, Recorded, StoreError};
use agentwrite::sample::SampleContext;
use agentwrite::task::{ClaimedTask, TaskKey};
use sqlx::{PgConnection, PgPool};

pub use connect::{ConnectError, SCHEMA_VERSION};

use connect::Size;
use lane::{Lane, Work};
use transaction::{Boxed, Opening, transact};
use verdict::Judged;

/// Most claims, results or verdicts in one transaction.
const MOST_WRITTEN: usize = 256;
/// Most samples read at once for their tasks: each may be long.
const MOST_READ: usize = 64;

/// The checkpoint store of the distributed edition.
pub struct PostgresStore {
    /// Without the password.
    server: String,
    claims: Lane<ClaimTask, Option<ClaimedTask>>,
    results: Lane<RecordResult, Recorded>,
    verdicts: Lane<Judged, ()>,
    loads: Lane<TaskKey, Option<SampleContext>>,
    writers: PgPool,
    readers: PgPool,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").field("server", &self.server).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects to a database of this build's schema version. `url`: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; errors
    /// have a [`ConnectError`] as their source.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::sized(url, Size::SERVICE).await
    }

    /// The same for a command that asks one thing after the other: one connection that reads, one that writes.
    pub async fn connect_small(url: &str) -> Result<Self, StoreError> {
        Self::sized(url, Size::COMMAND).await
    }

    async fn sized(url: &str, size: Size) -> Result<Self, StoreError> {
        let pools = connect::connect(url, size).await.map_err(|error| StoreError::new("connect", error))?;
        let claims = Work {
            intent: "claim_task",
            most: MOST_WRITTEN,
            opening: Some(|claims: &[ClaimTask]| Opening::at_work_on(claims.iter().map(|claim| &claim.task.run))),
            task: |claim: &ClaimTask| &claim.task,
            run: claim::claim_tasks,
            tidy: None,
        };
        let results = Work {
            intent: "record_result",
            most: MOST_WRITTEN,
            opening: Some(|records: &[RecordResult]| {
                Opening::at_work_on(records.iter().map(|record| &record.task.run))
            }),
            task: |record: &RecordResult| &record.task,
            run: record::record_results,
            tidy: Some(totals::fold),
        };
        let verdicts = Work {
            intent: "record_verdict",
            most: MOST_WRITTEN,
            // One that is lost with the server's last moments is given again: its sample is unjudged then.
            opening: Some(|verdicts: &[Judged]| Opening::at_work_on(verdicts.iter().map(|it| &it.task().run)).lax()),
            task: Judged::task,
            run: verdict::record_verdicts,
            tidy: None,
        };
        let loads = Work {
            intent: "load_sample",
            most: MOST_READ,
            opening: None,
            task: |task: &TaskKey| task,
            run: load::load_for_tasks,
            tidy: None,
        };
        Ok(Self {
            server: pools.server,
            claims: Lane::start(pools.writers.clone(), claims),
            results: Lane::start(pools.writers.clone(), results),
            verdicts: Lane::start(pools.writers.clone(), verdicts),
            // These connections' plans suit statements that go from a few rows to their keys.
            loads: Lane::start(pools.writers.clone(), loads),
            writers: pools.writers,
            readers: pools.readers,
        })
    }

    /// Brings a database to the schema of this build; one that is there already is left as it is. Several processes may do
    /// this at once: one does it, the others wait.
    pub async fn migrate(url: &str) -> Result<(), StoreError> {
        connect::migrate(url).await.map_err(|error| StoreError::new("migrate", error))
    }

    /// Host, port and database, for people.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Makes every ready task of all runs unpublished, for a queue that may have lost its messages: dispatch sends them again.
    /// Returns how many there were.
    pub async fn send_again(&self) -> Result<u64, StoreError> {
        self.write("send_again", (), |connection, ()| Box::pin(rescue::send_again(connection, None))).await
    }

    /// Waits until everything that was asked for is done and closes the connections.
    pub async fn close(&self) {
        self.claims.close().await;
        self.results.close().await;
        self.verdicts.close().await;
        self.loads.close().await;
        self.readers.close().await;
        self.writers.close().await;
    }

    /// Carries out an intent in a transaction of its own.
    async fn write<D, T, F>(&self, intent: &'static str, data: D, work: F) -> Result<T, StoreError>
    where
        D: Send + Sync,
        F: for<'c> Fn(&'c mut PgConnection, &'c D) -> Boxed<'c, Result<T, sqlx::Error>> + Send + Sync,
    {
        self.write_after(&Opening::plain(), intent, data, work).await
    }

    /// The same with what goes into the message that begins it.
    async fn write_after<D, T, F>(
        &self,
        opening: &Opening,
        intent: &'static str,
        data: D,
        work: F,
    ) -> Result<T, StoreError>
    where
        D: Send + Sync,
        F: for<'c> Fn(&'c mut PgConnection, &'c D) -> Boxed<'c, Result<T, sqlx::Error>> + Send + Sync,
    {
        transact(&self.writers, opening, &data, work).await.map_err(|error| StoreError::new(intent, error))
    }
}
