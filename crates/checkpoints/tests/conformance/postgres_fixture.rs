//! The store on PostgreSQL, in a database of its own: a copy of one that was migrated once, or one that an earlier test has
//! left and that was emptied, which is ten times faster.

use std::sync::Mutex;

use checkpoints::postgres::PostgresStore;
use servers::postgres::{Database, Postgres};
use tokio::sync::OnceCell;

use crate::Fixture;

/// Databases that earlier tests have left.
static LEFT: Mutex<Vec<Database<'static>>> = Mutex::new(Vec::new());

/// Sends whoever is still connected away, waits until they are gone, then takes every row.
const EMPTY: &str = "
do $$
declare name text;
begin
  perform pg_terminate_backend(pid, 10000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid();
  for name in select tablename from pg_tables where schemaname = 'public' and tablename <> '_sqlx_migrations' loop
    execute format('delete from %I', name);
  end loop;
end $$";

/// A store on an empty database.
pub struct PostgresFixture {
    store: PostgresStore,
    database: Option<Database<'static>>,
}

impl PostgresFixture {
    /// The database, for looking at it behind the store's back.
    pub fn database(&self) -> &Database<'static> {
        self.database.as_ref().expect("it is there until the fixture goes")
    }

    /// Another store on the same database, as another process would have it.
    pub async fn beside(&self) -> PostgresStore {
        PostgresStore::connect(&self.database().url()).await.expect("a migrated database connects")
    }
}

impl Drop for PostgresFixture {
    fn drop(&mut self) {
        if let (false, Ok(mut left)) = (std::thread::panicking(), LEFT.lock()) {
            left.extend(self.database.take());
        }
    }
}

/// A migrated database that nobody is connected to.
pub async fn migrated() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(|| async {
            let database = Postgres::shared().database(None);
            PostgresStore::migrate(&database.url()).await.expect("an empty database is migrated");
            database.keep()
        })
        .await
}

impl Fixture for PostgresFixture {
    type Store = PostgresStore;
    async fn fresh() -> Self {
        let left = LEFT.lock().expect("nobody failed while holding it").pop();
        let database = match left {
            Some(database) => {
                database.sql(EMPTY);
                database
            }
            None => Postgres::shared().database(Some(migrated().await)),
        };
        let store = PostgresStore::connect(&database.url()).await.expect("a migrated database connects");
        Self { store, database: Some(database) }
    }
    fn store(&self) -> &PostgresStore {
        &self.store
    }
}
