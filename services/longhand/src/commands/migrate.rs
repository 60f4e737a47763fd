//! `longhand migrate`: brings the database to the schema of this build. Several may run at once.

use std::path::Path;

use checkpoints::postgres::{PostgresStore, SCHEMA_VERSION};

use crate::fault::{Exit, Fault};
use crate::fleet::servers;
use crate::settings;

/// Migrates.
pub async fn run(config_file: Option<&Path>) -> Result<Exit, Fault> {
    let (settings, _) = settings::load(config_file, toml::Table::new())?;
    let url = servers::database_url(&settings)?;
    PostgresStore::migrate(&url).await.map_err(|error| servers::database_fault(&error))?;
    eprintln!("the database has schema version {SCHEMA_VERSION}");
    Ok(Exit::Done)
}
