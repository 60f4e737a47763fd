//! Short transactions that are repeated when they collide with another process's.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::pin::Pin;

use agentwrite::ids::RunId;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Postgres};

use super::lock;

/// A boxed future that may move between threads.
pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How often a transaction is tried. A collision undoes one side alone, so the next try usually meets nobody.
const MOST_TRIES: u32 = 8;

/// How a transaction begins, all of it in one message to the server.
pub(super) struct Opening(String);

impl Opening {
    /// With nothing else.
    pub(super) fn plain() -> Self {
        Self("begin".to_owned())
    }

    /// With the shared locks of these runs, as [`lock::runs`] takes them.
    pub(super) fn at_work_on<'a>(runs: impl IntoIterator<Item = &'a RunId>) -> Self {
        let keys: BTreeSet<i64> = lock::run_keys(runs);
        let mut sql = "begin".to_owned();
        for key in keys {
            let _ = write!(sql, "; select pg_advisory_xact_lock_shared({key})");
        }
        Self(sql)
    }

    /// Its commit does not wait for the disk: nothing is lost with it that would not come again.
    pub(super) fn lax(mut self) -> Self {
        self.0.push_str("; set local synchronous_commit = off");
        self
    }
}

/// Carries out `work` in a transaction of its own; again from the start when PostgreSQL ended it to resolve a deadlock or a
/// serialization failure. Nothing of a try that failed remains.
pub(super) async fn transact<D, T, F>(pool: &PgPool, opening: &Opening, data: &D, work: F) -> Result<T, sqlx::Error>
where
    D: ?Sized + Sync,
    F: for<'c> Fn(&'c mut PgConnection, &'c D) -> Boxed<'c, Result<T, sqlx::Error>> + Send + Sync,
{
    transact_on(&mut pool.acquire().await?, opening, data, work).await
}

/// The same on a connection that is at hand.
pub(super) async fn transact_on<D, T, F>(
    connection: &mut PoolConnection<Postgres>,
    opening: &Opening,
    data: &D,
    work: F,
) -> Result<T, sqlx::Error>
where
    D: ?Sized + Sync,
    F: for<'c> Fn(&'c mut PgConnection, &'c D) -> Boxed<'c, Result<T, sqlx::Error>> + Send + Sync,
{
    let mut tries = 1;
    loop {
        match once(connection, opening, data, &work).await {
            Err(error) if collided(&error) && tries < MOST_TRIES => {
                tracing::debug!(tries, %error, "a transaction collided and is repeated");
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}

async fn once<D, T, F>(
    connection: &mut PoolConnection<Postgres>,
    opening: &Opening,
    data: &D,
    work: &F,
) -> Result<T, sqlx::Error>
where
    D: ?Sized + Sync,
    F: for<'c> Fn(&'c mut PgConnection, &'c D) -> Boxed<'c, Result<T, sqlx::Error>> + Send + Sync,
{
    let mut begun = false;
    let outcome = async {
        let mut transaction = connection.begin_with(AssertSqlSafe(opening.0.clone())).await?;
        begun = true;
        let value = work(&mut transaction, data).await?;
        transaction.commit().await?;
        Ok(value)
    }
    .await;
    if !begun {
        // A lock that was not to be had leaves a transaction open that nobody would end.
        connection.close_on_drop();
    }
    outcome
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned))
}

/// `serialization_failure`, `deadlock_detected`.
fn collided(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("40001" | "40P01"))
}

/// Whether the server is gone, going or full, or somebody holds a lock and does not let go (55P03), so that no other intent
/// would fare better now.
pub(super) fn is_gone(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(_) => {
            code(error).is_none_or(|code| ["08", "53", "55P03", "57"].iter().any(|class| code.starts_with(class)))
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}
