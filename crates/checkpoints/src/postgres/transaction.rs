//! Short transactions that are repeated when they collide with another process's.

use std::pin::Pin;

use sqlx::{PgConnection, PgPool};

/// A boxed future that may move between threads.
pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How often a transaction is tried. A collision undoes one side alone, so the next try usually meets nobody.
const MOST_TRIES: u32 = 8;

/// Carries out `work` in a transaction of its own; again from the start when PostgreSQL ended it to resolve a deadlock or a
/// serialization failure. Nothing of a try that failed remains.
pub(super) async fn transact<D, T, F>(pool: &PgPool, data: &D, work: F) -> Result<T, sqlx::Error>
where
    D: ?Sized + Sync,
    F: for<'c> Fn(&'c mut PgConnection, &'c D) -> Boxed<'c, Result<T, sqlx::Error>> + Send + Sync,
{
    let mut tries = 1;
    loop {
        match once(pool, data, &work).await {
            Err(error) if collided(&error) && tries < MOST_TRIES => {
                tracing::debug!(tries, %error, "a transaction collided and is repeated");
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}

async fn once<D, T, F>(pool: &PgPool, data: &D, work: &F) -> Result<T, sqlx::Error>
where
    D: ?Sized + Sync,
    F: for<'c> Fn(&'c mut PgConnection, &'c D) -> Boxed<'c, Result<T, sqlx::Error>> + Send + Sync,
{
    let mut transaction = pool.begin().await?;
    let value = work(&mut transaction, data).await?;
    transaction.commit().await?;
    Ok(value)
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
