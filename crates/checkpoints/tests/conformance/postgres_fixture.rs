//! The store on PostgreSQL, in a database of its own: a copy of one that was migrated once.

use checkpoints::postgres::PostgresStore;
use servers::postgres::{Database, Postgres};
use tokio::sync::OnceCell;

use crate::Fixture;

/// A store on an empty database that goes with the fixture.
pub struct PostgresFixture {
    store: PostgresStore,
    database: Database<'static>,
}

impl PostgresFixture {
    /// The database, for looking at it behind the store's back.
    pub fn database(&self) -> &Database<'static> {
        &self.database
    }

    /// Another store on the same database, as another process would have it.
    pub async fn beside(&self) -> PostgresStore {
        PostgresStore::connect(&self.database.url()).await.expect("a migrated database connects")
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
        let database = Postgres::shared().database(Some(migrated().await));
        let store = PostgresStore::connect(&database.url()).await.expect("a migrated database connects");
        Self { store, database }
    }
    fn store(&self) -> &PostgresStore {
        &self.store
    }
}
